"""Your own pictures: classes from folders, items that stay together, and every likely mistake."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from finnspect.errors import DataError
from PIL import Image

from quant_models.datasets import load_dataset, split_dataset


def _load(path, params):
    return load_dataset("image-folder", path, params, None)


def test_classes_and_items(class_folder, grey16):
    dataset = _load(class_folder, grey16)
    assert dataset.class_names == ("bad", "good") and dataset.counts == {"bad": 7, "good": 6}
    groups = dict(zip(dataset.sources, dataset.groups, strict=True))
    assert groups["bad/item0/view1.png"] == groups["bad/item0/view2.png"] == "bad/item0"
    assert groups["bad/single.png"] == "bad/single.png" and groups["good/g2.png"] == "good/g2.png"


def test_items_stay_in_one_part(class_folder, grey16):
    dataset = _load(class_folder, grey16)
    for seed in range(10):
        split = split_dataset(dataset, seed)
        parts = [{dataset.groups[i] for i in split.part(p)} for p in ("train", "val", "test")]
        assert sum(map(len, parts)) == len(set(dataset.groups))


def test_wrapped_folders_are_found(class_folder, grey16):
    plain = _load(class_folder, grey16)
    outer = class_folder.parent / "outer" / "inner"
    outer.mkdir(parents=True)
    shutil.move(class_folder, outer)
    wrapped = _load(outer.parent, grey16)
    assert wrapped.class_names == plain.class_names and np.array_equal(wrapped.images, plain.images)


def test_one_class_only(class_folder, grey16):
    shutil.rmtree(class_folder / "bad")
    with pytest.raises(DataError, match="only the class 'good'; a classifier needs at least two"):
        _load(class_folder, grey16)


def test_images_without_class_folders(class_folder, grey16):
    with pytest.raises(DataError, match=r"6 images but no class folders\n.*<class>/<image>"):
        _load(class_folder / "good", grey16)


def test_an_empty_folder(tmp_path, grey16):
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        _load(tmp_path / "x", grey16)


def test_an_empty_class_in_folder_and_archive(class_folder, grey16, packer):
    (class_folder / "worse").mkdir()
    for path in (class_folder, packer(class_folder)):
        with pytest.raises(DataError, match=r"class folder 'worse' has no image\n.*remove the folder"):
            _load(path, grey16)


def test_an_image_beside_the_classes(class_folder, grey16, tools):
    tools.write_image(class_folder / "lost.png", 77)
    with pytest.raises(DataError, match=r"lost\.png lies beside the class folders"):
        _load(class_folder, grey16)


@pytest.mark.parametrize("name", ["Good", " good", "GOOD "])
def test_class_names_that_clash(class_folder, grey16, name, tools):
    tools.write_image(class_folder / name / "a.png", 55)
    with pytest.raises(DataError, match="have the same name but for case or spaces"):
        _load(class_folder, grey16)


def test_class_names_that_look_the_same(class_folder, grey16, tools):
    tools.write_image(class_folder / "f\u00e9l\u00e9" / "a.png", 55)
    tools.write_image(class_folder / "fe\u0301le\u0301" / "a.png", 56)
    with pytest.raises(DataError, match="have the same name"):
        _load(class_folder, grey16)


def test_a_set_that_is_already_split(class_folder, grey16):
    root = class_folder.parent / "set"
    shutil.copytree(class_folder, root / "train")
    shutil.copytree(class_folder, root / "test")
    with pytest.raises(DataError, match=r"'test', 'train' are parts of a split, not classes"):
        _load(root, grey16)


@pytest.mark.parametrize("name", ["a.gif", "b.heic", "c.npy", "d"])
def test_files_of_another_kind_are_not_dropped(class_folder, grey16, name):
    (class_folder / "good" / name).write_bytes(b"something")
    with pytest.raises(DataError, match=rf"good/{name} is no kind of image that is read\n.*\.png"):
        _load(class_folder, grey16)


def test_text_beside_images_is_said_to_be_left_out(class_folder, grey16, caplog):
    (class_folder / "good" / "notes.txt").write_text("taken on Monday")
    (class_folder / "readme.md").write_text("my parts")
    assert len(_load(class_folder, grey16)) == 13
    assert "1 files beside the images" in caplog.text


def test_mixed_kinds_of_images_are_converted(tmp_path, grey16):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (16, 16), dtype=np.uint8)
    rgb = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    wide = grey.astype(np.uint16) * 257
    images = {
        "a/grey.png": Image.fromarray(grey),
        "a/wide.png": Image.fromarray(wide),
        "a/alpha.png": Image.fromarray(np.dstack([rgb, np.full((16, 16), 255, np.uint8)])),
        "b/palette.png": Image.fromarray(rgb).quantize(32),
        "b/bits.tif": Image.fromarray(grey > 99),
        "b/rgb.bmp": Image.fromarray(rgb[::-1]),
    }
    for name, image in images.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "set" / name)
    # Equal pixels, one stored with 8 and one with 16 bits, are the same picture.
    dataset = _load(tmp_path / "set", grey16)
    by_name = dict(zip(dataset.sources, dataset.images[..., 0], strict=True))
    assert np.array_equal(by_name["a/grey.png"], grey) and np.array_equal(by_name["a/wide.png"], grey)
    assert np.array_equal(by_name["a/alpha.png"], np.asarray(Image.fromarray(rgb).convert("L")))
    assert np.array_equal(by_name["b/bits.tif"], (grey > 99) * np.uint8(255))
    palette = images["b/palette.png"].convert("RGB").convert("L")
    assert np.array_equal(by_name["b/palette.png"], np.asarray(palette))
    assert len(set(dataset.pixel_sha256)) == 5


def test_an_archive_that_lost_its_end(class_folder, grey16, packer):
    archive = packer(class_folder)
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data.rstrip(b"\0")) // 2])
    with pytest.raises(DataError, match=r"damaged|neither a folder nor an archive"):
        _load(archive, grey16)
