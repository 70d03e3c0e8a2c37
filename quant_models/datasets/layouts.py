"""What loaders of several layouts share: finding folders, and pairing pictures with what goes with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

import numpy as np
from finnspect.errors import DataError

from quant_models.datasets.annotations import check_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.regions import IGNORED


def join(*parts: str) -> str:
    """Return a name relative to the tree from parts, of which some may be empty."""
    return "/".join(part for part in parts if part)


def find_folders(
    tree: FileTree, wanted: Callable[[FileTree], bool], layout: str, depth: int = 3
) -> list[str]:
    """Return all folders for which ``wanted`` is true, at any depth, the nearest to the root first.

    Raises
    ------
    DataError
        There is none.
    """
    level, found = [""], []
    for _ in range(depth + 1):
        here = [name for name in level if wanted(tree.at(name))]
        found += here
        below = [name for name in level if name not in here]
        level = [join(above, name) for above in below for name in tree.at(above).folders()]
    if found:
        return found
    raise DataError(f"{tree.origin}: no folder is laid out as this data set", f"expected layout: {layout}")


def one_folder(tree: FileTree, wanted: Callable[[FileTree], bool], layout: str, depth: int = 3) -> str:
    """Return the one folder for which ``wanted`` is true.

    Raises
    ------
    DataError
        There is none, or there are several.
    """
    found = find_folders(tree, wanted, layout, depth)
    if len(found) > 1:
        raise DataError(
            f"{tree.origin}: several folders are laid out as this data set: {', '.join(found)}",
            "give the folder of one set",
        )
    return found[0]


def has_folders(*names: str) -> Callable[[FileTree], bool]:
    """Return a test whether a tree has all the folders ``names``."""
    return lambda tree: all((tree.folder / name).is_dir() for name in names)


def by_stem(tree: FileTree, folder: str, suffix: str = "") -> dict[str, str]:
    """Return the files of a folder by their name without ending, in order.

    Parameters
    ----------
    suffix
        Ending that every file must have; empty for pictures of any kind, side files passed over.

    Raises
    ------
    DataError
        The folder is missing, a file is of another kind, or two have the same stem.
    """
    if not (tree.folder / folder).is_dir():
        raise tree.fault(folder, "is missing", "fetch the set again: its layout needs this folder")
    files = tree.at(folder).files()
    if not suffix:
        files = tree.images(files)[0]
    found: dict[str, str] = {}
    for file in files:
        name, stem = join(folder, file), PurePosixPath(file).stem
        if suffix and not file.endswith(suffix):
            raise tree.fault(name, f"is no {suffix} file", "take it out of the folder")
        if stem in found:
            raise tree.fault(name, f"has the same name as {found[stem]}", "remove the one that is wrong")
        found[stem] = name
    return found


def refuse_orphans(
    tree: FileTree, files: Mapping[str, str], partners: Iterable[str], what: str, folder: str
) -> None:
    """Refuse the first of ``files`` (by stem) that is not among ``partners``: it lacks ``what``."""
    partners = set(partners)
    for stem, name in files.items():
        if stem not in partners:
            raise tree.fault(name, f"has no {what} {stem}.* in {folder}", "fetch the set again")


def check_stated_size(
    tree: FileTree, name: str, stated: tuple[int | None, int | None], size: tuple[int, int]
) -> None:
    """Refuse an annotation that states another size (height, width) than its picture has."""
    if None not in stated:
        check_size(tree, name, stated, size)  # type: ignore[arg-type]


def lay_over(labels: np.ndarray, mask: np.ndarray, value: int) -> None:
    """Mark the pixels of ``mask`` with ``value``; where another class is, they become ignored."""
    view = labels[mask]
    labels[mask] = np.where((view == 0) | (view == value), value, IGNORED)


def differs(what: str, found: int, published: int) -> tuple[str, ...]:
    """Return a sentence where a count is not the published one."""
    return () if found == published else (f"holds {found} {what}; the published set has {published}",)
