"""What several families share: the check of the input's size, and the heads."""

from __future__ import annotations

import torch
from finnspect.errors import ConfigError
from torch import nn

from quant_models.layers import LayerFactory


def check_divides(height: int, width: int, halvings: int) -> None:
    """Refuse an input that cannot be halved so many times.

    Raises
    ------
    ConfigError
        With the multiple that the sides must be of.
    """
    shrink = 2**halvings
    if height % shrink or width % shrink or min(height, width) < shrink:
        raise ConfigError(
            f"an input of {height}x{width} pixels cannot be halved {halvings} times",
            f"use a height and a width that are multiples of {shrink}",
        )


class GlobalAverage(nn.Module):
    """Average of each channel's map, quantized: (N, C, H, W) to (N, C, 1, 1)."""

    def __init__(self, layers: LayerFactory, size: tuple[int, int]) -> None:
        super().__init__()
        # A pool over the whole map, not an adaptive one: exporters write that as a mean.
        self.average = nn.AvgPool2d(size)
        self.act = layers.pooled()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the quantized averages."""
        return self.act(self.average(x))


def head_pool(layers: LayerFactory, size: tuple[int, int]) -> nn.Module:
    """Return what stands between the last map, of ``size``, and its flattening."""
    return GlobalAverage(layers, size) if layers.spec.head == "gap" else nn.Identity()


def head_dense(layers: LayerFactory, size: tuple[int, int], channels: int, classes: int) -> nn.Module:
    """Return the dense layer behind :func:`head_pool`."""
    positions = 1 if layers.spec.head == "gap" else size[0] * size[1]
    return layers.dense(positions * channels, classes)
