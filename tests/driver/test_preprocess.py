"""The preprocessing of the board: exact integers against a slow, obviously right version."""

from __future__ import annotations

import ast
import io
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from finnspect_driver import preprocess as pp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

GREY = {"color": "grey", "height": 8, "width": 8, "resize": "area", "scale": 1 / 255}
sizes = st.integers(1, 17)


def _image(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _slow_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Integrate the picture over every output pixel's rectangle in exact fractions."""
    rows, cols = image.shape
    out = np.zeros((height, width), np.uint8)
    for i in range(height):
        top, bottom = Fraction(i * rows, height), Fraction((i + 1) * rows, height)
        for j in range(width):
            left, right = Fraction(j * cols, width), Fraction((j + 1) * cols, width)
            total = Fraction(0)
            for y in range(floor(top), min(rows, floor(bottom) + 1)):
                for x in range(floor(left), min(cols, floor(right) + 1)):
                    dy = max(Fraction(0), min(bottom, Fraction(y + 1)) - max(top, Fraction(y)))
                    dx = max(Fraction(0), min(right, Fraction(x + 1)) - max(left, Fraction(x)))
                    total += dy * dx * int(image[y, x])
            out[i, j] = floor(total / ((bottom - top) * (right - left)) + Fraction(1, 2))
    return out


@settings(max_examples=60, derandomize=True, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_resize_is_the_exact_integral_rounded_half_up(h_in, w_in, h_out, w_out, seed):
    image = _image(seed, h_in, w_in)
    assert np.array_equal(pp.area_resize(image, h_out, w_out), _slow_resize(image, h_out, w_out))


def _overlaps(size_in: int, size_out: int) -> np.ndarray:
    """How much of each input pixel lies under each output pixel, in whole units."""
    step = int(np.gcd(size_in, size_out))
    a, b = size_in // step, size_out // step
    start_out, start_in = np.arange(size_out)[:, None] * a, np.arange(size_in)[None] * b
    return np.maximum(np.minimum(start_out + a, start_in + b) - np.maximum(start_out, start_in), 0)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400))
def test_area_sums_are_a_matrix_of_overlaps(size_in, size_out):
    matrix = _overlaps(size_in, size_out)
    assert np.array_equal(pp.area_sums(np.eye(size_in, dtype=np.int64), size_out), matrix)
    step = np.gcd(size_in, size_out)
    assert np.array_equal(matrix.sum(axis=1), np.full(size_out, size_in // step))
    assert np.array_equal(matrix.sum(axis=0), np.full(size_in, size_out // step))


@settings(max_examples=40, derandomize=True, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 255))
def test_a_constant_stays_constant(h_in, w_in, h_out, w_out, value):
    image = np.full((h_in, w_in), value, np.uint8)
    assert np.all(pp.area_resize(image, h_out, w_out) == value)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(sizes, sizes, sizes, sizes, st.integers(0, 2**32 - 1))
def test_resize_commutes_with_flips_and_transposition(h_in, w_in, h_out, w_out, seed):
    image = _image(seed, h_in, w_in)
    small = pp.area_resize(image, h_out, w_out)
    assert np.array_equal(pp.area_resize(image[::-1, ::-1], h_out, w_out), small[::-1, ::-1])
    assert np.array_equal(pp.area_resize(image.T, w_out, h_out), small.T)


@pytest.mark.parametrize("shape", [(999, 1000), (1023, 37), (2048, 2049)])
def test_large_images_equal_integer_matrices(shape):
    image = np.where(_image(1, *shape) > 2, 255, 254).astype(np.uint8)
    rows, cols = _overlaps(shape[0], 31), _overlaps(shape[1], 29)
    area = int(rows[0].sum()) * int(cols[0].sum())
    total = rows @ image.astype(np.int64) @ cols.T
    assert np.array_equal(pp.area_resize(image, 31, 29), (2 * total + area) // (2 * area))


def test_half_rounds_up():
    assert pp.area_resize(np.array([[0, 1]], np.uint8), 1, 1)[0, 0] == 1
    assert pp.area_resize(np.array([[1, 2], [2, 1]], np.uint8), 1, 1)[0, 0] == 2


def test_integer_factors_average_blocks_and_repeat_pixels():
    image = _image(2, 12, 20, 3)
    blocks = image.reshape(4, 3, 5, 4, 3).astype(int).sum(axis=(1, 3))
    assert np.array_equal(pp.area_resize(image, 4, 5), (2 * blocks + 12) // 24)
    assert np.array_equal(pp.area_resize(image, 24, 60), image.repeat(2, axis=0).repeat(3, axis=1))


def test_grey_over_the_whole_cube_corner_and_against_pillow():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(52, -1, 3)
    expected = (cube.astype(int) @ np.array(pp.GREY_WEIGHTS) + 32768) // 65536
    assert np.array_equal(pp.to_grey(cube), expected)
    assert np.array_equal(pp.to_grey(cube), np.asarray(Image.fromarray(cube).convert("L")))
    same = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    assert np.array_equal(pp.to_grey(same)[0], np.arange(256))
    assert sum(pp.GREY_WEIGHTS) == 1 << 16


@pytest.mark.parametrize("shape", [(10, 6), (10, 6, 1), (10, 6, 3)])
@pytest.mark.parametrize(("color", "channels"), [("grey", 1), ("rgb", 3)])
def test_shapes_and_memory(shape, color, channels):
    params = {**GREY, "color": color, "height": 5, "width": 7}
    out = pp.preprocess(_image(3, *shape), params)
    assert out.shape == (5, 7, channels) and out.dtype == np.uint8 and out.flags.c_contiguous
    assert pp.channels(params) == channels


def test_same_size_is_the_identity_and_a_copy():
    image = _image(4, 8, 8)
    out = pp.preprocess(image, GREY)
    assert np.array_equal(out[..., 0], image) and not np.shares_memory(out, image)
    rgb = _image(5, 8, 8, 3)
    assert np.array_equal(pp.preprocess(rgb, {**GREY, "color": "rgb"}), rgb)


def test_grey_files_and_grey_stored_as_rgb_give_the_same_bytes():
    image = _image(6, 40, 30)
    as_rgb = image[..., None].repeat(3, axis=2)
    for color in ("grey", "rgb"):
        params = {**GREY, "color": color}
        assert np.array_equal(pp.preprocess(image, params), pp.preprocess(as_rgb, params))


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint16), [[1, 2]], None])
def test_other_types_are_refused(bad):
    with pytest.raises(TypeError, match="uint8"):
        pp.preprocess(bad, GREY)


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 4), (1, 4, 4, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        pp.preprocess(np.zeros(shape, np.uint8), GREY)


@pytest.mark.parametrize("change", [{"color": "hsv"}, {"resize": "nearest"}, {"height": 0}])
def test_other_parameters_are_refused(change):
    with pytest.raises(ValueError):
        pp.preprocess(np.zeros((4, 4), np.uint8), {**GREY, **change})


def test_empty_images_are_refused():
    with pytest.raises(ValueError, match="sizes start at 1"):
        pp.preprocess(np.zeros((0, 4), np.uint8), GREY)


def test_a_file_gives_the_bytes_of_its_pixels():
    image = _image(8, 20, 20)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    with Image.open(buffer) as opened:
        assert np.array_equal(pp.preprocess(np.asarray(opened), GREY), pp.preprocess(image, GREY))


def test_runs_on_the_board_python_with_numpy_alone():
    source = Path(pp.__file__).read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= {"__future__", "collections", "math", "typing", "numpy"}
