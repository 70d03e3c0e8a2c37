"""The binary search behind fs_mvau: levels and rates, shared and pipelined, both kinds of memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from finnspect.sim.bench import StallMode, run_benches
from mvau_bench import Case, benches_of

# SIMD = 1: a result every MW cycles, from a full pipeline to one comparator for all levels
RATES = (1, 2, 3, 4, 5, 6, 8, 9, 12, 16, 27)
STEPS = (1, 3, 7, 15, 63, 255)
STYLES = ("distributed", "block")
# every rate with every number of steps; memories and sets of thresholds by turns keep the build short
CASES = [
    Case(MW=rate, MH=nf * 2, SIMD=1, PE=2, a_bits=8, steps=steps, thresh_style=style, vectors=40 // nf)
    for (i, rate), (j, steps) in itertools.product(enumerate(RATES), enumerate(STEPS))
    for style, nf in [(STYLES[(i + j) % 2], 1 + 2 * ((i + j) // 2 % 2))]
]
MODES = (
    StallMode("none"),
    StallMode("both", source=90, sink=90, seed=1),
    StallMode("out", sink=200, seed=2),
    StallMode("in", source=30, seed=3),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches, files = benches_of(CASES)
    return run_benches(
        benches, tmp_path_factory.mktemp("threshold"), files=files, modes=MODES, optimize="-O0"
    )


@pytest.mark.parametrize("steps", STEPS)
def test_search_keeps_the_rate(results, steps):
    for case in (case for case in CASES if case.steps == steps):
        cycles = results[case.name, "none"]["m_axis"].cycles
        np.testing.assert_array_equal(np.diff(cycles), case.SF, err_msg=case.name)
