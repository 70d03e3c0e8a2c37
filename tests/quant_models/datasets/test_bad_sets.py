"""What is wrong with a copy of a set is named: file, line where there is one, and what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import drawn_sets as drawn
import pytest
from drawn_sets import SHEET, SMALL
from finnspect.errors import DataError

from quant_models.datasets import load_dataset
from quant_models.datasets.check import check_dataset

DATA = "src/elpv_dataset/data"
PART_A = "guangdong1_round1_train1_20190818/partA"
ANNOTATIONS = f"{PART_A}/Annotations/anno_train.json"
PLACE = "01_20090501{}021_277{}00_315_crop_2"

Break = Callable[[Path], None]


def lack(name: str) -> Break:
    return lambda root: (root / name).unlink()


def put(name: str, content: str | bytes) -> Break:
    data = content.encode() if isinstance(content, str) else content
    return lambda root: (root / name).write_bytes(data)


def change(name: str, old: str, new: str, count: int = 1) -> Break:
    def run(root: Path) -> None:
        data = (root / name).read_bytes()
        assert old.encode() in data
        (root / name).write_bytes(data.replace(old.encode(), new.encode(), count))

    return run


def before(name: str, line: str) -> Break:
    return lambda root: (root / name).write_bytes(line.encode() + b"\n" + (root / name).read_bytes())


def picture(name: str, height: int = 20, width: int = 20) -> Break:
    return lambda root: drawn.save(root / name, drawn.noise(999, height, width)) and None


def marked(name: str, height: int, width: int) -> Break:
    return lambda root: drawn.save(root / name, drawn.mask(height, width, (0, 0, 9, 9))) and None


def rename(old: str, new: str) -> Break:
    return lambda root: (root / old).rename(root / new) and None


def empty(pattern: str) -> Break:
    def run(root: Path) -> None:
        names = list(root.glob(pattern))
        assert names
        for name in names:
            name.unlink()

    return run


RAIL = "Type-I RSDDs dataset"
#: Data set, how it is drawn, options, what is done to it, what the message must hold.
BAD: list[tuple[str, Callable[[Path], Path], dict, Break, str]] = [
    (
        "neu-cls",
        drawn.neu_cls_flat,
        {},
        picture("Xx_1.bmp"),
        r"Xx_1\.bmp: does not begin with a class, Cr, In",
    ),
    ("neu-cls", drawn.neu_cls_flat, {}, empty("Pa_*"), "no image of class 'patches'"),
    ("neu-cls", drawn.neu_cls_flat, {}, put("Cr_9.gif", "x"), r"Cr_9\.gif is no kind of image"),
    (
        "neu-cls",
        drawn.neu_cls_parts,
        {},
        picture("train/Crazing/Pa_9.bmp"),
        r"train/Crazing/Pa_9\.bmp: lies in Crazing, but its name is of another class",
    ),
    (
        "neu-cls",
        drawn.neu_cls_parts,
        {},
        picture("dev/Crazing/Cr_9.bmp"),
        r"dev/Crazing/Cr_9\.bmp: does not lie in",
    ),
    ("severstal", drawn.severstal, SHEET, lack("train.csv"), r"no folder holds 'train\.csv'"),
    (
        "severstal",
        drawn.severstal,
        SHEET,
        change("train.csv", "ImageId,", "Id,"),
        r"train\.csv, line 1: .*expected the header",
    ),
    (
        "severstal",
        drawn.severstal,
        SHEET,
        change("train.csv", ",2,", ",5,"),
        r"train\.csv, line 3: ClassId is '5', expected one of 1, 2",
    ),
    (
        "severstal",
        drawn.severstal,
        SHEET,
        change("train.csv", "521 16", "521 x"),
        r"train\.csv, line 2: EncodedPixels is",
    ),
    (
        "severstal",
        drawn.severstal,
        SHEET,
        change("train.csv", "521 16", "99999 16"),
        r"line 2: .*run 99999 16 lies outside a picture of 256x64",
    ),
    (
        "severstal",
        drawn.severstal,
        SHEET,
        lack("train_images/00000000a.jpg"),
        r"line 2: 00000000a\.jpg is not in train_images",
    ),
    (
        "severstal",
        drawn.severstal,
        SHEET,
        picture("train_images/x.jpg"),
        r"train_images/x\.jpg: is not called",
    ),
    (
        "severstal",
        drawn.severstal_long,
        SHEET,
        change("train.csv", "00000000a.jpg_4,\n", ""),
        r"00000000a\.jpg has 3 lines, expected one for each",
    ),
    ("elpv", drawn.elpv_set, {}, lack(f"{DATA}/labels.csv"), r"no folder holds 'labels\.csv'"),
    (
        "elpv",
        drawn.elpv_set,
        {},
        before(f"{DATA}/labels.csv", "path probability type"),
        r"labels\.csv, line 1: .*looks like a header",
    ),
    (
        "elpv",
        drawn.elpv_set,
        {},
        change(f"{DATA}/labels.csv", "1.0 ", "0.5 "),
        r"labels\.csv, line 3: the probability is '0\.5', expected 0, 0\.333",
    ),
    (
        "elpv",
        drawn.elpv_set,
        {},
        change(f"{DATA}/labels.csv", "mono", "thin"),
        r"line 1: type is 'thin', expected one of mono, poly",
    ),
    (
        "elpv",
        drawn.elpv_set,
        {},
        change(f"{DATA}/labels.csv", "cell0002", "cell0001"),
        r"line 2: images/cell0001\.png is listed already, in line 1",
    ),
    (
        "elpv",
        drawn.elpv_set,
        {},
        lack(f"{DATA}/images/cell0003.png"),
        r"labels\.csv, line 3: images/cell0003\.png is missing",
    ),
    ("elpv", drawn.elpv_set, {}, picture(f"{DATA}/images/cell0099.png"), r"cell0099\.png: has no label"),
    (
        "kolektor-sdd",
        drawn.kolektor_sdd,
        SMALL,
        lack("kos02/Part1_label.bmp"),
        r"kos02/Part1\.jpg: has no mask",
    ),
    (
        "kolektor-sdd",
        drawn.kolektor_sdd,
        SMALL,
        lack("kos02/Part1.jpg"),
        r"kos02/Part1_label\.bmp: has no picture",
    ),
    (
        "kolektor-sdd",
        drawn.kolektor_sdd,
        SMALL,
        marked("kos02/Part1_label.bmp", 60, 50),
        r"kos02/Part1_label\.bmp: is of 50x60 pixels, its picture of 50x127",
    ),
    (
        "kolektor-sdd",
        drawn.kolektor_sdd,
        SMALL,
        picture("kos02/extra.jpg"),
        r"kos02/extra\.jpg: is called neither",
    ),
    (
        "aitex",
        drawn.aitex,
        SMALL,
        marked("Mask_images/0000_019_00_mask.png", 32, 32),
        r"0000_019_00_mask\.png: is of 32x32 pixels, its picture of 256x32",
    ),
    (
        "aitex",
        drawn.aitex,
        SMALL,
        lack("Defect_images/0000_019_00.png"),
        r"0000_019_00_mask\.png: has no picture",
    ),
    (
        "aitex",
        drawn.aitex,
        SMALL,
        picture("NODefect_images/230-210u/0099_019_00.png"),
        r"0099_019_00\.png: has the defect code 019",
    ),
    (
        "rsdds",
        drawn.rsdds_set,
        {"tile": 32},
        lack(f"{RAIL}/GroundTruth/rail_2.jpg"),
        r"rail_2\.jpg: has no mask rail_2",
    ),
    (
        "rsdds",
        drawn.rsdds_set,
        {"tile": 32},
        lack(f"{RAIL}/Rail surface images/rail_2.jpg"),
        r"GroundTruth/rail_2\.jpg: has no picture",
    ),
    (
        "rsdds",
        drawn.rsdds_set,
        {"tile": 32},
        marked(f"{RAIL}/GroundTruth/rail_2.jpg", 99, 32),
        r"rail_2\.jpg: is of 32x99 pixels, its picture of 32x200",
    ),
    ("rsdds", drawn.rsdds_set, {"tile": 32}, rename(RAIL, "moved"), r"0 folders 'Type-I RSDDs dataset'"),
    ("tianchi-fabric", drawn.tianchi_fabric_set, SMALL, lack(ANNOTATIONS), r"anno_train\.json is missing"),
    (
        "tianchi-fabric",
        drawn.tianchi_fabric_set,
        SMALL,
        change(ANNOTATIONS, "破洞", "裂缝"),
        r"anno_train\.json: entry 0: defect_name is '裂缝', expected one of 破洞",
    ),
    (
        "tianchi-fabric",
        drawn.tianchi_fabric_set,
        SMALL,
        change(ANNOTATIONS, "21.25", '"x"'),
        r"anno_train\.json: entry 0: bbox is",
    ),
    (
        "tianchi-fabric",
        drawn.tianchi_fabric_set,
        SMALL,
        change(ANNOTATIONS, "21.25", "1.0"),
        r"anno_train\.json: the box .* is empty",
    ),
    (
        "tianchi-fabric",
        drawn.tianchi_fabric_set,
        SMALL,
        change(ANNOTATIONS, "[", "[,"),
        r"anno_train\.json, line 1: is no JSON",
    ),
    (
        "tianchi-fabric",
        drawn.tianchi_fabric_set,
        SMALL,
        lack(f"{PART_A}/defect_Images/0000.jpg"),
        r"anno_train\.json: 0000\.jpg is missing",
    ),
    (
        "tianchi-fabric",
        drawn.tianchi_fabric_set,
        SMALL,
        picture(f"{PART_A}/defect_Images/x.jpg"),
        r"defect_Images/x\.jpg: has no box",
    ),
    (
        "tianchi-aluminium",
        drawn.tianchi_aluminium_set,
        {},
        rename("瑕疵样本/漏底", "瑕疵样本/裂缝"),
        r"瑕疵样本/裂缝: is an unknown kind of defect, expected one of 不导电",
    ),
    (
        "tianchi-aluminium",
        drawn.tianchi_aluminium_set,
        {},
        empty("瑕疵样本/漏底/*.jpg"),
        r"瑕疵样本/漏底: holds no picture",
    ),
    (
        "tianchi-aluminium",
        drawn.tianchi_aluminium_set,
        {},
        picture("瑕疵样本/x.jpg"),
        r"瑕疵样本/x\.jpg: lies beside the folders",
    ),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        lack("Class1/Test/Label/Labels.txt"),
        r"Class1/Test/Label/Labels\.txt is missing",
    ),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        change("Class1/Test/Label/Labels.txt", "1\r\n", ""),
        r"Labels\.txt, line 1: the first line is '0001",
    ),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        change("Class1/Test/Label/Labels.txt", "0002\t0", "0002\t2"),
        r"Labels\.txt, line 3: label is '2'",
    ),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        change("Class1/Test/Label/Labels.txt", "0002\t0", "0002\t1"),
        r"Labels\.txt, line 3: mask is '0', expected '0002_label\.PNG'",
    ),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        change("Class1/Test/Label/Labels.txt", "0002\t0\t", "0002 0 "),
        r"Labels\.txt, line 3: 4 fields parted by tabs",
    ),
    ("dagm-2007", drawn.dagm, {}, lack("Class1/Test/0002.PNG"), r"Labels\.txt, line 3: 0002\.PNG is missing"),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        lack("Class1/Test/Label/0001_label.PNG"),
        r"Labels\.txt, line 2: 0001_label\.PNG is missing",
    ),
    ("dagm-2007", drawn.dagm, {}, picture("Class1/Test/0099.PNG"), r"Class1/Test/0099\.PNG: has no label"),
    (
        "dagm-2007",
        drawn.dagm,
        {},
        marked("Class1/Test/Label/0001_label.PNG", 16, 16),
        r"0001_label\.PNG: is of 16x16 pixels, its picture of 32x32",
    ),
    ("dagm-2007", drawn.dagm, {"texture": "3"}, lambda root: None, r"Class3: is missing"),
    ("dagm-2007", drawn.dagm_old, {}, lack("Class1_def/labels.txt"), r"Class1_def/labels\.txt is missing"),
    (
        "dagm-2007",
        drawn.dagm_old,
        {},
        change("Class1_def/labels.txt", "5.5", "-5.5"),
        r"Class1_def/labels\.txt, line 1: the ellipse with axes -5\.5",
    ),
    (
        "dagm-2007",
        drawn.dagm_old,
        {},
        change("Class1_def/labels.txt", "2 \t", "1 \t"),
        r"line 2: picture 1 is listed already, in line 1",
    ),
    (
        "dagm-2007",
        drawn.dagm_old,
        {},
        change("Class1_def/labels.txt", "5.5", "wide"),
        r"line 1: major is 'wide', expected a number",
    ),
    (
        "kylberg",
        drawn.kylberg,
        {},
        picture("wall1/roof1-a-p001.png"),
        r"roof1-a-p001\.png: is of the unknown class 'roof1', expected one of blanket1",
    ),
    ("kylberg", drawn.kylberg, {}, picture("wall1/wall1-e-p001.png"), r"wall1-e-p001\.png: is not called"),
    ("kylberg", drawn.kylberg, {}, empty("wall1/*.png"), r"wall1: holds no picture"),
    ("kth-tips", drawn.kth_tips, {}, empty("linen/*.png"), r"no image of class 'linen'"),
    (
        "kth-tips",
        drawn.kth_tips,
        {},
        rename("linen", "wool"),
        r"lies in 'wool', expected a folder aluminium_foil",
    ),
    ("kth-tips", drawn.kth_tips, {}, picture("linen/1.png"), r"linen/1\.png: is not called"),
    ("escalator-step", drawn.escalator_folders, {}, empty("worn/*.jpg"), r"class folder 'worn' has no image"),
    (
        "escalator-step",
        drawn.escalator_voc,
        {},
        lack("Annotations/000002.xml"),
        r"000002\.jpg: has no annotation",
    ),
    (
        "escalator-step",
        drawn.escalator_voc,
        {},
        lack("JPEGImages/000002.jpg"),
        r"000002\.xml: has no picture",
    ),
    (
        "escalator-step",
        drawn.escalator_voc,
        {},
        change("Annotations/000002.xml", "<width>128", "<width>64"),
        r"000002\.xml: is of 64x96 pixels, its picture of 128x96",
    ),
    (
        "escalator-step",
        drawn.escalator_voc,
        {},
        change("Annotations/000002.xml", "<xmin>4<", "<xmin>4x<"),
        r"000002\.xml, line 1: <bndbox/xmin> is '4x'",
    ),
    (
        "insulator",
        drawn.insulator,
        {},
        lack("Normal_Insulators/labels/0051.xml"),
        r"0051\.jpg: has no annotation",
    ),
    (
        "insulator",
        drawn.insulator,
        {},
        change("Normal_Insulators/labels/0051.xml", "insulator", "tower"),
        r"0051\.xml, line 1: has a 'tower', expected insulator or defect",
    ),
    (
        "insulator",
        drawn.insulator,
        {},
        lack("Defective_Insulators/labels/defect/001.xml"),
        r"001\.jpg: has no insulator with a defect",
    ),
    (
        "insulator",
        drawn.insulator,
        {},
        lack("Defective_Insulators/images/001.jpg"),
        r"001\.xml: has no picture",
    ),
    (
        "insulator",
        drawn.insulator,
        {},
        change("Normal_Insulators/labels/0051.xml", "<height>86", "<height>85"),
        r"0051\.xml: is of 115x85 pixels, its picture of 115x86",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {},
        lack("val/000001/scene_gt.json"),
        r"val/000001/scene_gt\.json is missing",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {},
        lack("val/000001/scene_gt_info.json"),
        r"scene_gt_info\.json is missing",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {},
        change("val/000001/scene_gt.json", '"obj_id": 3', '"obj_id": 29'),
        r"scene_gt\.json: picture 0: obj_id is 29, expected 1 to 28",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {},
        change("val/000001/scene_gt.json", '"4":', '"5":'),
        r"scene_gt_info\.json: picture 4 is not in both",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {},
        change("val/000001/scene_gt_info.json", "0.75", "7.5"),
        r"picture 0: visib_fract is 7\.5",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {},
        lack("val/000001/gray/000002.tif"),
        r"scene_gt\.json: picture gray/000002\.tif is missing",
    ),
    (
        "mvtec-itodd",
        drawn.itodd,
        {"visible": 0.95},
        lambda root: None,
        r"1 parts are seen in 3 pictures or more",
    ),
    ("bsdata", drawn.bsdata, SMALL, lack("image_data.json"), r"image_data\.json is missing"),
    (
        "bsdata",
        drawn.bsdata,
        SMALL,
        change("image_data.json", '"test"', '"dev"'),
        r"image_data\.json: entry 0: train_test_split is 'dev'",
    ),
    (
        "bsdata",
        drawn.bsdata,
        SMALL,
        change(f"label/{PLACE.format(3, 8)}.json", "Pitting", "Rust"),
        r"crop_2\.json: has the label 'Rust', expected 'Pitting'",
    ),
    ("bsdata", drawn.bsdata, SMALL, lack(f"data/{PLACE.format(3, 8)}.jpg"), r"crop_2\.json: has no picture"),
    (
        "bsdata",
        drawn.bsdata,
        SMALL,
        change(f"label/{PLACE.format(3, 8)}.json", '"imageHeight": 64', '"imageHeight": 65'),
        r"crop_2\.json: is of 128x65 pixels, its picture of 128x64",
    ),
]


@pytest.mark.parametrize(
    ("name", "draw", "options", "spoil", "message"), BAD, ids=[f"{r[0]}-{i}" for i, r in enumerate(BAD)]
)
def test_what_is_wrong_is_named(name, draw, options, spoil, message, grey16, tmp_path):
    path = draw(tmp_path)
    spoil(path)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(name, path, grey16, None, **options)
    assert caught.value.remedy and str(path) in caught.value.message
    check = check_dataset(name, path, scratch=tmp_path / "scratch", **options)
    assert any(re.search(message, problem) for problem in check.problems)


@pytest.mark.parametrize("name", sorted(drawn.SETS))
def test_a_truncated_picture_is_named(name, grey16, tmp_path):
    draw, options = drawn.SETS[name]
    path = draw(tmp_path)
    source = load_dataset(name, path, grey16, None, **options).sources[-1].partition("#")[0]
    victim = path / source
    data = victim.read_bytes()
    for kept in (len(data) * 3 // 4, 10):
        victim.write_bytes(data[:kept])
        with pytest.raises(DataError, match=re.escape(f"{source}") + ".* cannot be (decoded|read)") as caught:
            load_dataset(name, path, grey16, None, **options)
        assert caught.value.remedy
