"""``deep-pcb``: printed circuit boards, scanned; six defects, each beside a sound template.

``PCBData/group<G>/<G>/<ID>_test.jpg`` shows defects, ``<ID>_temp.jpg`` the same place without, and
``<G>_not/<ID>.txt`` has a box a line: ``x1 y1 x2 y2 type``. A sample is a square crop around a box; for
``task=binary`` the same crop of the template is the sound one. ``trainval.txt`` and ``test.txt`` are the
official split; both crops of a pair stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from quant_models.datasets.annotations import Box, check_size, make_box, read_table
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import crop_around
from quant_models.datasets.registry import REAL, DatasetInfo, extent, register_dataset

#: Type 1 is the first one.
CLASS_NAMES = ("open", "short", "mousebite", "spur", "copper", "pin-hole")
_PUBLISHED = {"trainval": 1000, "test": 500}
_PARTS = {"trainval": "train", "test": "test"}
_TYPES = tuple(str(number) for number in range(1, len(CLASS_NAMES) + 1))

DEEP_PCB = DatasetInfo(
    name="deep-pcb",
    task="6 classes (task=types), or good and defect against the template (task=binary); on crops",
    description="scanned circuit boards, black and white; crops around each defect",
    size="1500 pairs of 640x640 pixels with 10013 boxes",
    licence="MIT",
    url="https://github.com/tangsanli5201/DeepPCB",
    layout="PCBData/group<G>/<G>/<ID>_{test,temp}.jpg, group<G>/<G>_not/<ID>.txt, trainval.txt and test.txt; "
    "a folder or an archive",
    needs_path=True,
    extents=(extent(640, 640),),
    checked=REAL,
    options={"task": ("types", "binary"), "least": 64},
)


def _pairs(tree: FileTree, root: str, part: str) -> Iterator[tuple[str, str, str]]:
    """Give test image, template and box file of each pair that a part lists."""
    table = f"{root}/{part}.txt".strip("/")
    for row in read_table(tree, table, ("image", "boxes"), header=False, blanks=True):
        image, boxes = PurePosixPath(row["image"]), PurePosixPath(row["boxes"])
        if image.suffix != ".jpg" or boxes.suffix != ".txt" or image.stem != boxes.stem:
            raise row.fault(f"{image} and {boxes} are no pair <ID>.jpg <ID>.txt")
        names = [
            f"{root}/{image.with_name(f'{image.stem}_{kind}.jpg')}".strip("/") for kind in ("test", "temp")
        ]
        for name in (*names, f"{root}/{boxes}".strip("/")):
            if not (tree.folder / name).is_file():
                raise row.fault(f"{name} is missing", "fetch the set again")
        yield names[0], names[1], f"{root}/{boxes}".strip("/")


def _boxes(tree: FileTree, name: str) -> list[Box]:
    boxes = []
    for row in read_table(tree, name, ("x1", "y1", "x2", "y2", "type"), header=False, blanks=True):
        label = row.choice("type", _TYPES)
        ends = [row.integer(column) for column in ("x1", "y1", "x2", "y2")]
        boxes.append(make_box(tree, name, CLASS_NAMES[label], ends, row.line))
    return boxes


def _of_pair(tree: FileTree, pair: tuple[str, str, str], part: str, task: str, least: int) -> list[Sample]:
    test, template, boxes = pair
    tree.pass_over(template)  # only the binary task shows it
    height, width = image_size(tree, test)
    if task == "binary":
        check_size(tree, template, image_size(tree, template), (height, width))
    group = PurePosixPath(boxes).stem
    crops = []
    for box in _boxes(tree, boxes):
        if box.inside(height, width) != box:
            what = f"the box {box.ends} leaves its image of {width}x{height}"
            raise tree.fault(boxes, what, "correct the file", box.line)
        crops.append((CLASS_NAMES.index(box.name), crop_around(box, height, width, margin=0.5, least=least)))
    if task == "types":
        return [Sample(test, label, group, box=crop, part=part) for label, crop in crops]
    sound = [Sample(template, 0, group, box=crop, part=part) for _, crop in crops]
    return sound + [Sample(test, 1, group, box=crop, part=part) for _, crop in crops]


@register_dataset(DEEP_PCB, version=1)
def open_deep_pcb(tree: FileTree, task: str, least: int) -> Catalog:
    """List crops around the boxes of both official parts."""
    root = tree.locate("trainval.txt", "test.txt", layout=DEEP_PCB.layout)
    listed: dict[str, str] = {}
    samples: list[Sample] = []
    differences = []
    for part, published in _PUBLISHED.items():
        pairs = list(_pairs(tree, root, part))
        for test, _, boxes in pairs:
            if boxes in listed:
                raise tree.fault(
                    f"{root}/{part}.txt".strip("/"), f"{test} is in {listed[boxes]} too", "fetch it again"
                )
            listed[boxes] = f"{part}.txt"
        for found in parallel(lambda pair, part=part: _of_pair(tree, pair, _PARTS[part], task, least), pairs):
            samples += found
        if len(pairs) != published:
            differences.append(f"{part} lists {len(pairs)} pairs; the published set has {published}")
    classes = CLASS_NAMES if task == "types" else ("good", "defect")
    return Catalog(classes, samples, differences=tuple(differences), unique=True)
