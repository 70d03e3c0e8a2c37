"""Integer types, tensors and staircases: what the layers of a dataflow graph are made of."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, order=True)
class IntType:
    """A two's-complement or unsigned integer type of ``bits`` bits."""

    bits: int
    signed: bool

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 64:
            raise ValueError(f"an integer type has 1 to 64 bits, not {self.bits}")

    @property
    def min(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @classmethod
    def spanning(cls, low: int, high: int, *, signed: bool | None = None) -> IntType:
        """Return the narrowest type that holds ``low`` to ``high``; signed if asked or if ``low < 0``."""
        signed = low < 0 if signed is None else signed
        bits = 1
        while cls(bits, signed).min > low or cls(bits, signed).max < high:
            bits += 1
        return cls(bits, signed)

    def __str__(self) -> str:
        return f"{'INT' if self.signed else 'UINT'}{self.bits}"

    @classmethod
    def parse(cls, text: str) -> IntType:
        """Return the type called ``INT<n>`` or ``UINT<n>``."""
        signed = text.startswith("INT")
        return cls(int(text.removeprefix("INT" if signed else "UINT")), signed)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A stream of integers: one frame's NHWC shape without the batch, and the element type."""

    name: str
    shape: tuple[int, int, int]
    dtype: IntType

    @property
    def size(self) -> int:
        """Elements in one frame."""
        return self.shape[0] * self.shape[1] * self.shape[2]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and np.array_equal(a, b)
        )
    return type(a) is type(b) and a == b


class ArrayEq:
    """Field-by-field equality that understands arrays."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Staircase(ArrayEq):
    """A monotone activation: ``y = base + sum(x >= t for t in thresholds[channel])``.

    Parameters
    ----------
    thresholds
        int64, shape (channels, steps), ascending along the last axis. A step that no accumulator
        reaches holds ``acc_dtype.max`` of its layer, one that all reach ``acc_dtype.min``.
        Derived in exact or float64
        arithmetic by the front end.
    base
        Output for an accumulator below every threshold.
    """

    thresholds: np.ndarray
    base: int

    def __post_init__(self) -> None:
        t = self.thresholds
        if t.ndim != 2 or t.dtype != np.int64:
            raise ValueError("thresholds are a 2-D int64 array (channels, steps)")
        if np.any(np.diff(t, axis=1) < 0):
            raise ValueError("thresholds ascend along the last axis")

    @property
    def steps(self) -> int:
        """Number of thresholds a channel."""
        return self.thresholds.shape[1]
