"""From the bytes of an image file to uint8 pixels: one decoder for training, host and board.

========================= =====================================================================
stored as                 becomes
========================= =====================================================================
8-bit grey, RGB           itself; RGB whose three channels are equal everywhere becomes grey
1 bit                     grey, 0 and 255
palette                   RGB of the palette
alpha (grey, RGB, palette) composited over black, rounded by Pillow
16-bit grey               ``(v + 128) // 257``: 0..65535 onto 0..255, never stretched to the image
CMYK, YCbCr, Lab, HSV     RGB by Pillow
float, 32-bit beyond      refused
16 bits, several pages
========================= =====================================================================

The orientation tag of cameras is not applied: pixels are taken as stored. Pillow is the only decoder: another
library's JPEG decoder can give other bytes.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from finnspect_driver.errors import ImageError, SetupError

_AGAIN = "copy the file again from its source, or remove it"


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode one image file.

    Parameters
    ----------
    data
        The file's bytes.
    name
        Its name, for messages.

    Returns
    -------
    numpy.ndarray
        uint8, shape (H, W) for grey, (H, W, 3) for colour in the order R, G, B.

    Raises
    ------
    ImageError
        The file is empty, truncated, no image, or of a kind that has no documented conversion.
    SetupError
        Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise SetupError(f"reading {name} needs Pillow", "pip install pillow, or give arrays") from error
    if not data:
        raise ImageError(f"{name} is empty", _AGAIN)
    try:
        with Image.open(io.BytesIO(data)) as image:
            pages = getattr(image, "n_frames", 1)
            if pages > 1 and image.format != "MPO":  # an MPO is a camera JPEG with a preview
                raise ImageError(
                    f"{name} holds {pages} pages; an image file holds one", "save each page as its own file"
                )
            image.load()
            pixels = _to_uint8(image, name)
    except ImageError:
        raise
    except UnidentifiedImageError as error:  # its own message shows the address of a buffer
        raise ImageError(f"{name} cannot be decoded as a picture: no known format", _AGAIN) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged data
        raise ImageError(f"{name} cannot be decoded as a picture: {error}", _AGAIN) from error
    if pixels.ndim == 3 and _is_grey(pixels):
        pixels = pixels[..., 0]
    return np.ascontiguousarray(pixels)


def _is_grey(pixels: np.ndarray) -> bool:
    return np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2])


def _to_uint8(image: Any, name: str) -> np.ndarray:
    from PIL import Image

    mode = image.mode
    if mode in ("L", "RGB"):
        return np.asarray(image)
    if mode == "1":
        return np.asarray(image.convert("L"))
    if mode.startswith("I"):
        return _from_wide(np.asarray(image), name)
    if mode == "F":
        raise ImageError(
            f"{name} holds floating-point pixels, whose range is not known",
            "save it as an 8- or 16-bit image",
        )
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return np.asarray(Image.alpha_composite(black, rgba).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _from_wide(values: np.ndarray, name: str) -> np.ndarray:
    values = values.astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            f"{name} holds 32-bit pixels from {values.min()} to {values.max()}; at most 16 bits are read",
            "save it as an 8- or 16-bit image",
        )
    return ((values + 128) // 257).astype(np.uint8)
