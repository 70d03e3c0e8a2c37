"""Data set to trained run, run to package.

Only light modules are imported here: a training that is finished takes a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finnspect.doctor import versions
from finnspect.errors import ConfigError, DataError
from finnspect.package import ModelPackage, sha256_file
from finnspect.progress import Progress
from finnspect.sources import source_hash
from finnspect.stages import StageResult, StageRunner

_TRAIN_PACKAGES = ("torch", "brevitas", "lightning", "numpy", "scipy", "pillow")
_EXPORT_PACKAGES = ("torch", "brevitas", "numpy", "onnx", "qonnx")


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
            "versions": versions(*_TRAIN_PACKAGES),
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
                "versions": versions(*_EXPORT_PACKAGES),
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
