"""The layers of a dataflow graph: one frozen class a kind.

A new kind of layer is a frozen dataclass derived from :class:`Layer` with a ``kind``; the other parts
of the flow dispatch on the class (``functools.singledispatch``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from finnspect.ir.types import ArrayEq, IntType, Staircase


@dataclass(frozen=True, eq=False)
class Layer(ArrayEq):
    """One node: reads the tensors ``inputs``, makes the tensors ``outputs``."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    kind: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[Layer]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.kind:
            Layer.registry[cls.kind] = cls

    @property
    def input(self) -> str:
        """The only input."""
        (name,) = self.inputs
        return name

    @property
    def output(self) -> str:
        """The only output."""
        (name,) = self.outputs
        return name


@dataclass(frozen=True, eq=False)
class SlidingWindow(Layer):
    """Windows of a feature map, zero-padded: (H, W, C) -> (OH, OW, KH*KW*C).

    Elements of a window are ordered (kh, kw, c), c fastest. A dense layer over a whole feature map
    is a window of kernel (H, W) and stride (H, W); a 1x1 convolution has kernel (1, 1).
    A :class:`Depthwise` layer reads the same tensor; only the order on its stream differs (channel
    fold, kh, kw).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]  # top, left, bottom, right

    kind: ClassVar[str] = "sliding_window"


@dataclass(frozen=True, eq=False)
class MatVec(Layer):
    """Integer matrix times vector over the last axis, then a staircase: (OH, OW, MW) -> (OH, OW, MH).

    Parameters
    ----------
    weights
        int64, shape (MH, MW).
    weight_dtype, acc_dtype
        Types that hold every weight, and every accumulator value on any input of the input type.
        ``acc_dtype`` is signed and, where there is an activation, holds at least one value above
        the largest accumulator: the "never reached" threshold.
    activation
        Applied to the accumulator, thresholds of shape (MH, steps); None puts the accumulator out.
    """

    weights: np.ndarray
    weight_dtype: IntType
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "matvec"

    @property
    def MH(self) -> int:  # noqa: N802
        """Matrix height: output channels."""
        return self.weights.shape[0]

    @property
    def MW(self) -> int:  # noqa: N802
        """Matrix width: inputs of one dot product."""
        return self.weights.shape[1]

    @cached_property
    def bipolar(self) -> bool:
        """Whether every weight is -1 or +1: the hardware keeps one bit of each."""
        return bool(np.all(np.abs(self.weights) == 1))


@dataclass(frozen=True, eq=False)
class Depthwise(Layer):
    """A dot product a channel over its own window, then a staircase: (OH, OW, K*C) -> (OH, OW, C).

    Reads the output of a :class:`SlidingWindow` (K = KH*KW). FINN calls the unit VVAU.

    Parameters
    ----------
    weights
        int64, shape (C, K), K in order (kh, kw).
    weight_dtype, acc_dtype, activation
        As in :class:`MatVec`.
    """

    weights: np.ndarray
    weight_dtype: IntType
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "depthwise"

    @property
    def channels(self) -> int:
        """Channels, in and out."""
        return self.weights.shape[0]

    @property
    def taps(self) -> int:
        """Positions of a window."""
        return self.weights.shape[1]

    @cached_property
    def bipolar(self) -> bool:
        """Whether every weight is -1 or +1: the hardware keeps one bit of each."""
        return bool(np.all(np.abs(self.weights) == 1))


@dataclass(frozen=True, eq=False)
class MaxPool(Layer):
    """Maximum over windows a channel: (H, W, C) -> (OH, OW, C).

    Floor division. Padding never wins: it counts as the input type's smallest value.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, bottom, right

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True, eq=False)
class SumPool(Layer):
    """Sum over windows a channel, then a staircase: (H, W, C) -> (OH, OW, C).

    Average and global average pools: the division is in the staircase, or in the scale of what follows.
    Windows do not overlap (``stride`` = ``kernel``, floor division); overlapping ones are a
    :class:`Depthwise` layer with weights of one.

    Parameters
    ----------
    acc_dtype
        Unsigned where the input is (one value above the largest sum where there is an activation),
        else signed.
    activation
        Thresholds of shape (C, steps); None puts the sum out.
    """

    kernel: tuple[int, int]
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "sum_pool"

    @property
    def stride(self) -> tuple[int, int]:
        """The kernel: windows do not overlap."""
        return self.kernel


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """Weighted sum of two maps, element by element, then a staircase: 2 x (H, W, C) -> (H, W, C).

    ``acc = multipliers[0] * a + multipliers[1] * b``. Equal scales have multipliers (1, 1); for unequal ones
    the front end chooses integers and thresholds, and proves them on every pair of codes.

    Parameters
    ----------
    multipliers
        Non-zero integers.
    acc_dtype
        Signed; holds every sum and, where there is an activation, one value above the largest.
    activation
        Thresholds of shape (C, steps) or, the same for all channels, (1, steps); None puts the sum out.
    """

    multipliers: tuple[int, int]
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """Maps of one size and type joined along the channels: n x (H, W, C_i) -> (H, W, sum C_i)."""

    kind: ClassVar[str] = "concat"


@dataclass(frozen=True, eq=False)
class Threshold(Layer):
    """A staircase on its own, element by element: (H, W, C) -> (H, W, C).

    Parameters
    ----------
    activation
        Thresholds of shape (C, steps) or (1, steps). Every one lies within the input type or one above its
        largest value ("never reached").
    """

    activation: Staircase

    kind: ClassVar[str] = "threshold"


@dataclass(frozen=True, eq=False)
class ArgMax(Layer):
    """Index of the greatest score of a vector, the lowest at a tie: (1, 1, C) -> (1, 1, 1).

    The score of class c is ``(x << shift) + offsets[c]``, x itself where there are no offsets.

    Parameters
    ----------
    shift
        At least 0.
    offsets
        One for each class, at least 0; or none.
    """

    shift: int = 0
    offsets: tuple[int, ...] = ()

    kind: ClassVar[str] = "argmax"

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return the scores, int64, of integers of shape (..., C)."""
        x = x.astype(np.int64) << self.shift
        return x + np.array(self.offsets, np.int64) if self.offsets else x

    def score_dtype(self, x: IntType) -> IntType:
        """Return the type of the scores of integers of a type."""
        if not self.offsets:
            return x
        low, high = (x.min << self.shift) + min(self.offsets), (x.max << self.shift) + max(self.offsets)
        return IntType.spanning(min(low, x.min << self.shift), high, signed=x.signed)
