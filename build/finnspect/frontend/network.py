"""A QONNX model understood: its layers as a graph, with integer weights and exact integer thresholds.

:func:`finnspect.frontend.reader.read_network` makes it and refuses what cannot be compiled. It is the
source of the dataflow graph; FINN's graph is held against it where FINN can express the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from finnspect.ir import IntType

#: Name of the pixels' tensor.
PIXELS = "input"


@dataclass(frozen=True)
class Probe:
    """A tensor of the file that holds a layer's integers: real = slope * integer + offset of a channel."""

    tensor: str
    layout: str
    slopes: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]


@dataclass(frozen=True)
class Steps:
    """A staircase on exact integers of any size: ``base + sum(a >= t)``.

    Parameters
    ----------
    node
        The quantizer's node.
    thresholds
        Ascending, for each channel.
    dtype
        Type of the codes.
    dead
        Channels whose code does not depend on the accumulator.
    recoded
        Where they only write the codes before them in another way: how many codes one of those is worth.
    """

    node: str
    thresholds: tuple[tuple[int, ...], ...]
    base: int
    dtype: IntType
    dead: tuple[bool, ...]
    recoded: int = 0


@dataclass(frozen=True)
class Layer:
    """What all layers have.

    Parameters
    ----------
    node
        Name of the QONNX node.
    inputs, output
        Names of integer tensors.
    shape
        H, W, C of the output.
    low, high
        Range of the output's integers.
    probe
        Where the file holds the output; None where it holds it nowhere.
    """

    node: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, int, int]
    low: int
    high: int
    probe: Probe | None

    @property
    def dtype(self) -> IntType:
        """Narrowest type of the output."""
        return IntType.spanning(self.low, self.high)


@dataclass(frozen=True)
class Compute(Layer):
    """A convolution, dense or depthwise layer and all that follows it up to its quantizer.

    Parameters
    ----------
    kind
        ``conv``, ``dense`` or ``depthwise``.
    weights
        int64, shape (O, KH, KW, I); for a dense layer the kernel is the map that was flattened, for a
        depthwise one I is 1.
    input_dtype
        Type of the codes it reads.
    signs
        +1 or -1 that each channel's weights were multiplied by, so that its staircase ascends; None until
        something reads the accumulators.
    steps
        None where the accumulators go out.
    """

    kind: str
    weights: np.ndarray
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    input_dtype: IntType
    signs: tuple[int, ...] | None = None
    steps: Steps | None = None

    @property
    def matrix(self) -> np.ndarray:
        """Weights as (O, KH*KW*I)."""
        return self.weights.reshape(len(self.weights), -1)


@dataclass(frozen=True)
class Pool(Layer):
    """A max pool."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]


@dataclass(frozen=True)
class Sum(Layer):
    """Sums over windows that do not overlap: an average pool without its division."""

    kernel: tuple[int, int]
    input_dtype: IntType
    steps: Steps | None = None


@dataclass(frozen=True)
class Add(Layer):
    """``multipliers[0] * a + multipliers[1] * b``; the multipliers are the exact ratio of the scales."""

    multipliers: tuple[int, int]
    input_dtypes: tuple[IntType, IntType]
    steps: Steps | None = None


@dataclass(frozen=True)
class Concat(Layer):
    """Maps joined along the channels."""


@dataclass(frozen=True)
class Requantize(Layer):
    """A staircase on its own."""

    steps: Steps


@dataclass(frozen=True)
class ArgMax(Layer):
    """Index of the greatest ``(a << shift) + offsets[c]``; no offsets where there are none."""

    classes: int
    shift: int = 0
    offsets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Network:
    """Layers in topological order, and the input.

    Parameters
    ----------
    input_tensor, output_tensor
        Names in the QONNX file.
    input_shape
        Height, width, channels of an image.
    input_scale
        Real value of pixel code 1.
    slopes, offsets
        Real value of the output's integer ``a``: ``slopes[c] * a + offsets[c]``.
    """

    input_tensor: str
    output_tensor: str
    input_shape: tuple[int, int, int]
    input_scale: Fraction
    layers: tuple[Layer, ...]
    slopes: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]

    @property
    def compute(self) -> tuple[Compute, ...]:
        """The convolutions and dense layers."""
        return tuple(layer for layer in self.layers if isinstance(layer, Compute))

    @property
    def last(self) -> Layer:
        """The layer that makes the output."""
        return self.layers[-1]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.last.classes if isinstance(self.last, ArgMax) else self.last.shape[-1]

    @property
    def chain(self) -> bool:
        """Whether every layer is a convolution, dense layer or max pool that reads the one before."""
        plain = all(isinstance(layer, Compute | Pool) for layer in self.layers)
        before = (PIXELS, *(layer.output for layer in self.layers))
        return plain and all(x.inputs == (b,) for x, b in zip(self.layers, before, strict=False))
