"""What is done to a decoded set before anyone sees it: blank tiles, copies, official splits that leak."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import DataError

from quant_models.datasets.records import PARTS

log = logging.getLogger(__name__)

#: A region whose darkest and brightest pixel differ by no more than this shows nothing: it is a border.
BLANK_RANGE = 2
_PER_IMAGE = ("images", "labels", "groups", "sources", "sha256", "pixel_sha256", "parts")


def is_blank(region: np.ndarray) -> bool:
    """Whether a region of a picture, uint8, shows nothing."""
    return int(region.max()) - int(region.min()) <= BLANK_RANGE


def keep(arrays: dict[str, Any], kept: np.ndarray) -> dict[str, Any]:
    """Return the fields of a data set for the images at the indices ``kept``."""
    taken = dict(arrays)
    for name in _PER_IMAGE:
        values = arrays[name]
        taken[name] = values[kept] if isinstance(values, np.ndarray) else tuple(values[i] for i in kept)
    return taken


def joined(count: int, *keys: Iterable[str]) -> np.ndarray:
    """Return for each of ``count`` images the first one that it hangs together with.

    Images with an equal name under any of ``keys`` hang together, and so do chains of these.

    Returns
    -------
    numpy.ndarray
        int64, shape (count,).
    """
    parent = list(range(count))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for names in keys:
        first: dict[str, int] = {}
        for i, name in enumerate(names):
            a, b = find(first.setdefault(name, i)), find(i)
            parent[max(a, b)] = min(a, b)
    return np.array([find(i) for i in range(count)], dtype=np.int64)


def check_labels_agree(arrays: dict[str, Any], where: Path | str) -> None:
    """Refuse one picture under two labels: nothing can learn it, and no split is then clean.

    Raises
    ------
    DataError
        There is one.
    """
    first: dict[str, int] = {}
    for i, digest in enumerate(arrays["pixel_sha256"]):
        j = first.setdefault(digest, i)
        if arrays["labels"][i] != arrays["labels"][j]:
            names, labels, sources = arrays["class_names"], arrays["labels"], arrays["sources"]
            raise DataError(
                f"{where}: {sources[j]} ({names[labels[j]]}) and {sources[i]} ({names[labels[i]]}) "
                "are the same picture in two classes",
                "remove the one that is wrong",
            )


def leaks(arrays: dict[str, Any]) -> dict[tuple[str, str], int]:
    """Count what the official split has in two parts at once.

    Returns
    -------
    dict
        For (part, other part): how many images of the second are in the first too, by pixels or group.
    """
    together = joined(len(arrays["labels"]), arrays["groups"], arrays["pixel_sha256"])
    parts = np.array(arrays["parts"])
    found = {}
    for i, part in enumerate(PARTS):
        for other in PARTS[i + 1 :]:
            count = int(np.isin(together[parts == other], together[parts == part]).sum())
            if count:
                found[part, other] = count
    return found


def settle_official(arrays: dict[str, Any], where: Path | str) -> dict[str, Any]:
    """Keep the official split where it is sound; else drop it and say why."""
    parts = set(arrays["parts"])
    if parts <= {""}:
        return arrays | {"parts": ()}
    assert parts <= set(PARTS), f"an official split has the parts {PARTS}, not {parts}"
    reasons = [
        f"{count} of {arrays['parts'].count(other)} images of {other!r} are in {part!r} too"
        for (part, other), count in leaks(arrays).items()
    ]
    if not {"train", "test"} <= parts:
        reasons.append(f"it has no {'test' if 'train' in parts else 'train'!r} part")
    if not reasons:
        return arrays
    note = f"the official split is not used: {'; '.join(reasons)}"
    log.warning("%s: %s", where, note)
    return arrays | {"parts": (), "notes": (*arrays["notes"], note)}


def drop_copies(arrays: dict[str, Any]) -> dict[str, Any]:
    """Keep the first of images with identical pixels."""
    digests = arrays["pixel_sha256"]
    first: dict[str, int] = {}
    for i, digest in enumerate(digests):
        first.setdefault(digest, i)
    kept = np.array(list(first.values()), dtype=np.int64)
    gone = len(digests) - len(kept)
    if not gone:
        return arrays
    note = f"{gone} images left out: their pixels are identical to an image before them"
    return keep(arrays, kept) | {"notes": (*arrays["notes"], note)}
