"""The run folder: what a finished training leaves behind, and how it is opened again.

A run is written into a hidden sibling folder and renamed when it is whole, so a folder of the run's
name is always a finished run. ``run.json`` carries the SHA-256 of the checkpoints.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from finnspect.errors import ConfigError
from finnspect.package import Preprocessing, sha256_file
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from quant_models.models import build_float_twin, build_model
from quant_models.models.custom import is_custom, split_custom
from quant_models.training.config import TrainConfig
from quant_models.training.records import EpochResult, Part

FORMAT = "finnspect-run"
FORMAT_VERSION = 1
RUN_FILE = "run.json"
CHECKPOINT_FILE = "checkpoint.pt"
FLOAT_FILE = "float.pt"
METRICS_FILE = "metrics.json"
HISTORY_FILE = "history.csv"
SPLIT_FILE = "split.json"
TEST_FILE = "test.npz"
SCORES_FILE = "scores.npz"
#: A user's own network, as it was trained.
SOURCE_FILE = "model.py"


class RunInfo(BaseModel):
    """Contents of ``run.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    config: TrainConfig
    classes: list[str]
    preprocessing: Preprocessing
    data_sha256: str
    versions: dict[str, str]
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """An opened, finished run."""

    path: Path
    info: RunInfo
    metrics: Mapping[str, Any]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of an image."""
        p = self.info.preprocessing
        return p.height, p.width, 1 if p.color == "grey" else 3

    def _load(self, build: Any, file: str) -> nn.Module:
        info, model = self.info, self.info.config.model
        if is_custom(model):  # the file as it was when it was trained
            model = f"{self.path / SOURCE_FILE}:{model.rpartition(':')[2]}"
        net = build(model, len(info.classes), self.input_shape, info.preprocessing.scale)
        net.load_state_dict(torch.load(self.path / file, map_location="cpu", weights_only=True))
        return net.eval()

    def test_images(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the test part: uint8 images (N, H, W, C) as the accelerator receives them, int64 labels."""
        with np.load(self.path / TEST_FILE, allow_pickle=False) as npz:
            return npz["images"], npz["labels"]

    def model(self) -> nn.Module:
        """Return the quantized network, in evaluation mode."""
        return self._load(build_model, CHECKPOINT_FILE)

    def float_model(self) -> nn.Module:
        """Return the float twin, in evaluation mode."""
        return self._load(build_float_twin, FLOAT_FILE)


def open_run(path: Path) -> Run:
    """Open a finished run and check it.

    Raises
    ------
    ConfigError
        The folder is missing, unfinished, altered, or of another format version.
    """
    remedy = "train again"
    if not (path / RUN_FILE).is_file():
        raise ConfigError(f"{path} is not a finished training run: it has no {RUN_FILE}", remedy)
    try:
        info = RunInfo.model_validate_json((path / RUN_FILE).read_text())
        metrics = json.loads((path / METRICS_FILE).read_text())
    except (OSError, ValueError) as error:
        detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ConfigError(f"the training run in {path} cannot be read: {detail}", remedy) from error
    if (info.format, info.format_version) != (FORMAT, FORMAT_VERSION):
        raise ConfigError(
            f"{path} is a {info.format} of version {info.format_version}, expected {FORMAT} of version "
            f"{FORMAT_VERSION}",
            remedy,
        )
    for name, digest in info.sha256.items():
        if not (path / name).is_file() or sha256_file(path / name) != digest:
            raise ConfigError(f"{path / name} is missing or was altered since the training", remedy)
    return Run(path, info, metrics)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes ``target`` only if the block ends without an error.

    Whatever an earlier, killed process left in the temporary folder is removed first. An existing
    ``target`` is replaced.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.partial"
    old = target.parent / f".{target.name}.old"
    for stale in (partial, old):
        if stale.exists():
            shutil.rmtree(stale)
    partial.mkdir()
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if target.exists():
        target.replace(old)
    partial.replace(target)
    shutil.rmtree(old, ignore_errors=True)


def write_run(
    folder: Path,
    info: Mapping[str, Any],
    model: nn.Module,
    twin: nn.Module,
    history: Sequence[EpochResult],
    metrics: Mapping[str, Any],
    split: Mapping[str, Any],
    test: Part,
) -> None:
    """Write a run's files into ``folder``, ``run.json`` last.

    Parameters
    ----------
    info
        Fields of :class:`RunInfo` except ``sha256``.
    model, twin
        Quantized network and float twin.
    split
        The split manifest.
    test
        The test part, kept so that export and simulation see exactly these bytes.
    """
    torch.save(model.state_dict(), folder / CHECKPOINT_FILE)
    torch.save(twin.state_dict(), folder / FLOAT_FILE)
    with (folder / HISTORY_FILE).open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(EpochResult)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in history)
    (folder / SPLIT_FILE).write_text(json.dumps(split, indent=1, ensure_ascii=False) + "\n")
    images = np.ascontiguousarray(test.images.permute(0, 2, 3, 1).numpy())
    np.savez_compressed(folder / TEST_FILE, images=images, labels=test.labels.numpy())
    hashed = [CHECKPOINT_FILE, FLOAT_FILE, TEST_FILE, SPLIT_FILE]
    config = info["config"]
    if is_custom(config.model):
        shutil.copyfile(split_custom(config.model)[0], folder / SOURCE_FILE)
        hashed.append(SOURCE_FILE)
    digests = {name: sha256_file(folder / name) for name in hashed}
    (folder / METRICS_FILE).write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    document = RunInfo.model_validate({**info, "sha256": digests})
    (folder / RUN_FILE).write_text(document.model_dump_json(indent=1) + "\n")
