"""``image-folder``: your own pictures, one folder a class.

::

    my-parts/
        good/     a.png  b.png  ...
        scratched/ c.png  d.png  ...
        dented/   part07/e.png  part07/f.png  ...

The name of the folder is the name of the class. Pictures in a folder inside a class folder show one
item (one part, one view): they stay together when the set is split.
"""

from __future__ import annotations

import logging
import unicodedata
from pathlib import PurePosixPath

from finnspect.errors import DataError

from quant_models.datasets.files import IMAGE_SUFFIXES, FileTree
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, register_dataset

log = logging.getLogger(__name__)

_PART_NAMES = frozenset({"dev", "eval", "test", "testing", "train", "training", "val", "valid", "validation"})

IMAGE_FOLDER = DatasetInfo(
    name="image-folder",
    task="as many classes as there are folders",
    description="your own pictures",
    size="at least 3 images of each class; 100 or more to be useful",
    licence="yours",
    url=None,
    layout="<class>/<image>, or <class>/<item>/<image> where the images of one item stay together; "
    "a folder or an archive",
    needs_path=True,
)


def _descend(tree: FileTree) -> str:
    """Return the folder that holds the class folders: the tree, or the single folder that wraps them."""
    inside = ""
    while True:
        here = tree.at(inside)
        folders = here.folders()
        if len(folders) != 1 or tree.images(here.files())[0]:
            return inside
        below = here.at(folders[0])
        if not below.folders() or tree.images(below.files())[0]:
            return inside  # the one folder is a class: it holds images
        inside = f"{inside}/{folders[0]}".strip("/")


def _check_names(tree: FileTree, names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        plain = unicodedata.normalize("NFC", name).strip().casefold()
        if plain in seen:
            raise DataError(
                f"{tree.origin}: the class folders {seen[plain]!r} and {name!r} have the same name "
                "but for case or spaces",
                "rename one of them, or put their images together",
            )
        seen[plain] = name


def _check_parts(tree: FileTree, base: str, names: list[str]) -> None:
    """Refuse a set that is already split: its parts would be taken for classes."""
    if {name.casefold() for name in names} <= _PART_NAMES and all(
        tree.at(f"{base}/{name}".strip("/")).folders() for name in names
    ):
        raise DataError(
            f"{tree.origin}: the folders {', '.join(map(repr, names))} are parts of a split, not classes",
            "put the images of each class into one folder: the split is made, and kept clean, for you",
        )


@register_dataset(IMAGE_FOLDER, version=1)
def open_image_folder(tree: FileTree) -> Catalog:
    """List the images of a folder with one folder a class."""
    base = _descend(tree)
    here = tree.at(base)
    stray = tree.images(here.files())[0]
    names = here.folders()
    if stray and names:
        raise DataError(
            f"{tree.origin}: {stray[0]} lies beside the class folders, so its class is not known",
            "move it into the folder of its class",
        )
    if not names:
        what = f"{len(stray)} images but no class folders" if stray else "no class folders"
        raise DataError(f"{tree.origin}: found {what}", f"expected layout: {IMAGE_FOLDER.layout}")
    _check_names(tree, names)
    _check_parts(tree, base, names)
    samples: list[Sample] = []
    beside = 0
    for label, name in enumerate(names):
        folder = f"{base}/{name}".strip("/")
        images, sidecars = tree.images(f"{folder}/{file}" for file in tree.at(folder).all_files())
        beside += len(sidecars)
        if not images:
            raise DataError(
                f"{tree.origin}: the class folder {name!r} has no image",
                f"add images ({', '.join(sorted(IMAGE_SUFFIXES))}) or remove the folder",
            )
        samples += [Sample(source, label, _group(source, folder)) for source in images]
    if beside:
        log.warning("%s: %d files beside the images (text, annotations) are not read", tree.origin, beside)
    return Catalog(tuple(names), samples)


def _group(source: str, class_folder: str) -> str:
    """Return the item's folder where there is one, else the image itself."""
    parent = PurePosixPath(source).parent
    return source if parent == PurePosixPath(class_folder) else parent.as_posix()
