"""A QONNX model understood: its layers, integer weights and exact rational parameters.

:func:`finnspect.frontend.reader.read_network` makes it and refuses what cannot be compiled. It
decides the integers; FINN's graph decides the hardware layers, and the two are held against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from finnspect.ir import IntType


@dataclass(frozen=True)
class Quantizer:
    """An activation quantizer: ``code = clip(round_half_even(y / scale), low, high)``."""

    node: str
    scale: Fraction
    low: int
    high: int

    @property
    def dtype(self) -> IntType:
        """Type of the codes."""
        return IntType.spanning(self.low, self.high)

    @property
    def codes(self) -> range:
        """The codes that have a threshold: all but the lowest."""
        return range(self.low + 1, self.high + 1)


@dataclass(frozen=True)
class Compute:
    """A convolution or dense layer and all that follows it up to its quantizer.

    Parameters
    ----------
    node
        Name of the QONNX node.
    kind
        ``conv`` or ``dense``.
    weights
        int64, shape (O, KH, KW, I); for a dense layer the kernel is the map that was flattened.
    slopes, offsets
        Real value before the quantizer of accumulator ``a`` of channel c: ``slopes[c] * a + offsets[c]``.
    input_dtype
        Type of the codes it reads.
    quantizer
        None for the last layer.
    tensor
        QONNX tensor that holds this layer's output (quantized, or the real logits); None where a
        pool stands before the quantizer in the file, so that the codes before pooling exist nowhere.
    """

    node: str
    kind: str
    weights: np.ndarray
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    slopes: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]
    input_dtype: IntType
    quantizer: Quantizer | None
    tensor: str | None

    @property
    def matrix(self) -> np.ndarray:
        """Weights as (O, KH*KW*I)."""
        return self.weights.reshape(len(self.weights), -1)


@dataclass(frozen=True)
class Pool:
    """A max pool on codes; ``tensor`` as in :class:`Compute`."""

    node: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    scale: Fraction
    tensor: str | None


@dataclass(frozen=True)
class Network:
    """Layers in order, and the input.

    Parameters
    ----------
    input_tensor, output_tensor
        Names in the QONNX file.
    input_shape
        Height, width, channels of an image.
    input_scale
        Real value of pixel code 1.
    """

    input_tensor: str
    output_tensor: str
    input_shape: tuple[int, int, int]
    input_scale: Fraction
    layers: tuple[Compute | Pool, ...]

    @property
    def compute(self) -> tuple[Compute, ...]:
        """The convolutions and dense layers."""
        return tuple(layer for layer in self.layers if isinstance(layer, Compute))

    @property
    def last(self) -> Compute:
        """The layer that makes the logits."""
        return self.compute[-1]

    @property
    def classes(self) -> int:
        """Number of logits."""
        return len(self.last.weights)
