"""Image files of a data set, decoded as on the board (:mod:`finnspect_driver.decode`)."""

from __future__ import annotations

import io

import numpy as np
from finnspect.errors import DataError
from finnspect_driver import decode
from finnspect_driver.errors import ImageError
from PIL import Image

from quant_models.datasets.files import FileTree

_AGAIN = "copy the file again from its source, or remove it"


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode one image file; see :func:`finnspect_driver.decode.decode_image` for every conversion.

    Parameters
    ----------
    data
        The file's bytes.
    name
        Its name, for messages.

    Returns
    -------
    numpy.ndarray
        uint8, shape (H, W) for grey, (H, W, 3) for colour.

    Raises
    ------
    DataError
        The file is empty, truncated, no image, or of a kind that has no documented conversion.
    """
    try:
        return decode.decode_image(data, name)
    except ImageError as error:
        raise DataError(error.message, error.remedy) from error


def image_size(tree: FileTree, name: str) -> tuple[int, int]:
    """Return height and width of an image file from its header, without decoding it.

    Raises
    ------
    DataError
        It is missing or no image.
    """
    try:
        with Image.open(tree.find(name)) as image:
            return image.height, image.width
    except FileNotFoundError as error:
        raise tree.fault(name, "is missing", "fetch the set again: its layout needs this file") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged data
        raise tree.fault(name, f"cannot be decoded as a picture: {error}", _AGAIN) from error


def decode_mask(data: bytes, name: str) -> tuple[np.ndarray, int, bool]:
    """Decode a mask.

    Returns
    -------
    values
        int64, shape (H, W): of a colour picture the brightest channel, transparency left out.
    top
        The largest value that can be stored: 255 or 65535.
    lossless
        Whether values are stored exactly.

    Raises
    ------
    DataError
        The file is empty, damaged, of several pages, or holds floating-point pixels.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            if getattr(image, "n_frames", 1) > 1:
                raise DataError(f"{name} holds several pages", "save the mask as a file of its own")
            image.load()
            lossless = image.format not in ("JPEG", "MPO", "WEBP")
            if image.mode == "F":
                raise DataError(f"{name} holds floating-point pixels", "save it as an 8-bit image")
            if image.mode.startswith("I"):
                return np.asarray(image).astype(np.int64), 65535, lossless
            kept = image.convert("L") if image.mode in ("1", "L", "LA", "La") else image.convert("RGB")
            values = np.asarray(kept).astype(np.int64)
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{name} cannot be decoded as a picture: {error}", _AGAIN) from error
    return values.max(axis=2) if values.ndim == 3 else values, 255, lossless
