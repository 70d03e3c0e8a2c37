"""The registry of data sets: a name, what is known about the set, and the function that reads it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from finnspect.errors import ConfigError

from quant_models.datasets.records import Catalog

#: What the options of data sets do; an option of one name means the same in every set.
OPTIONS = {
    "cells": "which kind of solar cells to take",
    "group_near": "whether a split keeps near-duplicates together",
    "images": "how many images to draw",
    "least": "smallest side of a crop in pixels",
    "line": "which kind of railway lines to take",
    "minimum": "defect pixels from which a tile is defective; one with fewer, but not none, is left out",
    "most_good": "largest number of sound tiles to keep, evenly spaced; 0 keeps all",
    "seed": "seed of what is drawn",
    "task": "what is told apart",
    "texture": "which texture to take",
    "tile": "side of the tiles in pixels",
    "visible": "share of a part that must be seen, 0 to 1",
}
#: Options that the framework gives to every set.
COMMON = {"group_near": False}
#: For :attr:`DatasetInfo.checked`.
REAL = "the published set"


def extent(height: int | tuple[int, int], width: int | tuple[int, int]) -> tuple[range, range]:
    """Return heights and widths of pictures: each a number, or the least and the greatest."""

    def span(side: int | tuple[int, int]) -> range:
        low, high = (side, side) if isinstance(side, int) else side
        return range(low, high + 1)

    return span(height), span(width)


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a user wants to know before fetching a data set.

    Parameters
    ----------
    name
        Name for ``DATASET=`` and ``--dataset``.
    task
        What is classified into what.
    description
        One line on the images.
    size
        Number and size of the images.
    licence
        Terms of use; "none stated" where the source says nothing.
    url
        Where to get it; None where nothing needs to be fetched.
    layout
        The layout on disk that the loader reads, for error messages and help.
    needs_path
        Whether it is read from a folder or an archive.
    options
        Options of the loader with their defaults; a tuple lists what may be chosen, the default first.
        :data:`OPTIONS` says what each does.
    checked
        What the loader was run on.
    extents
        Heights and widths that the published pictures have, see :func:`extent`; empty where they vary.
    """

    name: str
    task: str
    description: str
    size: str
    licence: str
    url: str | None
    layout: str
    needs_path: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    checked: str = "drawn fixtures only"
    extents: tuple[tuple[range, range], ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.options) - set(OPTIONS)
        assert not unknown, f"{self.name}: say in OPTIONS what {sorted(unknown)} do"

    @property
    def choices(self) -> dict[str, str]:
        """Options as a user writes them: the default, or all choices with the default first."""
        return {
            name: "|".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for name, value in self.options.items()
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered loader; ``version`` goes up when it reads the same files differently."""

    info: DatasetInfo
    version: int
    skip: str
    open: Callable[..., Catalog]


_REGISTRY: dict[str, Entry] = {}


def register_dataset(
    info: DatasetInfo, *, version: int, skip: str = ""
) -> Callable[[Callable[..., Catalog]], Callable[..., Catalog]]:
    """Register a loader under ``info.name``.

    The decorated function takes the set's :class:`FileTree` (None where ``info.needs_path`` is false)
    and its own options as keywords, and returns a :class:`Catalog`. It reads file names and labels; the
    images are decoded later, in parallel. It raises ``DataError`` where the layout is not as expected.

    Parameters
    ----------
    info
        Description of the set.
    version
        Part of the cache key; raise it when the loader's result changes.
    skip
        Regular expression of names in an archive that the loader never reads.
    """

    def add(function: Callable[..., Catalog]) -> Callable[..., Catalog]:
        assert info.name not in _REGISTRY, f"data set {info.name!r} is registered twice"
        _REGISTRY[info.name] = Entry(
            replace(info, options={**info.options, **COMMON}), version, skip, function
        )
        return function

    return add


def get_dataset(name: str) -> Entry:
    """Return the entry called ``name``.

    Raises
    ------
    ConfigError
        There is none; the message lists near names.
    """
    if name in _REGISTRY:
        return _REGISTRY[name]
    near = difflib.get_close_matches(str(name).lower().replace("_", "-"), _REGISTRY, n=3, cutoff=0.5)
    known = ", ".join(sorted(_REGISTRY))
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ConfigError(f"unknown data set {name!r}", f"{hint}known data sets: {known}")


def list_datasets() -> list[DatasetInfo]:
    """Return every registered data set, by name."""
    return [_REGISTRY[name].info for name in sorted(_REGISTRY)]
