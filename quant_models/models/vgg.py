"""The VGG-6 family: six 3x3 convolutions without padding, as binary networks are usually built.

Behind the first layer nothing is padded, so activations may be bipolar, which have no zero. At 32x32
RGB the maps are 30, 28, pooled to 14, 12, 10, pooled to 5, 3, 1.
"""

from __future__ import annotations

import torch
from finnspect.errors import ConfigError
from torch import nn

from quant_models.layers import LayerFactory, PixelScale
from quant_models.models.cnv import POOL
from quant_models.models.registry import (
    BIPOLAR_ACTIVATION_BITS,
    BIPOLAR_BITS,
    STANDARD_BITS,
    register_model,
)

#: Output channels of each convolution; a pool follows the second and the fourth.
#: At 32x32 RGB and 10 classes: 287,408 weights, 14.6 M MACs.
CHANNELS = (32, 32, 64, 64, 128, 128)
POOL_AFTER = (1, 3)


class ValidStage(nn.Module):
    """Convolution without padding, batch norm, activation and perhaps a max pool."""

    def __init__(
        self, layers: LayerFactory, in_channels: int, out_channels: int, first: bool, pool: bool
    ) -> None:
        super().__init__()
        self.conv = layers.conv(in_channels, out_channels, 3, first, padding=0)
        self.bn = nn.BatchNorm2d(out_channels)
        self.act = layers.act()
        self.pool = nn.MaxPool2d(POOL) if pool else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the stage; in training the pool comes first, see :class:`quant_models.models.cnv.Stage`."""
        x = self.bn(self.conv(x))
        return self.act(self.pool(x)) if self.training else self.pool(self.act(x))


class Vgg(nn.Module):
    """The stages and the head; parameters as of :class:`quant_models.models.cnv.Cnv`."""

    def __init__(
        self, layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float
    ) -> None:
        super().__init__()
        height, width, in_channels = input_shape
        size = [_last_side(side) for side in (height, width)]
        self.pixels = PixelScale(scale)
        counts = (in_channels, *(layers.channels(count) for count in CHANNELS))
        self.stages = nn.Sequential(
            *(
                ValidStage(layers, counts[i], counts[i + 1], i == 0, i in POOL_AFTER)
                for i in range(len(CHANNELS))
            )
        )
        self.head = layers.dense(size[0] * size[1] * counts[-1], classes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes) of pixel codes (N, C, H, W)."""
        return self.head(torch.flatten(self.stages(self.pixels(codes)), 1))


def _last_side(side: int) -> int:
    """Return the side of the last map; the pools must divide theirs."""
    given = side
    for i in range(len(CHANNELS)):
        side -= 2
        if i in POOL_AFTER:
            if side % POOL:
                break
            side //= POOL
    else:
        if side >= 1:
            return side
    raise ConfigError(
        f"an input side of {given} pixels does not suit convolutions without padding and two halvings",
        "use sides of 32 pixels, or 4 more or less than that any number of times (28 is too small)",
    )


@register_model("vgg6", image_size=32, bits=STANDARD_BITS + BIPOLAR_BITS + BIPOLAR_ACTIVATION_BITS)
def vgg6(layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float) -> Vgg:
    """Six convolutions without padding, from 32x32 pixels on."""
    return Vgg(layers, classes, input_shape, scale)
