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
from math import gcd
from typing import Any

import numpy as np

#: Weights of R, G and B in a grey value, in units of 1/65536.
GREY_WEIGHTS = (19595, 38470, 7471)
_GREY_SHIFT = 16
_COLORS = ("grey", "rgb")


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
        # The type is said: numpy 1.x would multiply uint8 by a small uint32 number in uint16.
        total += image[..., channel].astype(np.uint32) * np.uint32(weight)
    return (total >> np.uint32(_GREY_SHIFT)).astype(np.uint8)


def area_sums(values: np.ndarray, size_out: int) -> np.ndarray:
    """Return the integral of ``values`` under each output pixel, along the first axis.

    The running sum at the fractional place i H/h is exact in units of 1/h: h times the sum of the whole
    pixels before it, plus the covered part of the pixel in which it lies. The integral under an
    output pixel is the difference between its two ends.

    Parameters
    ----------
    values
        int64, shape (H, ...).
    size_out
        Number of output pixels h.

    Returns
    -------
    numpy.ndarray
        int64, shape (h, ...): in units of gcd(H, h) / h of a pixel, so that a constant c gives
        c H / gcd(H, h).
    """
    size_in = values.shape[0]
    step = gcd(size_in, size_out)
    a, b = size_in // step, size_out // step  # an output pixel is a units long, an input pixel b units
    whole, part = np.divmod(np.arange(size_out + 1, dtype=np.int64) * a, b)
    sums = np.zeros((size_in + 1, *values.shape[1:]), dtype=np.int64)
    np.cumsum(values, axis=0, out=sums[1:])
    ends = b * sums[whole]
    if b > 1:
        part = part.reshape((-1,) + (1,) * (values.ndim - 1))
        ends += part * values[np.minimum(whole, size_in - 1)]  # at the far end part is 0
    return ends[1:] - ends[:-1]


def area_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize by exact area averaging in integers, rounding half up.

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
    down = area_sums(image.astype(np.int64), height)
    total = area_sums(np.swapaxes(down, 0, 1), width)
    area = (rows // gcd(rows, height)) * (cols // gcd(cols, width))
    mean = (2 * total + area) // (2 * area)
    return np.ascontiguousarray(np.swapaxes(mean, 0, 1).astype(np.uint8))


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
