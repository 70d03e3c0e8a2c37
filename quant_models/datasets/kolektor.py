"""``kolektor-sdd``: commutators, cracks in the plastic; tiles of tall pictures.

``kos<NN>/Part<M>.jpg`` is one of eight surfaces of an item, ``Part<M>_label.bmp`` marks its defect (anything
but 0). A crack is lost when a whole picture is made small: tiles are cut. Surfaces of one item stay together.
Items 26 and 34 were published twice, also as 1 and 27.
"""

from __future__ import annotations

import re

import numpy as np

from quant_models.datasets.annotations import read_mask
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, differs, join, one_folder, refuse_orphans
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, TileRule, cut_tiles
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "defect")
_ITEM = re.compile(r"kos\d{2}")
_PART = re.compile(r"Part\d+")
_LABEL = "_label"
_PUBLISHED = {"images": 399, "defective images": 52}
#: Items that are copies of another one.
COPIES = {"kos26": "kos01", "kos34": "kos27"}

KOLEKTOR_SDD = DatasetInfo(
    name="kolektor-sdd",
    task="good or defect, on tiles",
    description="plastic of electrical commutators, grey; tiles, all surfaces of an item together",
    size="399 images of 500 x 1240 to 1270 pixels of 50 items, 52 with a defect",
    licence="CC BY-NC-SA 4.0",
    url="https://www.vicos.si/resources/kolektorsdd/",
    layout="kos<NN>/Part<M>.jpg and kos<NN>/Part<M>_label.bmp; a folder or an archive",
    needs_path=True,
    extents=(extent((1230, 1280), (490, 510)),),
    options={"tile": 256, "minimum": 64},
)


def _items(tree: FileTree) -> list[str]:
    return [name for name in tree.folders() if _ITEM.fullmatch(name)]


def _surfaces(tree: FileTree, folder: str) -> dict[str, tuple[str, str]]:
    """Return picture and mask of each surface of an item."""
    files = by_stem(tree, folder)
    masks = {s.removesuffix(_LABEL): name for s, name in files.items() if s.endswith(_LABEL)}
    images = {s: name for s, name in files.items() if not s.endswith(_LABEL)}
    for name in images.values():
        if _PART.fullmatch(name.rpartition("/")[2].partition(".")[0]) is None:
            raise tree.fault(name, "is called neither Part<M> nor Part<M>_label", "take it out of the folder")
    refuse_orphans(tree, images, masks, "mask _label of", folder)
    refuse_orphans(tree, masks, images, "picture", folder)
    return {stem: (images[stem], masks[stem]) for stem in images}


def _same(tree: FileTree, one: dict[str, tuple[str, str]], two: dict[str, tuple[str, str]]) -> bool:
    return one.keys() == two.keys() and all(tree.read(one[s][0]) == tree.read(two[s][0]) for s in one)


@register_dataset(KOLEKTOR_SDD, version=1)
def open_kolektor(tree: FileTree, tile: int, minimum: int) -> Catalog:
    """Cut the surfaces into tiles."""
    root = one_folder(tree, lambda here: bool(_items(here)), KOLEKTOR_SDD.layout)
    for folder in tree.at(root).folders():
        if folder.startswith("kos") and _ITEM.fullmatch(folder) is None:
            raise tree.fault(join(root, folder), "is not called kos<NN>", "rename the folder, or take it out")
    items = {item: _surfaces(tree, join(root, item)) for item in _items(tree.at(root))}
    tally, rule = Tally(), TileRule(tile, tile, minimum)
    jobs = [(item, *pair) for item, surfaces in items.items() for pair in surfaces.values()]
    masks = parallel(lambda job: read_mask(tree, job[2], size=image_size(tree, job[1])), jobs)
    twins = {copy for copy, item in COPIES.items() if {copy, item} <= set(items)}
    exact = {copy for copy in twins if _same(tree, items[copy], items[COPIES[copy]])}
    samples: list[Sample] = []
    defective = 0
    for (item, image, _), mask in zip(jobs, masks, strict=True):
        defective += bool(mask.any())
        if item in exact:
            tally.add("images left out: their item is a copy of another one")
            continue
        samples += cut_tiles(image, COPIES.get(item, item), mask.astype(np.int8), rule, tally)
    counts = dict(zip(_PUBLISHED, (len(jobs), defective), strict=True))
    differences = [line for what, n in counts.items() for line in differs(what, n, _PUBLISHED[what])]
    return Catalog(CLASS_NAMES, samples, tally.notes, tuple(differences))
