"""``insulator``: insulators of power lines from the air (CPLID); crops around each insulator.

Boxes of insulators and of defects are in VOC files. An insulator that holds the middle of a defect is
defective. The defective pictures are drawn: insulators were cut out, turned and set into other backgrounds.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from quant_models.datasets.annotations import Box, read_voc
from quant_models.datasets.decode import image_size
from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import by_stem, check_stated_size, differs, join, refuse_orphans
from quant_models.datasets.parallel import parallel
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.regions import Tally, crop_around
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

CLASS_NAMES = ("good", "defect")
_FOLDERS = ("Normal_Insulators", "Defective_Insulators")
_NAMES = ("insulator", "defect")
_PUBLISHED = {"Normal_Insulators": 600, "Defective_Insulators": 248}
_SYNTHETIC = (
    "the defective images are drawn from few originals that are not named: a split may part those of one"
)

INSULATOR = DatasetInfo(
    name="insulator",
    task="good or defect, on crops around insulators",
    description="insulators of power lines from the air, colour; the defective images are synthetic",
    size="600 sound and 248 defective images of 1152x864 pixels",
    licence="none stated",
    url="https://github.com/InsulatorData/InsulatorDataSet",
    layout="{Normal_Insulators,Defective_Insulators}/images/<name>.jpg, VOC XML in labels/<name>.xml or "
    "labels/{insulator,defect}/<name>.xml; a folder or an archive",
    needs_path=True,
    extents=(extent(864, 1152),),
    options={"least": 64},
)


def _labels(tree: FileTree, folder: str) -> dict[str, list[str]]:
    """Return the VOC files of each picture."""
    if not (tree.folder / folder).is_dir():
        raise tree.fault(folder, "is missing", "fetch the set again: its layout needs this folder")
    here = tree.at(folder)
    folders = here.folders()
    if unknown := sorted(set(folders) - set(_NAMES)):
        raise tree.fault(join(folder, unknown[0]), f"is not one of {', '.join(_NAMES)}", "take it out")
    found: dict[str, list[str]] = {}
    for at in [join(folder, name) for name in folders] or [folder]:
        for stem, name in by_stem(tree, at, ".xml").items():
            found.setdefault(stem, []).append(name)
    if folders and here.files():
        raise tree.fault(join(folder, here.files()[0]), "lies beside the folders of labels", "take it out")
    return found


def _boxes(tree: FileTree, image: str, files: list[str]) -> tuple[list[Box], list[Box]]:
    """Return the insulators and the defects of a picture, inside it."""
    height, width = image_size(tree, image)
    found: dict[str, list[Box]] = {name: [] for name in _NAMES}
    for file in files:
        voc = read_voc(tree, file)
        check_stated_size(tree, file, (voc.height, voc.width), (height, width))
        for box in voc.boxes:
            if box.name not in found:
                what = f"has a {box.name!r}, expected {' or '.join(_NAMES)}"
                raise tree.fault(file, what, "correct the file", box.line)
            part = box.inside(height, width)
            if part is None:
                what = f"the box {box.ends} lies outside a picture of {width}x{height} pixels"
                raise tree.fault(file, what, "correct the file", box.line)
            found[box.name].append(part)
    return found["insulator"], found["defect"]


def _of_image(tree: FileTree, image: str, files: list[str], least: int, tally: Tally) -> list[Sample]:
    height, width = image_size(tree, image)
    insulators, defects = _boxes(tree, image, files)
    samples = []
    for box in insulators:
        touching = [defect for defect in defects if _overlap(box, defect)]
        holding = [defect for defect in touching if _holds_middle(box, defect)]
        if touching and not holding:
            tally.add("insulators left out: they touch a defect, but do not hold its middle")
            continue
        crop = crop_around(box, height, width, margin=0.05, least=least)
        samples.append(Sample(image, int(bool(holding)), image, box=crop))
    return samples


def _overlap(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def _holds_middle(box: Box, defect: Box) -> bool:
    x, y = (defect.left + defect.right) / 2, (defect.top + defect.bottom) / 2
    return box.left <= x < box.right and box.top <= y < box.bottom


@register_dataset(INSULATOR, version=1)
def open_insulator(tree: FileTree, least: int) -> Catalog:
    """List crops around the insulators of both folders."""
    root = tree.locate(*_FOLDERS, layout=INSULATOR.layout)
    tally = Tally()
    samples: list[Sample] = []
    differences: list[str] = []
    for folder in _FOLDERS:
        at = join(root, folder, "labels")
        images, files = by_stem(tree, join(root, folder, "images")), _labels(tree, at)
        refuse_orphans(tree, images, files, "annotation", at)
        by_name = {stem: names[0] for stem, names in files.items()}
        refuse_orphans(tree, by_name, images, "picture", join(root, folder, "images"))
        jobs = [(images[stem], files[stem]) for stem in images]

        def crops(job: tuple[str, list[str]]) -> tuple[list[Sample], Tally]:
            own = Tally()  # threads must not share one
            return _of_image(tree, *job, least, own), own

        for (image, _), (found, own) in zip(jobs, parallel(crops, jobs), strict=True):
            tally.counts += own.counts
            if folder == _FOLDERS[1] and not any(sample.label for sample in found):
                name = PurePosixPath(image).name
                raise tree.fault(
                    image, "has no insulator with a defect", f"correct the labels of {name}, or move it"
                )
            samples += found
        differences += differs(f"images in {folder}", len(images), _PUBLISHED[folder])
    return Catalog(CLASS_NAMES, samples, (_SYNTHETIC, *tally.notes), tuple(differences))
