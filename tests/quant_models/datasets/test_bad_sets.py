"""What is wrong with a copy of a set is named: file, line where there is one, and what was expected.

The faults that any set may have are in ``test_bad_matrix.py``; these are those of one layout.
"""

from __future__ import annotations

import re

import drawn_sets as drawn
import pytest
from finnspect.errors import DataError
from spoil import (
    Spoil,
    change,
    copy,
    cut,
    drop_lines,
    lack,
    nothing,
    picture,
    put,
    rename,
    segmentation,
    truths,
    with_value,
)

from quant_models.datasets import load_dataset
from quant_models.datasets.check import check_dataset

BRIDGE = "DBCC_Training_Data_Set"
PIT = "*/01_200905013021_277800_315_crop_2"
DAGM = "Class1/Test/Label/Labels.txt"
OLD = "Class1_def/labels.txt"
LISTS = "PCBData"
BOARD = f"{LISTS}/group00041/00041"
CELLS = "src/elpv_dataset/data"
VOC = "Annotations/000002.xml"
SCENE = "val/000001"
RAIL = "Type-I RSDDs dataset"
CLOTH = "guangdong1_round1_train1_20190818/partA"
BOXES = f"{CLOTH}/Annotations/anno_train.json"

#: What is done to a set, what the message must hold, and options where they matter.
BAD: dict[str, list[tuple[Spoil, str] | tuple[Spoil, str, dict]]] = {
    "aitex": [
        (lack("Defect_images/0000_019_00.png"), r"0000_019_00_mask\.png: has no picture"),
        (picture("Defect_images/1_019_00.png"), r"1_019_00\.png: is not called <nnnn>_<ddd>_<ff>"),
        (picture("Mask_images/0000_019_00.png"), r"0000_019_00\.png: is not called <picture>_mask"),
    ],
    "bridge-crack": [
        (change(f"{BRIDGE}/train.txt", "no3.jpeg 0", "no3.jpeg 1"), r"line 3: 'no3\.jpeg' has label 1"),
        (change(f"{BRIDGE}/train.txt", "no3.jpeg 0", "no3.jpeg"), r"line 3: 1 fields, expected 2: name"),
        (change(f"{BRIDGE}/train.txt", "no3.jpeg 0", "no33.jpeg 0"), r"line 3: no33\.jpeg is not in the"),
        (change(f"{BRIDGE}/train.txt", "no3.jpeg 0", "no2.jpeg 0"), r"line 3: no2\.jpeg is listed twice"),
        (drop_lines(f"{BRIDGE}/train.txt", "no3."), r"no3\.jpeg: has no label: it is not in train"),
        (lack(f"{BRIDGE}/train/no3.jpeg"), r"train\.txt, line 3: no3\.jpeg is not in the folder"),
        (put(f"{BRIDGE}/train.txt", ""), r"train\.txt: is empty"),
        (put(f"{BRIDGE}/train.txt", b"a 0\nb\xff 1"), r"train\.txt, line 2: is no UTF-8"),
    ],
    "bsdata": [
        (change("image_data.json", '"test"', '"dev"'), r"image_data\.json: entry 0: train_test_split is"),
        (lack(f"{PIT}.jpg"), r"crop_2\.json: has no picture"),
        (cut(f"{PIT}.json", 40), r"crop_2\.json, line [0-9]+: is no JSON"),
    ],
    "crack-forest": [
        (lack("image/002.jpg"), r"002\.mat: has no image image/002\.jpg"),
        (truths(lambda t: segmentation(with_value(t, 1.5)), 2), r"002\.mat: .*float64.*whole numbers"),
        (truths(lambda t: {"other": t}, 2), r"002\.mat: has no field groundTruth\.Segmentation"),
        (cut("groundTruth/002.mat", 60), r"002\.mat: (is no MATLAB file|has no field)"),
        (put("groundTruth/002.txt", ""), r"groundTruth/002\.txt: is no \.mat file"),
    ],
    "dagm-2007": [
        (change(DAGM, "1\r\n", ""), r"Labels\.txt, line 1: the first line is '0001"),
        (change(DAGM, "0002\t0", "0002\t1"), r"line 3: mask is '0', expected '0002_label\.PNG'"),
        (change(DAGM, "0002\t0\t", "0002 0 "), r"Labels\.txt, line 3: 4 fields parted by tabs"),
        (lack("Class1/Test/0002.PNG"), r"Labels\.txt, line 3: 0002\.PNG is missing"),
        (lack("Class1/Test/Label/0001_label.PNG"), r"line 2: 0001_label\.PNG is missing"),
        (picture("Class1/Test/0099.PNG"), r"Class1/Test/0099\.PNG: has no label"),
        (nothing, r"Class3: is missing", {"texture": "3"}),
    ],
    "dagm-2007 old": [
        (change(OLD, "5.5", "-5.5"), r"labels\.txt, line 1: the ellipse with axes -5\.5"),
        (change(OLD, "2 \t", "1 \t"), r"line 2: picture 1 is listed already, in line 1"),
        (change(OLD, "5.5", "wide"), r"line 1: major is 'wide', expected a number"),
        (lack("Class1_def/2.png"), r"labels\.txt, line 2: Class1_def/2\.png is missing"),
    ],
    "deep-pcb": [
        (lack(f"{BOARD}/00041003_temp.jpg"), r"trainval\.txt, line 4: .*00041003_temp\.jpg is missing"),
        (change(f"{BOARD}_not/00041003.txt", "70 20", "70,"), r"00041003\.txt, line [0-9]: "),
        (
            change(f"{BOARD}_not/00041003.txt", "10 20 40", "10 20 400"),
            r"line 1: the box .* leaves",
        ),
        (change(f"{BOARD}_not/00041003.txt", "10 20 40", "40 20 10"), r"line 1: the box .* is empty"),
        (change(f"{LISTS}/test.txt", "00041005.txt", "00041006.txt"), r"test\.txt, line 1: .* are no pair"),
        (copy(f"{LISTS}/trainval.txt", over=f"{LISTS}/test.txt"), r"is in trainval\.txt too"),
    ],
    "elpv": [
        (
            change(f"{CELLS}/labels.csv", "mono", "thin"),
            r"line 1: type is 'thin', expected one of mono",
        ),
        (change(f"{CELLS}/labels.csv", "cell0002", "cell0001"), r"line 2: .* is listed already, in line 1"),
        (lack(f"{CELLS}/images/cell0003.png"), r"labels\.csv, line 3: images/cell0003\.png is missing"),
        (picture(f"{CELLS}/images/cell0099.png"), r"cell0099\.png: has no label"),
    ],
    "escalator-step voc": [
        (lack("JPEGImages/000002.jpg"), r"000002\.xml: has no picture"),
        (change(VOC, "<xmin>4<", "<xmin>4x<"), r"000002\.xml, line 2: <bndbox/xmin> is '4x'"),
        (cut(VOC, 90), r"000002\.xml, line 1: is no XML"),
    ],
    "insulator": [
        (lack("Defective_Insulators/images/001.jpg"), r"001\.xml: has no picture"),
        (
            rename("Normal_Insulators/labels", "labels"),
            r"Normal_Insulators/labels: is missing",
        ),
    ],
    "kolektor-sdd": [
        (lack("kos02/Part1.jpg"), r"kos02/Part1_label\.bmp: has no picture"),
        (picture("kos02/extra.jpg"), r"kos02/extra\.jpg: is called neither"),
        (rename("kos02", "kos2"), r"kos2: is not called kos<NN>"),
    ],
    "kth-tips": [(picture("linen/1.png"), r"linen/1\.png: is not called")],
    "kylberg": [(picture("wall1/wall1-e-p001.png"), r"wall1-e-p001\.png: is not called")],
    "magnetic-tile": [
        (lack("MT_Blowhole/Imgs/exp1_num_10020.jpg"), r"exp1_num_10020\.png: is a mask without image"),
        (picture("MT_Break/Imgs/odd.jpg"), r"odd\.jpg: is an image without mask"),
        (rename("MT_Fray", "Fray"), r"no folder holds .*MT_Fray"),
    ],
    "mvtec-itodd": [
        (lack(f"{SCENE}/scene_gt_info.json"), r"scene_gt_info\.json is missing"),
        (change(f"{SCENE}/scene_gt.json", '"4":', '"5":'), r"scene_gt_info\.json: picture 4 is not in both"),
        (change(f"{SCENE}/scene_gt_info.json", "0.75", "7.5"), r"picture 0: visib_fract is 7\.5"),
        (lack(f"{SCENE}/gray/000002.tif"), r"scene_gt\.json: picture gray/000002\.tif is missing"),
    ],
    "neu-cls": [(put("Cr_9.gif", "x"), r"Cr_9\.gif is no kind of image")],
    "neu-cls parts": [
        (picture("train/Crazing/Pa_9.bmp"), r"Pa_9\.bmp: lies in Crazing, but its name is of another"),
        (picture("dev/Crazing/Cr_9.bmp"), r"dev/Crazing/Cr_9\.bmp: does not lie in"),
    ],
    "rsdds": [
        (lack(f"{RAIL}/Rail surface images/rail_2.jpg"), r"GroundTruth/rail_2\.jpg: has no picture"),
        (rename(RAIL, "moved"), r"0 folders 'Type-I RSDDs dataset'"),
    ],
    "severstal": [
        (change("train.csv", "521 16", "521 x"), r"train\.csv, line 2: EncodedPixels is"),
        (lack("train_images/00000000a.jpg"), r"line 2: 00000000a\.jpg is not in train_images"),
        (picture("train_images/x.jpg"), r"train_images/x\.jpg: is not called"),
        (nothing, "no image of class 'defect'", {"minimum": 4096, "task": "binary"}),
    ],
    "severstal long": [
        (change("train.csv", "00000000a.jpg_4,\n", ""), r"00000000a\.jpg has 3 lines, expected one for each"),
    ],
    "tianchi-aluminium": [(picture("瑕疵样本/x.jpg"), r"瑕疵样本/x\.jpg: lies beside the folders")],
    "tianchi-fabric": [
        (change(BOXES, "21.25", '"x"'), r"anno_train\.json: entry 0: bbox is"),
        (change(BOXES, "21.25", "1.0"), r"anno_train\.json: the box .* is empty"),
        (change(BOXES, "[", "[,"), r"anno_train\.json, line 1: is no JSON"),
        (lack(f"{CLOTH}/defect_Images/0000.jpg"), r"anno_train\.json: 0000\.jpg is missing"),
        (picture(f"{CLOTH}/defect_Images/x.jpg"), r"defect_Images/x\.jpg: has no box"),
    ],
}
CASES = [(key, *row) for key, rows in BAD.items() for row in rows]


@pytest.mark.parametrize("case", CASES, ids=[f"{case[0]}-{i}" for i, case in enumerate(CASES)])
def test_what_is_wrong_is_named(case, grey16, tmp_path):
    key, spoil, message, *given = case
    name, options = drawn.name_of(key), drawn.SETS[key][1] | (given[0] if given else {})
    path = drawn.draw(key, tmp_path)
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(name, path, grey16, None, **options)
    assert caught.value.remedy and str(path) in caught.value.message
    check = check_dataset(name, path, scratch=tmp_path / "scratch", **options)
    assert not check.ok and any(re.search(message, problem) for problem in check.problems)
