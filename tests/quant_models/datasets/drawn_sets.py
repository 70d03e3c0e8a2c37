"""Every data set that reads files, drawn in each of its layouts: how, and with which options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import drawn_pictures as whole
import drawn_regions as regions

#: Options that fit the small pictures.
SMALL = {"tile": 32, "minimum": 32}
SHEET = {"tile": 64, "minimum": 32}
#: A set under its name in its usual layout; another layout under the name and a word.
SETS: dict[str, tuple[Callable[[Path], Path], dict]] = {
    "aitex": (regions.aitex, SMALL),
    "bridge-crack": (whole.bridge_crack, {}),
    "bsdata": (regions.bsdata, SMALL),
    "crack-forest": (regions.crack_forest, {}),
    "dagm-2007": (whole.dagm, {}),
    "dagm-2007 old": (whole.dagm_old, {}),
    "deep-pcb": (regions.deep_pcb, {}),
    "elpv": (whole.elpv_set, {}),
    "escalator-step": (whole.escalator_folders, {}),
    "escalator-step voc": (regions.escalator_voc, {"least": 16}),
    "image-folder": (whole.image_folder, {}),
    "insulator": (regions.insulator, {"least": 16}),
    "kolektor-sdd": (regions.kolektor_sdd, SMALL),
    "kth-tips": (whole.kth_tips, {}),
    "kylberg": (whole.kylberg, {}),
    "kylberg flat": (whole.kylberg_flat, {}),
    "magnetic-tile": (whole.magnetic_tile, {}),
    "mvtec-itodd": (regions.itodd, {"least": 16}),
    "neu-cls": (whole.neu_cls_flat, {}),
    "neu-cls parts": (whole.neu_cls_parts, {}),
    "neu-det": (whole.neu_det, {}),
    "rsdds": (regions.rsdds_set, {"tile": 32}),
    "severstal": (regions.severstal, SHEET),
    "severstal long": (regions.severstal_long, SHEET),
    "tianchi-aluminium": (whole.tianchi_aluminium_set, {}),
    "tianchi-fabric": (regions.tianchi_fabric_set, SMALL),
}


def name_of(key: str) -> str:
    """Return the name of a set in the registry."""
    return key.partition(" ")[0]


def draw(key: str, folder: Path) -> Path:
    """Draw a set into a folder and return its root."""
    return SETS[key][0](folder)
