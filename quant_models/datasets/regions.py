"""Parts of large pictures as samples: tiles that masks or boxes label, and crops around boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from finnspect.errors import ConfigError

from quant_models.datasets.annotations import Box
from quant_models.datasets.records import Sample

Region = tuple[int, int, int, int]
#: Label of a region's pixels that belong to no class that is classified: a tile that has any is left out.
IGNORED = -1


@dataclass(frozen=True, slots=True)
class TileRule:
    """How a picture is cut and when a tile shows a defect.

    Parameters
    ----------
    height, width
        Size of a tile in pixels; a picture that is smaller gives a tile as large as itself.
    minimum
        Defect pixels from which a tile is defective. A tile with fewer, but not none, is left out.
    step_y, step_x
        Distance of tiles; None for their size. The last row and column lie flush with the border, so
        that no pixel is missed: they overlap their neighbours.
    """

    height: int
    width: int
    minimum: int
    step_y: int | None = None
    step_x: int | None = None

    def __post_init__(self) -> None:
        sides = self.height, self.width, self.step_y or self.height, self.step_x or self.width, self.minimum
        if min(sides) < 1 or self.minimum > self.height * self.width:
            raise ConfigError(
                f"tiles of {self.width}x{self.height} pixels, defective from {self.minimum} pixels on, "
                "cannot be cut",
                "give positive sizes, and a minimum of at most a tile's pixels",
            )


def _starts(length: int, tile: int, step: int) -> list[int]:
    if length <= tile:
        return [0]
    starts = list(range(0, length - tile + 1, step))
    return starts if starts[-1] == length - tile else [*starts, length - tile]


def tile_grid(height: int, width: int, rule: TileRule) -> list[Region]:
    """Return the tiles of a picture, row by row: left, top, right, bottom."""
    tops = _starts(height, rule.height, rule.step_y or rule.height)
    lefts = _starts(width, rule.width, rule.step_x or rule.width)
    return [
        (left, top, min(left + rule.width, width), min(top + rule.height, height))
        for top in tops
        for left in lefts
    ]


@dataclass
class Tally:
    """Counts what a loader leaves out, for the notes of a :class:`Catalog`."""

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, count: int = 1) -> None:
        """Count something under a sentence that goes on from a number: ``tiles left out: ...``."""
        self.counts[reason] += count

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each reason."""
        return tuple(f"{count} {reason}" for reason, count in sorted(self.counts.items()) if count)


SMALL = "tiles left out: they show some defect, but less than the minimum"
MIXED = "tiles left out: they show defects of several classes"
UNSURE = "tiles left out: they touch a region that is not labelled"


def cut_tiles(
    source: str, group: str, labels: np.ndarray, rule: TileRule, tally: Tally, *, part: str = ""
) -> list[Sample]:
    """Cut a picture into tiles and label each by the pixels under it.

    Parameters
    ----------
    labels
        Integers, shape (H, W) of the picture: the label of each pixel; 0 is sound, :data:`IGNORED` not
        labelled.
    rule
        Size of tiles and least defect. The pixels of one class must reach the minimum.
    tally
        Takes the count of tiles that are left out.

    Returns
    -------
    list of Sample
        Tiles that are sound (label 0, no defect pixel at all) or show enough of one class.
    """
    height, width = labels.shape
    grid = tile_grid(height, width, rule)
    values = [int(value) for value in np.unique(labels) if value != 0]
    if not values:
        return [Sample(source, 0, group, box=box, part=part) for box in grid]
    left, top, right, bottom = np.array(grid).T
    counts = {}
    for value in values:
        sums = np.zeros((height + 1, width + 1), dtype=np.int64)
        np.cumsum(np.cumsum(labels == value, axis=0), axis=1, out=sums[1:, 1:])
        inside = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        counts[value] = inside
    samples = []
    for i, box in enumerate(grid):
        present = {value: int(counts[value][i]) for value in values if counts[value][i]}
        if IGNORED in present:
            tally.add(UNSURE)
        elif len(present) > 1:
            tally.add(MIXED)
        elif present and max(present.values()) < rule.minimum:
            tally.add(SMALL)
        else:
            samples.append(Sample(source, next(iter(present), 0), group, box=box, part=part))
    return samples


def paint_boxes(height: int, width: int, boxes: Iterable[Box], label: Callable[[Box], int]) -> np.ndarray:
    """Return the label map of a picture whose defects are boxes, for :func:`cut_tiles`.

    Where boxes of different labels overlap, the pixels are :data:`IGNORED`.

    Returns
    -------
    numpy.ndarray
        int64, shape (height, width).
    """
    labels = np.zeros((height, width), dtype=np.int64)
    for box in boxes:
        value = label(box)
        view = labels[max(box.top, 0) : max(box.bottom, 0), max(box.left, 0) : max(box.right, 0)]
        view[(view != 0) & (view != value)] = IGNORED
        view[view == 0] = value
    return labels


def crop_around(box: Box, height: int, width: int, *, margin: float, least: int) -> Region:
    """Return a square around a box, moved into the picture: left, top, right, bottom.

    Parameters
    ----------
    margin
        Border on each side, as a share of the longer side of the box.
    least
        Smallest side in pixels. A side is cut to the picture's where that is smaller.
    """
    side = max(least, round(max(box.right - box.left, box.bottom - box.top) * (1 + 2 * margin)))

    def span(low: int, high: int, limit: int) -> tuple[int, int]:
        length = min(side, limit)
        start = min(max((low + high - length) // 2, 0), limit - length)
        return start, start + length

    (left, right), (top, bottom) = span(box.left, box.right, width), span(box.top, box.bottom, height)
    return left, top, right, bottom


def thin_out(samples: Sequence[Sample], label: int, most: int, tally: Tally) -> list[Sample]:
    """Keep at most ``most`` samples of a label, evenly spaced in their order; 0 keeps all."""
    of_label = [i for i, sample in enumerate(samples) if sample.label == label]
    if not most or len(of_label) <= most:
        return list(samples)
    kept = {of_label[i * len(of_label) // most] for i in range(most)}
    tally.add("samples left out: more of the most frequent class than asked for", len(of_label) - most)
    return [s for i, s in enumerate(samples) if s.label != label or i in kept]
