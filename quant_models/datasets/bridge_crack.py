"""``bridge-crack``: patches of concrete bridges with and without a crack, 16x16 pixels.

``train.txt`` and ``val.txt`` list names and labels, ``no12.jpeg 0`` and ``crack7.jpeg 1``. Nearly every crack
of the official validation part is in the training part too, byte for byte, under another number: copies are
removed and the set is split again.
"""

from __future__ import annotations

import re

from quant_models.datasets.annotations import read_table
from quant_models.datasets.files import FileTree
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import REAL, DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "crack")
_PREFIXES = ("no", "crack")
_PUBLISHED = {"train": 50000, "val": 5000}
_NAME = re.compile(r"(?P<prefix>[a-z]+)\d+\.jpe?g")

BRIDGE_CRACK = DatasetInfo(
    name="bridge-crack",
    task="good or crack",
    description="patches of concrete bridges; the official validation part is a copy of training images",
    size="55000 images of 16x16 pixels, 7000 with a crack; fewer once copies are removed",
    licence="non-commercial research",
    url="https://github.com/maweifei/Bridge_Crack_Image_Data",
    layout="DBCC_Training_Data_Set/{train,val}/{no,crack}<i>.jpeg, train.txt and val.txt; "
    "a folder or an archive",
    needs_path=True,
    extents=(extent(16, 16),),
    checked=REAL,
)


def _part(tree: FileTree, root: str, part: str) -> list[Sample]:
    folder, table = f"{root}/{part}".strip("/"), f"{root}/{part}.txt".strip("/")
    present, _ = tree.images(tree.at(folder).files())
    left = set(present)
    samples = []
    for row in read_table(tree, table, ("name", "label"), header=False, blanks=True):
        name, label = row["name"], row.choice("label", ("0", "1"))
        match = _NAME.fullmatch(name)
        if match is None or match["prefix"] != _PREFIXES[label]:
            raise row.fault(
                f"{name!r} has label {label}, expected a name that begins with {_PREFIXES[label]!r}"
            )
        if name not in left:
            why = "is listed twice" if name in present else f"is not in the folder {folder}"
            raise row.fault(f"{name} {why}")
        left.discard(name)
        samples.append(Sample(f"{folder}/{name}", label, f"{part}/{name}", part=part))
    if left:
        raise tree.fault(
            f"{folder}/{min(left)}", f"has no label: it is not in {part}.txt", "fetch the set again"
        )
    return samples


@register_dataset(BRIDGE_CRACK, version=1)
def open_bridge_crack(tree: FileTree) -> Catalog:
    """List the patches of both parts."""
    root = tree.locate("train", "val", layout=BRIDGE_CRACK.layout)
    samples = []
    differences = []
    for part, published in _PUBLISHED.items():
        of_part = _part(tree, root, part)
        samples += of_part
        if len(of_part) != published:
            differences.append(f"{part} holds {len(of_part)} images; the published set has {published}")
    return Catalog(CLASS_NAMES, samples, differences=tuple(differences), unique=True)
