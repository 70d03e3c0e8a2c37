"""A split data set as tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from finnspect.package import Preprocessing

from quant_models.datasets import SplitManifest, load_dataset, split_dataset
from quant_models.training.config import TrainConfig
from quant_models.training.phase import Part


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
    split = split_dataset(dataset, config.seed)
    manifest = SplitManifest.of(dataset, split)
    images = torch.from_numpy(dataset.images.copy()).permute(0, 3, 1, 2).contiguous()
    labels = torch.from_numpy(dataset.labels.copy())
    train, val, test = (
        Part(images[at], labels[at]) for at in map(torch.from_numpy, (split.train, split.val, split.test))
    )
    return TrainingData(dataset.class_names, train, val, test, manifest.document, manifest.sha256)
