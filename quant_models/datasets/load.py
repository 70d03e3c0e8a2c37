"""Load a registered data set: find it, read it, decode it in parallel, keep the result."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import ConfigError, DataError
from finnspect.package import Preprocessing
from finnspect_driver.preprocess import channels, preprocess

from quant_models.datasets import cache
from quant_models.datasets.archive import opened
from quant_models.datasets.decode import decode_image
from quant_models.datasets.files import FileTree, fingerprint, unreadable
from quant_models.datasets.records import Catalog, DefectDataset, Sample
from quant_models.datasets.registry import Entry, get_dataset

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
_MAX_WORKERS = 4  # decoding and hashing release the interpreter lock; more threads gain nothing
_REPORT_EVERY = 500  # images between two lines of progress


def _silent(_: str) -> None:
    pass


def load_dataset(
    name: str,
    path: Path | str | None,
    preprocessing: Preprocessing,
    cache_dir: Path | str | None,
    progress: Progress | None = None,
    **options: Any,
) -> DefectDataset:
    """Load a data set, preprocessed for a model.

    The first load reads and decodes every image; the result is kept in ``cache_dir`` under a key made
    of the files' content, the loader's version, the options and the preprocessing, so that a second
    load decodes nothing and a changed file is never missed.

    Parameters
    ----------
    name
        Name in the registry, see :func:`list_datasets`.
    path
        Folder or archive of the set in its original layout; None for a drawn set.
    preprocessing
        Colour and size of the result.
    cache_dir
        Folder for the cache; None keeps nothing.
    progress
        Called with one line of text now and then.
    options
        Options of the loader, see ``DatasetInfo.options``.

    Raises
    ------
    ConfigError
        Unknown data set or option, or a path given or missing against the set's nature.
    DataError
        The data are missing, have another layout, or hold a file that cannot be read.
    """
    progress = progress or _silent
    scratch = None if cache_dir is None else Path(cache_dir)
    entry = get_dataset(name)
    options = _check_options(entry, options)
    root = _check_path(entry, path)
    content = "" if root is None else fingerprint(root)
    key = _key(entry, content, options, preprocessing)
    if scratch is not None:
        kept = cache.read(scratch, name, key)
        if kept is not None:
            progress(f"{name}: {len(kept['labels'])} images from the cache")
            return DefectDataset(name=name, preprocessing=preprocessing, **kept)
    progress(f"{name}: reading {root}" if root else f"{name}: drawing")
    with nullcontext() if root is None else opened(root, scratch, entry.skip) as tree:
        catalog = entry.open(tree, **options)
        _check_catalog(entry, catalog, root)
        arrays = _decode_all(tree, catalog, preprocessing, progress, name)
    _check_labels_agree(arrays, root or name)
    if scratch is not None:
        cache.write(scratch, name, key, arrays)
    return DefectDataset(name=name, preprocessing=preprocessing, **arrays)


def _check_options(entry: Entry, options: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(options) - set(entry.info.options))
    if unknown:
        known = ", ".join(sorted(entry.info.options)) or "none"
        raise ConfigError(
            f"data set {entry.info.name!r} has no option {unknown[0]!r}", f"its options: {known}"
        )
    return {**entry.info.options, **options}


def _check_path(entry: Entry, path: Path | str | None) -> Path | None:
    info = entry.info
    if not info.needs_path:
        if path not in (None, ""):
            raise ConfigError(
                f"data set {info.name!r} reads no files, but was given {path}", "leave DATA out"
            )
        return None
    where = f"; get it from {info.url}" if info.url else ""
    if path in (None, ""):
        raise ConfigError(f"data set {info.name!r} needs its files", f"give DATA=<folder or archive>{where}")
    path = Path(path)  # type: ignore[arg-type]
    try:
        path.stat()
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist", f"point to the folder or archive of {info.name!r}{where}"
        ) from error
    except OSError as error:
        raise unreadable(error, path) from error
    return path


def _key(entry: Entry, content: str, options: dict[str, Any], preprocessing: Preprocessing) -> str:
    what = {
        "cache": cache.VERSION,
        "dataset": entry.info.name,
        "loader": entry.version,
        "content": content,
        "options": options,
        # `scale` changes no byte.
        "preprocessing": preprocessing.model_dump(exclude={"scale"}),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _check_catalog(entry: Entry, catalog: Catalog, root: Path | None) -> None:
    """Check what a loader returned: at least two classes, and images in each.

    Raises
    ------
    DataError
        There are fewer than two classes, or a class has no image.
    """
    where = root or entry.info.name
    if len(catalog.class_names) < 2:
        only = f"only the class {catalog.class_names[0]!r}" if catalog.class_names else "no class"
        raise DataError(
            f"{where}: found {only}; a classifier needs at least two",
            f"expected layout: {entry.info.layout}",
        )
    present = {sample.label for sample in catalog.samples}
    empty = [name for label, name in enumerate(catalog.class_names) if label not in present]
    if empty:
        raise DataError(f"{where}: no image of class {empty[0]!r}", f"expected layout: {entry.info.layout}")


def _check_labels_agree(arrays: dict[str, Any], where: Path | str) -> None:
    """Refuse one picture under two labels: nothing can learn it, and no split is then clean."""
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


def _pixel_digest(image: np.ndarray) -> str:
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).data).hexdigest()


def _read(tree: FileTree | None, sample: Sample) -> tuple[np.ndarray, str, str]:
    """Return a picture, the SHA-256 of its file and the SHA-256 of its pixels."""
    if sample.pixels is not None:
        digest = _pixel_digest(sample.pixels)
        return sample.pixels, digest, digest
    assert tree is not None, "a sample has pixels or a file"
    try:
        data = (tree.folder / sample.source).read_bytes()
    except OSError as error:
        raise unreadable(error, tree.origin) from error
    picture = decode_image(data, f"{tree.origin}: {sample.source}")
    return picture, hashlib.sha256(data).hexdigest(), _pixel_digest(picture)


def _parts(picture: np.ndarray, samples: Sequence[Sample], tree: FileTree | None) -> Iterator[np.ndarray]:
    """Cut each sample out of the picture that they share."""
    height, width = picture.shape[:2]
    for sample in samples:
        if sample.box is None:
            yield picture
            continue
        left, top, right, bottom = sample.box
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise DataError(
                f"{tree.origin if tree else 'drawn'}: {sample.source}: the box {sample.box} lies outside "
                f"the picture of {width}x{height} pixels",
                "check the annotation",
            )
        yield picture[top:bottom, left:right]


def _in_order(pool: ThreadPoolExecutor, function: Callable, jobs: Iterable, ahead: int) -> Iterator:
    """Map in order with at most ``ahead`` jobs under way, so that an error ends the work at once."""
    jobs = iter(jobs)
    pending = [pool.submit(function, job) for job in islice(jobs, ahead)]
    try:
        while pending:
            yield pending.pop(0).result()
            pending += [pool.submit(function, job) for job in islice(jobs, 1)]
    finally:
        for future in pending:
            future.cancel()


def _decode_all(
    tree: FileTree | None, catalog: Catalog, preprocessing: Preprocessing, progress: Progress, name: str
) -> dict[str, Any]:
    """Return the fields of :class:`DefectDataset` except name and preprocessing."""
    params = preprocessing.model_dump()
    samples = list(catalog.samples)
    images = np.empty(
        (len(samples), preprocessing.height, preprocessing.width, channels(params)), dtype=np.uint8
    )
    files: list[str] = []
    pixels: list[str] = []
    by_source = [list(group) for _, group in groupby(samples, key=lambda sample: sample.source)]
    workers = min(_MAX_WORKERS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(workers) as pool:
        pictures = _in_order(pool, lambda group: _read(tree, group[0]), by_source, 8 * workers)
        for group, (picture, file_digest, pixel_digest) in zip(by_source, pictures, strict=True):
            for part in _parts(picture, group, tree):
                # In this thread: many small matrix products in several would wait for each other.
                images[len(files)] = preprocess(part, params)
                pixels.append(pixel_digest if part is picture else _pixel_digest(part))
                files.append(file_digest)
                if len(files) % _REPORT_EVERY == 0:
                    progress(f"{name}: {len(files)} of {len(samples)} images")
    return {
        "class_names": tuple(catalog.class_names),
        "images": images,
        "labels": np.array([sample.label for sample in samples], dtype=np.int64),
        "groups": tuple(sample.group for sample in samples),
        "sources": tuple(sample.source for sample in samples),
        "sha256": tuple(files),
        "pixel_sha256": tuple(pixels),
    }
