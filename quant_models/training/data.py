"""A split data set as tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from finnspect.errors import DataError
from finnspect.package import Preprocessing

from quant_models.datasets import (
    DefectDataset,
    Split,
    SplitManifest,
    clusters,
    load_dataset,
    split_dataset,
)
from quant_models.training.config import TrainConfig
from quant_models.training.records import Part

#: Of the images that are not in the test fold, one in so many validates.
_VALIDATION_FOLDS = 5


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Images and labels of the three parts.

    Parameters
    ----------
    classes
        Class names; labels are indices into them.
    manifest
        The split manifest: every image's hash, label and part.
    sha256
        Hash of the manifest.
    """

    classes: tuple[str, ...]
    train: Part
    val: Part
    test: Part
    manifest: Mapping[str, Any]
    sha256: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width, channels of an image."""
        channels, height, width = self.train.images.shape[1:]
        return height, width, channels


def load_training_data(
    config: TrainConfig, preprocessing: Preprocessing, progress: Callable[[str], None] | None = None
) -> TrainingData:
    """Load, preprocess and split the data set that ``config`` names.

    Raises
    ------
    ConfigError
        Unknown data set or option.
    DataError
        The data is missing, of another layout, or too small to split.
    """
    dataset = load_dataset(
        config.dataset, config.data, preprocessing, config.cache_dir, progress, **config.dataset_options
    )
    split = split_of(dataset, config)
    manifest = SplitManifest.of(dataset, split)
    images = torch.from_numpy(dataset.images.copy()).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(dataset.labels.copy())
    train, val, test = (
        Part(images[at], labels[at]) for at in map(torch.from_numpy, (split.train, split.val, split.test))
    )
    return TrainingData(dataset.class_names, train, val, test, manifest.document, manifest.sha256)


def split_of(dataset: DefectDataset, config: TrainConfig) -> Split:
    """Return the split that a run trains on: plain, a fold, or a few images a class.

    Raises
    ------
    DataError
        A class has too few images, or groups of images, to split.
    """
    split = split_dataset(dataset, config.seed) if config.fold is None else _fold(dataset, config)
    if config.shots is None:
        return split
    rng = np.random.default_rng([config.seed, config.shots])
    train, val = (_few(dataset.labels, part, config.shots, rng) for part in (split.train, split.val))
    return Split(train, val, split.test, split.seed, split.fractions)


def _few(labels: np.ndarray, part: np.ndarray, shots: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``shots`` images of each class of a part, or all of a class that has fewer."""
    shuffled = rng.permutation(part)
    of_class = [shuffled[labels[shuffled] == label][:shots] for label in np.unique(labels)]
    return np.sort(np.concatenate(of_class))


def _fold(dataset: DefectDataset, config: TrainConfig) -> Split:
    """Return one split of a cross-validation; images that must stay together are in one fold."""
    from sklearn.model_selection import StratifiedGroupKFold

    assert config.fold is not None
    fold, folds = config.fold
    together, labels = clusters(dataset), dataset.labels
    fewest = min(len(np.unique(together[labels == label])) for label in np.unique(labels))
    if fewest < folds:
        raise DataError(
            f"a class has {fewest} images or groups of images that may be parted, too few for {folds} folds",
            f"use at most {fewest} folds",
        )

    def parts(count: int, among: np.ndarray, take: int) -> tuple[np.ndarray, np.ndarray]:
        made = StratifiedGroupKFold(count, shuffle=True, random_state=config.seed)
        rest, taken = list(made.split(among, labels[among], together[among]))[take]
        return among[rest], among[taken]

    rest, test = parts(folds, np.arange(len(dataset)), fold)
    train, val = parts(_VALIDATION_FOLDS, rest, 0)
    share = 1 / folds
    fractions = ((1 - share) * (1 - 1 / _VALIDATION_FOLDS), (1 - share) / _VALIDATION_FOLDS, share)
    return Split(np.sort(train), np.sort(val), np.sort(test), config.seed, fractions)
