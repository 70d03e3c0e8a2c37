"""Tiles and crops: every pixel is covered, and a label is what lies under the tile."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.errors import ConfigError
from hypothesis import given, settings
from hypothesis import strategies as st

from quant_models.datasets.annotations import Box
from quant_models.datasets.records import Sample
from quant_models.datasets.regions import (
    DOUBTFUL,
    IGNORED,
    MIXED,
    SMALL,
    UNSURE,
    Tally,
    TileRule,
    crop_around,
    cut_tiles,
    paint_boxes,
    thin_out,
    tile_grid,
)

QUICK = settings(derandomize=True, max_examples=60, deadline=None)
_SIDES = st.integers(1, 40)


@QUICK
@given(_SIDES, _SIDES, _SIDES, _SIDES, st.integers(1, 60), st.integers(1, 60))
def test_tiles_cover_the_picture(height, width, tile_height, tile_width, step_y, step_x):
    rule = TileRule(tile_height, tile_width, 1, min(step_y, tile_height), min(step_x, tile_width))
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in tile_grid(height, width, rule):
        assert (bottom - top, right - left) == (min(tile_height, height), min(tile_width, width))
        seen[top:bottom, left:right] = True
    assert seen.all()


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_tile_labels_agree_with_counting(seed, minimum):
    rng = np.random.default_rng(seed)
    labels = np.zeros((20, 26), np.int64)
    for _ in range(rng.integers(0, 5)):
        y, x = rng.integers(0, 20), rng.integers(0, 26)
        labels[y : y + rng.integers(1, 5), x : x + rng.integers(1, 5)] = rng.choice([1, 2, IGNORED, DOUBTFUL])
    rule, tally = TileRule(8, 8, minimum), Tally()
    kept = {sample.box: sample.label for sample in cut_tiles("a", "a", labels, rule, tally)}
    for left, top, right, bottom in tile_grid(20, 26, rule):
        under = labels[top:bottom, left:right]
        counts = {value: int((under == value).sum()) for value in (1, 2)}
        present = [value for value, count in counts.items() if count]
        wanted = None
        if not under.any():
            wanted = 0
        elif not (under == IGNORED).any() and len(present) == 1 and counts[present[0]] >= minimum:
            wanted = present[0]
        assert kept.get((left, top, right, bottom)) == wanted
    assert len(kept) + sum(tally.counts.values()) == len(tile_grid(20, 26, rule))
    assert set(tally.counts) <= {SMALL, MIXED, UNSURE}


@QUICK
@given(_SIDES, _SIDES, st.tuples(_SIDES, _SIDES, _SIDES, _SIDES), st.floats(0, 2), st.integers(1, 50))
def test_crops_stay_inside_and_hold_their_box(height, width, ends, margin, least):
    x0, y0, x1, y1 = ends
    box = Box("a", min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1), max(y0, y1)).inside(height, width)
    if box is None:
        return
    left, top, right, bottom = crop_around(box, height, width, margin=margin, least=least)
    assert 0 <= left <= box.left < box.right <= right <= width
    assert 0 <= top <= box.top < box.bottom <= bottom <= height
    assert min(right - left, width) >= min(least, width)


def test_painted_boxes_and_thinning():
    boxes = [Box("a", -2, 0, 3, 2), Box("b", 2, 1, 9, 3), Box("a", 0, 0, 2, 1)]
    labels = paint_boxes(4, 6, boxes, lambda box: " ab".index(box.name))
    assert labels.tolist() == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, IGNORED, 2, 2, 2],
        [0, 0, 2, 2, 2, 2],
        [0, 0, 0, 0, 0, 0],
    ]
    samples, tally = [Sample(str(i), int(i % 5 == 0), "g") for i in range(20)], Tally()
    kept = thin_out(samples, 0, 4, tally)
    assert [s.source for s in kept if s.label == 0] == ["1", "6", "11", "16"] and len(kept) == 8
    assert tally.notes[0].startswith("12 samples left out")
    assert thin_out(samples, 0, 0, tally) == samples


@pytest.mark.parametrize("rule", [(0, 8, 1), (8, 8, 0), (8, 8, 65), (8, 8, 1, -1)])
def test_impossible_tiles(rule):
    with pytest.raises(ConfigError, match="cannot be cut"):
        TileRule(*rule)
