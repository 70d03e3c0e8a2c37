"""The cache of decoded data sets: one file a key, written whole or not at all."""

from __future__ import annotations

import json
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import DataError

log = logging.getLogger(__name__)

#: Raise it when the file's contents change.
VERSION = 3
_TEXTS = ("class_names", "groups", "sources", "sha256", "pixel_sha256", "parts", "notes")


def _path(cache_dir: Path, name: str, key: str) -> Path:
    return cache_dir / f"{name}-{key[:24]}.npz"


def read(cache_dir: Path, name: str, key: str) -> dict[str, Any] | None:
    """Return what :func:`write` kept under ``key``; None where there is nothing or it is damaged.

    A damaged file is no error: the data set is decoded again and the file replaced.
    """
    path = _path(cache_dir, name, key)
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as npz:
            texts = json.loads(npz["texts"].tobytes())
            arrays = {"images": npz["images"], "labels": npz["labels"]}
        if texts.pop("key") != key:
            raise ValueError("the file belongs to another key")
        return arrays | {field: tuple(texts[field]) for field in _TEXTS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("cache file %s is damaged (%s): reading the data set again", path, error)
        return None


def write(cache_dir: Path, name: str, key: str, arrays: dict[str, Any]) -> None:
    """Keep the fields of a data set under ``key``.

    Raises
    ------
    DataError
        The folder cannot be written, for example because the disk is full.
    """
    path = _path(cache_dir, name, key)
    texts = {"key": key} | {field: list(arrays[field]) for field in _TEXTS}
    encoded = np.frombuffer(json.dumps(texts).encode(), dtype=np.uint8)
    part = path.with_name(f".{path.stem}-{os.getpid()}.part")
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            np.savez(file, images=arrays["images"], labels=arrays["labels"], texts=encoded)
        part.replace(path)
    except OSError as error:
        raise DataError(
            f"cannot keep the decoded data set in {cache_dir}: {error.strerror or error}",
            "free some space or point the output to a folder that can be written",
        ) from error
    finally:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)
