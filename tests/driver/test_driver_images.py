"""Reading pictures, and what cannot be read."""

import sys

import numpy as np
import pytest
from finnspect_driver.errors import ImageError, SetupError
from finnspect_driver.images import Batcher, each, is_single, load_image
from PIL import Image

RGB = np.random.RandomState(1).randint(0, 256, (5, 7, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        ("rgb.png", Image.fromarray(RGB), RGB),
        ("grey.png", Image.fromarray(RGB[..., 0]), RGB[..., 0]),
        ("grey.bmp", Image.fromarray(RGB[..., 1]), RGB[..., 1]),
        ("alpha.png", Image.fromarray(np.dstack([RGB, np.full((5, 7), 255, np.uint8)])), RGB),
        ("palette.png", Image.fromarray(RGB[..., 0] % 4).convert("P"), RGB[..., 0] % 4),
    ],
)
def test_pictures(tmp_path, name, picture, expected):
    picture.save(tmp_path / name)
    assert np.array_equal(load_image(tmp_path / name), expected)
    assert np.array_equal(load_image(str(tmp_path / name)), expected)


def test_sixteen_bits_map_linearly(tmp_path):
    Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000).save(tmp_path / "deep.png")
    got = load_image(tmp_path / "deep.png")
    assert got.dtype == np.uint8
    assert np.array_equal(got, (np.arange(12).reshape(3, 4) * 5000 + 128) // 257)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG not quite")
    with pytest.raises(ImageError, match=r"x\.png cannot be decoded as a picture: no known format"):
        load_image(tmp_path / "x.png")
    with pytest.raises(ImageError, match=r"cannot read .*absent\.png"):
        load_image(tmp_path / "absent.png")


def test_pillow_is_needed_for_files(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "rgb.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(SetupError, match="needs Pillow"):
        load_image(tmp_path / "rgb.png")


def test_single_and_many():
    assert is_single("a.png")
    assert is_single(np.zeros((4, 5), np.uint8))
    assert is_single(np.zeros((4, 5, 3), np.uint8))
    assert not is_single(np.zeros((4, 5, 6), np.uint8))
    assert not is_single([np.zeros((4, 5), np.uint8)])
    assert len(list(each(np.zeros((4, 5, 6), np.uint8)))) == 4
    assert len(list(each([np.zeros((2, 5, 6), np.uint8), np.zeros((4, 5), np.uint8)]))) == 3


def test_a_folder_without_pictures_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ImageError, match="holds no pictures"):
        list(each(tmp_path))


def test_batches_of_ready_images_are_not_copied():
    batcher = Batcher({"color": "grey", "height": 2, "width": 2}, (2, 2, 1))
    images = np.arange(20, dtype=np.uint8).reshape(5, 2, 2, 1)
    parts = list(batcher.batches(images, 2))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert all(part.base is not None and np.shares_memory(part, images) for part in parts)
    assert not list(batcher.batches(images[:0], 2))
