"""``kylberg`` and ``kth-tips``: textures, whose class and origin are in the name of the file."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from finnspect.errors import DataError

from quant_models.datasets.files import FileTree
from quant_models.datasets.layouts import differs
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, extent, register_dataset

# fmt: off
KYLBERG_CLASSES = (
    "blanket1", "blanket2", "canvas1", "ceiling1", "ceiling2", "cushion1", "floor1", "floor2", "grass1",
    "lentils1", "linseeds1", "oatmeal1", "pearlsugar1", "rice1", "rice2", "rug1", "sand1", "scarf1",
    "scarf2", "screen1", "seat1", "seat2", "sesameseeds1", "stone1", "stone2", "stone3", "stoneslab1",
    "wall1",
)
KTH_TIPS_CLASSES = (
    "aluminium_foil", "brown_bread", "corduroy", "cotton", "cracker", "linen", "orange_peel", "sandpaper",
    "sponge", "styrofoam",
)
# fmt: on
_KYLBERG_NAME = re.compile(r"(?P<texture>\w+)-(?P<image>[a-d])-p\d{3}(-r\d{3})?")
_KTH_NAME = re.compile(r"\w+-scale_(?P<scale>\d{1,2})_im_(?P<image>\d{1,2})_(grey|col)")

KYLBERG = DatasetInfo(
    name="kylberg",
    task="28 textures, or as many as are there",
    description="textures, grey; patches of one photograph, turned or not, stay together",
    size="4480 images of 576x576 pixels, 40 from each of 4 photographs a texture; 53760 with rotations",
    licence="none stated; to be cited",
    url="http://www.cb.uu.se/~gustaf/texture/",
    layout="<class>-<a..d>-p<NNN>[-r<degrees>].png, in one folder or in one a class; a folder or an archive",
    needs_path=True,
    extents=(extent(576, 576),),
)

KTH_TIPS = DatasetInfo(
    name="kth-tips",
    task="10 materials",
    description="materials at 9 distances, 3 poses and 3 lights, one sample of each; distances stay together",
    size="810 images of about 200x200 pixels, 81 of each material",
    licence="none stated; for research",
    url="https://www.csc.kth.se/cvap/databases/kth-tips/download.html",
    layout="<class>/<NN>-scale_<n>_im_<n>_{grey,col}.png, with the classes "
    f"{', '.join(KTH_TIPS_CLASSES)}; a folder or an archive",
    needs_path=True,
)


def _pictures(tree: FileTree, layout: str) -> list[str]:
    names, _ = tree.images(tree.all_files())
    if not names:
        raise DataError(f"{tree.origin}: found no picture", f"expected layout: {layout}")
    return names


@register_dataset(KYLBERG, version=1)
def open_kylberg(tree: FileTree) -> Catalog:
    """List the patches; the group is the photograph that they were cut from."""
    names = _pictures(tree, KYLBERG.layout)
    found = []
    for name in names:
        match = _KYLBERG_NAME.fullmatch(PurePosixPath(name).stem)
        if match is None:
            raise tree.fault(name, "is not called <class>-<a..d>-p<NNN>[-r<degrees>]", "take it out")
        if match["texture"] not in KYLBERG_CLASSES:
            what = (
                f"is of the unknown class {match['texture']!r}, expected one of {', '.join(KYLBERG_CLASSES)}"
            )
            raise tree.fault(name, what, "restore its name from the source, or take it out")
        found.append((name, match["texture"], f"{match['texture']}-{match['image']}"))
    present = {texture for _, texture, _ in found}
    for folder in sorted(set(KYLBERG_CLASSES) - present):
        if any(PurePosixPath(name).name == folder for name in tree.folders()):
            raise tree.fault(folder, "holds no picture", "fetch the set again, or remove the folder")
    classes = tuple(texture for texture in KYLBERG_CLASSES if texture in present)
    samples = [Sample(name, classes.index(texture), group) for name, texture, group in found]
    differences = differs("textures", len(classes), len(KYLBERG_CLASSES))
    if len(samples) not in (4480, 53760):
        differences += (f"holds {len(samples)} images; the published set has 4480, or 53760 with rotations",)
    return Catalog(classes, samples, differences=differences)


@register_dataset(KTH_TIPS, version=1)
def open_kth_tips(tree: FileTree) -> Catalog:
    """List the pictures; the group is the distance that they were taken from."""
    samples = []
    for name in _pictures(tree, KTH_TIPS.layout):
        path = PurePosixPath(name)
        match, folder = _KTH_NAME.fullmatch(path.stem), path.parent.name
        if match is None:
            raise tree.fault(name, "is not called <NN>-scale_<n>_im_<n>_{grey,col}", "take it out")
        if folder not in KTH_TIPS_CLASSES:
            what = f"lies in {folder!r}, expected a folder {', '.join(KTH_TIPS_CLASSES)}"
            raise tree.fault(name, what, "put it where it belongs, or take it out")
        group = f"{folder} at scale {match['scale']}"
        samples.append(Sample(name, KTH_TIPS_CLASSES.index(folder), group))
    note = "every material was photographed from one sample: a test part shows it at other distances"
    return Catalog(KTH_TIPS_CLASSES, samples, (note,), differs("images", len(samples), 810))
