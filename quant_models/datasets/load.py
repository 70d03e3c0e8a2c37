"""Load a registered data set: find it, read it, decode it in parallel, keep the result."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import ConfigError, DataError
from finnspect.package import Preprocessing
from finnspect_driver.preprocess import channels, preprocess

from quant_models.datasets import cache, clean
from quant_models.datasets.annotations import check_size
from quant_models.datasets.archive import opened
from quant_models.datasets.decode import decode_image, image_size
from quant_models.datasets.files import FileTree, fingerprint, unreadable
from quant_models.datasets.near import group_near_duplicates, kept_near_duplicates
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, DefectDataset, Sample
from quant_models.datasets.registry import Entry, get_dataset

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
_BLANK = "regions left out: they show nothing but one grey value"
_UNSEEN = "pictures are not used: no label, list or name takes them into the set"
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
        Options of the set, see ``DatasetInfo.options``. Every set has ``group_near``: put near-duplicates
        into one group, so that a split keeps them together; see :func:`near_duplicates`. An official
        split that parts them is then not used.

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
    options = resolve_options(entry, options)
    group_near = options.pop("group_near")
    root = check_path(entry, path)
    content = "" if root is None else fingerprint(root)
    key = _key(entry, content, options, preprocessing)
    arrays = None if scratch is None else cache.read(scratch, name, key)
    if arrays is not None:
        progress(f"{name}: {len(arrays['labels'])} images from the cache")
    else:
        arrays = _load(entry, root, scratch, options, preprocessing, progress)
        if scratch is not None:
            cache.write(scratch, name, key, arrays)
    if group_near:
        progress(f"{name}: looking for near-duplicates among {len(arrays['labels'])} images")
        pairs = kept_near_duplicates(arrays["images"], scratch, key)
        arrays = group_near_duplicates(arrays, pairs, root or name)
    for note in arrays["notes"]:
        progress(f"{name}: {note}")
    return DefectDataset(name=name, preprocessing=preprocessing, **arrays)


def _load(
    entry: Entry,
    root: Path | None,
    scratch: Path | None,
    options: dict[str, Any],
    preprocessing: Preprocessing,
    progress: Progress,
) -> dict[str, Any]:
    """Return the fields of :class:`DefectDataset` except name and preprocessing, from the files."""
    name = entry.info.name
    progress(f"{name}: reading {root}" if root else f"{name}: drawing")
    with nullcontext() if root is None else opened(root, scratch, entry.skip) as tree:
        catalog = entry.open(tree, **options)
        for difference in catalog.differences:
            log.warning("%s: %s", root or name, difference)
        check_catalog(entry, catalog, root)
        check_masks(tree, catalog)
        arrays = decode_all(tree, catalog, preprocessing, progress, name)
    clean.check_labels_agree(arrays, root or name)
    return settle(arrays, catalog, root or name)


def settle(arrays: dict[str, Any], catalog: Catalog, where: Path | str) -> dict[str, Any]:
    """Do to decoded images what their catalog asks for: copies go, an official split that leaks goes."""
    return (clean.drop_copies if catalog.unique else clean.settle_official)(arrays, where)


def resolve_options(entry: Entry, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a set: what is given, checked, and defaults for the rest.

    Raises
    ------
    ConfigError
        An option is unknown, of another type, or not one that may be chosen.
    """
    name, known = entry.info.name, entry.info.options
    unknown = sorted(set(options) - set(known))
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise ConfigError(f"data set {name!r} has no option {unknown[0]!r}", f"its options: {names}")
    resolved = {}
    for option, default in known.items():
        choices = default if isinstance(default, tuple) else None
        value = options.get(option, default[0] if choices else default)
        if choices and value not in choices:
            raise ConfigError(
                f"data set {name!r}: {option} is {value!r}", f"give one of {', '.join(map(str, choices))}"
            )
        if not choices and type(value) is not type(default):
            raise ConfigError(
                f"data set {name!r}: {option} is {value!r}",
                f"give a value like {default!r}, of type {type(default).__name__}",
            )
        if not choices and isinstance(value, int | float) and not value >= 0:  # not a number is none either
            raise ConfigError(f"data set {name!r}: {option} is {value!r}", "give a number of 0 or more")
        resolved[option] = value
    return resolved


def check_path(entry: Entry, path: Path | str | None) -> Path | None:
    """Return where the set lies, None for a drawn one.

    Raises
    ------
    ConfigError
        A path is given or missing against the set's nature.
    DataError
        It is not there.
    """
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


def check_masks(tree: FileTree | None, catalog: Catalog) -> None:
    """Compare the size of each mask that the loader did not read with its image's, by their headers.

    Raises
    ------
    DataError
        A mask is missing, no image, or of another size.
    """
    samples = [sample for sample in catalog.samples if sample.mask is not None]
    for _ in parallel(lambda sample: check_mask(tree, sample), samples):
        pass


def check_mask(tree: FileTree, sample: Sample) -> None:
    """Compare the size of a sample's mask with its image's, by their headers."""
    assert sample.mask is not None
    check_size(tree, sample.mask, image_size(tree, sample.mask), image_size(tree, sample.source))


def _pixel_digest(image: np.ndarray) -> str:
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).data).hexdigest()


def _read(tree: FileTree | None, sample: Sample) -> tuple[np.ndarray, str, str]:
    """Return a picture, the SHA-256 of its file and the SHA-256 of its pixels."""
    if sample.pixels is not None:
        digest = _pixel_digest(sample.pixels)
        return sample.pixels, digest, digest
    assert tree is not None, "a sample has pixels or a file"
    data = tree.read(sample.source)
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


class Watch:
    """Sees every picture while a set is decoded, and may let one go that cannot be read."""

    def picture(self, sample: Sample, picture: np.ndarray) -> None:
        """See a decoded picture, uint8 (H, W) or (H, W, 3)."""

    def failed(self, sample: Sample, error: DataError) -> None:
        """See an error; to let the picture go, do not raise it."""
        raise error


def decode_all(
    tree: FileTree | None,
    catalog: Catalog,
    preprocessing: Preprocessing,
    progress: Progress,
    name: str,
    watch: Watch | None = None,
) -> dict[str, Any]:
    """Return the fields of :class:`DefectDataset` except name and preprocessing."""
    watch = watch or Watch()
    params = preprocessing.model_dump()
    samples = list(catalog.samples)
    shape = preprocessing.height, preprocessing.width, channels(params)
    images = np.empty((len(samples), *shape), dtype=np.uint8)
    files: list[str] = []
    pixels: list[str] = []
    taken: list[Sample] = []
    by_source = [list(group) for _, group in groupby(samples, key=lambda sample: sample.source)]
    blank = done = 0

    def read(group: list[Sample]) -> tuple[np.ndarray, str, str] | DataError:
        try:
            return _read(tree, group[0])
        except DataError as error:
            return error

    with closing(parallel(read, by_source)) as results:
        for group, result in zip(by_source, results, strict=True):
            done += len(group)
            if done // _REPORT_EVERY > (done - len(group)) // _REPORT_EVERY:
                progress(f"{name}: {done} of {len(samples)} images")
            try:
                if isinstance(result, DataError):
                    raise result
                picture, file_digest, pixel_digest = result
                parts = list(_parts(picture, group, tree))
            except DataError as error:
                watch.failed(group[0], error)
                continue
            watch.picture(group[0], picture)
            for sample, part in zip(group, parts, strict=True):
                if sample.box is not None and clean.is_blank(part):
                    blank += 1
                    continue
                # In this thread: many small matrix products in several would wait for each other.
                images[len(taken)] = preprocess(part, params)
                taken.append(sample)
                pixels.append(pixel_digest if part is picture else _pixel_digest(part))
                files.append(file_digest)
    notes = [*catalog.notes, *([f"{blank} {_BLANK}"] if blank else [])]
    if tree and (unseen := tree.unseen_pictures()):
        notes.append(f"{len(unseen)} {_UNSEEN} ({', '.join(unseen[:3])}{', ...' if unseen[3:] else ''})")
    return {
        "class_names": tuple(catalog.class_names),
        "images": images[: len(taken)],
        "labels": np.array([sample.label for sample in taken], dtype=np.int64),
        "groups": tuple(sample.group for sample in taken),
        "sources": tuple(sample.name for sample in taken),
        "sha256": tuple(files),
        "pixel_sha256": tuple(pixels),
        "parts": tuple(sample.part for sample in taken),
        "notes": tuple(notes),
    }
