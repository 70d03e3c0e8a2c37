"""The whole road: data set to trained run, run to package, package to verified bitstream and deploy zip.

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
from finnspect.doctor import distribution_version
from finnspect.errors import ConfigError, DataError, PackageError
from finnspect.package import ModelPackage, sha256_file
from finnspect.progress import Progress
from finnspect.sources import source_hash
from finnspect.stages import StageResult, StageRunner, read_marker

if TYPE_CHECKING:
    from finnspect.board import Board
    from finnspect.report.model import Report

logger = logging.getLogger(__name__)

#: Folder of the report of a build that failed, within that of the build.
FAILED_REPORT = "report.failed"
_TRAIN_PACKAGES = ("torch", "brevitas", "lightning", "numpy", "scipy", "pillow")
_EXPORT_PACKAGES = ("torch", "brevitas", "numpy", "onnx", "qonnx")


# -- training -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainRequest:
    """What to train on what.

    Parameters
    ----------
    data
        Folder or archive of the data set; None for one that is drawn.
    epochs
        Epochs of each phase; the default of ``TrainConfig`` where None.
    options
        More fields of ``TrainConfig``.
    """

    dataset: str
    data: Path | None = None
    model: str = "cnv_w4a4"
    seed: int = 0
    epochs: int | None = None
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Name of the run and of its package."""
        from quant_models.training.config import run_name

        options = dict(self.options)
        return run_name(self.model, self.dataset, options.get("shots"), options.get("fold"))

    def fields(self) -> dict[str, Any]:
        """Return the fields of ``TrainConfig`` that decide the result, paths apart."""
        fields = {"model": self.model, "dataset": self.dataset, "seed": self.seed, **dict(self.options)}
        if self.epochs is not None:
            fields |= {"float_epochs": self.epochs, "quant_epochs": self.epochs}
        return fields

    def model_digest(self) -> str:
        """Return the hash of the file of a user's own network; empty for a model of the registry.

        Raises
        ------
        ConfigError
            There is no such file.
        """
        path, colon, _ = self.model.rpartition(":")
        if not colon:
            return ""
        if not Path(path).is_file():
            raise ConfigError(
                f"model {self.model!r}: there is no file {path}", "write path/to/file.py:factory"
            )
        return sha256_file(Path(path))

    def data_digest(self) -> str:
        """Return the hash of the data set's content.

        Raises
        ------
        ConfigError
            Unknown data set, or data given or missing against its nature.
        DataError
            The data cannot be read.
        """
        from quant_models.datasets import get_dataset
        from quant_models.datasets.files import fingerprint

        info = get_dataset(self.dataset).info
        if self.data is None:
            return ""  # for a set that needs files, the loader says where to get them
        if not self.data.exists():
            where = f"; get it from {info.url}" if info.url else ""
            raise DataError(
                f"{self.data} does not exist", f"point to the folder or archive of {self.dataset!r}{where}"
            )
        return fingerprint(self.data)


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    return {name: distribution_version(name) or "absent" for name in names}


def _train_stage(request: TrainRequest, runner: StageRunner, cache: Path) -> StageResult:
    def body(folder: Path) -> None:
        from quant_models.threads import settle_threads

        settle_threads()  # before torch is imported
        from quant_models.train import TrainConfig
        from quant_models.train import train as train_run

        config = TrainConfig(
            **request.fields(),
            data=request.data,
            run_dir=folder / "run",
            cache_dir=cache / "datasets",
            resume_dir=cache / "training",
        )
        train_run(config, runner.note)

    return runner.run(
        "train",
        version=1,
        inputs={
            "configuration": request.fields() | {"model_file": request.model_digest()},
            "data": request.data_digest(),
            "sources": source_hash("quant_models.train"),
            "versions": _versions(_TRAIN_PACKAGES),
        },
        body=body,
    )


def train(
    request: TrainRequest, out: Path, progress: Progress | None = None, *, cache: Path | None = None
) -> Path:
    """Train, unless it is trained already, and return the run folder.

    A training that was stopped goes on from its last checkpoint. Decoded images and checkpoints lie in
    ``cache``, which several ``out`` may share; ``out/cache`` where None.

    Raises
    ------
    FlowError
        The model, data set or data are not usable; the disk is full.
    """
    with StageRunner(out / request.name, progress) as runner:
        return _train_stage(request, runner, cache or out / "cache").folder / "run"


def train_and_export(request: TrainRequest, out: Path, progress: Progress | None = None) -> tuple[Path, Path]:
    """Train and export, unless it is done already, and return the package folder and the run folder."""
    with StageRunner(out / request.name, progress) as runner:
        trained = _train_stage(request, runner, out / "cache")

        def body(folder: Path) -> None:
            from quant_models.threads import settle_threads

            settle_threads()
            from quant_models.export import export_package

            export_package(trained.folder / "run", folder / "package", progress=runner.note)

        exported = runner.run(
            "export",
            version=1,
            inputs={
                "run": trained.digest,
                "sources": source_hash("quant_models.export"),
                "versions": _versions(_EXPORT_PACKAGES),
            },
            body=body,
        )
    return exported.folder / "package", trained.folder / "run"


def export_run(run: Path, output: Path, progress: Progress | None = None) -> ModelPackage:
    """Export a run folder to a package folder, whole or not at all.

    Raises
    ------
    FlowError
        The run is not one, or the output exists and is no package.
    """
    progress = progress or Progress()
    if output.exists() and not (output / "package.json").is_file() and any(output.iterdir()):
        raise ConfigError(f"{output} exists and is not a model package", "choose another --output")
    with progress.step("export"):
        from quant_models.export import export_package

        return export_package(run, output, progress=progress.note)


# -- building -----------------------------------------------------------------------------------


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
            logger.exception("no report of the failure was written")
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
        logger.exception("no report of the failure was written")


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
