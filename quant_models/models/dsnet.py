"""The DSNet family: depthwise-separable convolutions, as in MobileNet.

Each block is a depthwise 3x3 convolution, which may halve the map, and a pointwise 1x1 one, each with
batch norm and activation. There are no bipolar weights: a channel's nine signs can tell next to nothing.
"""

from __future__ import annotations

import torch
from torch import nn

from quant_models.layers import LayerFactory, PixelScale
from quant_models.models.parts import check_divides, head_dense, head_pool
from quant_models.models.registry import STANDARD_BITS, register_model

#: Output channels of the stem, which halves the map; output channels and stride of each block.
#: At 64x64 grey and 6 classes: 36,624 weights, 2.6 M MACs.
STEM = 16
BLOCKS = ((32, 1), (48, 2), (64, 1), (96, 2), (96, 1), (128, 2))


class Unit(nn.Module):
    """Convolution, batch norm, activation."""

    def __init__(self, conv: nn.Module, channels: int, act: nn.Module) -> None:
        super().__init__()
        self.conv, self.bn, self.act = conv, nn.BatchNorm2d(channels), act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the unit."""
        return self.act(self.bn(self.conv(x)))


class DsNet(nn.Module):
    """Stem, blocks and head; parameters as of :class:`quant_models.models.cnv.Cnv`."""

    def __init__(
        self, layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float
    ) -> None:
        super().__init__()
        height, width, in_channels = input_shape
        halvings = 1 + sum(stride == 2 for _, stride in BLOCKS)
        check_divides(height, width, halvings)
        self.pixels = PixelScale(scale)
        before = layers.channels(STEM)
        units = [Unit(layers.conv(in_channels, before, 3, first=True, stride=2), before, layers.act())]
        for count, stride in BLOCKS:
            channels = layers.channels(count)
            depthwise = layers.conv(before, before, 3, stride=stride, groups=before)
            units.append(Unit(depthwise, before, layers.act()))
            units.append(Unit(layers.conv(before, channels, 1), channels, layers.act()))
            before = channels
        self.units = nn.Sequential(*units)
        size = (height >> halvings, width >> halvings)
        self.pool = head_pool(layers, size)
        self.head = head_dense(layers, size, before, classes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes) of pixel codes (N, C, H, W)."""
        return self.head(torch.flatten(self.pool(self.units(self.pixels(codes))), 1))


@register_model("dsnet", image_size=64, bits=STANDARD_BITS, heads=("gap", "flat"))
def dsnet(layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float) -> DsNet:
    """Six separable blocks, for inputs whose sides are multiples of 16."""
    return DsNet(layers, classes, input_shape, scale)
