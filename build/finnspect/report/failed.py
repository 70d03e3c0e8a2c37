"""The report of a build that failed: where, why, what to do, and what was finished before."""

from __future__ import annotations

import contextlib
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finnspect import __version__
from finnspect.board import Board, load_board
from finnspect.config import find_package
from finnspect.doctor import available_cores, tool_versions
from finnspect.errors import FlowError, PackageError, UnsupportedModelError, VerificationError
from finnspect.flow import FAILED_REPORT as FOLDER
from finnspect.flow import build_folder
from finnspect.ir import DataflowGraph
from finnspect.package import ModelPackage
from finnspect.report.detail import edges
from finnspect.report.html import failed_page
from finnspect.report.make import _package
from finnspect.report.model import FailedReport, Figure, LogTail, Machine, StageReport
from finnspect.stages import StageResult, write_whole

_LOGS, _LINES = 4, 30
_LAYER = re.compile(r"layer '([^']+)'")
_INTERNAL = "run the same with `finnspect --debug ...` and report what it prints"


def _tails(folder: Path, root: Path) -> list[LogTail]:
    """Return the ends of the logs of a failed stage, the last written first."""
    logs = [file for file in folder.rglob("*.log") if file.is_file() and file.stat().st_size]
    logs.sort(key=lambda file: -file.stat().st_mtime)
    return [
        LogTail(
            file=file.relative_to(root).as_posix(),
            lines=file.read_text(errors="replace").splitlines()[-_LINES:],
        )
        for file in logs[:_LOGS]
    ]


def _why(error: Exception) -> dict[str, Any]:
    """Return what an error says: its kind, message, remedy, and the layer it is about."""
    layer = error.layer if isinstance(error, VerificationError) else None
    if isinstance(error, UnsupportedModelError):
        layer = error.node
    known = isinstance(error, FlowError)
    if layer is None and known and (named := _LAYER.search(error.message)):
        layer = named[1]
    return {
        "error": type(error).__name__,
        "message": error.message if isinstance(error, FlowError) else f"internal error: {error}",
        "remedy": error.remedy if known else _INTERNAL,
        "layer": layer,
    }


def _here() -> dict[str, Any]:
    return {
        "finnspect": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "tools": tool_versions(bitstream=False),
        "machine": Machine(platform=platform.platform(), cpu_cores=available_cores()),
    }


def make_failed_report(
    package: ModelPackage,
    board: Board,
    toolchain: str,
    root: Path,
    error: Exception,
    stage: str | None,
    stages: Sequence[StageResult],
) -> FailedReport:
    """Return the report of a build that failed in a stage, or between two.

    Parameters
    ----------
    root
        Folder of the build.
    stage
        The one that failed, None between two.
    stages
        Those that finished.
    """
    streams = []
    front = next((each.folder for each in stages if each.name == "frontend"), None)
    if front is not None:
        with contextlib.suppress(FlowError):
            streams = edges(DataflowGraph.load(front))
    return FailedReport(
        **_here(),
        **_why(error),
        package=_package(package),
        board=board.name,
        toolchain=toolchain,
        stage=stage,
        logs=_tails(root / f"{stage}.failed", root) if stage else [],
        stages=[
            StageReport(
                name=each.name,
                key=each.key,
                seconds=Figure(value=each.seconds, unit="s", kind="measured"),
            )
            for each in stages
        ],
        edges=streams,
        earlier=(root / "report" / "report.json").is_file(),
    )


def write_failed(report: FailedReport, root: Path) -> Path:
    """Write ``report.failed/report.json`` and ``report.html``, and return the page's path."""
    folder = root / FOLDER
    write_whole(folder / "report.json", report.to_json())
    return write_whole(folder / "report.html", failed_page(report))


def load_failed(folder: Path) -> FailedReport | None:
    """Return the report of the failure of a build, None where its last build did not fail.

    Raises
    ------
    PackageError
        The file is of another version, or damaged.
    """
    file = folder / FOLDER / "report.json"
    if not file.is_file():
        return None
    try:
        return FailedReport.model_validate_json(file.read_text())
    except ValueError as error:
        raise PackageError(
            f"{file} is no report of this version of finnspect", f"remove {file.parent}, or build again"
        ) from error


# -- before a build's stages ----------------------------------------------------------------------


def write_refusal(out: Path, stage: str, asked: Mapping[str, str], error: Exception) -> Path:
    """Write the report of a build that failed before its first stage, and return the page's path.

    It lies in the folder of the build where package and board are known, else in ``out`` itself.

    Parameters
    ----------
    stage
        ``REFUSED`` or ``TRAINING``.
    asked
        Package, or dataset and model; board and toolchain where they were named.
    """
    package = board = None
    with contextlib.suppress(FlowError):
        package = ModelPackage.load(find_package(asked["package"])) if "package" in asked else None
    with contextlib.suppress(FlowError):
        board = load_board(asked["board"]) if "board" in asked else None
    root = out if package is None or board is None else build_folder(out, package, board.name)
    report = FailedReport(
        **_here(),
        **_why(error),
        asked=dict(asked),
        package=None if package is None else _package(package),
        board=asked.get("board"),
        toolchain=asked.get("toolchain"),
        stage=stage,
        stages=[],
        earlier=(root / "report" / "report.json").is_file(),
    )
    return write_failed(report, root)
