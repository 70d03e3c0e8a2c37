"""Near-duplicates: pictures that differ by compression, brightness or a hair's breadth, and nothing else."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft

from quant_models.datasets import clean

log = logging.getLogger(__name__)

#: Low frequencies that are compared, in each direction.
_FREQUENCIES = 16
#: Cosine of two descriptors from which two images are near-duplicates.
SIMILAR = 0.98
_BLOCK = 2048  # images whose similarities are in memory at once


def descriptors(images: np.ndarray) -> np.ndarray:
    """Return what images are compared by: their low frequencies, without brightness and contrast.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).

    Returns
    -------
    numpy.ndarray
        float32, shape (N, D), rows of length 1; zero for an image of one value.
    """
    rows, columns = (min(_FREQUENCIES, side) for side in images.shape[1:3])
    down, across = (
        fft.dct(np.eye(n), axis=0, norm="ortho")[:k].astype(np.float32)
        for n, k in zip(images.shape[1:3], (rows, columns), strict=True)
    )
    found = np.empty((len(images), rows * columns), dtype=np.float32)
    for start in range(0, len(images), _BLOCK):
        grey = images[start : start + _BLOCK].astype(np.float32).mean(axis=3)
        found[start : start + _BLOCK] = (down @ grey @ across.T).reshape(len(grey), -1)
    found = found[:, 1:]  # the first is the brightness
    length = np.sqrt((found**2).sum(axis=1, keepdims=True))
    return np.divide(found, length, out=np.zeros_like(found), where=length > 1e-3)


def near_duplicates(images: np.ndarray, similar: float = SIMILAR) -> list[tuple[int, int, float]]:
    """Return the pairs of images that look the same.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).
    similar
        Least cosine of the low frequencies, 0 to 1.

    Returns
    -------
    list of tuple
        (i, j, cosine) with i < j, in this order.
    """
    rows = descriptors(images)
    pairs: list[tuple[int, int, float]] = []
    for start in range(0, len(rows), _BLOCK):
        for other in range(start, len(rows), _BLOCK):
            cosine = rows[start : start + _BLOCK] @ rows[other : other + _BLOCK].T
            for a, b in np.argwhere(cosine >= similar).tolist():
                if start + a < other + b:
                    pairs.append((start + a, other + b, float(cosine[a, b])))
    return sorted(pairs)


def group_near_duplicates(arrays: dict[str, Any], where: Path | str) -> dict[str, Any]:
    """Put near-duplicates into one group; an official split that parts them is dropped, with a note."""
    pairs = near_duplicates(arrays["images"])
    together = clean.joined(len(arrays["labels"]), arrays["groups"])
    parent = {i: i for i in set(together.tolist())}

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, j, _ in pairs:
        a, b = find(int(together[i])), find(int(together[j]))
        parent[max(a, b)] = min(a, b)
    groups = tuple(arrays["groups"][find(int(first))] for first in together)
    note = f"{len(pairs)} pairs of near-duplicates (cosine {SIMILAR} of low frequencies) are kept together"
    log.info("%s: %s", where, note)
    arrays = arrays | {"groups": groups, "notes": (*arrays["notes"], note)}
    return clean.settle_official(arrays, where) if arrays["parts"] else arrays
