"""What a loader hands over, and what a loaded data set is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from finnspect.package import Preprocessing

#: Parts of a split.
PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image of a data set, before it is read.

    Parameters
    ----------
    source
        File name relative to the root of the set, with ``/``; for a drawn image its name.
    label
        Index into the class names.
    group
        Images of one group never part: one item, one view, one large picture.
    box
        Part of the picture to use: left, top, right, bottom in pixels; None for the whole.
    pixels
        The picture itself where it is drawn and not read: uint8 (H, W) or (H, W, 3).
    part
        Part of the official split (``train``, ``val`` or ``test``); empty where there is none.
    mask
        File that marks the defect, where it was not read to find the label: only a check reads it.
    """

    source: str
    label: int
    group: str
    box: tuple[int, int, int, int] | None = None
    pixels: np.ndarray | None = None
    part: str = ""
    mask: str | None = None

    @property
    def name(self) -> str:
        """The source, with the box as a media fragment ``#xywh=left,top,width,height`` where it has one."""
        if self.box is None:
            return self.source
        left, top, right, bottom = self.box
        return f"{self.source}#xywh={left},{top},{right - left},{bottom - top}"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that a loader found, in a fixed order.

    Parameters
    ----------
    class_names
        Class names; a label is an index into them.
    samples
        Samples of one source follow each other: the picture is then decoded once.
    notes
        Sentences on what was left out on purpose, and how much: nothing goes without one.
    differences
        Sentences on where this copy differs from the published set.
    unique
        Keep only the first of images with identical pixels (a note says how many went).
    """

    class_names: tuple[str, ...]
    samples: Sequence[Sample]
    notes: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    unique: bool = False


@dataclass(frozen=True, eq=False)
class DefectDataset:
    """A data set in memory, preprocessed: the bytes that the accelerator receives.

    Attributes
    ----------
    name
        Name in the registry.
    class_names
        Class names; a label is an index into them.
    images
        uint8, shape (N, H, W, C), read-only.
    labels
        int64, shape (N,), read-only.
    groups
        N names; images of one group belong in one part of a split.
    sources
        N names, see :attr:`Sample.name`.
    sha256
        SHA-256 of each image's file (of its pixels, where it was drawn).
    pixel_sha256
        SHA-256 of each image's pixels before preprocessing.
    preprocessing
        How the images were made.
    parts
        Part of each image in the official split; empty where there is no sound one.
    notes
        What was left out, and why.
    """

    name: str
    class_names: tuple[str, ...]
    images: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    groups: tuple[str, ...] = field(repr=False)
    sources: tuple[str, ...] = field(repr=False)
    sha256: tuple[str, ...] = field(repr=False)
    pixel_sha256: tuple[str, ...] = field(repr=False)
    preprocessing: Preprocessing
    parts: tuple[str, ...] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.images.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each class."""
        totals = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, totals.tolist(), strict=True))
