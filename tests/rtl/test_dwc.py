"""fs_dwc: both directions over widths and ratios, at the full rate of the narrow side."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.sim.bench import Bench, Stream, run_benches

RATIOS = [(1, 1), (8, 8), (33, 33)]
RATIOS += [(w * r, w) for w in (1, 4, 7, 24) for r in (2, 3, 4, 8, 9)]
RATIOS += [(o, i) for i, o in RATIOS if i != o]


def convert(beats, width_in, width_out):
    """Join all beats into one number and cut it again: independent of the ratio."""
    whole = 0
    for beat in reversed(beats):
        whole = whole << width_in | beat
    count = len(beats) * width_in // width_out
    return [whole >> (i * width_out) & ((1 << width_out) - 1) for i in range(count)]


@pytest.fixture(scope="module")
def results(tmp_path_factory, random_beats):
    benches = []
    for width_in, width_out in RATIOS:
        count = 360 * max(1, width_out // width_in) if width_out > width_in else 120
        beats = random_beats(width_in, count, width_in)
        benches.append(
            Bench(
                f"dwc_{width_in}_{width_out}",
                "fs_dwc",
                {"IN_WIDTH": width_in, "OUT_WIDTH": width_out},
                {"s_axis": Stream(width_in, beats)},
                {"m_axis": Stream(width_out, convert(beats, width_in, width_out))},
            )
        )
    return run_benches(benches, tmp_path_factory.mktemp("dwc"))


@pytest.mark.parametrize(("width_in", "width_out"), RATIOS)
def test_narrow_side_moves_one_beat_a_cycle(results, width_in, width_out):
    cycles = results[f"dwc_{width_in}_{width_out}", "none"]["m_axis"].cycles
    assert np.all(np.diff(cycles) == max(1, width_out // width_in))
