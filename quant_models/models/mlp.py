"""The MLP family: dense layers on all pixels at once, with batch norm and activation between them."""

from __future__ import annotations

import torch
from torch import nn

from quant_models.layers import LayerFactory, PixelScale
from quant_models.models.registry import (
    BIPOLAR_ACTIVATION_BITS,
    BIPOLAR_BITS,
    STANDARD_BITS,
    register_model,
)

#: Units of each hidden layer. At 32x32 grey and 6 classes: 74,112 weights and as many MACs.
HIDDEN = (64, 64, 64)


class DenseStage(nn.Module):
    """Dense layer, batch norm, activation: (N, F) to (N, F')."""

    def __init__(self, layers: LayerFactory, in_features: int, out_features: int, first: bool) -> None:
        super().__init__()
        self.fc = layers.hidden(in_features, out_features, first)
        self.bn = nn.BatchNorm1d(out_features)
        self.act = layers.act()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the stage."""
        return self.act(self.bn(self.fc(x)))


class Mlp(nn.Module):
    """The dense stages and the head; parameters as of :class:`quant_models.models.cnv.Cnv`."""

    def __init__(
        self,
        layers: LayerFactory,
        hidden: tuple[int, ...],
        classes: int,
        input_shape: tuple[int, int, int],
        scale: float,
    ) -> None:
        super().__init__()
        height, width, channels = input_shape
        self.pixels = PixelScale(scale)
        hidden = tuple(layers.channels(count) for count in hidden)
        counts = (height * width * channels, *hidden)
        self.stages = nn.Sequential(
            *(DenseStage(layers, counts[i], counts[i + 1], first=i == 0) for i in range(len(hidden)))
        )
        self.head = layers.dense(hidden[-1], classes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes) of pixel codes (N, C, H, W)."""
        return self.head(self.stages(torch.flatten(self.pixels(codes), 1)))


@register_model("mlp", image_size=32, bits=STANDARD_BITS + BIPOLAR_BITS + BIPOLAR_ACTIVATION_BITS)
def mlp(layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float) -> Mlp:
    """Three hidden layers, for inputs of any size."""
    return Mlp(layers, HIDDEN, classes, input_shape, scale)
