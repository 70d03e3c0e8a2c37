"""Logits, predictions and figures of a network on a part of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from quant_models.metrics.measure import measure
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


def evaluate(
    model: nn.Module, part: Part, classes: Sequence[str], false_alarm_rate: float = 0.05
) -> dict[str, Any]:
    """Measure a network on one part; see :func:`quant_models.metrics.measure` for the figures.

    Parameters
    ----------
    model
        Takes pixel codes (N, C, H, W), returns logits (N, classes).
    part
        Images and labels.
    classes
        Class names, in the order of the logits.
    """
    return measure(logits_of(model, part.images), part.labels, classes, false_alarm_rate)
