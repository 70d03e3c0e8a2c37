"""Decoding: every stored kind of pixel has one documented meaning, or is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from finnspect.errors import DataError
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from quant_models.datasets.decode import decode_image


def _bytes(image: Image.Image, kind: str = "PNG", **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


GREY = np.random.default_rng(0).integers(0, 256, (13, 17), dtype=np.uint8)
COLOR = np.random.default_rng(1).integers(0, 256, (13, 17, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_grey_and_rgb_are_taken_as_they_are(kind):
    assert np.array_equal(decode_image(_bytes(Image.fromarray(GREY), kind), "a"), GREY)
    assert np.array_equal(decode_image(_bytes(Image.fromarray(COLOR), kind), "a"), COLOR)


def test_rgb_with_equal_channels_is_grey():
    same = GREY[..., None].repeat(3, axis=2)
    assert np.array_equal(decode_image(_bytes(Image.fromarray(same)), "a"), GREY)


def test_one_bit():
    bits = GREY > 127
    assert np.array_equal(decode_image(_bytes(Image.fromarray(bits)), "a"), bits * np.uint8(255))


def test_palette_gives_the_colours_of_the_palette():
    image = Image.fromarray(COLOR).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    assert np.array_equal(decode_image(_bytes(image), "a"), np.asarray(image.convert("RGB")))


def test_sixteen_bits_map_linearly_and_are_never_stretched():
    values = np.array([[0, 127, 128, 129, 256, 257, 32767, 32768, 65407, 65535]], dtype=np.uint16)
    got = decode_image(_bytes(Image.fromarray(values)), "a")
    exact = [int(v * 255 / 65535 + 0.5) for v in values[0].tolist()]
    assert got.tolist() == [exact]
    dark = np.full((4, 4), 300, np.uint16)
    assert np.all(decode_image(_bytes(Image.fromarray(dark), "TIFF"), "a") == 1)


def test_transparency_lies_on_black():
    alpha = np.array([[0, 255]], np.uint8)
    rgba = np.dstack([np.full((1, 2), v, np.uint8) for v in (200, 100, 50)] + [alpha])
    assert decode_image(_bytes(Image.fromarray(rgba)), "a").tolist() == [[[0, 0, 0], [200, 100, 50]]]
    la = Image.merge("LA", [Image.fromarray(np.full((1, 2), 77, np.uint8)), Image.fromarray(alpha)])
    assert decode_image(_bytes(la), "a").tolist() == [[0, 77]]


def test_opaque_alpha_changes_nothing():
    rgba = np.dstack([COLOR, np.full(GREY.shape, 255, np.uint8)])
    assert np.array_equal(decode_image(_bytes(Image.fromarray(rgba)), "a"), COLOR)


def test_floats_and_32_bits_are_refused():
    with pytest.raises(DataError, match=r"a\.tif.*floating-point"):
        decode_image(_bytes(Image.fromarray(np.ones((3, 3), np.float32)), "TIFF"), "a.tif")
    with pytest.raises(DataError, match=r"32-bit.*70000"):
        decode_image(_bytes(Image.fromarray(np.full((3, 3), 70000, np.int32)), "TIFF"), "a.tif")


def test_several_pages_are_refused():
    pages = _bytes(
        Image.fromarray(GREY), "TIFF", save_all=True, append_images=[Image.fromarray(GREY.copy() // 2)]
    )
    with pytest.raises(DataError, match="2 pages"):
        decode_image(pages, "a.tif")


def test_empty_and_foreign_files_are_refused():
    with pytest.raises(DataError, match=r"x\.png is empty"):
        decode_image(b"", "x.png")
    with pytest.raises(DataError, match=r"x\.png cannot be decoded"):
        decode_image(b"this is a text file, not an image", "x.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_truncated_files_are_refused(kind, keep):
    whole = _bytes(Image.fromarray(np.tile(COLOR, (8, 8, 1))), kind)
    with pytest.raises(DataError, match=r"cut cannot be decoded.*\n.*remedy"):
        decode_image(whole[: int(keep * len(whole))], "cut")


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "BMP", "TIFF"]),
    place=st.floats(0, 1, exclude_max=True),
    value=st.integers(0, 255),
    cut=st.booleans(),
)
def test_damage_gives_pixels_or_a_data_error(kind, place, value, cut):
    data = bytearray(_bytes(Image.fromarray(COLOR), kind))
    at = int(place * len(data))
    data[at] = value
    try:
        pixels = decode_image(bytes(data[:at] if cut else data), "damaged")
    except DataError as error:
        assert "damaged" in error.message and error.remedy
    else:
        assert pixels.dtype == np.uint8 and pixels.ndim in (2, 3)
