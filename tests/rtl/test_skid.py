"""fs_skid and the bench infrastructure it is the simplest user of."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.sim.bench import Bench, Stream, run_benches


def random_beats(width: int, count: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    return [int.from_bytes(rng.bytes((width + 7) // 8), "little") % (1 << width) for _ in range(count)]


def through(name: str, module: str, params: dict, width: int, count: int) -> Bench:
    beats = random_beats(width, count, seed=width)
    return Bench(name, module, params, {"s_axis": Stream(width, beats)}, {"m_axis": Stream(width, beats)})


WIDTHS = (1, 2, 7, 8, 31, 32, 33, 64, 65, 200)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches = [through(f"skid{w}", "fs_skid", {"WIDTH": w}, w, 300) for w in WIDTHS]
    return run_benches(benches, tmp_path_factory.mktemp("skid"))


@pytest.mark.parametrize("width", WIDTHS)
def test_full_throughput_and_latency(results, width):
    cycles = results[f"skid{width}", "none"]["m_axis"].cycles
    assert np.all(np.diff(cycles) == 1)
    assert cycles[0] == 2  # the source's first beat stands in cycle 1
