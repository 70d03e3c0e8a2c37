"""Every registered data set: drawn in its layout, it loads, splits without a leak, and checks clean."""

from __future__ import annotations

import drawn_sets as drawn
import numpy as np
import pytest
from finnspect.errors import DataError

from quant_models.datasets import clusters, get_dataset, list_datasets, load_dataset, split_dataset
from quant_models.datasets.check import check_dataset

#: Drawn set, options beside its own, and how many of each class it then has.
DRAWN: list[tuple[str, dict, dict[str, int] | None]] = [
    ("aitex", {}, {"good": 20 + 40, "defect": 4}),
    ("bsdata", {}, {"good": 24 + 35, "pitting": 5}),
    ("dagm-2007", {}, {"good": 32, "defect": 16}),
    ("dagm-2007", {"texture": "10"}, {"good": 16, "defect": 8}),
    ("dagm-2007 old", {}, {"good": 16, "defect": 8}),
    ("elpv", {}, {"good": 12, "defect": 12}),
    ("elpv", {"task": "sure", "cells": "mono"}, {"good": 3, "defect": 3}),
    ("elpv", {"task": "levels"}, None),
    ("escalator-step", {}, {"normal": 4, "worn": 4}),
    ("escalator-step voc", {}, {"crack": 4, "tooth": 4}),
    ("insulator", {}, {"good": 8, "defect": 4}),
    ("kolektor-sdd", {}, {"good": 80 - 5 * 1, "defect": 5}),
    ("magnetic-tile", {"task": "binary"}, {"good": 8, "defect": 40}),
    ("magnetic-tile", {"task": "binary", "tile": 10}, {"good": 368, "defect": 40}),
    ("mvtec-itodd", {}, {"part03": 5, "part07": 5}),
    ("rsdds", {"line": "II"}, None),
    ("severstal long", {"task": "binary"}, {"good": 52, "defect": 12}),
    ("tianchi-aluminium", {"task": "binary"}, {"good": 4, "defect": 44}),
    ("tianchi-fabric", {"task": "types"}, None),
]
DRAWN += [(key, {}, None) for key in drawn.SETS if key not in {row[0] for row in DRAWN if not row[1]}]
OFFICIAL = {"neu-cls parts", "dagm-2007", "deep-pcb"}
IDS = [" ".join([key, *(f"{k}={v}" for k, v in options.items())]) for key, options, _ in DRAWN]


def test_every_registered_set_is_drawn():
    assert {drawn.name_of(key) for key in drawn.SETS} == {i.name for i in list_datasets() if i.needs_path}


@pytest.mark.parametrize(("key", "options", "counts"), DRAWN, ids=IDS)
def test_it_loads_splits_and_checks(key, options, counts, grey16, tmp_path):
    name, options, path = drawn.name_of(key), drawn.SETS[key][1] | options, drawn.draw(key, tmp_path)
    dataset = load_dataset(name, path, grey16, None, **options)
    assert counts is None or dataset.counts == counts
    cluster = clusters(dataset)
    for seed in range(3):
        split = split_dataset(dataset, seed)
        assert split.official == (key in OFFICIAL)
        parts = [split.part(part) for part in ("train", "val", "test")]
        assert sorted(np.concatenate(parts)) == list(range(len(dataset)))
        for i, part in enumerate(parts):
            assert set(dataset.labels[part]) == set(range(len(dataset.class_names)))
            for other in parts[i + 1 :]:
                assert not set(cluster[part]) & set(cluster[other])
                assert not _pictures(dataset, part) & _pictures(dataset, other)
    check = check_dataset(name, path, scratch=tmp_path / "scratch", **options)
    assert all("the published set has" in problem for problem in check.problems)
    assert check.classes == dataset.counts


def _pictures(dataset, part) -> set[str]:
    """Return the picture files of a part: tiles and crops of one stay together."""
    return {dataset.sources[i].partition("#")[0] for i in part}


@pytest.mark.parametrize("name", sorted(info.name for info in list_datasets() if info.needs_path))
def test_an_empty_folder_is_refused_with_the_layout(name, grey16, tmp_path):
    with pytest.raises(DataError) as caught:
        load_dataset(name, tmp_path, grey16, None)
    assert get_dataset(name).info.layout in str(caught.value)
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("key", sorted(drawn.SETS))
def test_an_archive_gives_the_same(key, grey16, tmp_path, tools):
    name, options, path = drawn.name_of(key), drawn.SETS[key][1], drawn.draw(key, tmp_path / "files")
    plain = load_dataset(name, path, grey16, None, **options)
    packed = load_dataset(name, tools.pack_zip(path, tmp_path / "set.zip"), grey16, None, **options)
    assert list(packed.sources) == [f"{path.name}/{source}" for source in plain.sources]
    assert np.array_equal(packed.images, plain.images) and packed.counts == plain.counts
    assert len(packed.notes) == len(plain.notes)
