"""Load a registered data set: find it, read it, decode it in parallel, keep the result."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import ConfigError, DataError
from finnspect.package import Preprocessing
from finnspect_driver.preprocess import channels, preprocess

from quant_models.datasets import cache
from quant_models.datasets.archive import fingerprint, opened
from quant_models.datasets.decode import decode_image
from quant_models.datasets.records import Catalog, DefectDataset, Sample
from quant_models.datasets.registry import Entry, get_dataset

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
_WORKERS = 4  # decoding releases the interpreter lock; more threads than this gain nothing
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
    entry = get_dataset(name)
    options = _check_options(entry, options)
    root = _check_path(entry, path)
    content = "" if root is None else fingerprint(root)
    key = _key(entry, content, options, preprocessing)
    if cache_dir is not None:
        kept = cache.read(Path(cache_dir), name, key)
        if kept is not None:
            progress(f"{name}: {len(kept['labels'])} images from the cache")
            return DefectDataset(name=name, preprocessing=preprocessing, **kept)
    progress(f"{name}: reading {root}" if root else f"{name}: drawing")
    with _unpacked(root) as folder:
        catalog = entry.open(folder, **options)
        check_catalog(entry, catalog, root)
        arrays = _decode_all(folder, catalog, preprocessing, progress, name)
    _check_labels_agree(arrays, root)
    if cache_dir is not None:
        cache.write(Path(cache_dir), name, key, arrays)
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
    if not path.exists():
        raise DataError(f"{path} does not exist", f"point to the folder or archive of {info.name!r}{where}")
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


@contextmanager
def _unpacked(root: Path | None) -> Iterator[Path | None]:
    if root is None:
        yield None
    else:
        with opened(root) as folder:
            yield folder


def check_catalog(entry: Entry, catalog: Catalog, root: Path | None) -> None:
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


def _check_labels_agree(arrays: dict[str, Any], root: Path | None) -> None:
    """Refuse one picture under two labels: nothing can learn it, and no split is then clean."""
    first: dict[str, int] = {}
    for i, digest in enumerate(arrays["pixel_sha256"]):
        j = first.setdefault(digest, i)
        if arrays["labels"][i] != arrays["labels"][j]:
            names, labels, sources = arrays["class_names"], arrays["labels"], arrays["sources"]
            raise DataError(
                f"{root}: {sources[j]} ({names[labels[j]]}) and {sources[i]} ({names[labels[i]]}) "
                "are the same picture in two classes",
                "remove the one that is wrong",
            )


def _pixel_digest(image: np.ndarray) -> str:
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).data).hexdigest()


def _read(folder: Path, sample: Sample) -> tuple[np.ndarray, str | None]:
    """Return the picture and the SHA-256 of its file."""
    if sample.pixels is not None:
        return sample.pixels, None
    try:
        data = (folder / sample.source).read_bytes()
    except OSError as error:
        raise DataError(
            f"{sample.source} cannot be read: {error.strerror}", "check that the file is there and readable"
        ) from error
    return decode_image(data, sample.source), hashlib.sha256(data).hexdigest()


def _load_source(
    folder: Path, samples: Sequence[Sample], params: dict[str, Any]
) -> list[tuple[np.ndarray, str, str]]:
    """Decode one file once and make each of its samples."""
    picture, file_digest = _read(folder, samples[0])
    made = []
    for sample in samples:
        part = picture
        if sample.box is not None:
            left, top, right, bottom = sample.box
            height, width = picture.shape[:2]
            if not (0 <= left < right <= width and 0 <= top < bottom <= height):
                raise DataError(
                    f"{sample.source}: box {sample.box} lies outside the picture of {width}x{height} pixels",
                    "check the annotation",
                )
            part = picture[top:bottom, left:right]
        pixel_digest = _pixel_digest(part)
        made.append((preprocess(part, params), file_digest or pixel_digest, pixel_digest))
    return made


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
    folder: Path | None, catalog: Catalog, preprocessing: Preprocessing, progress: Progress, name: str
) -> dict[str, Any]:
    """Return the fields of :class:`DefectDataset` except name and preprocessing."""
    params = preprocessing.model_dump()
    samples = list(catalog.samples)
    images = np.empty(
        (len(samples), preprocessing.height, preprocessing.width, channels(params)), dtype=np.uint8
    )
    files: list[str] = []
    pixels: list[str] = []
    by_source = (list(group) for _, group in groupby(samples, key=lambda sample: sample.source))
    with ThreadPoolExecutor(_WORKERS) as pool:
        for made in _in_order(pool, lambda job: _load_source(folder, job, params), by_source, 64):
            for image, file_digest, pixel_digest in made:
                images[len(files)] = image
                files.append(file_digest)
                pixels.append(pixel_digest)
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
