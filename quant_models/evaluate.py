"""Accuracy of a network on a part of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torchmetrics.classification import MulticlassConfusionMatrix

from quant_models.training.records import Part


@torch.no_grad()
def logits_of(model: nn.Module, images: torch.Tensor, batch_size: int = 256) -> torch.Tensor:
    """Return a network's logits, in evaluation mode.

    Parameters
    ----------
    images
        Pixel codes, shape (N, C, H, W), any dtype that holds 0 .. 255.

    Returns
    -------
    torch.Tensor
        float32, shape (N, classes).
    """
    training = model.training
    model.eval()
    try:
        return torch.cat(
            [model(images[i : i + batch_size].float()) for i in range(0, len(images), batch_size)]
        )
    finally:
        model.train(training)


def predictions(logits: torch.Tensor | np.ndarray) -> np.ndarray:
    """Return the class of each row, int64; equal logits go to the lowest index, as everywhere."""
    return np.argmax(np.asarray(logits), axis=1)


def has_tie(logits: np.ndarray) -> np.ndarray:
    """Return, for each row, whether its largest value occurs more than once."""
    return (logits == logits.max(axis=1, keepdims=True)).sum(axis=1) > 1


def evaluate(model: nn.Module, part: Part, classes: Sequence[str]) -> dict[str, Any]:
    """Measure a network on one part.

    Parameters
    ----------
    model
        Takes pixel codes (N, C, H, W), returns logits (N, classes).
    part
        Images and labels.
    classes
        Class names, in the order of the logits.

    Returns
    -------
    dict
        ``images``, ``correct``, ``accuracy``, ``balanced_accuracy`` (mean over the classes that
        occur), ``per_class`` (recall by name, None for a class without images) and ``confusion``
        (rows true, columns predicted).
    """
    predicted = torch.from_numpy(predictions(logits_of(model, part.images)))
    n = len(classes)
    confusion = MulticlassConfusionMatrix(n)(predicted, part.labels).tolist()
    recall = {
        name: confusion[i][i] / sum(confusion[i]) if any(confusion[i]) else None
        for i, name in enumerate(classes)
    }
    seen = [value for value in recall.values() if value is not None]
    correct = sum(confusion[i][i] for i in range(n))
    return {
        "images": len(part),
        "correct": correct,
        "accuracy": correct / len(part),
        "balanced_accuracy": sum(seen) / len(seen),
        "per_class": recall,
        "confusion": confusion,
    }
