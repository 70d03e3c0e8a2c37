"""``tianchi-aluminium``: aluminium profiles of the 2018 contest, eleven kinds of defects, whole pictures.

Round 1 is read: the folder is the label, ``无瑕疵样本`` (sound) or ``瑕疵样本/<kind>``; the rare kinds
lie one folder deeper, in ``瑕疵样本/其他``, and are one class. Where a defect lies is not given. Round 2
(labelme files) is refused.
"""

from __future__ import annotations

import unicodedata

from finnspect.errors import DataError

from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import has_folders, join, one_folder
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, register_dataset

_SOUND, _DEFECTIVE, _OTHER = "无瑕疵样本", "瑕疵样本", "其他"
#: Folders below the defective ones, and the names of their classes.
KINDS = {
    "不导电": "non-conducting",
    "擦花": "scuff",
    "横条压凹": "cross-dent",
    "桔皮": "orange-peel",
    "漏底": "bare-base",
    "碰伤": "bruise",
    "起坑": "pit",
    "凸粉": "raised-powder",
    "涂层开裂": "coating-crack",
    "脏点": "dirt-spot",
    _OTHER: "other",
}
CLASS_NAMES = ("good", *KINDS.values())

TIANCHI_ALUMINIUM = DatasetInfo(
    name="tianchi-aluminium",
    task="good and 11 kinds of defects (task=types), or good and defect (task=binary)",
    description="aluminium profiles, colour, round 1 of the 2018 contest; where a defect lies is not given",
    size="thousands of images of 2560x1920 pixels",
    licence="rules of the contest",
    url="https://tianchi.aliyun.com/competition/entrance/231682/information",
    layout="无瑕疵样本/*.jpg, 瑕疵样本/<kind>/*.jpg and 瑕疵样本/其他/<kind>/*.jpg; a folder or an archive",
    needs_path=True,
    options={"task": ("types", "binary")},
)


def _pictures(tree: FileTree, folder: str, files: list[str]) -> list[str]:
    names, _ = tree.images(join(folder, file) for file in files)
    if not names:
        raise tree.fault(folder, "holds no picture", "fetch the set again, or remove the folder")
    return names


@register_dataset(TIANCHI_ALUMINIUM, version=1)
def open_tianchi_aluminium(tree: FileTree, task: str) -> Catalog:
    """List the pictures by folder."""
    try:
        root = one_folder(tree, has_folders(_SOUND, _DEFECTIVE), TIANCHI_ALUMINIUM.layout)
    except DataError as error:
        files = tree.all_files()
        if files and any(name.endswith(".json") for name in files):
            raise DataError(
                f"{tree.origin} looks like round 2 of the contest (it has .json files), which is not read",
                f"give round 1; expected layout: {TIANCHI_ALUMINIUM.layout}",
            ) from error
        raise
    sound, defective = join(root, _SOUND), join(root, _DEFECTIVE)
    found = [(name, 0) for name in _pictures(tree, sound, tree.at(sound).files())]
    if stray := tree.at(defective).files():
        raise tree.fault(join(defective, stray[0]), "lies beside the folders of kinds", "put it into one")
    for folder in tree.at(defective).folders():
        kind, at = unicodedata.normalize("NFC", folder), join(defective, folder)
        if kind not in KINDS:
            what = f"is an unknown kind of defect, expected one of {', '.join(KINDS)}"
            raise tree.fault(at, what, "rename the folder, or take it out")
        here = tree.at(at)
        names = _pictures(tree, at, here.all_files() if kind == _OTHER else here.files())
        found += [(name, CLASS_NAMES.index(KINDS[kind])) for name in names]
    binary = task == "binary"
    samples = [Sample(name, int(label > 0) if binary else label, name) for name, label in found]
    classes = ("good", "defect") if binary else CLASS_NAMES
    return Catalog(classes, samples)
