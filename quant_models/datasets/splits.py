"""Seeded, stratified splits that never leak, and the manifest that records one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from finnspect.errors import ConfigError, DataError

from quant_models.datasets.clean import joined
from quant_models.datasets.records import PARTS, DefectDataset

FORMAT = "finnspect-split"
FORMAT_VERSION = 1
DEFAULT_FRACTIONS = (0.64, 0.16, 0.20)


@dataclass(frozen=True, eq=False)
class Split:
    """Which images are for training, for choosing, and for the one final test.

    Attributes
    ----------
    train, val, test
        int64, ascending indices into the data set.
    seed, fractions
        What the split was made from.
    official
        Whether the test part is the set's own.
    """

    train: np.ndarray = field(repr=False)
    val: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)
    seed: int
    fractions: tuple[float, float, float]
    official: bool = False

    def part(self, name: str) -> np.ndarray:
        """Return the indices of the part called ``train``, ``val`` or ``test``."""
        if name not in PARTS:
            raise ConfigError(f"a split has no part {name!r}", f"its parts: {', '.join(PARTS)}")
        return getattr(self, name)


def clusters(dataset: DefectDataset) -> np.ndarray:
    """Return for each image the number of its cluster: images that must stay together.

    Images of one group, of byte-identical files, or of identical pixels are one cluster, and so are
    chains of these.

    Returns
    -------
    numpy.ndarray
        int64, shape (N,): index of the first image of the cluster.
    """
    return joined(len(dataset), dataset.groups, dataset.pixel_sha256)


def _targets(count: int, fractions: Sequence[float]) -> np.ndarray:
    """Return whole numbers in proportion to ``fractions`` that sum to ``count``, each at least 1."""
    exact = np.array(fractions) * count
    whole = np.floor(exact + 1e-9).astype(np.int64)
    for i in np.argsort(-(exact - whole), kind="stable")[: count - int(whole.sum())]:
        whole[i] += 1
    while whole.min() < 1:
        whole[whole.argmax()] -= 1
        whole[whole.argmin()] += 1
    return whole


def _check_fractions(fractions: Sequence[float]) -> tuple[float, float, float]:
    if len(fractions) != len(PARTS) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ConfigError(
            f"split fractions {tuple(fractions)} are not valid",
            "give three positive fractions for train, val and test that sum to 1",
        )
    return tuple(float(f) for f in fractions)  # type: ignore[return-value]


def split_dataset(dataset: DefectDataset, seed: int, fractions: Sequence[float] = DEFAULT_FRACTIONS) -> Split:
    """Split a data set by class, keeping clusters of images together.

    A sound official split (``dataset.parts``) is used: its test part always; its validation part where
    it has one, else one is dealt out of its training part.

    Class by class, the one in the fewest clusters first, the clusters that hold it and are not dealt out
    yet are shuffled, then dealt out, the largest first, each to the part that lacks most of the class, but
    so that every part gets a cluster.

    Parameters
    ----------
    dataset
        The data set.
    seed
        Seed of the shuffle, 0 or more.
    fractions
        Shares of training, validation and test; they sum to 1.

    Raises
    ------
    ConfigError
        The seed or the fractions are not valid.
    DataError
        A class has fewer clusters than there are parts to fill.
    """
    fractions = _check_fractions(fractions)
    if seed < 0:
        raise ConfigError(f"split seed {seed} is negative", "give an integer of 0 or more")
    part_of = np.full(len(dataset), -1, dtype=np.int64)
    into = list(range(len(PARTS)))
    if dataset.parts:
        given = np.array(dataset.parts)
        into = [0] if "val" in dataset.parts else [0, 1]
        for part in set(range(len(PARTS))) - set(into):
            part_of[given == PARTS[part]] = part
    cluster = clusters(dataset)
    members: dict[int, list[int]] = {}
    for i in np.flatnonzero(part_of == -1).tolist():
        members.setdefault(int(cluster[i]), []).append(i)
    _deal(dataset, list(members.values()), seed, fractions, into, part_of)
    train, val, test = (np.flatnonzero(part_of == p) for p in range(len(PARTS)))
    return Split(train, val, test, seed, fractions, bool(dataset.parts))


def _deal(
    dataset: DefectDataset,
    groups: list[list[int]],
    seed: int,
    fractions: Sequence[float],
    into: Sequence[int],
    part_of: np.ndarray,
) -> None:
    """Deal clusters out to the parts ``into``, into ``part_of``."""
    classes = len(dataset.class_names)
    counts = np.array([np.bincount(dataset.labels[g], minlength=classes) for g in groups]).reshape(
        -1, classes
    )
    containing = (counts > 0).sum(axis=0)
    for label in np.flatnonzero(containing < len(into)):
        raise DataError(
            f"class {dataset.class_names[label]!r} has {containing[label]} images or groups of images that "
            f"may be parted; a split needs at least {len(into)}",
            "add images of this class; images of one item or one group never part",
        )
    share = np.array(fractions)[list(into)]
    totals = counts.sum(axis=0)
    lacking = np.array([_targets(int(total), share / share.sum()) for total in totals]).T
    given = np.zeros_like(lacking)
    waiting = np.ones(len(groups), dtype=bool)
    for label in np.argsort(containing, kind="stable").tolist():
        own = np.flatnonzero(waiting & (counts[:, label] > 0))
        order = np.random.default_rng([seed, label]).permutation(len(own))
        shuffled = sorted(own[order].tolist(), key=lambda k: counts[k, label], reverse=True)
        for left, k in zip(range(len(shuffled), 0, -1), shuffled, strict=True):
            # The last clusters go to the parts that would stay without this class otherwise.
            empty = [p for p in range(len(into)) if not given[p, label]]
            choice = empty if left <= len(empty) else range(len(into))
            part = max(choice, key=lambda p: lacking[p, label])
            part_of[groups[k]] = into[part]
            lacking[part] -= counts[k]
            given[part] += counts[k]
            waiting[k] = False


@dataclass(frozen=True)
class SplitManifest:
    """The record of a split: every image's file, hash, label, group and part.

    Attributes
    ----------
    document
        What the JSON file holds.
    """

    document: dict[str, Any]

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON: ``data_sha256`` of a model package."""
        text = json.dumps(self.document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Images by part and class."""
        table = {part: dict.fromkeys(self.document["classes"], 0) for part in PARTS}
        for image in self.document["images"]:
            if image["part"]:  # empty for an image that no part uses
                table[image["part"]][image["label"]] += 1
        return table

    @classmethod
    def of(cls, dataset: DefectDataset, split: Split) -> SplitManifest:
        """Return the manifest of ``split``."""
        part = np.full(len(dataset), "", dtype=object)
        for name in PARTS:
            part[split.part(name)] = name
        images = [
            {
                "source": dataset.sources[i],
                "sha256": dataset.sha256[i],
                "label": dataset.class_names[dataset.labels[i]],
                "group": dataset.groups[i],
                "part": part[i],
            }
            for i in range(len(dataset))
        ]
        document = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "dataset": dataset.name,
            "classes": list(dataset.class_names),
            "seed": split.seed,
            "fractions": list(split.fractions),
            "images": images,
        }
        if split.official:
            document["official"] = True
        return cls(document)

    def write(self, path: Path) -> None:
        """Write the manifest, whole or not at all."""
        part = path.with_name(f".{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(json.dumps(self.document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> SplitManifest:
        """Read what :meth:`write` wrote.

        Raises
        ------
        DataError
            The file is missing, damaged, or of another format version.
        """
        remedy = "train again, or give the split manifest of a training run"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            kind = document["format"], document["format_version"]
            manifest = cls(document)
            manifest.counts  # noqa: B018 - touches every field that is relied on
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is not a split manifest: {error}", remedy) from error
        if kind != (FORMAT, FORMAT_VERSION):
            raise DataError(f"{path} is {kind}, expected {(FORMAT, FORMAT_VERSION)}", remedy)
        return manifest

    def apply(self, dataset: DefectDataset) -> Split:
        """Return the recorded split of ``dataset``.

        Raises
        ------
        DataError
            The data set is not the one that was split: an image is missing, new or altered.
        """
        images = self.document["images"]
        recorded = [(i["source"], i["sha256"], i["label"]) for i in images]
        names = [dataset.class_names[label] for label in dataset.labels]
        present = list(zip(dataset.sources, dataset.sha256, names, strict=True))
        if recorded != present:
            odd = sorted(set(recorded) ^ set(present)) or [("the order of the images", "", "")]
            raise DataError(
                f"data set {dataset.name!r} is not the one of the split manifest: see {odd[0][0]}",
                "use the data that the model was trained on, or train again",
            )
        parts = np.array([i["part"] for i in images])
        train, val, test = (np.flatnonzero(parts == part) for part in PARTS)
        made_from = int(self.document["seed"]), tuple(self.document["fractions"])
        return Split(train, val, test, *made_from, bool(self.document.get("official")))
