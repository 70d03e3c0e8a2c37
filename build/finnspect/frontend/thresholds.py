"""Exact integer thresholds, in rational arithmetic.

A quantized layer computes ``q = clip(round_half_even(y / s))`` of ``y = slope * a + offset``, where
``a`` is the integer accumulator. With the file's float32 parameters taken at their exact values, the
least ``a`` that gives code ``k`` is an integer that can be computed without any rounding. The only
irrational quantity, the batch norm's square root, is taken to 256 bits, and exactly where it is
rational; a tie under an irrational root is only possible where the root cancels, which it does
exactly here because it is one and the same rational number everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import isqrt

import numpy as np

ROOT_BITS = 256


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


def channel_thresholds(slope: Fraction, offset: Fraction, scale: Fraction, codes: range) -> list[int]:
    """Return, for each code ``k``, the least integer ``a`` whose quantized value reaches ``k``.

    Parameters
    ----------
    slope, offset
        Real value of accumulator ``a`` is ``slope * a + offset``; ``slope > 0``.
    scale
        Quantizer step, positive.
    codes
        The codes, ascending.

    Notes
    -----
    ``round_half_even(v) >= k`` means ``v >= k - 1/2`` where ``k`` is even, ``v > k - 1/2`` where odd.
    """
    if slope <= 0 or scale <= 0:
        raise ValueError("slope and scale are positive; turn the sign of the accumulator first")
    # a (>= or >) ((k - 1/2) * scale - offset) / slope, over one common denominator
    step, start = scale / slope, -offset / slope
    denominator = 2 * step.denominator * start.denominator
    per_half = step.numerator * start.denominator  # numerator of step / 2
    base = 2 * start.numerator * step.denominator
    result = []
    for code in codes:
        numerator = (2 * code - 1) * per_half + base
        if code % 2 == 0:
            result.append(-(-numerator // denominator))  # least integer >= bound
        else:
            result.append(numerator // denominator + 1)  # least integer > bound
    return result


def layer_thresholds(
    slopes: Sequence[Fraction],
    offsets: Sequence[Fraction],
    scale: Fraction,
    codes: range,
    signs: Sequence[int],
) -> list[list[int]]:
    """Return thresholds on the accumulators of ``signs[c] * weights[c]``, for each channel.

    Parameters
    ----------
    slopes, offsets
        Of each channel, relative to the original weights.
    signs
        +1 or -1 of each channel; ``signs[c] * slopes[c]`` is positive.
    """
    return [
        channel_thresholds(sign * slope, offset, scale, codes)
        for slope, offset, sign in zip(slopes, offsets, signs, strict=True)
    ]


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
