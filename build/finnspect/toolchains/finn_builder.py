"""The toolchain ``finn``: the same model and folding through FINN's own builder.

The folder of the build is always written, as a stage of its own, after FINN's own steps have run as far as
they need no Vivado and its graph was compared with the reference. With Vivado and Vitis HLS in reach the
build then runs; without, the error says where the folder is and how to run it elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from finnspect.board import Board
from finnspect.doctor import distribution_version
from finnspect.errors import ToolError, UnsupportedModelError
from finnspect.folding import Folding
from finnspect.ir import DataflowGraph
from finnspect.toolchains.finn_builder_config import CONFIG_FILE, OUTPUT_DIR, core_clock_mhz
from finnspect.toolchains.finn_builder_deploy import GRAPH_DIR, NAME, collect
from finnspect.toolchains.finn_builder_folder import (
    DISTRIBUTION,
    SCRIPT_FILE,
    Handoff,
    write_build_folder,
)
from finnspect.toolchains.longrun import Command, run_logged
from finnspect.toolchains.result import BitstreamResult

#: Folder of the FINN build in the folder of a bitstream.
FOLDER = "finn"
_STEP = re.compile(r"Running step: (step_\w+) \[(\d+)/(\d+)\]")
_ERROR = re.compile(r"\bERROR\b|FINN ERROR|COMPILER ERROR|\w+(Error|Exception):")
_LINES = 12


def missing_tools(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return what FINN's build needs and this machine lacks, each in words."""
    environ = os.environ if environ is None else environ

    def lacks(*programs: str) -> bool:
        return all(shutil.which(name, path=environ.get("PATH", "")) is None for name in programs)

    missing = []
    if lacks("vivado"):
        missing.append("Vivado (no program 'vivado' on PATH)")
    if lacks("vitis_hls", "vitis-run"):
        missing.append("Vitis HLS (no program 'vitis_hls' or 'vitis-run' on PATH)")
    if not environ.get("XILINX_VIVADO"):
        missing.append("XILINX_VIVADO (set by Vivado's settings64.sh)")
    return missing


def tool_versions(board: Board) -> dict[str, str]:
    """Return the versions of FINN and, where it is, of Vivado: the folder is written without it too.

    Raises
    ------
    ToolError
        FINN is not installed.
    """
    found = distribution_version(DISTRIBUTION)
    if found is None:
        raise ToolError(f"{DISTRIBUTION} is not installed", "run `make setup`")
    vivado = "absent" if missing_tools() else Path(os.environ["XILINX_VIVADO"]).name
    return {DISTRIBUTION: found, "vivado": vivado}


def command() -> Command:
    """Return the command that runs a build in its folder."""
    return Command(NAME, (sys.executable, SCRIPT_FILE), "run_finn.log")


def describe(line: str) -> str | None:
    """Turn a line of FINN's output into words of progress."""
    match = _STEP.search(line)
    return f"{match[1]} ({match[2]} of {match[3]})" if match else None


def error_lines(text: str) -> str:
    """Return FINN's and Vivado's own error lines, each once, or the last lines where there is none."""
    lines = [re.sub(r"^\[[\d: -]+\]\s*", "", line).strip() for line in text.splitlines() if line.strip()]
    bad = list(dict.fromkeys(line for line in lines if _ERROR.search(line))) or lines[-_LINES:]
    more = f"\n  ... {len(bad) - _LINES} more" if len(bad) > _LINES else ""
    return "\n".join(f"  {line}" for line in bad[:_LINES]) + more


def require_finn_model(graph_dir: Path, finn_model_path: Path) -> None:
    """Refuse a model that FINN cannot express, in the front end's words.

    Parameters
    ----------
    graph_dir
        The front end's folder, with its report ``frontend.json``.

    Raises
    ------
    UnsupportedModelError
        There is no FINN model; names the node of the file and why.
    """
    if finn_model_path.is_file():
        return
    report = graph_dir / "frontend.json"
    reason = json.loads(report.read_text()).get("finn_unavailable") if report.is_file() else None
    raise UnsupportedModelError(
        finn_model_path.name,
        f"FINN's own builder cannot be used on this model: {reason or 'the front end made no FINN graph'}",
        "choose another toolchain: our own hardware runs it",
    )


def prepare(
    graph_dir: Path,
    finn_model_path: Path,
    folding: Folding,
    board: Board,
    clock_mhz: float | None,
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
    images: np.ndarray | None = None,
) -> None:
    """Write the folder of FINN's build, after FINN's graph was compared with the reference.

    Parameters
    ----------
    graph_dir, finn_model_path
        Dataflow graph, and FINN's model of the same compilation.
    clock_mhz
        Core clock; the board's default if None.
    images
        On which the two are compared, uint8 (N, H, W, C); a few random ones if None.

    Raises
    ------
    ConfigError, ToolError, UnsupportedModelError, VerificationError
        As :func:`finnspect.toolchains.finn_builder_folder.write_build_folder`.
    """
    require_finn_model(graph_dir, finn_model_path)
    clock = core_clock_mhz(board, clock_mhz)
    graph = DataflowGraph.load(graph_dir)
    write_build_folder(graph, folding, finn_model_path, board, clock, folder, progress, images)
    graph.save(folder / GRAPH_DIR)


def build_bitstream(
    prepared: Path, board: Board, out_dir: Path, progress: Callable[[str], None] = lambda line: None
) -> BitstreamResult:
    """Run a folder that :func:`prepare` wrote, where Vivado is.

    Parameters
    ----------
    prepared
        The folder; it stays as it is.
    out_dir
        Gets bit file, ``.hwh``, ``bitstream.json``, and ``finn``: a copy of the folder with FINN's results.

    Raises
    ------
    ToolError
        Vivado is missing: says what is needed and where the folder is. Or the build failed: carries FINN's
        own error lines.
    TimingError
        The clock was missed.
    """
    if missing := missing_tools():
        version = Handoff.load(prepared).finn_version
        raise ToolError(
            f"FINN's own builder needs {', '.join(missing)}. The build is prepared and checked: {prepared} "
            f"holds FINN's model, {CONFIG_FILE}, the folding and {SCRIPT_FILE}",
            "source Vivado's and Vitis' settings64.sh and build again; or copy that folder to a machine that "
            f"has them, pip install {DISTRIBUTION}=={version} there and run "
            f"`python {SCRIPT_FILE}` in it; docs/finn_road.md says how to get the deploy zip then",
        )
    folder = out_dir / FOLDER
    shutil.copytree(prepared, folder)
    seconds = _run(folder, progress)
    result = collect(folder, board, out_dir, {"finn": seconds})
    shutil.rmtree(folder / "finn_tmp", ignore_errors=True)
    return result


def _run(folder: Path, progress: Callable[[str], None]) -> float:
    """Run the script, return the seconds it took."""
    run = command()
    what = "FINN's build"
    code, seconds = run_logged(run, folder, what, describe=describe, progress=progress, check=False)
    if code != 0:
        log = folder / OUTPUT_DIR / "build_dataflow.log"
        texts = [path.read_text(errors="replace") for path in (folder / run.log, log) if path.is_file()]
        raise ToolError(
            f"{what} failed (exit {code}):\n{error_lines(chr(10).join(texts))}",
            f"the whole logs are {folder / run.log} and {log}",
        )
    return seconds
