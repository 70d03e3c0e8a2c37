"""``escalator-step``: steps of escalators. Only a link is public, no description of the layout.

It is therefore read in either of the two usual forms: one folder a class (see ``image-folder``), or a VOC
tree, ``JPEGImages`` with ``Annotations/*.xml``, from which crops around the boxes are taken.
"""

from __future__ import annotations

from finnspect.errors import DataError

from quant_models.datasets.annotations import read_voc
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.image_folder import open_image_folder
from quant_models.datasets.layouts import (
    by_stem,
    check_stated_size,
    has_folders,
    join,
    one_folder,
    refuse_orphans,
)
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, crop_around
from quant_models.datasets.registry import DatasetInfo, register_dataset

_FOLDERS = ("JPEGImages", "Annotations")

ESCALATOR_STEP = DatasetInfo(
    name="escalator-step",
    task="as many classes as there are folders, or names of boxes (on crops)",
    description="steps of escalators; only a link is public, so a usual layout is expected",
    size="67 images, as others count them",
    licence="CC0, as others quote its source",
    url="https://aistudio.baidu.com/aistudio/datasetdetail/44820",
    layout="<class>/<image>, or a VOC tree: JPEGImages/<name>.jpg and Annotations/<name>.xml; "
    "a folder or an archive",
    needs_path=True,
    options={"least": 64},
)


def _of_voc(tree: FileTree, root: str, least: int) -> Catalog:
    """Return crops around the boxes of a VOC tree."""
    images, files = by_stem(tree, join(root, _FOLDERS[0])), by_stem(tree, join(root, _FOLDERS[1]), ".xml")
    refuse_orphans(tree, images, files, "annotation", _FOLDERS[1])
    refuse_orphans(tree, files, images, "picture", _FOLDERS[0])
    tally = Tally()
    found = []
    for stem, image in images.items():
        height, width = image_size(tree, image)
        voc = read_voc(tree, files[stem])
        check_stated_size(tree, files[stem], (voc.height, voc.width), (height, width))
        if not voc.boxes:
            tally.add("images left out: no box is drawn in them")
        for box in voc.boxes:
            part = box.inside(height, width)
            if part is None:
                what = f"the box {box.ends} of {box.name!r} lies outside a picture of {width}x{height} pixels"
                raise tree.fault(files[stem], what, "correct the file", box.line)
            crop = crop_around(part, height, width, margin=0.25, least=least)
            found.append((image, box.name, crop))
    classes = sorted({name for _, name, _ in found})
    samples = [Sample(image, classes.index(name), image, box=crop) for image, name, crop in found]
    return Catalog(tuple(classes), samples, tally.notes)


@register_dataset(ESCALATOR_STEP, version=1)
def open_escalator_step(tree: FileTree, least: int) -> Catalog:
    """Read a VOC tree where there is one, else one folder a class."""
    if not tree.images(tree.all_files())[0]:
        raise DataError(f"{tree.origin}: found no picture", f"expected layout: {ESCALATOR_STEP.layout}")
    try:
        root = one_folder(tree, has_folders(*_FOLDERS), ESCALATOR_STEP.layout)
    except DataError:
        if any(name.endswith(".xml") for name in tree.all_files()):
            raise
        return open_image_folder(tree)
    return _of_voc(tree, root, least)
