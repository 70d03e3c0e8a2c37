"""The CNV family: a plain chain of 3x3 convolutions and 2x2 max pools, and one dense layer.

Each stage is conv 3x3 (padding 1, no bias) - batch norm - ReLU and quantizer - max pool 2x2. The pool
comes after the quantizer: on codes it commutes with the staircase, so nothing float is left between
them when FINN streamlines the graph. Pixels enter as ``code * scale`` without mean subtraction, which
would not move past a zero-padded convolution; the first batch norm does that work.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import nn

from quant_models.layers import LayerFactory, PixelScale
from quant_models.models.parts import check_divides, head_dense, head_pool
from quant_models.models.registry import register_model

KERNEL = 3
POOL = 2

#: Output channels of each stage, by family.
CHANNELS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "cnv": (16, 32, 64, 64, 64),  # 64x64 grey to 6 classes: 98,448 weights, 13.0 M MACs
        "cnv_tiny": (8, 16, 16),  # 16x16 grey to 4 classes: 3,784 weights, 94 k MACs
    }
)


class Stage(nn.Module):
    """Convolution, batch norm, activation, max pool: (N, C, H, W) to (N, C', H/2, W/2)."""

    def __init__(self, layers: LayerFactory, in_channels: int, out_channels: int, first: bool) -> None:
        super().__init__()
        self.conv = layers.conv(in_channels, out_channels, KERNEL, first)
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = layers.act()
        self.pool = nn.MaxPool2d(POOL)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the stage.

        Pool and activation commute, both being monotone. In training the pool comes first: the
        activation then works on a quarter of the elements, and the gradient goes to the largest value
        instead of the first of several equal codes.
        """
        x = self.bn(self.conv(x))
        return self.act(self.pool(x)) if self.training else self.pool(self.act(x))


class Cnv(nn.Module):
    """The chain of stages and the dense head.

    Parameters
    ----------
    layers
        Makes float or quantized layers.
    channels
        Output channels of each stage.
    classes
        Number of logits.
    input_shape
        Height, width, channels of an image.
    scale
        Real value of pixel code 1.
    """

    def __init__(
        self,
        layers: LayerFactory,
        channels: tuple[int, ...],
        classes: int,
        input_shape: tuple[int, int, int],
        scale: float,
    ) -> None:
        super().__init__()
        height, width, in_channels = input_shape
        shrink = POOL ** len(channels)
        check_divides(height, width, len(channels))
        self.pixels = PixelScale(scale)
        channels = tuple(layers.channels(count) for count in channels)
        counts = (in_channels, *channels)
        self.stages = nn.Sequential(
            *(Stage(layers, counts[i], counts[i + 1], first=i == 0) for i in range(len(channels)))
        )
        self.pool = head_pool(layers, (height // shrink, width // shrink))
        self.head = head_dense(layers, (height // shrink, width // shrink), channels[-1], classes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes) of pixel codes (N, C, H, W)."""
        return self.head(torch.flatten(self.pool(self.stages(self.pixels(codes))), 1))


@register_model("cnv", image_size=64, heads=("flat", "gap"))
def cnv(layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float) -> Cnv:
    """Five stages for 64x64 images."""
    return Cnv(layers, CHANNELS["cnv"], classes, input_shape, scale)


@register_model("cnv_tiny", image_size=16, heads=("flat", "gap"))
def cnv_tiny(layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float) -> Cnv:
    """Three small stages for tests and quick looks, from 8x8 pixels on."""
    return Cnv(layers, CHANNELS["cnv_tiny"], classes, input_shape, scale)
