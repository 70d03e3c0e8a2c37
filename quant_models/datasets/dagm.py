"""``dagm-2007``: drawn textures of ten kinds, each with one kind of defect.

The present form is ``Class<N>/{Train,Test}/<NNNN>.PNG`` with ``Label/Labels.txt``: a line ``1``, then number,
0 or 1, picture, 0, and the mask of a defect or 0, parted by tabs. In the old form ``Class<N>`` is sound and
``Class<N>_def`` defective, with the ellipses around the defects in ``labels.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from quant_models.datasets.annotations import Row, read_table
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import differs, join, one_folder
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "defect")
_TEXTURES = tuple(str(number) for number in range(1, 11))
_FOLDER = re.compile(r"Class(?P<texture>10|[1-9])(?P<old>_def)?")
_PARTS = {"Train": "train", "Test": "test"}
_COLUMNS = ("number", "label", "image", "zero", "mask")
_OLD_COLUMNS = ("number", "major", "minor", "angle", "x", "y")
_FIRST = "1"

DAGM_2007 = DatasetInfo(
    name="dagm-2007",
    task="good or defect, on all textures or on one (texture=1 to 10)",
    description="drawn textures, grey, ten kinds, each with a defect of its own",
    size="16100 images of 512x512 pixels, 2100 with a defect; the old form has 1150 a texture",
    licence="none stated; public",
    url="https://hci.iwr.uni-heidelberg.de/content/weakly-supervised-learning-industrial-optical-inspection",
    layout="Class<N>/{Train,Test}/<NNNN>.PNG with Label/Labels.txt and Label/<NNNN>_label.PNG; or "
    "Class<N>/<i>.png, Class<N>_def/<i>.png and Class<N>_def/labels.txt; a folder or an archive",
    needs_path=True,
    extents=(extent(512, 512),),
    checked="the 20 published label files, and drawn fixtures",
    options={"texture": ("all", *_TEXTURES)},
)


def read_labels(tree: FileTree, name: str) -> Iterator[Row]:
    """Give the lines of a ``Labels.txt``.

    Raises
    ------
    DataError
        The file is missing, does not begin with a line ``1``, or a line is not of the form.
    """
    lines = tree.text(name).split("\n")
    if lines[0].strip() != _FIRST:
        what = f"the first line is {lines[0][:60]!r}, expected {_FIRST!r}"
        raise tree.fault(name, what, "fetch the file again, or correct it", 1)
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) == len(_COLUMNS) + 1 and not fields[-1].strip():
            fields.pop()  # lines of sound pictures end in a tab
        row = Row(tree, name, number, dict(zip(_COLUMNS, map(str.strip, fields), strict=False)))
        if len(fields) != len(_COLUMNS):
            raise row.fault(f"{len(fields)} fields parted by tabs, expected {len(_COLUMNS)}")
        defect = row.choice("label", ("0", "1"))
        if re.fullmatch(r"\d{4}", row["number"]) is None:
            raise row.fault(f"the number is {row['number']!r}, expected four digits")
        mask = f"{row['number']}_label.PNG" if defect else "0"
        for column, wanted in (("image", f"{row['number']}.PNG"), ("zero", "0"), ("mask", mask)):
            if row[column] != wanted:
                raise row.fault(f"{column} is {row[column]!r}, expected {wanted!r}")
        yield row


def _of_part(tree: FileTree, folder: str, part: str) -> list[Sample]:
    """Return the samples of a folder ``Class<N>/{Train,Test}``."""
    table = join(folder, "Label", "Labels.txt")
    present = set(tree.images(tree.at(folder).files())[0])
    masks_at = join(folder, "Label")
    rows = list(read_labels(tree, table))
    masks = {name for name in tree.at(masks_at).files() if name != "Labels.txt"}
    samples, seen = [], set()
    for row in rows:
        image, mask = row["image"], row["mask"]
        if image in seen:
            raise row.fault(f"{image} is listed already")
        seen.add(image)
        if image not in present:
            raise row.fault(f"{image} is missing", "fetch the set again")
        if mask != "0" and mask not in masks:
            raise row.fault(f"{mask} is missing", "fetch the set again")
        masks.discard(mask)
        at = None if mask == "0" else join(masks_at, mask)
        name = join(folder, image)
        samples.append(Sample(name, int(mask != "0"), name, part=part, mask=at))
    for image in sorted(present - seen):
        raise tree.fault(join(folder, image), "has no label: Labels.txt does not list it", "fetch it again")
    for mask in sorted(masks):
        raise tree.fault(join(masks_at, mask), "belongs to no defective picture of Labels.txt", "take it out")
    return samples


def _of_old(tree: FileTree, sound: str, defective: str) -> list[Sample]:
    """Return the samples of the old form of a texture."""
    samples = [Sample(name, 0, name) for name in _numbered(tree, sound).values()]
    images = _numbered(tree, defective)
    seen: dict[int, int] = {}
    for row in read_table(tree, join(defective, "labels.txt"), _OLD_COLUMNS, header=False, blanks=True):
        number = row.integer("number")
        if number not in images:
            raise row.fault(f"{defective}/{number}.png is missing", "fetch the set again")
        if number in seen:
            raise row.fault(f"picture {number} is listed already, in line {seen[number]}")
        seen[number] = row.line
        height, width = image_size(tree, images[number])
        major, minor, _, x, y = (row.number(column) for column in _OLD_COLUMNS[1:])
        if min(major, minor) <= 0 or not (0 <= x < width and 0 <= y < height):
            what = f"the ellipse with axes {major:g}, {minor:g} around {x:g}, {y:g}"
            raise row.fault(f"{what} does not lie in a picture of {width}x{height} pixels")
    for number, name in images.items():
        if number not in seen:
            raise tree.fault(name, "has no label: labels.txt does not list it", "fetch the set again")
    return samples + [Sample(name, 1, name) for name in images.values()]


def _numbered(tree: FileTree, folder: str) -> dict[int, str]:
    if not (tree.folder / folder).is_dir():
        raise tree.fault(folder, "is missing", "fetch the set again: the old form needs this folder")
    found = {}
    for file in tree.images(tree.at(folder).files())[0]:
        stem = file.rpartition(".")[0]
        if not re.fullmatch(r"[1-9]\d{0,3}", stem):
            raise tree.fault(join(folder, file), "is not called by a number", "take it out of the folder")
        found[int(stem)] = join(folder, file)
    return dict(sorted(found.items()))


def _folders(tree: FileTree) -> list[str]:
    return [name for name in tree.folders() if _FOLDER.fullmatch(name)]


def _refuse_others(tree: FileTree, root: str) -> None:
    """Refuse a folder that is called like a texture that there is not."""
    for name in tree.at(root).folders():
        if name.startswith("Class") and _FOLDER.fullmatch(name) is None:
            what = "is no texture, expected Class1 to Class10, or Class1_def to Class10_def"
            raise tree.fault(join(root, name), what, "rename the folder, or take it out")


@register_dataset(DAGM_2007, version=1)
def open_dagm(tree: FileTree, texture: str) -> Catalog:
    """List the pictures of one texture or of all that are there, in either form."""
    root = one_folder(tree, lambda here: bool(_folders(here)), DAGM_2007.layout)
    _refuse_others(tree, root)
    names = _folders(tree.at(root))
    found = sorted({_FOLDER.fullmatch(name)["texture"] for name in names}, key=int)  # type: ignore[index]
    wanted = found if texture == "all" else [texture]
    notes: tuple[str, ...] = ()
    if left := [name for name in names if _FOLDER.fullmatch(name)["texture"] not in wanted]:  # type: ignore[index]
        tree.pass_over(*(join(root, name) for name in left))
        notes = (f"{len(left)} folders left out: texture={texture}",)
    samples: list[Sample] = []
    differences: list[str] = []
    for number in wanted:
        folder = join(root, f"Class{number}")
        if number not in found:
            raise tree.fault(folder, "is missing", "fetch it, or choose another texture=")
        if f"Class{number}_def" in names:
            of_texture = _of_old(tree, folder, folder + "_def")
            published = 1150
        else:
            of_texture = []
            for part, name in _PARTS.items():
                if not (tree.folder / folder / part).is_dir():
                    raise tree.fault(join(folder, part), "is missing", f"expected {DAGM_2007.layout}")
                of_texture += _of_part(tree, join(folder, part), name)
            published = 1150 if int(number) <= 6 else 2300
        differences += differs(f"images of Class{number}", len(of_texture), published)
        samples += of_texture
    if len({bool(sample.part) for sample in samples}) > 1:
        raise tree.fault(root or ".", "mixes the old and the present form", "give textures of one form")
    if texture == "all":
        differences += differs("textures", len(found), len(_TEXTURES))
    return Catalog(CLASS_NAMES, samples, notes, tuple(differences))
