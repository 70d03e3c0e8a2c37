"""Splits: stratified, seeded, and never one picture or group on both sides."""

from __future__ import annotations

import json

import numpy as np
import pytest
from finnspect.errors import ConfigError, DataError
from finnspect.package import Preprocessing
from hypothesis import given, settings
from hypothesis import strategies as st

from quant_models.datasets import DefectDataset, SplitManifest, clusters, split_dataset

PARAMS = Preprocessing(color="grey", height=2, width=2, scale=1 / 255)


def _dataset(labels, groups=None, pixels=None) -> DefectDataset:
    n = len(labels)
    digests = tuple(f"{p}" for p in (range(n) if pixels is None else pixels))
    return DefectDataset(
        name="made",
        class_names=tuple(f"class{k}" for k in range(max(labels) + 1)),
        images=np.zeros((n, 2, 2, 1), np.uint8),
        labels=np.array(labels, dtype=np.int64),
        groups=tuple(f"{g}" for g in (range(n) if groups is None else groups)),
        sources=tuple(f"{i}.png" for i in range(n)),
        sha256=tuple(f"{i:064x}" for i in range(n)),
        pixel_sha256=digests,
        preprocessing=PARAMS,
    )


def _part_of(dataset, split) -> np.ndarray:
    part = np.full(len(dataset), -1)
    for p, name in enumerate(("train", "val", "test")):
        assert np.all(part[split.part(name)] == -1)
        part[split.part(name)] = p
    assert part.min() >= 0
    return part


def test_single_images_are_stratified_exactly():
    split = split_dataset(_dataset([0] * 300 + [1] * 100), seed=0)
    labels = np.array([0] * 300 + [1] * 100)
    for name, wanted in {"train": [192, 64], "val": [48, 16], "test": [60, 20]}.items():
        assert np.bincount(labels[split.part(name)]).tolist() == wanted


def test_the_seed_decides():
    dataset = _dataset([0, 1] * 50)
    a, b, c = (split_dataset(dataset, seed=s) for s in (1, 1, 2))
    assert np.array_equal(a.test, b.test) and not np.array_equal(a.test, c.test)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_clusters_never_part_and_shares_stay_close(data, seed):
    n = data.draw(st.integers(60, 150))
    draw = st.lists(st.integers(0, 1 << 30), min_size=n, max_size=n)
    label_of_item = data.draw(draw)
    groups = [g % (n // 2) for g in data.draw(draw)]
    pixels = [p % (3 * n) for p in data.draw(draw)]
    # a group has one label, and so has a repeated picture: real sets are so, chains are made by both
    dataset = _dataset([0, 1, *[label_of_item[g] % 2 for g in groups[2:]]], groups, pixels)
    try:
        split = split_dataset(dataset, seed)
    except DataError:
        assert len(set(clusters(dataset).tolist())) < 40
        return
    part = _part_of(dataset, split)
    for names in (dataset.groups, dataset.pixel_sha256):
        for name in set(names):
            assert len({int(part[i]) for i in range(n) if names[i] == name}) == 1
    largest = int(np.bincount(clusters(dataset)).max())
    for p, share in enumerate((0.64, 0.16, 0.20)):
        assert abs(int((part == p).sum()) - share * n) <= 2 * largest + 4


def test_chains_of_groups_and_pictures_are_one_cluster():
    dataset = _dataset([0] * 6, groups="aabbcd", pixels=[1, 2, 2, 3, 4, 5])
    assert clusters(dataset).tolist() == [0, 0, 0, 0, 4, 5]


def test_too_few_images_name_the_class():
    with pytest.raises(DataError, match=r"class 'class1' has 2 images"):
        split_dataset(_dataset([0] * 10 + [1] * 2), seed=0)
    with pytest.raises(DataError, match="groups"):
        split_dataset(_dataset([0] * 10 + [1] * 8, groups=[*range(10), *[50] * 8]), seed=0)


def test_three_images_a_class_reach_every_part():
    part = _part_of(dataset := _dataset([0] * 3 + [1] * 3), split_dataset(dataset, seed=4))
    assert sorted(part[:3]) == [0, 1, 2] and sorted(part[3:]) == [0, 1, 2]


def test_uneven_groups_still_reach_every_part():
    dataset = _dataset([0] * 7 + [1] * 60, groups=[1, 1, 1, 2, 2, 2, 3, *[4] * 58, 5, 6])
    for seed in range(10):
        part = _part_of(dataset, split_dataset(dataset, seed))
        assert set(part[:7].tolist()) == set(part[7:].tolist()) == {0, 1, 2}
        assert part[7] == 0  # the large group is for training


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.5, 0.5, 0.5), (1, 0, 0), (0.9, -0.1, 0.2)])
def test_wrong_fractions(fractions):
    with pytest.raises(ConfigError, match="fractions"):
        split_dataset(_dataset([0, 1] * 5), 0, fractions)


def test_wrong_seed_and_part():
    with pytest.raises(ConfigError, match="negative"):
        split_dataset(_dataset([0, 1] * 5), -1)
    with pytest.raises(ConfigError, match="no part 'dev'"):
        split_dataset(_dataset([0, 1] * 5), 0).part("dev")


def test_manifest_reads_back_and_gives_the_same_split(tmp_path):
    dataset = _dataset([0, 1] * 20)
    split = split_dataset(dataset, 3)
    manifest = SplitManifest.of(dataset, split)
    manifest.write(tmp_path / "run" / "split.json")
    again = SplitManifest.read(tmp_path / "run" / "split.json")
    assert again == manifest and again.sha256 == manifest.sha256 and len(again.sha256) == 64
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["split.json"]
    back = again.apply(dataset)
    for name in ("train", "val", "test"):
        assert np.array_equal(back.part(name), split.part(name))
    assert (back.seed, back.fractions) == (split.seed, split.fractions)
    assert again.counts["train"] == {"class0": 13, "class1": 13}


def test_the_hash_changes_with_every_fact():
    dataset = _dataset([0, 1] * 20)
    hashes = {SplitManifest.of(dataset, split_dataset(dataset, s)).sha256 for s in (0, 1)}
    for field, value in {"sha256": "f" * 64, "groups": "other", "sources": "other.png"}.items():
        other = _dataset([0, 1] * 20)
        object.__setattr__(other, field, (value, *getattr(other, field)[1:]))
        hashes.add(SplitManifest.of(other, split_dataset(dataset, 0)).sha256)
    assert len(hashes) == 5


def test_another_data_set_is_refused():
    dataset = _dataset([0, 1] * 20)
    manifest = SplitManifest.of(dataset, split_dataset(dataset, 0))
    other = _dataset([0, 1] * 20)
    object.__setattr__(other, "sha256", ("f" * 64, *other.sha256[1:]))
    with pytest.raises(DataError, match=r"0\.png"):
        manifest.apply(other)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other", "format_version": 1}', "\x00"])
def test_damaged_manifests_are_refused(tmp_path, text):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(DataError, match="is not a split manifest"):
        SplitManifest.read(path)
    with pytest.raises(DataError, match="is not a split manifest"):
        SplitManifest.read(tmp_path / "absent.json")


def test_another_version_is_refused(tmp_path):
    dataset = _dataset([0, 1] * 5)
    document = dict(SplitManifest.of(dataset, split_dataset(dataset, 0)).document, format_version=2)
    (tmp_path / "split.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="expected"):
        SplitManifest.read(tmp_path / "split.json")
