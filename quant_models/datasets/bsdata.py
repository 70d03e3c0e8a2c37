"""``bsdata``: ball screw drives that wear; tiles with and without pitting.

``data/*.jpg``, and in ``label`` a labelme file of the same name for each picture that was annotated. The
others are not labelled, which does not make them sound: they are left out. One place of a
spindle was photographed again and again while it wore: all pictures of a place stay together. The split in
``image_data.json`` parts them.
"""

from __future__ import annotations

import re

import numpy as np

from quant_models.datasets.annotations import read_json, read_labelme
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, check_stated_size, differs, join, refuse_orphans
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles
from quant_models.datasets.registry import DatasetInfo, register_dataset

CLASS_NAMES = ("good", "pitting")
_LABEL = "Pitting"
#: Spindle, time, place along it, angle.
_NAME = re.compile(r"(?P<spindle>\d+)_\d{12}_(?P<place>\d+_\d+)_crop_\d+")
_PARTS = ("train", "test")
_PUBLISHED = {"images": 1104, "annotations": 394}

BSDATA = DatasetInfo(
    name="bsdata",
    task="good or pitting, on tiles",
    description="ball screw drives, colour, tiles of annotated pictures; all pictures of a place together",
    size="1104 images, 394 of them annotated, most of about 1130x460 pixels",
    licence="none stated in the repository; CC BY-NC-SA 4.0, as others quote its archive",
    url="https://github.com/2Obe/BSData",
    layout="data/<name>.jpg, label/<name>.json (labelme) and image_data.json; a folder or an archive",
    needs_path=True,
    options={"tile": 128, "minimum": 64},
)


def read_split(tree: FileTree, name: str) -> dict[str, str]:
    """Return the part, train or test, of each picture that ``image_data.json`` puts into one.

    Raises
    ------
    DataError
        The file is missing or not of the form.
    """
    document = read_json(tree, name)
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise tree.fault(name, "has no list 'images'", "fetch the file again")
    parts = {}
    for index, entry in enumerate(images):
        file = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(file, str):
            raise tree.fault(name, f"entry {index} has no 'filename'", "fetch the file again")
        part = entry.get("train_test_split")
        if part in (None, ""):
            continue
        if part not in _PARTS:
            what = f"entry {index}: train_test_split is {str(part)[:40]!r}, expected train or test"
            raise tree.fault(name, what, "fetch the file again")
        parts[file] = part
    return parts


def _group(stem: str) -> str:
    """Return the place of a spindle that a picture shows, or its own name where it tells none."""
    match = _NAME.fullmatch(stem)
    return f"{match['spindle']} at {match['place']}" if match else stem


@register_dataset(BSDATA, version=1)
def open_bsdata(tree: FileTree, tile: int, minimum: int) -> Catalog:
    """Cut the annotated pictures into tiles."""
    root = tree.locate("data", "label", layout=BSDATA.layout)
    images, files = by_stem(tree, join(root, "data")), by_stem(tree, join(root, "label"), ".json")
    refuse_orphans(tree, files, images, "picture", join(root, "data"))
    parts = read_split(tree, join(root, "image_data.json"))
    tally, rule = Tally(), TileRule(tile, tile, minimum)
    tally.add("images left out: they are not annotated, which does not mean sound", len(images) - len(files))
    tree.pass_over(*(name for stem, name in images.items() if stem not in files))

    def label_map(stem: str) -> np.ndarray:
        height, width = image_size(tree, images[stem])
        annotation = read_labelme(tree, files[stem])
        check_stated_size(tree, files[stem], (annotation.height, annotation.width), (height, width))
        labels = np.zeros((height, width), dtype=np.int8)
        for shape in annotation.shapes:
            if shape.name != _LABEL:
                raise tree.fault(
                    files[stem], f"has the label {shape.name!r}, expected {_LABEL!r}", "correct it"
                )
            labels[shape.mask(height, width)] = 1
        return labels

    names = {stem: images[stem].rpartition("/")[2] for stem in files}
    official = all(name in parts for name in names.values())
    samples: list[Sample] = []
    for stem, labels in zip(files, parallel(label_map, files), strict=True):
        part = parts[names[stem]] if official else ""
        samples += cut_tiles(images[stem], _group(stem), labels, rule, tally, part=part)
    notes = tally.notes
    if not official:
        notes += ("the official split is not used: image_data.json does not name every annotated image",)
    counts = dict(zip(_PUBLISHED, (len(images), len(files)), strict=True))
    differences = [line for what, n in counts.items() for line in differs(what, n, _PUBLISHED[what])]
    return Catalog(CLASS_NAMES, samples, notes, tuple(differences))
