"""Every registered data set: drawn in its layout, it loads, splits without a leak, and checks clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import drawn_sets as drawn
import numpy as np
import pytest
import test_loaders as first_sets
from drawn_sets import SMALL
from finnspect.errors import DataError

from quant_models.datasets import clusters, get_dataset, list_datasets, load_dataset, split_dataset
from quant_models.datasets.check import check_dataset

#: Data set, how it is drawn, its options, and how many of each class it then has.
DRAWN: list[tuple[str, Callable[[Path], Path], dict, dict[str, int] | None]] = [
    ("aitex", drawn.aitex, SMALL, {"good": 20 + 40, "defect": 4}),
    ("bridge-crack", first_sets.bridge_crack, {}, None),
    ("bsdata", drawn.bsdata, SMALL, {"good": 24 + 35, "pitting": 5}),
    ("crack-forest", first_sets.crack_forest, {}, None),
    ("dagm-2007", drawn.dagm, {}, {"good": 32, "defect": 16}),
    ("dagm-2007", drawn.dagm, {"texture": "10"}, {"good": 16, "defect": 8}),
    ("dagm-2007", drawn.dagm_old, {}, {"good": 16, "defect": 8}),
    ("deep-pcb", first_sets.deep_pcb, {}, None),
    ("elpv", drawn.elpv_set, {}, {"good": 12, "defect": 12}),
    ("elpv", drawn.elpv_set, {"task": "sure", "cells": "mono"}, {"good": 3, "defect": 3}),
    ("elpv", drawn.elpv_set, {"task": "levels"}, None),
    ("escalator-step", drawn.escalator_folders, {}, {"normal": 4, "worn": 4}),
    ("escalator-step", drawn.escalator_voc, {"least": 16}, {"crack": 4, "tooth": 4}),
    ("insulator", drawn.insulator, {"least": 16}, {"good": 8, "defect": 4}),
    ("kolektor-sdd", drawn.kolektor_sdd, SMALL, {"good": 80 - 5 * 1, "defect": 5}),
    ("kth-tips", drawn.kth_tips, {}, None),
    ("kylberg", drawn.kylberg, {}, None),
    ("kylberg", lambda root: drawn.kylberg(root, flat=True), {}, None),
    ("magnetic-tile", first_sets.magnetic_tile, {}, None),
    ("mvtec-itodd", drawn.itodd, {"least": 16}, {"part03": 5, "part07": 5}),
    ("neu-cls", drawn.neu_cls_flat, {}, None),
    ("neu-cls", drawn.neu_cls_parts, {}, None),
    ("rsdds", drawn.rsdds_set, {"tile": 32}, None),
    ("rsdds", drawn.rsdds_set, {"tile": 32, "line": "II"}, None),
    ("severstal", drawn.severstal, {"tile": 64, "minimum": 32}, None),
    ("severstal", drawn.severstal_long, {"tile": 64, "task": "binary"}, {"good": 52, "defect": 12}),
    ("tianchi-aluminium", drawn.tianchi_aluminium_set, {}, None),
    ("tianchi-aluminium", drawn.tianchi_aluminium_set, {"task": "binary"}, {"good": 4, "defect": 44}),
    ("tianchi-fabric", drawn.tianchi_fabric_set, {**SMALL, "task": "types"}, None),
    ("tianchi-fabric", drawn.tianchi_fabric_set, SMALL, None),
]
#: Drawn elsewhere, or read from no files.
ELSEWHERE = {"image-folder", "neu-det", "synthetic"}
OFFICIAL = {"neu-cls": drawn.neu_cls_parts, "dagm-2007": drawn.dagm, "deep-pcb": first_sets.deep_pcb}
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(DRAWN)]


def test_every_registered_set_is_drawn():
    assert {name for name, *_ in DRAWN} | ELSEWHERE == {info.name for info in list_datasets()}


@pytest.mark.parametrize(("name", "draw", "options", "counts"), DRAWN, ids=IDS)
def test_it_loads_splits_and_checks(name, draw, options, counts, grey16, tmp_path):
    path = draw(tmp_path)
    dataset = load_dataset(name, path, grey16, None, **options)
    assert counts is None or dataset.counts == counts
    cluster = clusters(dataset)
    for seed in range(3):
        split = split_dataset(dataset, seed)
        assert split.official == (OFFICIAL.get(name) == draw)
        parts = [split.part(part) for part in ("train", "val", "test")]
        assert sorted(np.concatenate(parts)) == list(range(len(dataset)))
        for i, part in enumerate(parts):
            assert set(dataset.labels[part]) == set(range(len(dataset.class_names)))
            for other in parts[i + 1 :]:
                assert not set(cluster[part]) & set(cluster[other])
    check = check_dataset(name, path, scratch=tmp_path / "scratch", **options)
    assert all("the published set has" in problem for problem in check.problems)
    assert check.classes == dataset.counts


@pytest.mark.parametrize("name", sorted(info.name for info in list_datasets() if info.needs_path))
def test_an_empty_folder_is_refused_with_the_layout(name, grey16, tmp_path):
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path, grey16, None)
    assert get_dataset(name).info.layout in str(caught.value)
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("name", sorted({name for name, *_ in DRAWN}))
def test_an_archive_gives_the_same(name, grey16, tmp_path, tools):
    _, draw, options, _ = next(row for row in DRAWN if row[0] == name)
    path = draw(tmp_path / "files")
    plain = load_dataset(name, path, grey16, None, **options)
    packed = load_dataset(name, tools.pack_zip(path, tmp_path / "set.zip"), grey16, None, **options)
    assert list(packed.sources) == [f"{path.name}/{source}" for source in plain.sources]
    assert np.array_equal(packed.images, plain.images) and packed.counts == plain.counts
