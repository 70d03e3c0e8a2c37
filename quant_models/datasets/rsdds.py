"""``rsdds``: heads of rails from express and from heavy lines; tiles of tall pictures.

``GroundTruth/rail_<N>.jpg`` marks the defects, stored with loss: its black is not 0 and its white is not 255.
Every picture has a defect, so both classes come from tiles.
"""

from __future__ import annotations

import numpy as np
from finnspect.errors import DataError

from quant_models.datasets.annotations import read_mask
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, differs, find_folders, join, refuse_orphans
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "defect")
_TYPES = {"I": "Type-I RSDDs dataset", "II": "Type-II RSDDs dataset"}
_PUBLISHED = {"I": 67, "II": 128}
_THRESHOLD = 155

RSDDS = DatasetInfo(
    name="rsdds",
    task="good or defect, on tiles",
    description="heads of rails, grey; line=I express, line=II heavy, line=both",
    size="67 images of 160x1000 pixels (type I) and 128 of 55x1250 (type II), each with a defect",
    licence="none stated",
    url="http://icn.bjtu.edu.cn/Visint/resources/RSDDs.aspx",
    layout="Type-{I,II} RSDDs dataset/{Rail surface images,GroundTruth}/rail_<N>.jpg; a folder or an archive",
    needs_path=True,
    extents=(extent(1000, 160), extent(1250, 55)),
    options={"line": ("both", "I", "II"), "tile": 64, "minimum": 16},
)


def _pairs(tree: FileTree, folder: str) -> list[tuple[str, str]]:
    at = join(folder, "Rail surface images"), join(folder, "GroundTruth")
    images, masks = by_stem(tree, at[0]), by_stem(tree, at[1])
    refuse_orphans(tree, images, masks, "mask", at[1])
    refuse_orphans(tree, masks, images, "picture", at[0])
    return [(images[stem], masks[stem]) for stem in images]


@register_dataset(RSDDS, version=1)
def open_rsdds(tree: FileTree, line: str, tile: int, minimum: int) -> Catalog:
    """Cut the rails into square tiles, as wide as asked for or as the picture."""

    def types(here: FileTree) -> bool:
        return any(name in here.folders() for name in _TYPES.values())

    roots = find_folders(tree, types, RSDDS.layout)
    tally = Tally()
    samples: list[Sample] = []
    differences: list[str] = []
    for kind, folder in _TYPES.items():
        if line not in ("both", kind):
            left = [join(root, folder) for root in roots if (tree.folder / root / folder).is_dir()]
            tree.pass_over(*left)
            tally.add(f"folder of type {kind} left out: line={line}", len(left))
            continue
        found = [at for root in roots if (tree.folder / (at := join(root, folder))).is_dir()]
        if len(found) != 1:
            raise DataError(
                f"{tree.origin}: {len(found)} folders {folder!r}, expected one",
                f"fetch it, or choose one with line=; expected layout: {RSDDS.layout}",
            )
        pairs = _pairs(tree, found[0])

        def label_map(pair: tuple[str, str]) -> np.ndarray:
            size = image_size(tree, pair[0])
            return read_mask(tree, pair[1], threshold=_THRESHOLD, size=size).astype(np.int8)

        for (image, _), labels in zip(pairs, parallel(label_map, pairs), strict=True):
            side = min(tile, *labels.shape)
            samples += cut_tiles(image, image, labels, TileRule(side, side, minimum), tally)
        differences += differs(f"images of type {kind}", len(pairs), _PUBLISHED[kind])
    return Catalog(CLASS_NAMES, samples, tally.notes, tuple(differences))
