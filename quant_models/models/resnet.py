"""ResNet-8 as MLPerf Tiny has it: a stem and three residual blocks of two 3x3 convolutions each.

The two sides of every add have one scale, so that the hardware adds codes. Where the shortcut is the
block's input, the branch takes its scale; where it is a 1x1 convolution, one signed quantizer serves
both sides. ReLU and quantizer follow the add.
"""

from __future__ import annotations

import torch
from torch import nn

from quant_models.layers import LayerFactory, PixelScale
from quant_models.models.parts import check_divides, head_dense, head_pool
from quant_models.models.registry import register_model

#: Output channels and stride of each block. At 32x32 RGB and 10 classes: 77,360 weights, 12.5 M MACs.
STEM = 16
BLOCKS = ((16, 1), (32, 2), (64, 2))


class Block(nn.Module):
    """Two convolutions and a shortcut: (N, C, H, W) to (N, C', H/stride, W/stride).

    Parameters
    ----------
    source
        The activation that makes the block's input.
    """

    def __init__(
        self, layers: LayerFactory, source: nn.Module, in_channels: int, out_channels: int, stride: int
    ) -> None:
        super().__init__()
        self.conv1 = layers.conv(in_channels, out_channels, 3, stride=stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.act1 = layers.act()
        self.conv2 = layers.conv(out_channels, out_channels, 3)
        self.bn2 = nn.BatchNorm2d(out_channels)
        if stride == 1 and in_channels == out_channels:
            self.shortcut = None
            self.side = layers.signed_like(source)
        else:
            self.shortcut = nn.Sequential(
                layers.conv(in_channels, out_channels, 1, stride=stride), nn.BatchNorm2d(out_channels)
            )
            self.side = layers.signed()
        self.act = layers.act()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block."""
        branch = self.side(self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x))))))
        short = x if self.shortcut is None else self.side(self.shortcut(x))
        return self.act(branch + short)


class ResNet(nn.Module):
    """Stem, blocks and head; parameters as of :class:`quant_models.models.cnv.Cnv`."""

    def __init__(
        self, layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float
    ) -> None:
        super().__init__()
        height, width, in_channels = input_shape
        halvings = sum(stride == 2 for _, stride in BLOCKS)
        check_divides(height, width, halvings)
        self.pixels = PixelScale(scale)
        before = layers.channels(STEM)
        self.conv = layers.conv(in_channels, before, 3, first=True)
        self.bn = nn.BatchNorm2d(before)
        self.act = layers.act()
        blocks, source = [], self.act
        for count, stride in BLOCKS:
            channels = layers.channels(count)
            blocks.append(Block(layers, source, before, channels, stride))
            before, source = channels, blocks[-1].act
        self.blocks = nn.Sequential(*blocks)
        size = (height >> halvings, width >> halvings)
        self.pool = head_pool(layers, size)
        self.head = head_dense(layers, size, before, classes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes) of pixel codes (N, C, H, W)."""
        x = self.act(self.bn(self.conv(self.pixels(codes))))
        return self.head(torch.flatten(self.pool(self.blocks(x)), 1))


@register_model("resnet8", image_size=32, heads=("gap", "flat"))
def resnet8(layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float) -> ResNet:
    """ResNet-8, for inputs whose sides are multiples of 4."""
    return ResNet(layers, classes, input_shape, scale)
