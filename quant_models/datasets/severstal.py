"""``severstal``: steel sheets from the line, four kinds of defects; tiles of wide pictures.

``train.csv`` has the runs of defect pixels, counted down the columns from 1, in one of two forms:
``ImageId,ClassId,EncodedPixels`` names defects only, a picture that it does not name is sound;
``ImageId_ClassId,EncodedPixels`` has four lines a picture, blank where there is no such defect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from quant_models.datasets.annotations import Row, read_table, run_length_mask
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import differs, join, lay_over
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles, thin_out
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "type1", "type2", "type3", "type4")
_CLASSES = ("1", "2", "3", "4")
_SHORT = ("ImageId", "ClassId", "EncodedPixels")
_LONG = ("ImageId_ClassId", "EncodedPixels")
_NAME = re.compile(r"[0-9a-f]{9}\.jpg")
_PUBLISHED = {"images": 12568, "defective images": 6666}

SEVERSTAL = DatasetInfo(
    name="severstal",
    task="good and 4 kinds of defects (task=types), or good and defect (task=binary); on tiles",
    description="steel sheets, grey, tiles of wide pictures",
    size="12568 images of 1600x256 pixels, 6666 with defects",
    licence="rules of the competition",
    url="https://www.kaggle.com/c/severstal-steel-defect-detection",
    layout="train.csv and train_images/<9 hexadecimal digits>.jpg; a folder or an archive",
    needs_path=True,
    extents=(extent(256, 1600),),
    options={"task": ("types", "binary"), "tile": 256, "minimum": 256, "most_good": 0},
)


def _rows(tree: FileTree, table: str) -> Iterator[tuple[str, int, Row]]:
    """Give picture, class (from 1) and row of each line of either form."""
    first = tree.text(table).split("\n", 1)[0]
    columns = _LONG if _LONG[0] in first else _SHORT
    for line in read_table(tree, table, columns, header=True):
        values = dict(line.values)
        if columns is _LONG:
            name, _, kind = line[_LONG[0]].rpartition("_")
            values |= {"ImageId": name, "ClassId": kind}
        elif not line["EncodedPixels"]:
            raise line.fault("EncodedPixels is empty, where only defects are listed")
        row = Row(line.tree, line.file, line.line, values)
        if _NAME.fullmatch(row["ImageId"]) is None:
            raise row.fault(f"{row['ImageId']!r} is no picture, expected <9 hexadecimal digits>.jpg")
        yield row["ImageId"], row.choice("ClassId", _CLASSES) + 1, row


def _read_table(tree: FileTree, table: str, images: set[str]) -> dict[str, dict[int, Row]]:
    """Return the rows of each picture by class."""
    found: dict[str, dict[int, Row]] = {}
    long = False
    for image, kind, row in _rows(tree, table):
        long = _LONG[0] in row.values
        if image not in images:
            raise row.fault(f"{image} is not in train_images", "fetch the set again")
        if kind in found.setdefault(image, {}):
            raise row.fault(f"{image} has class {kind} already, in line {found[image][kind].line}")
        found[image][kind] = row
    if long:
        for image in sorted(images):
            if len(found.get(image, ())) != len(_CLASSES):
                what = f"{image} has {len(found.get(image, ()))} lines, expected one for each class"
                raise tree.fault(table, what, "fetch the file again, or correct it")
    return found


@register_dataset(SEVERSTAL, version=1, skip=r"(^|/)test_images/")
def open_severstal(tree: FileTree, task: str, tile: int, minimum: int, most_good: int) -> Catalog:
    """Cut the pictures into tiles."""
    root = tree.locate("train.csv", "train_images", layout=SEVERSTAL.layout)
    folder, table = join(root, "train_images"), join(root, "train.csv")
    images, _ = tree.images(tree.at(folder).files())
    for image in images:
        if _NAME.fullmatch(image) is None:
            raise tree.fault(join(folder, image), "is not called <9 hexadecimal digits>.jpg", "take it out")
    found = _read_table(tree, table, set(images))
    tally, rule = Tally(), TileRule(tile, tile, minimum)

    def label_map(image: str) -> np.ndarray:
        height, width = image_size(tree, join(folder, image))
        labels = np.zeros((height, width), dtype=np.int8)
        for kind, row in found.get(image, {}).items():
            mask = run_length_mask(row, "EncodedPixels", height, width)
            lay_over(labels, mask, kind if task == "types" else 1)
        return labels

    samples: list[Sample] = []
    defective = 0
    for image, labels in zip(images, parallel(label_map, images), strict=True):
        defective += bool(labels.any())
        samples += cut_tiles(join(folder, image), image, labels, rule, tally)
    samples = thin_out(samples, 0, most_good, tally)
    counts = dict(zip(_PUBLISHED, (len(images), defective), strict=True))
    differences = [line for what, n in counts.items() for line in differs(what, n, _PUBLISHED[what])]
    classes = CLASS_NAMES if task == "types" else ("good", "defect")
    return Catalog(classes, samples, tally.notes, tuple(differences))
