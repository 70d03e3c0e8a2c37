"""``magnetic-tile``: magnets for motors, five defects and sound ones, each view at about six exposures.

The folder gives the class: ``MT_<Class>/Imgs/exp<exposure>_num_<number>.jpg``, with a mask of the same name
ending in ``.png``. ``number`` counts time: exposures of one view follow each other closely, over the folders,
because a view can be sound in one exposure and defective in the next. They are one group. With ``tile`` the
pictures are cut into tiles, which the masks label: whole, they are squeezed until fine cracks vanish.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from quant_models.datasets.annotations import read_mask
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import join
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles
from quant_models.datasets.registry import REAL, DatasetInfo, extent, register_dataset

CLASS_NAMES = ("blowhole", "break", "crack", "fray", "free", "uneven")
_FOLDERS = ("MT_Blowhole", "MT_Break", "MT_Crack", "MT_Fray", "MT_Free", "MT_Uneven")
_PUBLISHED = (115, 85, 57, 32, 952, 103)
_FREE = CLASS_NAMES.index("free")
_NAME = re.compile(r"exp(?P<exposure>\d+)_num_(?P<number>\d+)")
#: Numbers further apart than this belong to different views,
VIEW_GAP = 100
#: or than this, where the next exposure of the same view may only have been late.
LATE_GAP = 500

MAGNETIC_TILE = DatasetInfo(
    name="magnetic-tile",
    task="6 classes (task=types) or good and defect (task=binary), whole or on tiles (tile=64)",
    description="magnetic tiles, grey, views at several exposures kept together; free is the sound class",
    size="1344 images of 103-632 x 222-403 pixels, 952 free and 32 to 115 of each defect",
    licence="none stated; for research",
    url="https://github.com/abin24/Magnetic-tile-defect-datasets.",
    layout="MT_<Class>/Imgs/exp<e>_num_<n>.jpg with a mask .png of the same name; a folder or an archive",
    needs_path=True,
    extents=(extent((222, 403), (103, 632)),),
    checked=REAL,
    options={"task": ("types", "binary"), "tile": 0, "minimum": 16},
)


def _when(tree: FileTree, name: str) -> tuple[int, int]:
    """Return number and exposure."""
    match = _NAME.fullmatch(PurePosixPath(name).stem)
    if match is None:
        raise tree.fault(name, "is not called exp<exposure>_num_<number>", "restore its name from the source")
    return int(match["number"]), int(match["exposure"])


def _of_class(tree: FileTree, folder: str) -> list[str]:
    """Return the images of a class; each has a mask and each mask an image."""
    names, _ = tree.images(f"{folder}/{name}" for name in tree.at(folder).files())
    stems = {
        ending: {name[: -len(ending)] for name in names if name.endswith(ending)}
        for ending in (".jpg", ".png")
    }
    odd = [name for name in names if not name.endswith((".jpg", ".png"))]
    if odd:
        raise tree.fault(odd[0], "is neither an image .jpg nor a mask .png", "take it out of the folder")
    for stem in sorted(stems[".jpg"] ^ stems[".png"]):
        have, lack = ("image", "mask") if stem in stems[".jpg"] else ("mask", "image")
        ending = ".jpg" if have == "image" else ".png"
        raise tree.fault(
            stem + ending,
            f"is {'an' if have == 'image' else 'a'} {have} without {lack}",
            "fetch the set again",
        )
    return sorted(f"{stem}.jpg" for stem in stems[".jpg"])


@register_dataset(MAGNETIC_TILE, version=2)
def open_magnetic_tile(tree: FileTree, task: str, tile: int, minimum: int) -> Catalog:
    """List the images of the magnetic tile set, or their tiles."""
    root = tree.locate(*_FOLDERS, layout=MAGNETIC_TILE.layout)
    for folder in tree.at(root).folders():
        if folder.startswith("MT_") and folder not in _FOLDERS:
            what = f"is of an unknown class, expected one of {', '.join(_FOLDERS)}"
            raise tree.fault(join(root, folder), what, "rename the folder, or take it out")
    found = []
    differences = []
    for label, (folder, published) in enumerate(zip(_FOLDERS, _PUBLISHED, strict=True)):
        names = _of_class(tree, f"{root}/{folder}/Imgs".strip("/"))
        found += [(_when(tree, name), name, label) for name in names]
        if len(names) != published:
            differences.append(f"{folder} holds {len(names)} images; the published set has {published}")
    view, last = -1, (-LATE_GAP - 1, 0)
    groups = {}
    for when, name, _ in sorted(found):
        gap = when[0] - last[0]
        view += gap > (LATE_GAP if when[1] > last[1] else VIEW_GAP)
        groups[name], last = f"view{view:03d}", when
    binary = task == "binary"
    names = ("good", "defect") if binary else CLASS_NAMES
    samples = [
        Sample(name, int(label != _FREE) if binary else label, groups[name], mask=name[:-4] + ".png")
        for _, name, label in found
    ]
    tally = Tally()
    if tile:
        samples = _tiles(tree, samples, 0 if binary else _FREE, TileRule(tile, tile, minimum), tally)
    return Catalog(names, samples, tally.notes, differences=tuple(differences))


def _tiles(tree: FileTree, pictures: list[Sample], sound: int, rule: TileRule, tally: Tally) -> list[Sample]:
    """Cut the pictures into tiles; one without a mark is sound, if its picture's mark is elsewhere."""
    masks = parallel(
        lambda picture: read_mask(tree, picture.mask, size=image_size(tree, picture.source)), pictures
    )
    samples = []
    for picture, mask in zip(pictures, masks, strict=True):
        if picture.label != sound and not mask.any():
            tally.add("pictures left out: of a defect that their mask does not mark")
            continue
        tiles = cut_tiles(picture.source, picture.group, mask.astype(np.int8), rule, tally)
        samples += [replace(each, label=picture.label if each.label else sound) for each in tiles]
    return samples
