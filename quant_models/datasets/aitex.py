"""``aitex``: seven fabrics, pictures 4096 wide; tiles.

``Defect_images/<number>_<defect>_<fabric>.png`` have masks ``Mask_images/<same>_mask.png``, or ``_mask1`` and
``_mask2``; ``NODefect_images/<fabric>/`` are sound. A defective picture without a mask cannot be cut into
tiles: it is left out and named, never taken as sound.
"""

from __future__ import annotations

import re

import numpy as np

from quant_models.datasets.annotations import read_mask
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, differs, has_folders, join, one_folder
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "defect")
_FOLDERS = ("Defect_images", "Mask_images", "NODefect_images")
_IMAGE = re.compile(r"\d{4}_(?P<defect>\d{3})_\d{2}")
_MASK = re.compile(r"(?P<image>.+)_mask\d?")
_THRESHOLD = 127
_PUBLISHED = {"defective images": 105, "sound images": 140}

AITEX = DatasetInfo(
    name="aitex",
    task="good or defect, on tiles",
    description="seven woven fabrics, grey, 12 kinds of defects that are too rare to tell apart",
    size="245 images of 4096x256 pixels, 105 with a defect",
    licence="CC0 1.0, as others quote its source",
    url="https://www.aitex.es/afid/",
    layout="Defect_images/<nnnn>_<ddd>_<ff>.png, Mask_images/<nnnn>_<ddd>_<ff>_mask[1|2].png and "
    "NODefect_images/<fabric>/<nnnn>_000_<ff>.png; a folder or an archive",
    needs_path=True,
    extents=(extent(256, (3796, 4096)),),
    options={"tile": 256, "minimum": 64},
)


def _masks(tree: FileTree, folder: str, images: dict[str, str]) -> dict[str, list[str]]:
    """Return the masks of each picture."""
    found: dict[str, list[str]] = {}
    for stem, name in by_stem(tree, folder).items():
        match = _MASK.fullmatch(stem)
        if match is None:
            raise tree.fault(name, "is not called <picture>_mask.png", "take it out of the folder")
        if match["image"] not in images:
            raise tree.fault(name, f"has no picture {match['image']}.png", "fetch the set again")
        found.setdefault(match["image"], []).append(name)
    return found


def _check_names(tree: FileTree, images: dict[str, str], sound: bool) -> None:
    for stem, name in images.items():
        match = _IMAGE.fullmatch(stem)
        if match is None:
            raise tree.fault(name, "is not called <nnnn>_<ddd>_<ff>", "restore its name from the source")
        if (match["defect"] == "000") != sound:
            where = "the sound" if sound else "the defective"
            what = f"has the defect code {match['defect']}, but lies among {where} pictures"
            raise tree.fault(name, what, "put it where it belongs")


@register_dataset(AITEX, version=1)
def open_aitex(tree: FileTree, tile: int, minimum: int) -> Catalog:
    """Cut the pictures into tiles."""
    root = one_folder(tree, has_folders(*_FOLDERS), AITEX.layout)
    defective, masks_at, sound_at = (join(root, name) for name in _FOLDERS)
    images = by_stem(tree, defective)
    _check_names(tree, images, sound=False)
    masks = _masks(tree, masks_at, images)
    sound: dict[str, str] = {}
    for fabric in tree.at(sound_at).folders():
        of_fabric = by_stem(tree, join(sound_at, fabric))
        _check_names(tree, of_fabric, sound=True)
        sound |= {f"{fabric}/{stem}": name for stem, name in of_fabric.items()}
    tally, rule = Tally(), TileRule(tile, tile, minimum)

    def label_map(name: str) -> np.ndarray:
        size = image_size(tree, name)
        labels = np.zeros(size, dtype=np.int8)
        for mask in masks.get(name.rpartition("/")[2].rpartition(".")[0], ()):
            labels[read_mask(tree, mask, threshold=_THRESHOLD, size=size)] = 1
        return labels

    names = [images[stem] for stem in images if stem in masks] + list(sound.values())
    samples: list[Sample] = []
    for name, labels in zip(names, parallel(label_map, names), strict=True):
        samples += cut_tiles(name, name, labels, rule, tally)
    notes = list(tally.notes)
    if lacking := [stem for stem in images if stem not in masks]:
        tree.pass_over(*(images[stem] for stem in lacking))
        notes.append(f"{len(lacking)} defective images left out: they have no mask ({', '.join(lacking)})")
    counts = dict(zip(_PUBLISHED, (len(images), len(sound)), strict=True))
    differences = [line for what, n in counts.items() for line in differs(what, n, _PUBLISHED[what])]
    return Catalog(CLASS_NAMES, samples, tuple(notes), tuple(differences))
