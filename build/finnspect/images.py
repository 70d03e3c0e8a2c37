"""Images that a user gives to a simulation: a folder of pictures, or arrays."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finnspect.errors import DataError
from finnspect.package import ModelPackage


@dataclass(frozen=True)
class Images:
    """Images as the accelerator receives them.

    Parameters
    ----------
    pixels
        uint8, shape (N, H, W, C).
    labels
        int64, shape (N,); -1 where there is no label.
    names
        Where each came from.
    """

    pixels: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]


def read_images(path: Path | None, package: ModelPackage, count: int | None = None) -> Images:
    """Read images for a package.

    Parameters
    ----------
    path
        Folder of pictures (a picture's folder names its class, where it is one of the package's), an npz
        with ``images`` and perhaps ``labels``, or None for the package's golden images.
    count
        Take the first ones only.

    Raises
    ------
    DataError
        Nothing is there, a picture cannot be decoded, or arrays are not what the package takes.
    """
    if path is None:
        golden = package.golden()
        names = tuple(f"golden {index}" for index in range(len(golden.images)))
        found = Images(golden.images, golden.labels, names)
    elif not path.exists():
        raise DataError(f"{path} does not exist", "give a folder of images or an npz file")
    elif path.is_dir():
        return _read_folder(path, package, count)
    else:
        found = _read_npz(path, package)
    return Images(found.pixels[:count], found.labels[:count], found.names[:count])


def _read_folder(folder: Path, package: ModelPackage, count: int | None) -> Images:
    from finnspect_driver.preprocess import preprocess

    from quant_models.datasets.decode import decode_image
    from quant_models.datasets.files import IMAGE_SUFFIXES

    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)[:count]
    if not files:
        raise DataError(
            f"{folder} holds no image", f"put images there, with endings {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    info = package.info
    parameters = info.preprocessing.model_dump()
    pixels = np.stack([preprocess(decode_image(file.read_bytes(), str(file)), parameters) for file in files])
    classes = {name: index for index, name in enumerate(info.classes)}
    labels = np.array([classes.get(file.parent.name, -1) for file in files], np.int64)
    return Images(pixels.reshape(len(files), *package.input_shape), labels, tuple(map(str, files)))


def _read_npz(path: Path, package: ModelPackage) -> Images:
    try:
        with np.load(path, allow_pickle=False) as npz:
            pixels = npz["images"]
            labels = npz["labels"] if "labels" in npz else np.full(len(pixels), -1, np.int64)
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is no npz file with an array `images`: {error}", "see `finnspect simulate --help`"
        ) from error
    wanted = package.input_shape
    if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted or not len(pixels):
        raise DataError(
            f"{path}: images are {pixels.dtype} {pixels.shape}, "
            f"{package.info.name} takes uint8 (N, {', '.join(map(str, wanted))})",
            "preprocess them as package.json says",
        )
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: labels are {labels.dtype} {labels.shape}, expected integers ({len(pixels)},)",
            "give one class index an image, -1 where there is none",
        )
    names = tuple(f"{path.name} {index}" for index in range(len(pixels)))
    return Images(pixels, labels.astype(np.int64), names)
