"""From a picture to the accelerator's uint8 input: one implementation for training, host and board.

Every step is integer arithmetic with one documented rounding, so that the same picture gives the same
bytes on every machine, in this order:

1. **Colour.** ``grey`` of an RGB pixel is ``(19595 R + 38470 G + 7471 B + 32768) >> 16`` (ITU-R BT.601
   luma, weights that sum to 65536, rounded half up), so a pixel with R = G = B keeps its value.
   ``rgb`` of a grey picture repeats its one channel.
2. **Area resize.** Output pixel (i, j) is the mean of the input under its footprint: it covers the
   rows [i H/h, (i+1) H/h) and the columns [j W/w, (j+1) W/w) of the input, and a pixel that is partly
   covered counts by the covered part. Measured in units of 1/h of a row and 1/w of a column every
   coverage is an integer; the sum of pixel times coverage is divided once, by H W, rounded half up.
   The same rule enlarges.

This module imports numpy and nothing else and keeps to Python 3.8, because it also runs on the board.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np

#: Weights of R, G and B in a grey value, in units of 1/65536.
GREY_WEIGHTS = (19595, 38470, 7471)
_GREY_SHIFT = 16
_COLORS = ("grey", "rgb")
#: Integers of at most this magnitude are exact in float32 and float64.
_EXACT_F32 = 1 << 24
_EXACT_F64 = 1 << 53


def channels(params: Mapping[str, Any]) -> int:
    """Return the number of channels that ``params`` asks for: 1 for grey, 3 for rgb."""
    return 1 if params["color"] == "grey" else 3


def to_grey(image: np.ndarray) -> np.ndarray:
    """Return the grey values of an RGB image.

    Parameters
    ----------
    image
        uint8, shape (H, W, 3).

    Returns
    -------
    numpy.ndarray
        uint8, shape (H, W).
    """
    total = np.full(image.shape[:2], 1 << (_GREY_SHIFT - 1), dtype=np.uint32)
    for channel, weight in enumerate(GREY_WEIGHTS):
        total += image[..., channel] * np.uint32(weight)
    return (total >> np.uint32(_GREY_SHIFT)).astype(np.uint8)


@lru_cache(maxsize=256)
def overlap_matrix(size_in: int, size_out: int) -> np.ndarray:
    """Return how much of each input pixel lies under each output pixel, along one axis.

    Parameters
    ----------
    size_in, size_out
        Pixels along the axis before and after.

    Returns
    -------
    numpy.ndarray
        int64, shape (size_out, size_in), read-only. Every row sums to
        ``size_in / gcd(size_in, size_out)``, every column to ``size_out / gcd``.
    """
    step = gcd(size_in, size_out)
    a, b = size_in // step, size_out // step  # an output pixel is a units long, an input pixel b units
    start_out = np.arange(size_out, dtype=np.int64)[:, None] * a
    start_in = np.arange(size_in, dtype=np.int64)[None, :] * b
    matrix = np.minimum(start_out + a, start_in + b) - np.maximum(start_out, start_in)
    matrix = np.maximum(matrix, 0)
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=256)
def _overlap_as(size_in: int, size_out: int, dtype: str) -> np.ndarray:
    matrix = overlap_matrix(size_in, size_out).astype(dtype)
    matrix.setflags(write=False)
    return matrix


def area_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize by exact area averaging, rounding half up.

    The two matrix products run on floating-point hardware, but only where the largest possible sum
    is below 2^24 (float32) or 2^53 (float64): every partial sum is then an exactly held integer,
    in whatever order it is formed.

    Parameters
    ----------
    image
        uint8, shape (H, W) or (H, W, C).
    height, width
        Size of the result in pixels.

    Returns
    -------
    numpy.ndarray
        uint8, shape (height, width) or (height, width, C).

    Raises
    ------
    ValueError
        A size is not positive.
    """
    rows, cols = image.shape[:2]
    if min(rows, cols, height, width) < 1:
        raise ValueError(f"cannot resize {rows}x{cols} pixels to {height}x{width}: sizes start at 1")
    if (rows, cols) == (height, width):
        return image.copy()
    area = (rows // gcd(rows, height)) * (cols // gcd(cols, width))
    bound = 255 * area
    if bound >= _EXACT_F64:
        raise ValueError(f"an image of {rows}x{cols} pixels is too large to resize exactly")
    dtype = "float32" if bound < _EXACT_F32 else "float64"
    planes = image.reshape(rows, cols, -1).transpose(2, 0, 1).astype(dtype)
    down = np.matmul(_overlap_as(rows, height, dtype), planes)
    total = np.matmul(down, _overlap_as(cols, width, dtype).T).astype(np.int64)
    mean = ((2 * total + area) // (2 * area)).astype(np.uint8)
    return np.ascontiguousarray(mean.transpose(1, 2, 0)).reshape((height, width, *image.shape[2:]))


def preprocess(image: np.ndarray, params: Mapping[str, Any]) -> np.ndarray:
    """Turn a picture into the bytes that the accelerator receives.

    Parameters
    ----------
    image
        uint8, shape (H, W), (H, W, 1) or (H, W, 3) in the order R, G, B.
    params
        The fields of ``preprocessing`` in a model package: ``color`` ("grey" or "rgb"), ``height``,
        ``width``, ``resize`` ("area"). ``scale`` is the model's business and is not read.

    Returns
    -------
    numpy.ndarray
        uint8, C-contiguous, shape (height, width, 1) or (height, width, 3).

    Raises
    ------
    TypeError
        The image is not a uint8 array.
    ValueError
        The image has another shape, or ``params`` asks for something unknown.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        got = image.dtype if isinstance(image, np.ndarray) else type(image).__name__
        raise TypeError(f"an image is a uint8 array, not {got}; scale it to 0..255 first")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim != 2 and not (image.ndim == 3 and image.shape[2] == 3):
        raise ValueError(f"an image has the shape (H, W), (H, W, 1) or (H, W, 3), not {image.shape}")
    if params["color"] not in _COLORS:
        raise ValueError("color is one of {}, not {!r}".format(_COLORS, params["color"]))
    if params.get("resize", "area") != "area":
        raise ValueError("resize is 'area', not {!r}".format(params["resize"]))
    if image.ndim == 3 and params["color"] == "grey":
        image = to_grey(image)
    image = area_resize(image, int(params["height"]), int(params["width"]))
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], channels(params), axis=2)
    return image
