"""Ways to spoil a drawn data set; each is given the set's folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from drawing import mask, noise, save
from PIL import Image
from scipy.io import savemat

Spoil = Callable[[Path], None]


def only(root: Path, pattern: str) -> Path:
    """Return the file or folder that the pattern names, the first in order where it names several."""
    return every(root, pattern)[0]


def every(root: Path, pattern: str) -> list[Path]:
    """Return all files that the pattern names; there are some."""
    found = sorted(root.glob(pattern))
    assert found, f"{root} has no {pattern}"
    return found


def nothing(root: Path) -> None:
    """Leave the set as it is: its options do not fit."""


def lack(pattern: str) -> Spoil:
    return lambda root: only(root, pattern).unlink()


def put(name: str, content: str | bytes) -> Spoil:
    data = content.encode() if isinstance(content, str) else content

    def run(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return run


def fill(pattern: str, content: str) -> Spoil:
    """Write the same into all files of a pattern."""

    def run(root: Path) -> None:
        for path in every(root, pattern):
            path.write_text(content, encoding="utf-8", newline="")

    return run


def change(pattern: str, old: str, new: str, count: int = 1) -> Spoil:
    def run(root: Path) -> None:
        path = only(root, pattern)
        data = path.read_bytes()
        assert old.encode() in data
        path.write_bytes(data.replace(old.encode(), new.encode(), count))

    return run


def change_all(pattern: str, old: str, new: str) -> Spoil:
    """Change what a regular expression matches, in all files of a pattern."""

    def run(root: Path) -> None:
        for path in every(root, pattern):
            data, count = re.subn(old.encode(), new.encode(), path.read_bytes())
            assert count
            path.write_bytes(data)

    return run


def header(pattern: str, line: str) -> Spoil:
    def run(root: Path) -> None:
        path = only(root, pattern)
        path.write_bytes(line.encode() + b"\n" + path.read_bytes())

    return run


def cut(pattern: str, kept: int) -> Spoil:
    def run(root: Path) -> None:
        path = only(root, pattern)
        path.write_bytes(path.read_bytes()[:kept])

    return run


def copy(pattern: str, over: str) -> Spoil:
    return lambda root: only(root, over).write_bytes(only(root, pattern).read_bytes()) and None


def picture(name: str, height: int = 20, width: int = 20) -> Spoil:
    return lambda root: save(root / name, noise(999, height, width)) and None


def marked(pattern: str, height: int, width: int) -> Spoil:
    return lambda root: save(only(root, pattern), mask(height, width, (0, 0, 9, 9))) and None


def unmarked(pattern: str) -> Spoil:
    """Make all masks of a pattern empty."""

    def run(root: Path) -> None:
        for path in every(root, pattern):
            with Image.open(path) as image:
                size = image.size
            save(path, mask(size[1], size[0]))

    return run


def rename(old: str, new: str) -> Spoil:
    return lambda root: (root / old).rename(root / new) and None


def empty(*patterns: str) -> Spoil:
    def run(root: Path) -> None:
        for pattern in patterns:
            for path in every(root, pattern):
                path.unlink()

    return run


def drop_lines(pattern: str, word: str) -> Spoil:
    """Take the lines that hold a word out of all tables of a pattern."""

    def run(root: Path) -> None:
        for path in every(root, pattern):
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if word.encode() not in line]
            assert len(kept) < len(lines)
            path.write_bytes(b"".join(kept))

    return run


def both(*spoils: Spoil) -> Spoil:
    def run(root: Path) -> None:
        for spoil in spoils:
            spoil(root)

    return run


def truths(change: Callable[[np.ndarray], dict], *numbers: int) -> Spoil:
    """Write other ground truths for photographs of CrackForest."""

    def run(root: Path) -> None:
        for number in numbers:
            savemat(root / "groundTruth" / f"{number:03d}.mat", change(np.ones((128, 192), np.uint8)))

    return run


def segmentation(array: np.ndarray) -> dict:
    return {"groundTruth": {"Segmentation": array, "Boundaries": array}}


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    array = array.astype(type(value))
    array[0, 0] = value
    return array
