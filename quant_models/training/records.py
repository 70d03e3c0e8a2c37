"""What a phase of training leaves: parts of a split, a row an epoch, the result, and where it is kept.

A phase that was killed goes on from its last checkpoint and ends with the very weights that it would
have had: weights, averaged weights, optimizer, schedule, the order of the images, the variation of the
images and every other random draw are in it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import shutil
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a split in memory.

    Parameters
    ----------
    images
        uint8, shape (N, C, H, W).
    labels
        int64, shape (N,).
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One row of ``history.csv``."""

    phase: str
    epoch: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What one phase did; the network it trained holds the best epoch's averaged weights."""

    history: list[EpochResult]
    best: EpochResult


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: both networks on the CPU, in evaluation mode, and what their phases did."""

    model: nn.Module
    twin: nn.Module
    float_phase: PhaseResult
    quant_phase: PhaseResult


class Store:
    """Checkpoints of one run in a folder of its own, named by all that decides the run's result.

    Parameters
    ----------
    folder
        Holds the folders of all runs.
    identity
        JSON-able. A run of another identity never finds these checkpoints.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        text = json.dumps(identity, sort_keys=True, default=str)
        self.path = folder / hashlib.sha256(text.encode()).hexdigest()[:24]

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what was kept under ``name``; None where there is nothing or it is damaged."""
        path = self.path / f"{name}.pt"
        if not path.is_file():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile):
            _LOG.warning("checkpoint %s is damaged: training starts anew", path)
            return None

    def write(self, name: str, state: dict[str, Any]) -> None:
        """Keep ``state`` (tensors and plain data) under ``name``, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.path / f".{name}-{os.getpid()}.part"
        try:
            torch.save(state, part)
            part.replace(self.path / f"{name}.pt")
        finally:
            part.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove this run's checkpoints: it is finished."""
        shutil.rmtree(self.path, ignore_errors=True)


def rows(history: list[EpochResult]) -> list[dict[str, Any]]:
    """Return a history as plain data."""
    return [asdict(row) for row in history]


def from_rows(data: list[dict[str, Any]]) -> list[EpochResult]:
    """Return the history that :func:`rows` gave."""
    return [EpochResult(**row) for row in data]
