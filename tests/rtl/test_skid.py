"""fs_skid: a register slice passes every beat, one a cycle."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.sim.bench import Bench, Stream, run_benches

WIDTHS = (1, 2, 7, 8, 31, 32, 33, 64, 65, 200)


@pytest.fixture(scope="module")
def results(tmp_path_factory, random_beats):
    benches = []
    for width in WIDTHS:
        beats = Stream(width, random_beats(width, 300, width))
        params = {"WIDTH": width}
        benches.append(Bench(f"skid{width}", "fs_skid", params, {"s_axis": beats}, {"m_axis": beats}))
    return run_benches(benches, tmp_path_factory.mktemp("skid"))


@pytest.mark.parametrize("width", WIDTHS)
def test_full_throughput_and_latency(results, width):
    cycles = results[f"skid{width}", "none"]["m_axis"].cycles
    assert np.all(np.diff(cycles) == 1)
    assert cycles[0] == 2  # the source's first beat stands in cycle 1
