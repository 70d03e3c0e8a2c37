"""``neu-cls``: hot-rolled steel strip, six defects, one a picture.

Two layouts: all pictures in one folder, the class being the prefix of the name (``Cr_1.bmp``); or
``{train,valid,test}/<Class>/``, the form that carries a split. The pictures are those of ``neu-det``, stored
without loss.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from finnspect.errors import DataError

from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import differs
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches")
_PREFIXES = ("Cr", "In", "Pa", "PS", "RS", "Sc")
_FOLDERS = ("Crazing", "Inclusion", "Patches", "Pitted", "Rolled", "Scratches")
_PARTS = {"train": "train", "valid": "val", "test": "test"}
_NAME = re.compile(r"(?P<prefix>[A-Za-z]+)_(?P<number>\d+)")
_PUBLISHED = 1800  # images

NEU_CLS = DatasetInfo(
    name="neu-cls",
    task=f"6 classes: {', '.join(CLASS_NAMES)}",
    description="defects of hot-rolled steel strip, grey, stored without loss",
    size=f"{_PUBLISHED} images of 200x200 pixels, 300 of each class",
    licence="none stated; for research",
    url="http://faculty.neu.edu.cn/songkechen/zh_CN/zdylm/263270/list/",
    layout="{Cr,In,Pa,PS,RS,Sc}_<number>.bmp in one folder, or {train,valid,test}/"
    "{Crazing,Inclusion,Patches,Pitted,Rolled,Scratches}/<picture>; a folder or an archive",
    needs_path=True,
    extents=(extent(200, 200),),
)


def _label(tree: FileTree, name: str) -> int:
    match = _NAME.fullmatch(PurePosixPath(name).stem)
    if match is None or match["prefix"] not in _PREFIXES:
        what = f"does not begin with a class, {', '.join(_PREFIXES)}, and a number"
        raise tree.fault(name, what, "restore its name from the source, or take it out")
    return _PREFIXES.index(match["prefix"])


def _of_parts(tree: FileTree, names: list[str]) -> list[Sample]:
    """Return the samples of the form with a split; the folder and the name must agree."""
    samples = []
    for name in names:
        path = PurePosixPath(name)
        part, folder = path.parts[-3:-1] if len(path.parts) > 2 else ("", "")
        if part not in _PARTS or folder not in _FOLDERS:
            what = f"does not lie in a folder {'|'.join(_PARTS)}/{'|'.join(_FOLDERS)}"
            raise tree.fault(name, what, "put it where it belongs, or take it out")
        label = _FOLDERS.index(folder)
        if _label(tree, name) != label:
            raise tree.fault(name, f"lies in {folder}, but its name is of another class", "fetch it again")
        samples.append(Sample(name, label, path.stem, part=_PARTS[part]))
    return samples


@register_dataset(NEU_CLS, version=1)
def open_neu_cls(tree: FileTree) -> Catalog:
    """List the pictures of either form."""
    names, _ = tree.images(tree.all_files())
    if not names:
        raise DataError(f"{tree.origin}: found no picture", f"expected layout: {NEU_CLS.layout}")
    if any(len(p := PurePosixPath(name).parts) > 2 and p[-3] in _PARTS for name in names):
        samples = _of_parts(tree, names)
    else:
        folders = sorted({PurePosixPath(name).parent.as_posix() for name in names})
        if len(folders) > 1:
            raise DataError(
                f"{tree.origin}: the pictures lie in several folders: {', '.join(folders[:4])}",
                f"expected layout: {NEU_CLS.layout}",
            )
        samples = [Sample(name, _label(tree, name), PurePosixPath(name).stem) for name in names]
    return Catalog(CLASS_NAMES, samples, differences=differs("images", len(samples), _PUBLISHED))
