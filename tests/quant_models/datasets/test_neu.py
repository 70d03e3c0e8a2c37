"""NEU-DET: the layout, what may be wrong with it, and the real archive where it is there."""

from __future__ import annotations

import time

import numpy as np
import pytest
from finnspect.errors import DataError
from finnspect.package import Preprocessing

from quant_models.datasets import SplitManifest, clusters, load, load_dataset, split_dataset
from quant_models.datasets.neu import NEU_DET_CLASSES


def test_labels_come_from_file_names(neu_folder, grey16, caplog):
    dataset = load_dataset("neu-det", neu_folder, grey16, None)
    assert dataset.class_names == NEU_DET_CLASSES and set(dataset.counts.values()) == {5}
    for source, label, group in zip(dataset.sources, dataset.labels, dataset.groups, strict=True):
        assert source == f"IMAGES/{group}.jpg" and group.rpartition("_")[0] == NEU_DET_CLASSES[label]
    assert "30 images; the published set has 1800" in caplog.text


def test_folder_wrapped_folder_and_archive(neu_folder, grey16, tmp_path, packer):
    plain = load_dataset("neu-det", neu_folder, grey16, None)
    for path in (neu_folder.parent, packer(neu_folder)):
        other = load_dataset("neu-det", path, grey16, None)
        assert [s.removeprefix("NEU-DET/") for s in other.sources] == list(plain.sources)
        assert np.array_equal(other.images, plain.images) and other.sha256 == plain.sha256
        assert other.groups == plain.groups


def test_wrong_folders(neu_folder, grey16, tmp_path, class_folder):
    for path in (class_folder, neu_folder / "ANNOTATIONS", neu_folder / "IMAGES"):
        with pytest.raises(DataError, match=r"no folder called 'IMAGES', expected one\n.*IMAGES/<class>_"):
            load_dataset("neu-det", path, grey16, None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no folder called 'IMAGES'"):
        load_dataset("neu-det", tmp_path / "empty", grey16, None)


def test_an_archive_of_something_else(class_folder, grey16, packer):
    with pytest.raises(DataError, match="no folder called 'IMAGES'"):
        load_dataset("neu-det", packer(class_folder), grey16, None)


def test_two_copies_are_ambiguous(neu_folder, grey16, tools):
    tools.write_image(neu_folder.parent / "copy" / "IMAGES" / "patches_1.jpg", 1)
    with pytest.raises(DataError, match="2 folders called 'IMAGES'"):
        load_dataset("neu-det", neu_folder.parent, grey16, None)


@pytest.mark.parametrize("name", ["dents_1.jpg", "patches.jpg", "patches_x.jpg", "Patches_1.jpg"])
def test_an_unknown_class_names_the_file(neu_folder, grey16, name, tools):
    tools.write_image(neu_folder / "IMAGES" / name, 7)
    with pytest.raises(DataError, match=rf"IMAGES/{name} does not begin with a class.*\n.*crazing"):
        load_dataset("neu-det", neu_folder, grey16, None)


def test_a_file_of_another_kind_is_not_dropped(neu_folder, grey16):
    (neu_folder / "IMAGES" / "patches_6.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"patches_6\.heic is no kind of image"):
        load_dataset("neu-det", neu_folder, grey16, None)


def test_a_missing_class(neu_folder, grey16):
    for file in (neu_folder / "IMAGES").glob("crazing_*"):
        file.unlink()
    with pytest.raises(DataError, match="no image of class 'crazing'"):
        load_dataset("neu-det", neu_folder, grey16, None)


def test_a_truncated_image(neu_folder, grey16):
    victim = neu_folder / "IMAGES" / "patches_2.jpg"
    victim.write_bytes(victim.read_bytes()[:300])
    with pytest.raises(DataError, match=r"IMAGES/patches_2\.jpg cannot be decoded"):
        load_dataset("neu-det", neu_folder, grey16, None)


@pytest.fixture(scope="module")
def real(real_neu_det, tmp_path_factory):
    """The real set at 64x64, the processor seconds of its first load and split, and its cache folder."""
    params = Preprocessing(color="grey", height=64, width=64, scale=1 / 255)
    folder = tmp_path_factory.mktemp("cache")
    start = time.process_time()
    dataset = load_dataset("neu-det", real_neu_det, params, folder)
    split_dataset(dataset, 0)
    return dataset, time.process_time() - start, folder


def test_real_counts(real):
    dataset, seconds, _ = real
    assert dataset.images.shape == (1800, 64, 64, 1)
    assert dataset.counts == dict.fromkeys(NEU_DET_CLASSES, 300)
    assert len(set(dataset.sources)) == 1800
    assert seconds < 5  # of all threads together: by the clock it is less on two idle cores


def test_real_second_load_decodes_nothing(real, real_neu_det, monkeypatch):
    dataset, _, folder = real
    monkeypatch.setattr(load, "decode_image", lambda *_: pytest.fail("decoded again"))
    again = load_dataset("neu-det", real_neu_det, dataset.preprocessing, folder)
    assert np.array_equal(again.images, dataset.images) and again.sha256 == dataset.sha256


def test_real_identical_images_stay_together(real):
    dataset, _, _ = real
    names = {group: i for i, group in enumerate(dataset.groups)}
    a, b = names["patches_101"], names["patches_105"]
    assert dataset.pixel_sha256[a] == dataset.pixel_sha256[b]
    cluster = clusters(dataset)
    assert cluster[a] == cluster[b] and len(set(cluster.tolist())) == 1799
    for seed in range(20):
        split = split_dataset(dataset, seed)
        assert sum({a, b} <= set(split.part(p).tolist()) for p in ("train", "val", "test")) == 1


def test_real_split_sizes_and_manifest(real):
    dataset, _, _ = real
    split = split_dataset(dataset, seed=0)
    assert (len(split.train), len(split.val), len(split.test)) == (1152, 288, 360)
    counts = SplitManifest.of(dataset, split).counts
    assert set(counts["test"].values()) == {60}
    hashes = [{dataset.pixel_sha256[i] for i in split.part(p)} for p in ("train", "val", "test")]
    assert not hashes[0] & hashes[1] and not hashes[0] & hashes[2] and not hashes[1] & hashes[2]
