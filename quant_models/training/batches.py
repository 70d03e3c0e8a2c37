"""Batches of images held in memory, and the weights of classes of unlike size."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from quant_models.training.records import Part

#: Classes whose largest is more than so many times the smallest are weighted.
_BALANCED = 1.5


class Batches:
    """Batches of a part held in memory, in a seeded order that differs from epoch to epoch."""

    def __init__(self, part: Part, size: int, seed: int | None = None) -> None:
        self._part, self._size = part, size
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)
        # A last batch of one image would break batch norm in training.
        self._drop = self.generator is not None and len(part) % size == 1 and len(part) > 1

    def __len__(self) -> int:
        return math.ceil(len(self._part) / self._size) - self._drop

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        n = len(self._part)
        order = torch.arange(n) if self.generator is None else torch.randperm(n, generator=self.generator)
        for i in range(len(self)):
            at = order[i * self._size : (i + 1) * self._size]
            yield self._part.images[at].float(), self._part.labels[at]


def class_weights(labels: torch.Tensor, classes: int, power: float = 0.5) -> torch.Tensor | None:
    """Return loss weights for unlike class sizes: 1 on an average image.

    Parameters
    ----------
    power
        Weights are sizes to the power of minus this: 0.5 for the inverse root, 1 for the inverse.

    Returns
    -------
    torch.Tensor or None
        float32, shape (classes,); None where the classes are about equal.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    present = counts[counts > 0]
    if present.max() <= _BALANCED * present.min():
        return None
    weights = torch.where(counts > 0, counts.clamp(min=1).pow(-power), torch.zeros_like(counts))
    return (weights * counts.sum() / (weights * counts).sum()).float()
