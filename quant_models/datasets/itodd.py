"""``mvtec-itodd``: industrial parts in the form of the BOP benchmark; which part is it, on crops.

The set is made for poses and has no defects: to tell the parts apart is the only classification in it. Only
``val`` has its ground truth published: ``scene_gt.json`` lists, for each picture, the parts in it, and
``scene_gt_info.json``, in the same order, the visible box and share of each.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from finnspect.errors import DataError

from quant_models.datasets.annotations import make_box, read_json
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, join, one_folder
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, crop_around
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

_TRUTH, _BOXES = "scene_gt.json", "scene_gt_info.json"
_PARTS = 28  # parts that the set knows
_AGAIN = "fetch the file again, or correct it"
#: A part that is seen in fewer pictures cannot be split without a leak.
_FEWEST = 3

MVTEC_ITODD = DatasetInfo(
    name="mvtec-itodd",
    task="which of the industrial parts, on crops; no defects are labelled",
    description="industrial parts, grey; crops around each, from val, whose ground truth is published",
    size="28 parts; val is one scene of 54 images of 1280x960 pixels",
    licence="CC BY-NC-SA 4.0",
    url="https://www.mvtec.com/company/research/datasets/mvtec-itodd",
    layout="itodd/val/<scene>/gray/<NNNNNN>.tif, scene_gt.json and scene_gt_info.json of the BOP form; "
    "a folder or an archive",
    needs_path=True,
    extents=(extent(960, 1280),),
    options={"least": 48, "visible": 0.5},
)


def read_scene(tree: FileTree, scene: str) -> dict[int, list[tuple[int, list[float], float]]]:
    """Return, for each picture of a scene, part, box (left, top, width, height) and visible share.

    Raises
    ------
    DataError
        A file is missing or not of the form, or the two do not agree.
    """
    truth_at, boxes_at = join(scene, _TRUTH), join(scene, _BOXES)
    truth, boxes = (_by_picture(tree, name) for name in (truth_at, boxes_at))
    if odd := sorted(truth.keys() ^ boxes.keys()):
        raise tree.fault(boxes_at, f"picture {odd[0]} is not in both this file and {_TRUTH}", _AGAIN)
    found = {}
    for picture, entries in truth.items():
        if len(entries) != len(boxes[picture]):
            what = f"picture {picture} has {len(boxes[picture])} entries, in {_TRUTH} {len(entries)}"
            raise tree.fault(boxes_at, what, _AGAIN)
        found[picture] = [
            (_part(tree, truth_at, picture, a), *_visible(tree, boxes_at, picture, b))
            for a, b in zip(entries, boxes[picture], strict=True)
        ]
    return found


def _by_picture(tree: FileTree, name: str) -> dict[int, list[dict[str, Any]]]:
    document = read_json(tree, name)
    if not isinstance(document, dict):
        raise tree.fault(name, "is no object with a list for each picture", _AGAIN)
    found = {}
    for key, entries in document.items():
        if not re.fullmatch(r"\d{1,6}", key):
            raise tree.fault(name, f"{key[:40]!r} is no number of a picture", _AGAIN)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise tree.fault(name, f"picture {key} has no list of objects", _AGAIN)
        found[int(key)] = entries
    return found


def _part(tree: FileTree, name: str, picture: int, entry: dict[str, Any]) -> int:
    part = entry.get("obj_id")
    if not isinstance(part, int) or isinstance(part, bool) or not 1 <= part <= _PARTS:
        raise tree.fault(name, f"picture {picture}: obj_id is {part!r}, expected 1 to {_PARTS}", _AGAIN)
    return part


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _visible(tree: FileTree, name: str, picture: int, entry: dict[str, Any]) -> tuple[list[float], float]:
    box, share = entry.get("bbox_visib"), entry.get("visib_fract")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_number, box)):
        what = f"picture {picture}: bbox_visib is {str(box)[:60]}, expected left, top, width, height"
        raise tree.fault(name, what, _AGAIN)
    if not _number(share) or not 0 <= share <= 1:
        raise tree.fault(name, f"picture {picture}: visib_fract is {share!r}, expected 0 to 1", _AGAIN)
    return box, float(share)


def _crops(
    tree: FileTree, scene: str, least: int, visible: float, tally: Tally
) -> list[tuple[str, int, tuple[int, int, int, int]]]:
    """Return picture, part and crop of each part of a scene that can be seen."""
    images = {}
    for stem, name in by_stem(tree, join(scene, "gray")).items():
        if not re.fullmatch(r"\d{6}", stem):
            raise tree.fault(name, "is not called by six digits", "take it out of the folder")
        images[int(stem)] = name
    truth = read_scene(tree, scene)
    if odd := sorted(truth.keys() - images.keys()):
        raise tree.fault(join(scene, _TRUTH), f"picture gray/{odd[0]:06d}.tif is missing", "fetch it again")
    for picture, name in images.items():
        if picture not in truth:
            raise tree.fault(name, f"has no entry in {_TRUTH}", "fetch the set again")
    found = []
    for picture in sorted(truth):
        height, width = image_size(tree, images[picture])
        for part, (left, top, across, down), share in truth[picture]:
            if share < visible or across <= 0 or down <= 0:
                tally.add("parts left out: too little of them can be seen")
                continue
            file = join(scene, _BOXES)
            box = make_box(tree, file, f"part {part}", (left, top, left + across, top + down))
            inside = box.inside(height, width)
            if inside is None:
                what = f"picture {picture}: a box lies outside the picture of {width}x{height} pixels"
                raise tree.fault(file, what, _AGAIN)
            found.append((images[picture], part, crop_around(inside, height, width, margin=0.1, least=least)))
    return found


@register_dataset(MVTEC_ITODD, version=1, skip=r"(^|/)(test|train[^/]*|depth|mask|mask_visib|models[^/]*)/")
def open_itodd(tree: FileTree, least: int, visible: float) -> Catalog:
    """List crops around the parts that are seen in enough pictures."""

    def holds(here: FileTree) -> bool:
        return any((here.folder / "val" / name / "gray").is_dir() for name in here.at("val").folders())

    root = one_folder(tree, lambda here: "val" in here.folders() and holds(here), MVTEC_ITODD.layout)
    tally = Tally()
    crops = []
    for scene in tree.at(join(root, "val")).folders():
        crops += _crops(tree, join(root, "val", scene), least, visible, tally)
    pictures: dict[int, set[str]] = defaultdict(set)
    for name, part, _ in crops:
        pictures[part].add(name)
    parts = sorted(part for part, names in pictures.items() if len(names) >= _FEWEST)
    if len(parts) < 2:
        raise DataError(
            f"{tree.origin}: {len(parts)} parts are seen in {_FEWEST} pictures or more, which a split needs",
            "take a lower visible=, or fetch the set again",
        )
    classes = tuple(f"part{part:02d}" for part in parts)
    samples = [Sample(name, parts.index(part), name, box=box) for name, part, box in crops if part in parts]
    rare = [part for part in sorted(pictures) if part not in parts]
    notes = [*tally.notes]
    if rare:
        names = ", ".join(map(str, rare))
        notes.append(f"parts left out: {names} are seen in fewer than {_FEWEST} pictures, a split needs more")
    return Catalog(classes, samples, tuple(notes))
