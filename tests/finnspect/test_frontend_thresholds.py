"""Exact thresholds against a direct evaluation of the quantizer in rationals."""

from fractions import Fraction

import numpy as np
import pytest
from finnspect.frontend.thresholds import (
    channel_thresholds,
    clip_thresholds,
    exact_fractions,
    rounding_steps,
    sqrt,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def code(value: Fraction, scale: Fraction, low: int, high: int) -> int:
    """Quantize as torch does: Python's round of a Fraction is half to even and exact."""
    return min(max(round(value / scale), low), high)


dyadic = st.integers(-200, 200).map(lambda n: Fraction(n, 16))
positive = st.integers(1, 200).map(lambda n: Fraction(n, 16))
floats = st.floats(-1e3, 1e3, width=32).map(Fraction)
positive_floats = st.floats(2**-10, 1e3, width=32).map(Fraction)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    slope=st.one_of(positive, positive_floats),
    offset=st.one_of(dyadic, floats),
    scale=st.one_of(positive, positive_floats),
    bits=st.integers(1, 5),
    signed=st.booleans(),
)
def test_staircase_equals_the_quantizer_at_and_around_every_step(slope, offset, scale, bits, signed):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    thresholds = channel_thresholds(slope, offset, rounding_steps(scale, range(low + 1, high + 1)))
    assert thresholds == sorted(thresholds)
    for threshold in thresholds:
        for a in (threshold - 1, threshold, threshold + 1):
            expected = code(slope * a + offset, scale, low, high)
            assert low + sum(a >= t for t in thresholds) == expected


def test_ties_go_to_even():
    # y / s = a / 2: a = 1 is 0.5 and rounds to 0, a = 3 is 1.5 and rounds to 2
    assert channel_thresholds(Fraction(1, 2), Fraction(0), rounding_steps(Fraction(1), range(1, 4))) == [
        2,
        3,
        6,
    ]


bound = st.one_of(st.none(), dyadic)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(slope=dyadic, offset=dyadic, scale=positive, low=bound, high=bound, bits=st.integers(1, 4))
def test_staircase_of_a_bounded_value_that_may_fall(slope, offset, scale, low, high, bits):
    """Where it falls, the staircase counts the codes that are not reached."""
    if low is not None and high is not None and low > high:
        low, high = high, low
    steps = rounding_steps(scale, range(1, 1 << bits))
    thresholds = channel_thresholds(slope, offset, steps, (low, high), (-50, 50))
    assert thresholds == sorted(thresholds)
    for a in range(-50, 51):
        value = slope * a + offset
        value = value if low is None else max(value, low)
        value = value if high is None else min(value, high)
        count = sum(a >= t for t in thresholds)
        expected = code(value, scale, 0, len(steps))
        assert (count if slope >= 0 else len(steps) - count) == expected


@pytest.mark.parametrize("value", [Fraction(9, 4), Fraction(2), Fraction(1e-5), Fraction(12345678.9)])
def test_root_is_exact_or_good_to_256_bits(value):
    root = sqrt(value)
    assert root * root <= value
    assert value - root * root <= value / 2**254
    if value == Fraction(9, 4):
        assert root == Fraction(3, 2)


def test_floats_are_taken_exactly():
    assert exact_fractions(np.float32([0.1])) == [Fraction(13421773, 134217728)]


def test_unreachable_steps_are_made_uniform():
    low, high = np.array([-5, 0]), np.array([5, 9])
    rows = [[-100, -5, -4, 5, 6, 10**30], [0, 1, 9, 10, 11, 12]]
    assert clip_thresholds(rows, low, high).tolist() == [[-5, -5, -4, 5, 6, 6], [0, 1, 9, 10, 10, 10]]
    assert clip_thresholds(rows, low, high, -64, 63).tolist() == [
        [-64, -64, -4, 5, 63, 63],
        [-64, 1, 9, 63, 63, 63],
    ]
