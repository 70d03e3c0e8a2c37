"""Whatever a user calls images, as batches of the accelerator's bytes; lazily, with bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable

import numpy as np

from finnspect_driver.decode import decode_image
from finnspect_driver.errors import ImageError
from finnspect_driver.preprocess import preprocess

_SHAPES = "an image is a path, or a uint8 array (H, W), (H, W, 1) or (H, W, 3) in the order R, G, B"


def load_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture file, exactly as training does.

    Returns
    -------
    numpy.ndarray
        uint8, shape (H, W) or (H, W, 3) in the order R, G, B.

    Raises
    ------
    ImageError
        The file cannot be read, or is of a kind that has no documented conversion.
    SetupError
        Pillow is not installed.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}", "check the path") from error
    return decode_image(data, str(path))


def is_single(images: Any) -> bool:
    """Say whether ``images`` is one image, not a collection: a path, or an array of one image's shape.

    An array (N, H, 3) is one image; give a batch of grey images of width 3 as (N, H, 3, 1).
    """
    if isinstance(images, (str, os.PathLike)):
        return True
    return isinstance(images, np.ndarray) and (
        images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3))
    )


def each(images: Any) -> Iterator[Any]:
    """Yield image by image what ``images`` holds.

    Parameters
    ----------
    images
        One image, a batch (N, H, W) or (N, H, W, C), a folder's path, or any iterable of images, paths
        and batches.
    """
    if isinstance(images, (str, os.PathLike)) and Path(images).is_dir():
        yield from _folder(Path(images))
    elif is_single(images):
        yield images
    elif isinstance(images, np.ndarray) and images.ndim in (3, 4):
        yield from images
    elif isinstance(images, np.ndarray) or not isinstance(images, Iterable):
        shape = f"an array {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ImageError(f"{shape} holds no images", _SHAPES)
    else:
        for item in images:
            yield from each(item)


def _folder(folder: Path) -> Iterator[Path]:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
    )
    if not found:
        raise ImageError(f"{folder} holds no pictures", "point to a folder of png, jpg, bmp or tif files")
    yield from found


class Batcher:
    """Turns images into batches of the accelerator's bytes.

    Parameters
    ----------
    preprocessing
        The zip's ``preprocessing``.
    shape
        Height, width, channels of the accelerator's input.
    """

    def __init__(self, preprocessing: Mapping[str, Any], shape: tuple[int, int, int]) -> None:
        self._preprocessing = preprocessing
        self._shape = shape

    def prepare(self, image: Any, index: int) -> np.ndarray:
        """Return the bytes of one image; ``index`` is for messages."""
        what = f"image {index}" if isinstance(image, np.ndarray) else f"image {index} ({image})"
        if isinstance(image, (str, os.PathLike)):
            image = load_image(image)
        if not isinstance(image, np.ndarray):
            image = np.asarray(image)
        if image.dtype != np.uint8:
            raise ImageError(f"{what} is {image.dtype}, not uint8", _SHAPES)
        if image.shape == self._shape:
            return image
        try:
            return preprocess(image, self._preprocessing)
        except (ValueError, TypeError) as error:
            raise ImageError(f"{what}: {error}", _SHAPES) from error

    def batches(
        self, images: Any, size: int, between: Callable[[], None] = lambda: None
    ) -> Iterator[np.ndarray]:
        """Yield batches of up to ``size`` images, uint8, shape (N, H, W, C).

        One batch is in memory, the same for all: it holds until the next is asked for. ``between`` is called
        after each image.
        """
        ready = isinstance(images, np.ndarray) and images.dtype == np.uint8
        if ready and images.ndim == 4 and images.shape[1:] == self._shape:
            for start in range(0, len(images), size):
                yield images[start : start + size]
            return
        batch = np.empty((size, *self._shape), np.uint8)
        count = total = 0
        for image in each(images):
            batch[count] = self.prepare(image, total)
            count, total = count + 1, total + 1
            between()
            if count == size:
                yield batch
                count = 0
        if count:
            yield batch[:count]
