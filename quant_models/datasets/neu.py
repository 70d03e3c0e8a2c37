"""``neu-det``: hot-rolled steel strip, six defects, 200x200 pixels.

The label is the prefix of the file name: ``IMAGES/<class>_<number>.jpg``. The boxes in
``ANNOTATIONS`` are not read: the task is to classify the whole image.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from finnspect.errors import DataError

from quant_models.datasets.files import FileTree
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import REAL, DatasetInfo, extent, register_dataset

NEU_DET_CLASSES = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
_PUBLISHED = 1800  # images
_IMAGES = "IMAGES"
_NAME = re.compile(r"(?P<prefix>.+)_(?P<number>\d+)")


def _find(tree: FileTree) -> str:
    """Return the folder above ``IMAGES``, relative to the tree: the tree itself or the one folder in it."""
    candidates = ["", *tree.folders()]
    found = [name for name in candidates if _IMAGES in tree.at(name).folders()]
    if len(found) != 1:
        many = f"{len(found)} folders" if found else "no folder"
        raise DataError(
            f"{tree.origin}: {many} called {_IMAGES!r}, expected one", f"expected layout: {NEU_DET.layout}"
        )
    return found[0]


def _label(tree: FileTree, name: str) -> int:
    match = _NAME.fullmatch(PurePosixPath(name).stem)
    if match is None or match["prefix"] not in NEU_DET_CLASSES:
        raise DataError(
            f"{tree.origin}: {name} does not begin with a class and a number",
            f"expected <class>_<number>.jpg with a class of {', '.join(NEU_DET_CLASSES)}",
        )
    return NEU_DET_CLASSES.index(match["prefix"])


NEU_DET = DatasetInfo(
    name="neu-det",
    task=f"{len(NEU_DET_CLASSES)} classes: {', '.join(NEU_DET_CLASSES)}",
    description="defects of hot-rolled steel strip, grey; many images overlap",
    size=f"{_PUBLISHED} images of 200x200 pixels, 300 of each class",
    licence="none stated; for research",
    url="http://faculty.neu.edu.cn/songkechen/zh_CN/zdylm/263270/list/",
    layout="IMAGES/<class>_<number>.jpg (and ANNOTATIONS/*.xml, not read), in a folder or an archive",
    needs_path=True,
    extents=(extent(200, 200),),
    checked=REAL,
)


@register_dataset(NEU_DET, version=1, skip=r"(^|/)ANNOTATIONS/")
def open_neu_det(tree: FileTree) -> Catalog:
    """List the images of NEU-DET."""
    root = _find(tree)
    folder = f"{root}/{_IMAGES}" if root else _IMAGES
    names, _ = tree.images(f"{folder}/{name}" for name in tree.at(folder).all_files())
    samples = [
        Sample(source=name, label=_label(tree, name), group=PurePosixPath(name).stem) for name in names
    ]
    differences = ()
    if len(samples) != _PUBLISHED:
        differences = (f"holds {len(samples)} images; the published set has {_PUBLISHED}",)
    return Catalog(NEU_DET_CLASSES, samples, differences=differences)
