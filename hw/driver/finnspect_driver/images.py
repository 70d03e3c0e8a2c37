"""Whatever a user calls images, as batches of the accelerator's bytes; lazily, with bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable

import numpy as np

from finnspect_driver.errors import ImageError, SetupError
from finnspect_driver.preprocess import preprocess

_SHAPES = "an image is a path, or a uint8 array (H, W), (H, W, 1) or (H, W, 3) in the order R, G, B"


def load_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a picture with Pillow, or with OpenCV where Pillow is not installed.

    Returns
    -------
    numpy.ndarray
        uint8, shape (H, W) or (H, W, 3) in the order R, G, B.

    Raises
    ------
    ImageError
        The file cannot be read as a picture of 8 bits a channel.
    SetupError
        Neither package is installed.
    """
    try:
        from PIL import Image
    except ImportError:
        return _load_with_opencv(path)
    try:
        with Image.open(path) as picture:
            if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
                raise ImageError(
                    f"{path} has more than 8 bits a pixel (mode {picture.mode})",
                    "convert it to 8 bits first: the scale is yours to choose",
                )
            # Grey stays grey; everything else becomes R, G, B; transparency is dropped.
            return np.array(picture if picture.mode == "L" else picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"cannot read {path} as a picture: {error}", "check the file") from error


def _load_with_opencv(path: str | os.PathLike[str]) -> np.ndarray:
    try:
        import cv2
    except ImportError as error:
        raise SetupError(
            f"reading {path} needs Pillow or OpenCV, neither is installed",
            "pip install pillow, or give arrays",
        ) from error
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ImageError(f"cannot read {path} as a picture", "check the file")
    if image.dtype != np.uint8:
        raise ImageError(
            f"{path} has more than 8 bits a pixel ({image.dtype})",
            "convert it to 8 bits first: the scale is yours to choose",
        )
    return image if image.ndim == 2 else np.ascontiguousarray(image[:, :, 2::-1])


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
