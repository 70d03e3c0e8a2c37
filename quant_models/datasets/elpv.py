"""``elpv``: solar cells under electroluminescence, with the probability of a defect.

``labels.csv`` has no header; its lines are path, probability (0, 1/3, 2/3 or 1, from how sure the experts
were) and ``mono`` or ``poly``, parted by blanks.
"""

from __future__ import annotations

from quant_models.datasets.annotations import Row, read_table
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, differs, join
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

LEVELS = ("functional", "probably-functional", "probably-defective", "defective")
_CELLS = ("mono", "poly")
_PUBLISHED = 2624  # images

ELPV = DatasetInfo(
    name="elpv",
    task="good and defect, the probability rounded (task=binary) or doubtful cells left out (task=sure); "
    "4 levels of certainty (task=levels)",
    description="solar cells under electroluminescence, grey; cells=mono or poly takes one kind",
    size=f"{_PUBLISHED} images of 300x300 pixels, from 44 modules",
    licence="CC BY-NC-SA 4.0",
    url="https://github.com/zae-bayern/elpv-dataset",
    layout="labels.csv without header and images/cell<number>.png, also under src/elpv_dataset/data; "
    "a folder or an archive",
    needs_path=True,
    extents=(extent(300, 300),),
    options={"task": ("binary", "sure", "levels"), "cells": ("all", *_CELLS)},
)


def _level(row: Row) -> int:
    """Return 0 to 3 from a probability in thirds, written with three digits or more."""
    value = row.number("probability")
    level = round(value * 3)
    if not 0 <= level <= 3 or abs(value - level / 3) > 0.001:
        raise row.fault(f"the probability is {row['probability']!r}, expected 0, 0.333, 0.667 or 1")
    return level


@register_dataset(ELPV, version=1)
def open_elpv(tree: FileTree, task: str, cells: str) -> Catalog:
    """List the cells and their labels."""
    root = tree.locate("labels.csv", "images", layout=ELPV.layout, depth=4)
    present = set(by_stem(tree, join(root, "images")).values())
    seen: dict[str, int] = {}
    samples = []
    doubtful = other = 0
    columns = ("path", "probability", "type")
    for row in read_table(tree, join(root, "labels.csv"), columns, header=False, blanks=True):
        name, level, kind = join(root, row["path"]), _level(row), _CELLS[row.choice("type", _CELLS)]
        if name not in present:
            raise row.fault(f"{row['path']} is missing", "fetch the set again")
        if name in seen:
            raise row.fault(f"{row['path']} is listed already, in line {seen[name]}")
        seen[name] = row.line
        tree.pass_over(name)  # it becomes a sample or is counted in a note
        if cells not in ("all", kind):
            other += 1
        elif task == "sure" and level in (1, 2):
            doubtful += 1
        else:
            samples.append(Sample(name, level if task == "levels" else int(level > 1), name))
    for name in sorted(present - set(seen)):
        raise tree.fault(name, "has no label: labels.csv does not list it", "fetch the set again")
    notes = ["which cells come from one module is not published: a split may part them"]
    if doubtful:
        notes.append(f"{doubtful} images left out: the experts were not sure")
    if other:
        notes.append(f"{other} images left out: their cells are not {cells}")
    samples.sort(key=lambda sample: sample.source)
    classes = LEVELS if task == "levels" else ("good", "defect")
    return Catalog(classes, samples, tuple(notes), differs("images", len(seen), _PUBLISHED))
