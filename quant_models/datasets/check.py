"""Checking a local copy of a data set: everything that is wrong with it, not only the first thing."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import DataError
from finnspect.package import Preprocessing

from quant_models.datasets import load
from quant_models.datasets.annotations import read_mask
from quant_models.datasets.archive import opened
from quant_models.datasets.near import group_near_duplicates, near_duplicates
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, DefectDataset, Sample
from quant_models.datasets.registry import get_dataset
from quant_models.datasets.splits import clusters, split_dataset

#: What images are compared at; a model's own size does not matter here.
_LOOK = Preprocessing(color="grey", height=64, width=64, scale=1 / 255)
_MASK_THRESHOLD = 127


@dataclass
class Check:
    """What was found out about a copy of a data set.

    Attributes
    ----------
    name, path
        What was checked.
    problems
        Sentences on what is wrong; an empty list where nothing is.
    notes
        Sentences on what is left out, and why.
    classes
        Images by class.
    parts
        Images by part of the official split, where that is sound.
    pictures
        Picture files that were decoded.
    sizes
        Pictures by height and width.
    groups
        Groups of images that never part, copies taken together.
    copies
        Sets of images with identical pixels: their names.
    near
        Pairs of near-duplicates that are not in one group: names and similarity.
    seconds
        How long the check took.
    """

    name: str
    path: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    pictures: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    groups: int = 0
    copies: list[list[str]] = field(default_factory=list)
    near: list[tuple[str, str, float]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def document(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        sizes = [{"height": h, "width": w, "pictures": n} for (h, w), n in sorted(self.sizes.items())]
        return {**vars(self), "sizes": sizes, "ok": self.ok}


class _Collector(load.Watch):
    def __init__(self, check: Check) -> None:
        self.check = check
        self.extents = get_dataset(check.name).info.extents
        self.odd: list[str] = []

    def picture(self, sample: Sample, picture: np.ndarray) -> None:
        height, width = picture.shape[:2]
        self.check.pictures += 1
        self.check.sizes[height, width] += 1
        fits = [height in heights and width in widths for heights, widths in self.extents]
        if fits and not any(fits):
            self.odd.append(f"{sample.source} of {width}x{height}")

    def problems(self) -> list[str]:
        """Return a sentence on the pictures whose size is not a published one."""
        if not self.odd:
            return []
        known = " or ".join(f"{_span(widths)}x{_span(heights)}" for heights, widths in self.extents)
        what = f"{len(self.odd)} pictures are of another size, the first {self.odd[0]}"
        return [f"{what}; the published set has {known} pixels"]

    def failed(self, sample: Sample, error: DataError) -> None:
        self.check.problems.append(error.message)


def _span(sides: range) -> str:
    return str(sides[0]) if len(sides) == 1 else f"({sides[0]} to {sides[-1]})"


def check_dataset(
    name: str,
    path: Path | str | None,
    progress: load.Progress | None = None,
    scratch: Path | None = None,
    **options: Any,
) -> Check:
    """Read a copy of a data set in full and report all that is wrong with it.

    Parameters
    ----------
    name
        Name in the registry.
    path
        Folder or archive.
    progress
        Called with one line of text now and then.
    scratch
        Folder for temporary files; None for the system's.
    options
        Options of the set.

    Raises
    ------
    ConfigError
        Unknown data set or option, or a path given or missing against the set's nature.
    """
    begun = time.perf_counter()
    entry = get_dataset(name)
    options = load.resolve_options(entry, options)
    group_near = options.pop("group_near")
    check = Check(name, str(path or ""))
    try:
        root = load.check_path(entry, path)
        if root is None:
            catalog = entry.open(None, **options)
            arrays = _look(None, catalog, check, progress)
        else:
            with opened(root, scratch, entry.skip) as tree:
                catalog = entry.open(tree, **options)
                arrays = _look(tree, catalog, check, progress)
        load.check_catalog(entry, catalog, root)
        _compare(check, arrays, catalog, name, group_near)
    except DataError as error:
        check.problems.append(error.message)
    check.seconds = round(time.perf_counter() - begun, 2)
    return check


def _look(tree: Any, catalog: Catalog, check: Check, progress: load.Progress | None) -> dict[str, Any]:
    """Decode every picture and mask; problems are collected."""
    check.problems += catalog.differences

    def mask_problem(sample: Sample) -> tuple[str, bool]:
        try:
            load.check_mask(tree, sample)
            return "", bool(read_mask(tree, sample.mask, threshold=_MASK_THRESHOLD).any())
        except DataError as error:
            return error.message, True

    masked = [sample for sample in catalog.samples if sample.mask is not None]
    empty: Counter[str] = Counter()
    for sample, (problem, marked) in zip(masked, parallel(mask_problem, masked), strict=True):
        if problem:
            check.problems.append(problem)
        empty[catalog.class_names[sample.label]] += not marked
    totals = Counter(catalog.class_names[sample.label] for sample in masked)
    check.notes += [  # where no mask of a class marks anything, it is the sound one
        f"{count} of {totals[name]} masks of {name!r} mark nothing"
        for name, count in empty.items()
        if 0 < count < totals[name]
    ]
    collector = _Collector(check)
    arrays = load.decode_all(tree, catalog, _LOOK, progress or (lambda _: None), check.name, collector)
    check.problems += collector.problems()
    return arrays


def _compare(check: Check, arrays: dict[str, Any], catalog: Catalog, name: str, group_near: bool) -> None:
    """Find copies, near-duplicates, leaks, and classes that cannot be split."""
    labels, sources, names = arrays["labels"], arrays["sources"], arrays["class_names"]
    same: dict[str, list[int]] = {}
    for i, digest in enumerate(arrays["pixel_sha256"]):
        same.setdefault(digest, []).append(i)
    for members in same.values():
        if len(members) > 1:
            check.copies.append([sources[i] for i in members])
        if len({int(labels[i]) for i in members}) > 1:
            which = ", ".join(f"{sources[i]} ({names[labels[i]]})" for i in members[:4])
            check.problems.append(f"the same picture is in several classes: {which}")
    arrays = load.settle(arrays, catalog, name)
    pairs = near_duplicates(arrays["images"])
    if group_near:
        arrays = group_near_duplicates(arrays, [(i, j) for i, j, _ in pairs], name)
    dataset = DefectDataset(name=name, preprocessing=_LOOK, **arrays)
    check.notes += dataset.notes
    check.classes = dataset.counts
    check.parts = dict(Counter(dataset.parts))
    together = clusters(dataset)
    check.groups = len(np.unique(together))
    check.near = [
        (dataset.sources[i], dataset.sources[j], round(similar, 3))
        for i, j, similar in pairs
        if together[i] != together[j]
    ]
    try:
        split_dataset(dataset, 0)
    except DataError as error:
        check.problems.append(error.message)
