"""Package to verified bitstream and deploy zip; what comes before is in ``train_flow.py``.

Only light modules are imported here: a build of which every stage is finished takes a second. The
stages are in ``core_stages.py`` and ``build_stages.py``.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finnspect.config import BuildConfig, find_package, load_config
from finnspect.errors import ConfigError, PackageError
from finnspect.package import ModelPackage
from finnspect.progress import Progress
from finnspect.stages import StageResult, StageRunner, read_marker

if TYPE_CHECKING:
    from finnspect.board import Board
    from finnspect.report.model import Report

logger = logging.getLogger(__name__)

#: Folder of the report of a build that failed, within that of the build.
FAILED_REPORT = "report.failed"


@dataclass(frozen=True)
class BuildRequest:
    """What to build for what.

    Parameters
    ----------
    package
        Folder of a package, or the name of a shipped one.
    toolchain
        None or ``auto`` for the best that serves the board and is here.
    config
        A configuration file instead of the repository's.
    folding, target_fps
        A hand-written folding, or frames a second, instead of the configuration's folding or target.
    run
        Folder of the training run that the package comes from; its test images are then evaluated.
    """

    package: str
    board: str
    toolchain: str | None = None
    config: Path | None = None
    out: Path = Path("out")
    run: Path | None = None
    folding: Path | None = None
    target_fps: float | None = None

    def with_package(self, package: Path, run: Path) -> BuildRequest:
        """Return the same request for a package that was just trained."""
        return replace(self, package=str(package), run=run)

    def check(self) -> None:
        """Refuse at once what can be refused before any work.

        Raises
        ------
        ConfigError
            Unknown board or toolchain, or a configuration that is not valid.
        ToolError
            The simulation's compiler or the toolchain is missing.
        """
        from finnspect.sim.verilator import find_verilator

        self.load_toolchain()
        if self.config is not None:
            load_config("", self.board, self.config)
        if self.folding is not None and self.target_fps is not None:
            raise ConfigError("a folding and a target are given", "leave out --folding or --target-fps")
        if self.folding is not None:
            from finnspect.folding import read_folding

            read_folding(self.folding)
        find_verilator()

    def load_config(self, model: str) -> BuildConfig:
        """Return the configuration of the build, with this request's folding or target."""
        from finnspect.folding import read_folding

        folding = None if self.folding is None else read_folding(self.folding)
        return load_config(model, self.board, self.config).with_goal(folding, self.target_fps)

    def load_board(self) -> Board:
        """Return the board."""
        from finnspect.board import load_board

        return load_board(self.board)

    def load_toolchain(self) -> str:
        """Return the name of the toolchain: it serves the board, and its tools are here."""
        from finnspect.toolchains.registry import choose

        return choose(self.toolchain, self.board).toolchain


@dataclass(frozen=True)
class BuildResult:
    """A finished build.

    Attributes
    ----------
    folder
        Holds one folder a stage.
    stages
        What ran, what was finished already.
    deploy_zip
        None where the toolchain makes no bitstream.
    """

    folder: Path
    report: Report
    report_path: Path
    deploy_zip: Path | None
    stages: tuple[StageResult, ...]


def build_folder(out: Path, package: ModelPackage, board: str) -> Path:
    """Return the folder of a package's build for a board."""
    return out / f"{package.info.name}-{board}"


def build(request: BuildRequest, progress: Progress | None = None) -> BuildResult:
    """Build a package into a verified, timing-met bitstream, a deploy zip and a report.

    Raises
    ------
    FlowError
        See its kinds: package, configuration, unsupported model, size, tools, timing, verification.
    """
    from finnspect.build_stages import Build
    from finnspect.report.model import REFUSED, load_report

    asked = {"package": request.package, "board": request.board, "toolchain": request.toolchain}
    with refusal_reported(request.out, REFUSED, asked, progress):
        request.check()
        package = ModelPackage.load(find_package(request.package))
        config = request.load_config(package.info.model)
    root = build_folder(request.out, package, request.board)
    with StageRunner(root, progress) as runner:
        board, toolchain = request.load_board(), request.load_toolchain()
        stages = Build(runner, package, board, toolchain, config, request.run)
        try:
            reported = stages.report()
        except Exception as error:
            _report_failure(error, runner, package, board, toolchain)
            raise
        for folder in (root, request.out):  # a refused build may have had no folder of its own
            shutil.rmtree(folder / FAILED_REPORT, ignore_errors=True)
    path = reported.folder / "report.json"
    deployed = find_deploy(root) if stages.deploys else None
    return BuildResult(root, load_report(path), path, deployed, tuple(runner.results))


@contextmanager
def refusal_reported(
    out: Path, stage: str, asked: Mapping[str, str | None], progress: Progress | None = None
) -> Iterator[None]:
    """Write a report where the block fails, which is before a build's first stage; the error goes on.

    Parameters
    ----------
    stage
        ``REFUSED`` or ``TRAINING`` of the report's model.
    asked
        What to build as it was asked for: package, or dataset and model; board, toolchain.
    """
    try:
        yield
    except Exception as error:
        try:
            from finnspect.report.failed import write_refusal

            path = write_refusal(out, stage, {k: v for k, v in asked.items() if v is not None}, error)
            (progress or Progress()).line(f"failed; a report that says where and why: {path}")
        except Exception:
            logger.warning("no report of the failure was written", exc_info=True)
        raise


def _report_failure(
    error: Exception, runner: StageRunner, package: ModelPackage, board: Board, toolchain: str
) -> None:
    """Write a report that says where and why the build stopped; nothing here may hide the error."""
    try:
        from finnspect.report.failed import make_failed_report, write_failed

        found = make_failed_report(
            package, board, toolchain, runner.root, error, runner.running, runner.results
        )
        path = write_failed(found, runner.root)
        runner.progress.line(f"failed; a report that says where and why: {path}")
    except Exception:
        logger.warning("no report of the failure was written", exc_info=True)


def simulate(
    request: BuildRequest, images: Path | None, count: int | None, progress: Progress | None = None
) -> dict[str, Any]:
    """Run images through the RTL of a package and compare every logit with the integer reference.

    Returns
    -------
    dict
        JSON-able: counts, cycles, and for each image its name, logits, class and label.

    Raises
    ------
    VerificationError
        A logit differs; names the first layer that diverges.
    FlowError
        As for :func:`build`.
    """
    from finnspect.build_stages import Build
    from finnspect.images import read_images

    request.check()
    package = ModelPackage.load(find_package(request.package))
    config = request.load_config(package.info.model)
    found = read_images(images, package, count)
    root = build_folder(request.out, package, request.board)
    with StageRunner(root, progress) as runner:
        stages = Build(runner, package, request.load_board(), request.load_toolchain(), config)
        return stages.simulate(found)


def find_deploy(folder: Path) -> Path:
    """Return the deploy zip of a build.

    Raises
    ------
    PackageError
        The folder is no finished build, or its last build made no zip.
    """
    found = sorted((folder / "deploy").glob("*.zip"))
    if len(found) != 1:
        raise PackageError(
            f"{folder} holds no finished build: there is no deploy zip in it",
            "give a folder that `finnspect build` made, as out/cnv_w4a4-synthetic-ulx3s-85f",
        )
    deployed, bits = (read_marker(folder / stage) for stage in ("deploy", "bitstream"))
    if deployed and bits and deployed["inputs"].get("bitstream") != bits["digest"]:
        raise PackageError(
            f"the deploy zip in {folder} is of an earlier build: the last, with toolchain "
            f"{bits['inputs'].get('toolchain')}, made none",
            "build with a toolchain that makes a bitstream",
        )
    return found[0]
