"""Labels that are a number a pixel: masks and MATLAB arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from quant_models.datasets.annotations.words import AGAIN
from quant_models.datasets.decode import decode_mask
from quant_models.datasets.files import FileTree


def read_mask(
    tree: FileTree, name: str, *, threshold: int = 0, size: tuple[int, int] | None = None
) -> np.ndarray:
    """Read a picture that marks the defect: pixels above ``threshold``.

    A colour mask counts by its brightest channel, a palette by its colours, transparency not at all;
    a 16-bit mask is compared with 257 times the threshold, a 1-bit mask is 0 and 255.

    Parameters
    ----------
    threshold
        0 to 254. JPEG masks need one in the middle: their black is not 0.
    size
        Height and width of the picture that the mask belongs to.

    Returns
    -------
    numpy.ndarray
        bool, shape (H, W).

    Raises
    ------
    DataError
        It is missing, damaged, of another size, or (where it is stored without loss) has marks that are
        all below the threshold: values 0 and 1 read with a threshold of 127, for example.
    """
    values, top, lossless = decode_mask(tree.read(name), f"{tree.origin}: {name}")
    check_size(tree, name, values.shape, size)
    mask = values > threshold * (top // 255)
    if lossless and not mask.any() and values.any():
        what = f"its values go up to {int(values.max())}, none is above {threshold * (top // 255)}"
        raise tree.fault(name, what, "save the mask with 0 for sound and the largest value for defect")
    return mask


def check_size(
    tree: FileTree, name: str, shape: tuple[int, ...], size: tuple[int | None, int | None] | None
) -> None:
    """Refuse a mask or an annotation that is of another size than its picture (height, width)."""
    if size is None or None in size or tuple(shape[:2]) == tuple(size):
        return
    got, wanted = f"{shape[1]}x{shape[0]}", f"{size[1]}x{size[0]}"
    what = f"is of {got} pixels, its picture of {wanted}"
    raise tree.fault(name, what, "fetch both files again; they belong together pixel by pixel")


def read_mat(tree: FileTree, name: str, *fields: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read an integer array from a MATLAB file.

    Parameters
    ----------
    fields
        The variable, then the names of nested fields.
    size
        Height and width of the picture that it belongs to.

    Returns
    -------
    numpy.ndarray
        int64, shape (H, W).

    Raises
    ------
    DataError
        It is missing or damaged, has no such field, or holds something else.
    """
    from scipy.io import loadmat

    data = tree.read(name)
    try:
        value: Any = loadmat(io.BytesIO(data))
    except Exception as error:  # scipy raises nearly anything on damaged data
        raise tree.fault(name, f"is no MATLAB file: {error or type(error).__name__}", AGAIN) from error
    for field in fields:
        known = value if isinstance(value, dict) else getattr(getattr(value, "dtype", None), "names", None)
        if field not in (known or ()):
            raise tree.fault(name, f"has no field {'.'.join(fields)}", AGAIN)
        value = value[field]
        while (
            isinstance(value, np.ndarray) and value.size == 1 and (value.dtype == object or value.dtype.names)
        ):
            value = value.reshape(-1)[0]
    array = np.asarray(value)
    if array.ndim != 2 or array.dtype.kind not in "iufb" or not np.array_equal(array, np.round(array)):
        what = f"{'.'.join(fields)} is {array.dtype} {array.shape}, expected whole numbers (H, W)"
        raise tree.fault(name, what, AGAIN)
    check_size(tree, name, array.shape, size)
    return array.astype(np.int64)
