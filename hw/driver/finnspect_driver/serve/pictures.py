"""Uploaded picture files, decoded within limits."""

from __future__ import annotations

import io
import warnings

import numpy as np

from finnspect_driver.decode import decode_image
from finnspect_driver.errors import ImageError

#: Decoders that a stranger's bytes may reach.
FORMATS = ("PNG", "JPEG", "BMP", "PPM")


def decode(body: bytes, max_pixels: int) -> np.ndarray:
    """Decode a picture.

    Returns
    -------
    numpy.ndarray
        uint8, shape (H, W) or (H, W, 3) in the order R, G, B.

    Raises
    ------
    ImageError
        It is no picture of a known kind, is damaged, or is too large.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its size, which is judged here
            with Image.open(io.BytesIO(body), formats=FORMATS) as picture:
                width, height = picture.size
        if width * height > max_pixels:
            raise ImageError(f"the picture has {width}x{height} pixels, at most {max_pixels} are taken")
        return decode_image(body, "the uploaded file")
    except ImageError:
        raise
    except Exception as error:  # decoders raise nearly anything on damaged data
        raise ImageError(
            "the uploaded file is no picture that can be read", f"send one of {', '.join(FORMATS)}"
        ) from error
