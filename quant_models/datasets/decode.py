"""Image files of a data set, decoded as on the board (:mod:`finnspect_driver.decode`)."""

from __future__ import annotations

import numpy as np
from finnspect.errors import DataError
from finnspect_driver import decode
from finnspect_driver.errors import ImageError


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
