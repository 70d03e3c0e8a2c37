"""``tianchi-fabric``: plain cloth of the 2019 contest, boxes around 20 kinds of defects; tiles.

Round 1 is read, all its parts that are there: ``Annotations/anno_train.json`` lists one box an entry,
``name``, ``defect_name`` and ``bbox`` (left, top, right, bottom); 34 Chinese names stand for 20 kinds. Round
2 has other kinds and other files and is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from finnspect.errors import DataError

from quant_models.datasets.annotations import Box, make_box, read_json
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import find_folders, has_folders, join
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles, paint_boxes, thin_out
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

#: Kinds of defects and the names that stand for them.
KINDS = {
    "hole": ("破洞",),
    "stain": ("水渍", "油渍", "污渍"),
    "three-yarn": ("三丝",),
    "knot": ("结头",),
    "pattern-skip": ("花板跳",),
    "mispick": ("百脚",),
    "nep": ("毛粒",),
    "coarse-end": ("粗经",),
    "slack-end": ("松经",),
    "broken-end": ("断经",),
    "tight-end": ("吊经",),
    "coarse-pick": ("粗维",),
    "weft-kink": ("纬缩",),
    "size-spot": ("浆斑",),
    "warping-knot": ("整经结",),
    "float": ("星跳", "跳花"),
    "broken-spandex": ("断氨纶",),
    "bar": ("稀密档", "浪纹档", "色差档"),
    "mark": ("磨痕", "轧痕", "修痕", "烧毛痕"),
    "other": ("死皱", "云织", "双纬", "双经", "跳纱", "筘路", "纬纱不良"),
}
_KIND_OF = {name: i for i, names in enumerate(KINDS.values(), 1) for name in names}
CLASS_NAMES = ("good", *KINDS)
_TABLE = "Annotations/anno_train.json"

TIANCHI_FABRIC = DatasetInfo(
    name="tianchi-fabric",
    task="good and defect (task=binary), or good and 20 kinds of defects (task=types); on tiles",
    description="plain cloth, colour, round 1 of the 2019 contest; tiles that boxes label",
    size="thousands of images of 2446x1000 pixels, in parts",
    licence="rules of the contest",
    url="https://tianchi.aliyun.com/competition/entrance/231748/information",
    layout="<part>/{defect_Images,normal_Images}/*.jpg and "
    "Annotations/anno_train.json beside them; a folder or an archive",
    needs_path=True,
    extents=(extent(1000, 2446),),
    options={"task": ("binary", "types"), "tile": 256, "minimum": 256, "most_good": 0},
)


def read_entries(tree: FileTree, name: str) -> list[tuple[str, Box]]:
    """Return picture and box of each entry; the box is called by its kind.

    Raises
    ------
    DataError
        The file is missing or no list, or an entry lacks a name, a known defect or four numbers.
    """
    remedy = "fetch the file again, or correct it"
    document = read_json(tree, name)
    if not isinstance(document, list):
        raise tree.fault(name, "is no list of boxes", remedy)
    found = []
    for index, entry in enumerate(document):
        where = f"entry {index}"
        if not isinstance(entry, dict):
            raise tree.fault(name, f"{where} is no object", remedy)
        image, defect, ends = (entry.get(key) for key in ("name", "defect_name", "bbox"))
        if not isinstance(image, str) or not image:
            raise tree.fault(name, f"{where} has no 'name'", remedy)
        if defect not in _KIND_OF if isinstance(defect, str) else True:
            what = f"{where}: defect_name is {defect!r}, expected one of {', '.join(_KIND_OF)}"
            raise tree.fault(name, what, remedy)
        found.append((image, _box(tree, name, where, CLASS_NAMES[_KIND_OF[defect]], ends)))
    return found


def _box(tree: FileTree, name: str, where: str, kind: str, ends: Any) -> Box:
    numbers = isinstance(ends, list) and all(
        isinstance(end, int | float) and not isinstance(end, bool) for end in ends
    )
    if not numbers or len(ends) != 4:
        what = f"{where}: bbox is {str(ends)[:60]}, expected left, top, right, bottom"
        raise tree.fault(name, what, "fetch the file again, or correct it")
    return make_box(tree, name, kind, ends)


def _of_part(tree: FileTree, root: str, rule: TileRule, binary: bool, tally: Tally) -> list[Sample]:
    """Return the tiles of one part of the set."""
    table, defect_at, normal_at = (join(root, name) for name in (_TABLE, "defect_Images", "normal_Images"))
    defective = tree.images(tree.at(defect_at).files())[0]
    sound = tree.images(tree.at(normal_at).files())[0]
    boxes: dict[str, list[Box]] = {}
    for image, box in read_entries(tree, table):
        boxes.setdefault(image, []).append(box)
    present = set(defective)
    for image in boxes:
        if image not in present:
            what = f"{image} is among the sound pictures" if image in sound else f"{image} is missing"
            raise tree.fault(table, f"{what}, expected in defect_Images", "fetch the set again")
    for image in defective:
        if image not in boxes:
            raise tree.fault(join(defect_at, image), f"has no box in {_TABLE}", "fetch the set again")

    def label_map(image: str) -> np.ndarray:
        height, width = image_size(tree, join(defect_at, image))
        for box in boxes[image]:
            if box.inside(height, width) is None:
                what = f"the box {box.ends} lies outside {image} of {width}x{height} pixels"
                raise tree.fault(table, what, "correct the file")
        labels = paint_boxes(
            height, width, boxes[image], lambda box: 1 if binary else CLASS_NAMES.index(box.name)
        )
        return labels.astype(np.int8)  # a large picture, and small values are counted faster

    samples: list[Sample] = []
    for image, labels in zip(defective, parallel(label_map, defective), strict=True):
        samples += cut_tiles(join(defect_at, image), image, labels, rule, tally)
    for image in sound:
        name = join(normal_at, image)
        nothing = np.zeros(image_size(tree, name), dtype=np.int8)
        samples += cut_tiles(name, image, nothing, rule, tally)
    return samples


@register_dataset(TIANCHI_FABRIC, version=1)
def open_tianchi_fabric(tree: FileTree, task: str, tile: int, minimum: int, most_good: int) -> Catalog:
    """Cut the pictures of all parts into tiles."""
    layout = TIANCHI_FABRIC.layout
    try:
        roots = find_folders(tree, has_folders("defect_Images", "normal_Images"), layout)
    except DataError as error:
        if any("template_" in name for name in tree.all_files()):
            raise DataError(
                f"{tree.origin} is round 2 of the contest (it has templates), which is not read",
                f"give round 1; expected layout: {layout}",
            ) from error
        raise
    tally, rule = Tally(), TileRule(tile, tile, minimum)
    samples = [sample for root in roots for sample in _of_part(tree, root, rule, task == "binary", tally)]
    samples = thin_out(samples, 0, most_good, tally)
    return Catalog(("good", "defect") if task == "binary" else CLASS_NAMES, samples, tally.notes)
