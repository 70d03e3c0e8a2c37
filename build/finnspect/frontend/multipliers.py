"""Small integer multipliers for a sum of two codes at unequal scales, proven on every pair of codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from finnspect.ir import IntType

#: Pairs of codes that are tried one by one.
MAX_PAIRS = 1 << 18
#: Widest multiplier that is worth it; beyond, the exact ratio or none.
MAX_BITS = 20
#: Approximations tried between one convergent and the next.
BETWEEN = 12

Rows = tuple[tuple[int, ...], ...]


def candidates(ratio: Fraction) -> Iterator[Fraction]:
    """Yield ever finer approximations of a positive ratio: convergents and some of what lies between them."""
    rest = ratio
    (p0, q0), (p1, q1) = (0, 1), (1, 0)
    while True:
        whole = rest.numerator // rest.denominator
        steps = {*range(1, min(whole, BETWEEN) + 1), *(whole >> k for k in range(4))} - {0}
        for step in sorted(steps):
            p, q = step * p1 + p0, step * q1 + q0
            if max(p, q) >> MAX_BITS:
                return
            if p and q:
                yield Fraction(p, q)
        (p0, q0), (p1, q1) = (p1, q1), (whole * p1 + p0, whole * q1 + q0)
        if rest == whole:
            return
        rest = 1 / (rest - whole)


def small_multipliers(
    exact: tuple[int, int], types: tuple[IntType, IntType], thresholds: Rows
) -> tuple[tuple[int, int], Rows] | None:
    """Return the smallest multipliers, and thresholds on their sum that decide every pair as the exact do.

    Parameters
    ----------
    exact
        Multipliers that are right.
    types
        Of the two codes.
    thresholds
        On the exact sum, for each channel, ascending.

    Returns
    -------
    tuple or None
        None where there are too many pairs to try or no small multipliers are right.
    """
    first, second = (np.arange(t.min, t.max + 1, dtype=np.int64) for t in types)
    if len(first) * len(second) > MAX_PAIRS or exact in ((1, 1), (1, -1), (-1, 1)):
        return None
    signs = tuple(1 if m > 0 else -1 for m in exact)
    # exact sums in ascending order; Python integers, of any size
    sums = np.add.outer(first.astype(object) * exact[0], second.astype(object) * exact[1]).ravel()
    if max(abs(int(sums.min())), abs(int(sums.max()))) < 1 << 62:
        sums = sums.astype(np.int64)
    order = np.argsort(sums, kind="stable")
    ordered = sums[order]
    # a threshold parts the sorted pairs at a place; channels share most of them
    rows = [[int(np.searchsorted(ordered, t)) for t in row] for row in _clipped(thresholds, ordered)]
    places = np.array(sorted({place for row in rows for place in row}), np.int64)
    inner = places[(places > 0) & (places < len(ordered))]
    pairs = [np.repeat(first, len(second))[order], np.tile(second, len(first))[order]]
    for ratio in candidates(Fraction(abs(exact[0]), abs(exact[1]))):
        multipliers = (signs[0] * ratio.numerator, signs[1] * ratio.denominator)
        trial = multipliers[0] * pairs[0] + multipliers[1] * pairs[1]
        below = np.maximum.accumulate(trial)
        above = np.minimum.accumulate(trial[::-1])[::-1]
        if np.all(below[inner - 1] < above[inner]):
            low, high = int(trial.min()), int(trial.max())
            at = {int(p): low if p == 0 else high + 1 if p == len(trial) else int(above[p]) for p in places}
            return multipliers, tuple(tuple(at[p] for p in row) for row in rows)
    return None


def _clipped(thresholds: Rows, ordered: np.ndarray) -> Sequence[Sequence[int]]:
    """Return thresholds no further out than one beyond the sums, so that they compare in their type."""
    low, high = int(ordered[0]), int(ordered[-1]) + 1
    return [[min(max(t, low), high) for t in row] for row in thresholds]
