"""Near-duplicates: pictures of one place that differ by a shift, by light or by compression.

Sets of surface images are often cut out of larger pictures, so that two images overlap: the same defect, a
few pixels apart. Two images are near-duplicates where one, moved by a part of its size, agrees with the other
on the common part. Slow changes of light do not count.

Up to :data:`EXHAUSTIVE` images every pair is compared at every shift, by phase correlation of the low
frequencies, and the best shift is checked by the correlation of pixels on the common part. In larger sets
only unmoved pairs are found.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from finnspect_driver.preprocess import area_resize
from scipy import fft, ndimage

from quant_models.datasets import clean

log = logging.getLogger(__name__)

#: Raise it when other pairs are found in the same images.
VERSION = 1
#: Correlation of the common part from which two images are near-duplicates.
SIMILAR = 0.85
#: Smallest common part, as a share of the image.
COMMON = 0.4
#: Largest number of images whose pairs are all compared at every shift.
EXHAUSTIVE = 3000
_SIDE = 64  # larger images are compared at this size
_FREQUENCIES = 16  # low frequencies that are compared, each way; fewer in large sets
_PEAK = 0.32  # phase correlation from which a pair is looked at closely
_UNMOVED = 0.6  # the same, where only unmoved pairs are looked for
_COARSE = 0.65  # correlation at a shift found at half the resolution
_BLOCK = 1024


def _flattened(images: np.ndarray) -> np.ndarray:
    """Return grey images of at most 64x64 pixels without slow changes of light: float32, mean about 0."""
    height, width = (min(side, _SIDE) for side in images.shape[1:3])
    flat = np.empty((len(images), height, width), dtype=np.float32)
    for start in range(0, len(images), 256):
        some = images[start : start + 256].mean(axis=3).round().astype(np.uint8)
        if some.shape[1:] != (height, width):
            some = np.moveaxis(
                area_resize(np.ascontiguousarray(np.moveaxis(some, 0, 2)), height, width), 2, 0
            )
        grey = some.astype(np.float32)
        grey -= ndimage.gaussian_filter(grey, (0, height / 10, width / 10))
        grey /= np.sqrt(ndimage.gaussian_filter(grey**2, (0, height / 5, width / 5))) + 2
        flat[start : start + 256] = grey
    return flat


def _spectra(flat: np.ndarray, frequencies: int) -> np.ndarray:
    """Return the low frequencies of images, their amplitudes evened out, of energy 1: complex64."""
    height, width = flat.shape[1:]
    f = min(frequencies, height // 2, width // 2)
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    rows = np.r_[0:f, height - f : height]
    fade = np.exp(-((np.hypot(np.fft.fftfreq(2 * f)[:, None], np.fft.rfftfreq(2 * f)[None]) / 0.35) ** 2))
    found = np.empty((len(flat), 2 * f, f + 1), dtype=np.complex64)
    for start in range(0, len(flat), _BLOCK):
        low = fft.rfft2(flat[start : start + _BLOCK] * window, axes=(1, 2))[:, rows, : f + 1]
        low *= fade / (np.abs(low) ** 0.75 + 1e-3)
        energy = fft.irfft2(np.abs(low) ** 2, s=(2 * f, 2 * f), axes=(1, 2))[:, 0, 0]
        found[start : start + _BLOCK] = low / np.sqrt(np.maximum(energy, 1e-12))[:, None, None]
    return found


def _moved(spectra: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Give pairs whose phase correlation has a peak, and the shift of the peak on the coarse grid."""
    size = spectra.shape[1]
    for i in range(len(spectra) - 1):
        products = spectra[i] * spectra[i + 1 :].conj()
        peaks = fft.irfft2(products, s=(size, size), axes=(1, 2)).reshape(len(products), -1)
        for k in np.flatnonzero(peaks.max(axis=1) >= _PEAK).tolist():
            dy, dx = divmod(int(peaks[k].argmax()), size)
            yield i, i + 1 + k, (dy + size // 2) % size - size // 2, (dx + size // 2) % size - size // 2


def _unmoved(spectra: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Give pairs whose low frequencies agree where they stand."""
    weight = np.full(spectra.shape[2], 2.0, dtype=np.float32)  # a real picture's spectrum is half of it
    weight[[0, -1]] = 1
    scaled = spectra * np.sqrt(weight)
    rows = scaled.reshape(len(scaled), -1).view(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    for start in range(0, len(rows), _BLOCK):
        for other in range(start, len(rows), _BLOCK):
            near = rows[start : start + _BLOCK] @ rows[other : other + _BLOCK].T >= _UNMOVED
            for a, b in np.argwhere(near).tolist():
                if start + a < other + b:
                    yield start + a, other + b, 0, 0


def _agreement(a: np.ndarray, b: np.ndarray, dy: int, dx: int) -> float:
    """Return the correlation of two images on their common part, -1 where that is too small."""
    height, width = a.shape
    rows, columns = height - abs(dy), width - abs(dx)
    if rows <= 0 or columns <= 0 or rows * columns < COMMON * height * width:
        return -1.0
    first = a[max(dy, 0) :, max(dx, 0) :][:rows, :columns]
    second = b[max(-dy, 0) :, max(-dx, 0) :][:rows, :columns]
    first, second = first - first.mean(), second - second.mean()
    energy = float(np.vdot(first, first)) * float(np.vdot(second, second))
    return float(np.vdot(first, second)) / max(energy, 1e-12) ** 0.5


def near_duplicates(images: np.ndarray, similar: float = SIMILAR) -> list[tuple[int, int, float]]:
    """Return the pairs of images that show the same place.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).
    similar
        Least correlation of the common part, 0 to 1.

    Returns
    -------
    list of tuple
        (i, j, correlation) with i < j, in this order.
    """
    if len(images) < 2 or min(images.shape[1:3]) < 4:
        return []
    flat = _flattened(images)
    every = len(images) <= EXHAUSTIVE
    spectra = _spectra(flat, _FREQUENCIES if every else _FREQUENCIES // 2)
    step_y, step_x = (max(round(side / spectra.shape[1]), 1) for side in flat.shape[1:])
    pairs = []
    for i, j, coarse_y, coarse_x in (_moved if every else _unmoved)(spectra):
        a, b, y, x = flat[i], flat[j], coarse_y * step_y, coarse_x * step_x
        best = _agreement(a, b, y, x)
        if best < min(_COARSE, similar):
            continue
        if every:
            around = [(y + v, x + u) for v in range(1 - step_y, step_y) for u in range(1 - step_x, step_x)]
            best = max(_agreement(a, b, *shift) for shift in [*around, (y, x)])
        if best >= similar:
            pairs.append((i, j, best))
    return sorted(pairs)


def kept_near_duplicates(images: np.ndarray, cache_dir: Path | None, key: str) -> list[tuple[int, int]]:
    """Return the pairs of :func:`near_duplicates`, from the cache where they were found before."""
    path = None if cache_dir is None else cache_dir / f"near-{VERSION}-{key[:24]}.json"
    if path is not None and path.is_file():
        try:
            return [(int(i), int(j)) for i, j in json.loads(path.read_text())]
        except (OSError, ValueError, TypeError) as error:
            log.warning("cache file %s is damaged (%s): comparing the images again", path, error)
    pairs = [(i, j) for i, j, _ in near_duplicates(images)]
    if path is not None:
        part = path.with_name(f".{path.name}-{os.getpid()}.part")
        part.write_text(json.dumps(pairs))
        part.replace(path)
    return pairs


def group_near_duplicates(
    arrays: dict[str, Any], pairs: list[tuple[int, int]], where: Path | str
) -> dict[str, Any]:
    """Put near-duplicates into one group; an official split that parts them is dropped, with a note."""
    count = len(arrays["labels"])
    parent = clean.joined(count, arrays["groups"]).tolist()

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j in pairs:
        a, b = find(i), find(j)
        parent[max(a, b)] = min(a, b)
    groups = tuple(arrays["groups"][find(i)] for i in range(count))
    note = f"{len(pairs)} pairs of near-duplicates are kept together: {len(set(groups))} groups"
    arrays = arrays | {"groups": groups, "notes": (*arrays["notes"], note)}
    return clean.settle_official(arrays, where) if arrays["parts"] else arrays
