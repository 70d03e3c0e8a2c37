"""Exact integer thresholds, in rational arithmetic.

A quantized layer computes ``q = clip(round_half_even(y / s))`` of ``y = slope * a + offset``, where
``a`` is the integer accumulator. With the file's float32 parameters taken at their exact values, the
least ``a`` that gives code ``k`` is an integer that can be computed without any rounding. The only
irrational quantity, the batch norm's square root, is taken to 256 bits, and exactly where it is
rational; a tie under an irrational root is only possible where the root cancels, which it does
exactly here because it is one and the same rational number everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, floor, isqrt
from typing import NamedTuple

import numpy as np

from finnspect.frontend.values import Bound

ROOT_BITS = 256


class Step(NamedTuple):
    """A code is reached where the real value is at least ``bound``; above it where ``strict``."""

    bound: Fraction
    strict: bool

    def reached(self, value: Fraction) -> bool:
        """Return whether a real value reaches the code."""
        return value > self.bound if self.strict else value >= self.bound


def rounding_steps(scale: Fraction, codes: Iterable[int]) -> list[Step]:
    """Return the steps of ``round_half_even(y / scale)``.

    Notes
    -----
    ``round_half_even(v) >= k`` means ``v >= k - 1/2`` where ``k`` is even, ``v > k - 1/2`` where odd.
    """
    return [Step((k - Fraction(1, 2)) * scale, k % 2 == 1) for k in codes]


def sqrt(value: Fraction) -> Fraction:
    """Return the square root of a positive rational: exact if rational, else to 256 bits."""
    product = value.numerator * value.denominator
    root = isqrt(product)
    if root * root == product:
        return Fraction(root, value.denominator)
    return Fraction(isqrt(product << (2 * ROOT_BITS)), value.denominator << ROOT_BITS)


def exact_fractions(values: np.ndarray) -> list[Fraction]:
    """Return the exact values of a float array, flattened."""
    return [Fraction(float(v)) for v in np.asarray(values, np.float64).ravel()]


def channel_thresholds(
    slope: Fraction,
    offset: Fraction,
    steps: Sequence[Step],
    clip: tuple[Bound, Bound] = (None, None),
    span: tuple[int, int] = (0, 0),
) -> list[int]:
    """Return the ascending integers ``t`` for which ``sum(a >= t)`` counts the steps reached.

    Where the slope is negative the staircase descends: then ``sum(a >= t)`` counts the steps that are
    *not* reached.

    Parameters
    ----------
    slope, offset
        Real value of accumulator ``a`` is ``slope * a + offset``, held within ``clip``.
    steps
        Ascending.
    clip
        Bounds of the real value, None where there is none.
    span
        Least and greatest accumulator; a step decided by the bounds alone holds the first, or the second
        plus one.
    """
    low, high = clip
    always, never = span[0], span[1] + 1
    result = []
    for step in steps:
        if low is not None and step.reached(low):
            reached = True
        elif high is not None and not step.reached(high):
            reached = False
        elif slope == 0:
            reached = step.reached(offset)
        else:
            edge = (step.bound - offset) / slope
            if slope > 0:
                result.append(floor(edge) + 1 if step.strict else ceil(edge))
            else:  # reached up to the edge, so not reached from the next integer on
                result.append(ceil(edge) if step.strict else floor(edge) + 1)
            continue
        result.append(always if reached == (slope >= 0) else never)
    return result if slope >= 0 else result[::-1]


def clip_thresholds(
    thresholds: Sequence[Sequence[int]],
    low: np.ndarray,
    high: np.ndarray,
    always: int | None = None,
    never: int | None = None,
) -> np.ndarray:
    """Return int64 thresholds (channels, steps) with unreachable values made uniform.

    Parameters
    ----------
    thresholds
        Python integers of any size.
    low, high
        Least and greatest accumulator of each channel.
    always, never
        What stands for "every accumulator reaches it" and "none does"; each channel's ``low`` and
        ``high + 1`` where None.
    """
    rows = []
    for row, lo, hi in zip(thresholds, low.tolist(), high.tolist(), strict=True):
        bottom, top = lo if always is None else always, hi + 1 if never is None else never
        rows.append([bottom if t <= lo else top if t > hi else t for t in row])
    return np.array(rows, np.int64).reshape(len(rows), -1)
