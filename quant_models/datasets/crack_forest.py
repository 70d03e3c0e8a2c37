"""``crack-forest``: asphalt with and without cracks, tiles of photographs.

``groundTruth/NNN.mat`` holds ``groundTruth.Segmentation``, a number a pixel: 1 surface, 2 crack, 3 surface
that cracks enclose, 4 faint pieces of crack. Fine cracks inside 3 are often not drawn: a tile that has some
of it and no crack is left out. Images without a ground truth often show cracks: they are no sound ones and
are left out.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np

from quant_models.datasets.annotations import read_mat
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import DOUBTFUL, Tally, TileRule, cut_tiles
from quant_models.datasets.registry import REAL, DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "crack")
_PUBLISHED = 118  # images with a ground truth
#: Label of each number in a ground truth.
_LABELS = {1: 0, 2: 1, 3: DOUBTFUL, 4: 1}

CRACK_FOREST = DatasetInfo(
    name="crack-forest",
    task="good or crack, on tiles",
    description="asphalt, colour photographs; tiles of the 118 images that have a ground truth",
    size="155 images of 480x320 pixels, 118 with a ground truth",
    licence="non-commercial research",
    url="https://github.com/cuilimeng/CrackForest-dataset",
    layout="image/<number>.jpg and groundTruth/<number>.mat; a folder or an archive",
    needs_path=True,
    extents=(extent(320, 480), extent(480, 320)),
    checked=REAL,
    options={"tile": 64, "minimum": 64},
)


def _labels(tree: FileTree, image: str, truth: str) -> np.ndarray:
    numbers = read_mat(tree, truth, "groundTruth", "Segmentation", size=image_size(tree, image))
    unknown = sorted(set(np.unique(numbers).tolist()) - set(_LABELS))
    if unknown:
        what = f"holds the class {unknown[0]}, expected 1 (surface) to 4 (faint crack)"
        raise tree.fault(truth, what, "fetch the file again")
    table = np.zeros(max(_LABELS) + 1, dtype=np.int64)
    table[list(_LABELS)] = list(_LABELS.values())
    return table[numbers]


@register_dataset(CRACK_FOREST, version=1, skip=r"(^|/)seg/")
def open_crack_forest(tree: FileTree, tile: int, minimum: int) -> Catalog:
    """Cut the labelled photographs into tiles."""
    root = tree.locate("image", "groundTruth", layout=CRACK_FOREST.layout)
    folders = f"{root}/image".strip("/"), f"{root}/groundTruth".strip("/")
    images = {
        PurePosixPath(name).stem: f"{folders[0]}/{name}"
        for name in tree.images(tree.at(folders[0]).files())[0]
    }
    truths = {}
    for name in tree.at(folders[1]).files():
        path = PurePosixPath(name)
        if path.suffix != ".mat":
            raise tree.fault(f"{folders[1]}/{name}", "is no .mat file", "take it out of the folder")
        if path.stem not in images:
            raise tree.fault(
                f"{folders[1]}/{name}", f"has no image image/{path.stem}.jpg", "fetch the set again"
            )
        truths[path.stem] = f"{folders[1]}/{name}"
    tally, rule = Tally(), TileRule(tile, tile, minimum)
    tally.add("images left out: they have no ground truth", len(images) - len(truths))
    tree.pass_over(*(name for stem, name in images.items() if stem not in truths))
    jobs = [(images[stem], truths[stem]) for stem in sorted(truths)]
    samples: list[Sample] = []
    for (image, _), labels in zip(jobs, parallel(lambda job: _labels(tree, *job), jobs), strict=True):
        samples += cut_tiles(image, PurePosixPath(image).stem, labels, rule, tally)
    differences = ()
    if len(truths) != _PUBLISHED:
        differences = (f"holds {len(truths)} ground truths; the published set has {_PUBLISHED}",)
    return Catalog(CLASS_NAMES, samples, tally.notes, differences)
