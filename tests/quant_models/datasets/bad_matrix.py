"""Every fault that a set may have, for every set: an error that names the file, or a documented conversion.

A fault that a layout cannot have is listed with the reason, so that no set and no fault is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from drawing import dagm_labels, labelme
from spoil import (
    Spoil,
    both,
    change,
    change_all,
    drop_lines,
    empty,
    fill,
    header,
    lack,
    marked,
    picture,
    rename,
    segmentation,
    truths,
    unmarked,
    with_value,
)

BRIDGE = "DBCC_Training_Data_Set"
PIT = "label/01_200905013021_277800_315_crop_2.json"
BOARD = "PCBData/group00041/00041_not/00041003.txt"
CELL_TABLE = "src/elpv_dataset/data/labels.csv"
VOC = "Annotations/000002.xml"
TOWER = "Normal_Insulators/labels/0051.xml"
SCENE = "val/000001"
RAIL = "Type-I RSDDs dataset/GroundTruth"
BOXES = "guangdong1_round1_train1_20190818/partA/Annotations/anno_train.json"


@dataclass(frozen=True)
class Refused:
    """A fault that ends the load with this message, which a check reports too."""

    spoil: Spoil
    message: str
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Noted(Refused):
    """A fault that is let through, with this note."""


@dataclass(frozen=True)
class Reported(Refused):
    """A fault that a load warns of, and a check reports."""


MISSING, HEADER, CLASS, EMPTY, SIZE = FAULTS = (
    "missing label file",
    "header where none should be",
    "unknown class",
    "empty class",
    "mask of another size",
)
IN_NAMES = {
    MISSING: "the class is in names of files or folders",
    HEADER: "the class is in names of files or folders",
    SIZE: "nothing marks a place",
}
NO_TABLE = {HEADER: "no label file is a table"}
ANY_CLASS = {CLASS: "every folder, or name of a box, is a class"}

MATRIX: dict[str, dict[str, Refused | str]] = {
    "aitex": NO_TABLE
    | {
        MISSING: Noted(
            lack("Mask_images/0000_019_00_mask.png"),
            r"2 defective images left out: they have no mask \(0000_019_00, 0003_019_03\)",
        ),
        CLASS: Refused(
            picture("NODefect_images/230-210u/0099_019_00.png"), r"0099_019_00\.png: has the defect code 019"
        ),
        EMPTY: Refused(unmarked("Mask_images/*.png"), "no image of class 'defect'"),
        SIZE: Refused(
            marked("Mask_images/0000_019_00_mask.png", 32, 32),
            r"0000_019_00_mask\.png: is of 32x32 pixels, its picture of 256x32",
        ),
    },
    "bridge-crack": {
        MISSING: Refused(lack(f"{BRIDGE}/val.txt"), r"val\.txt is missing"),
        HEADER: Refused(
            header(f"{BRIDGE}/train.txt", "name label"),
            r"train\.txt, line 1: 'name label' looks like a header",
        ),
        CLASS: Refused(
            change(f"{BRIDGE}/train.txt", "no3.jpeg 0", "no3.jpeg 2"),
            r"train\.txt, line 3: label is '2', expected one of 0, 1",
        ),
        EMPTY: Refused(
            both(drop_lines(f"{BRIDGE}/*.txt", "crack"), empty(f"{BRIDGE}/*/crack*")),
            "no image of class 'crack'",
        ),
        SIZE: "nothing marks a place",
    },
    "bsdata": NO_TABLE
    | {
        MISSING: Refused(lack("image_data.json"), r"image_data\.json is missing"),
        CLASS: Refused(change(PIT, "Pitting", "Rust"), r"crop_2\.json: has the label 'Rust', expected 'Pitt"),
        EMPTY: Refused(fill("label/*.json", labelme(128, 64)), "no image of class 'pitting'"),
        SIZE: Refused(
            change(PIT, '"imageHeight": 64', '"imageHeight": 65'),
            r"crop_2\.json: is of 128x65 pixels, its picture of 128x64",
        ),
    },
    "crack-forest": NO_TABLE
    | {
        MISSING: Noted(lack("groundTruth/002.mat"), "^2 images left out: they have no ground truth"),
        CLASS: Refused(truths(lambda t: segmentation(with_value(t, 7)), 2), r"002\.mat: holds the class 7"),
        EMPTY: Refused(truths(segmentation, 1, 2, 3, 4), "no image of class 'crack'"),
        SIZE: Refused(
            truths(lambda t: segmentation(t[:100]), 2),
            r"002\.mat: is of 192x100 pixels, its picture of 192x128",
        ),
    },
    "dagm-2007": {
        MISSING: Refused(lack("Class1/Test/Label/Labels.txt"), r"Class1/Test/Label/Labels\.txt is missing"),
        HEADER: Refused(
            header("Class1/Test/Label/Labels.txt", "number\tlabel\timage"),
            r"Labels\.txt, line 1: the first line is 'number.*expected '1'",
        ),
        CLASS: Refused(
            change("Class1/Test/Label/Labels.txt", "0002\t0", "0002\t2"),
            r"Labels\.txt, line 3: label is '2', expected one of 0, 1",
        ),
        EMPTY: Refused(
            both(
                fill("Class*/Test/Label/Labels.txt", dagm_labels(1, [False] * 12)),
                fill("Class*/Train/Label/Labels.txt", dagm_labels(13, [False] * 12)),
                empty("Class*/*/Label/*.PNG"),
            ),
            "no image of class 'defect'",
        ),
        SIZE: Refused(
            marked("Class1/Test/Label/0001_label.PNG", 16, 16),
            r"0001_label\.PNG: is of 16x16 pixels, its picture of 32x32",
        ),
    },
    "dagm-2007 old": {
        MISSING: Refused(lack("Class1_def/labels.txt"), r"Class1_def/labels\.txt is missing"),
        HEADER: Refused(
            header("Class1_def/labels.txt", "number major minor angle x y"),
            r"Class1_def/labels\.txt, line 1: .*looks like a header",
        ),
        CLASS: Refused(rename("Class1", "Class11"), r"Class11: is no texture, expected Class1 to Class10"),
        EMPTY: Refused(
            both(fill("*_def/labels.txt", ""), empty("*_def/*.png")), r"Class1_def/labels\.txt: is empty"
        ),
        SIZE: Refused(
            change("Class1_def/labels.txt", "12.5", "32.5"),
            r"line 1: the ellipse .* does not lie in a picture of 32x32",
        ),
    },
    "deep-pcb": {
        MISSING: Refused(lack(BOARD), r"trainval\.txt, line 4: .*00041003\.txt is missing"),
        HEADER: Refused(header(BOARD, "x y w h type"), r"00041003\.txt, line 1: .*looks like a header"),
        CLASS: Refused(
            change(BOARD, "40 1", "40 7"), r"00041003\.txt, line 1: type is '7', expected one of 1"
        ),
        EMPTY: Refused(
            drop_lines("PCBData/*/*_not/*.txt", "160 130"), "no image of class 'pin-hole'", {"least": 16}
        ),
        SIZE: Refused(
            picture("PCBData/group00041/00041/00041003_temp.jpg", 100, 100),
            r"00041003_temp\.jpg: is of 100x100 pixels, its picture of 200x200",
            {"task": "binary"},
        ),
    },
    "elpv": {
        MISSING: Refused(lack(CELL_TABLE), r"no folder holds 'labels\.csv'"),
        HEADER: Refused(
            header(CELL_TABLE, "path probability type"), r"labels\.csv, line 1: .*looks like a header"
        ),
        CLASS: Refused(
            change(CELL_TABLE, "1.0 ", "0.5 "),
            r"labels\.csv, line 3: the probability is '0\.5', expected 0, 0\.3",
        ),
        EMPTY: Refused(
            change_all(CELL_TABLE, r"(1\.0|0\.6666666666666666) ", "0.0 "), "no image of class 'defect'"
        ),
        SIZE: "nothing marks a place",
    },
    "escalator-step": IN_NAMES
    | ANY_CLASS
    | {EMPTY: Refused(empty("worn/*.jpg"), "class folder 'worn' has no image")},
    "escalator-step voc": NO_TABLE
    | ANY_CLASS
    | {
        MISSING: Refused(lack(VOC), r"000002\.jpg: has no annotation"),
        EMPTY: Refused(change_all("Annotations/*[1-4].xml", "tooth", "crack"), "only the class 'crack'"),
        SIZE: Refused(
            change(VOC, "<width>128", "<width>64"),
            r"000002\.xml: is of 64x96 pixels, its picture of 128x96",
        ),
    },
    "image-folder": IN_NAMES
    | ANY_CLASS
    | {EMPTY: Refused(empty("good/*.png"), "class folder 'good' has no image")},
    "insulator": NO_TABLE
    | {
        MISSING: Refused(lack(TOWER), r"0051\.jpg: has no annotation"),
        CLASS: Refused(
            change(TOWER, "insulator", "tower"),
            r"0051\.xml, line 2: has a 'tower', expected insulator or defect",
        ),
        EMPTY: Refused(
            empty("Defective_Insulators/labels/defect/*.xml"), r"000\.jpg: has no insulator with a defect"
        ),
        SIZE: Refused(
            change(TOWER, "<height>86", "<height>85"),
            r"0051\.xml: is of 115x85 pixels, its picture",
        ),
    },
    "kolektor-sdd": NO_TABLE
    | {
        MISSING: Refused(lack("kos02/Part1_label.bmp"), r"kos02/Part1\.jpg: has no mask"),
        CLASS: "any value of a mask but 0 is the defect",
        EMPTY: Refused(unmarked("kos*/*_label.bmp"), "no image of class 'defect'"),
        SIZE: Refused(
            marked("kos02/Part1_label.bmp", 60, 50),
            r"kos02/Part1_label\.bmp: is of 50x60 pixels, its picture of 50x127",
        ),
    },
    "kth-tips": IN_NAMES
    | {
        CLASS: Refused(rename("linen", "wool"), r"lies in 'wool', expected a folder aluminium_foil"),
        EMPTY: Refused(empty("linen/*.png"), "no image of class 'linen'"),
    },
    "kylberg": IN_NAMES
    | {
        CLASS: Refused(
            picture("wall1/roof1-a-p001.png"),
            r"roof1-a-p001\.png: is of the unknown class 'roof1', expected one of blanket1",
        ),
        EMPTY: Refused(empty("wall1/*.png"), r"wall1: holds no picture"),
    },
    "kylberg flat": IN_NAMES
    | {
        CLASS: Refused(picture("roof1-a-p001.png"), r"roof1-a-p001\.png: is of the unknown class 'roof1'"),
        EMPTY: Reported(empty("wall1-*.png"), r"holds 27 textures; the published set has 28"),
    },
    "magnetic-tile": NO_TABLE
    | {
        MISSING: Refused(
            lack("MT_Blowhole/Imgs/exp1_num_10020.png"), r"exp1_num_10020\.jpg: is an image without mask"
        ),
        CLASS: Refused(
            picture("MT_Dent/Imgs/exp1_num_1.jpg"),
            r"MT_Dent: is of an unknown class, expected one of",
        ),
        EMPTY: Refused(empty("MT_Fray/Imgs/*"), "no image of class 'fray'"),
        SIZE: Refused(
            marked("MT_Blowhole/Imgs/exp1_num_10020.png", 7, 9),
            r"exp1_num_10020\.png: is of 9x7 pixels, its picture of 30x20",
        ),
    },
    "mvtec-itodd": NO_TABLE
    | {
        MISSING: Refused(lack(f"{SCENE}/scene_gt.json"), r"val/000001/scene_gt\.json is missing"),
        CLASS: Refused(
            change(f"{SCENE}/scene_gt.json", '"obj_id": 3', '"obj_id": 29'),
            r"scene_gt\.json: picture 0: obj_id is 29, expected 1 to 28",
        ),
        EMPTY: Refused(
            change_all(f"{SCENE}/scene_gt_info.json", "0.75", "0.25"),
            "1 parts are seen in 3 pictures or more",
        ),
        SIZE: Refused(
            change_all(f"{SCENE}/scene_gt_info.json", "60,", "600,"),
            r"scene_gt_info\.json: picture 0: a box lies outside the picture of 128x96",
        ),
    },
    "neu-cls": IN_NAMES
    | {
        CLASS: Refused(picture("Xx_1.bmp"), r"Xx_1\.bmp: does not begin with a class, Cr, In"),
        EMPTY: Refused(empty("Pa_*"), "no image of class 'patches'"),
    },
    "neu-cls parts": IN_NAMES
    | {
        CLASS: Refused(picture("train/Dents/Cr_9.bmp"), r"train/Dents/Cr_9\.bmp: does not lie in a folder"),
        EMPTY: Refused(empty("*/Patches/*"), "no image of class 'patches'"),
    },
    "neu-det": IN_NAMES
    | {
        CLASS: Refused(picture("IMAGES/dents_1.jpg"), r"dents_1\.jpg does not begin with a class"),
        EMPTY: Refused(empty("IMAGES/crazing_*"), "no image of class 'crazing'"),
    },
    "rsdds": NO_TABLE
    | {
        MISSING: Refused(lack(f"{RAIL}/rail_2.jpg"), r"rail_2\.jpg: has no mask rail_2"),
        CLASS: "a mask is bright or dark",
        EMPTY: Refused(unmarked("*/GroundTruth/*.jpg"), "no image of class 'defect'"),
        SIZE: Refused(
            marked(f"{RAIL}/rail_2.jpg", 99, 32), r"rail_2\.jpg: is of 32x99 pixels, its picture of 32x200"
        ),
    },
    "severstal": {
        MISSING: Refused(lack("train.csv"), r"no folder holds 'train\.csv'"),
        HEADER: Refused(change("train.csv", "ImageId,", "Id,"), r"train\.csv, line 1: .*expected the header"),
        CLASS: Refused(
            change("train.csv", ",2,", ",5,"), r"train\.csv, line 3: ClassId is '5', expected one of 1, 2"
        ),
        EMPTY: Refused(drop_lines("train.csv", ",2,"), "no image of class 'type2'"),
        SIZE: Refused(
            change("train.csv", "521 16", "99999 16"),
            r"train\.csv, line 2: .*run 99999 16 lies outside a picture of 256x64",
        ),
    },
    "severstal long": {
        MISSING: Refused(lack("train.csv"), r"no folder holds 'train\.csv'"),
        HEADER: Refused(drop_lines("train.csv", "ImageId"), r"train\.csv, line 1: .*expected the header"),
        CLASS: Refused(change("train.csv", "_2,", "_5,"), r"train\.csv, line 3: ClassId is '5'"),
        EMPTY: Refused(change_all("train.csv", r"_2,.*", "_2,"), "no image of class 'type2'"),
        SIZE: Refused(
            change("train.csv", "521 16", "99999 16"),
            r"train\.csv, line 2: .*run 99999 16 lies outside a picture of 256x64",
        ),
    },
    "tianchi-aluminium": IN_NAMES
    | {
        CLASS: Refused(
            rename("瑕疵样本/漏底", "瑕疵样本/裂缝"),
            r"瑕疵样本/裂缝: is an unknown kind of defect, expected one of 不导电",
        ),
        EMPTY: Refused(empty("瑕疵样本/漏底/*.jpg"), r"瑕疵样本/漏底: holds no picture"),
    },
    "tianchi-fabric": NO_TABLE
    | {
        MISSING: Refused(lack(BOXES), r"anno_train\.json is missing"),
        CLASS: Refused(
            change(BOXES, "破洞", "裂缝"),
            r"anno_train\.json: entry 0: defect_name is '裂缝', expected one of 破洞",
        ),
        EMPTY: Refused(
            both(fill("**/anno_train.json", "[]"), empty("**/defect_Images/*.jpg")),
            "no image of class 'defect'",
        ),
        SIZE: Refused(
            both(change(BOXES, " 2.5", " 200.5"), change(BOXES, " 20.0", " 220.0")),
            r"anno_train\.json: the box \(200, 3, 220, 22\) lies outside 0000\.jpg of 80x32",
        ),
    },
}
