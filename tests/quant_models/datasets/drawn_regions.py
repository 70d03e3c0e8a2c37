"""Data sets of which tiles or crops are taken, drawn small in the exact layout of their originals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from drawing import labelme, mask, noise, runs, save, text, voc
from scipy.io import savemat

from quant_models.datasets import kolektor, rsdds, tianchi_fabric


def severstal(root: Path, long: bool = False) -> Path:
    """Twelve sheets of 4 tiles: three of each class, in the first tile; four sound ones."""
    root = root / "severstal"
    lines = []
    for i in range(16):
        name = f"{i:08x}a.jpg"
        save(root / "train_images" / name, noise(i, 64, 256))
        for kind in range(1, 5):
            has = i < 12 and i % 4 + 1 == kind
            box = runs(64, 8, 8, 24, 24) if has else ""
            if long:
                lines.append(f"{name}_{kind},{box}")
            elif has:
                lines.append(f"{name},{kind},{box}")
    header = "ImageId_ClassId,EncodedPixels" if long else "ImageId,ClassId,EncodedPixels"
    text(root / "train.csv", "\n".join([header, *lines]) + "\n")
    (root / "test_images").mkdir()
    return root


def severstal_long(root: Path) -> Path:
    return severstal(root, long=True)


def kolektor_sdd(root: Path) -> Path:
    """Six items of two surfaces; item 26 is a copy of item 1."""
    root = root / "KolektorSDD"
    for item in (1, 2, 3, 4, 5, 26):
        seed = 1 if item == 26 else item
        for part in range(2):
            stem = root / f"kos{item:02d}" / f"Part{part}"
            save(stem.with_suffix(".jpg"), noise(10 * seed + part, 127, 50))
            boxes = [(4, 4, 12, 12)] if part else []
            save(stem.parent / f"Part{part}_label.bmp", mask(127, 50, *boxes))
    assert set(kolektor.COPIES) == {"kos26", "kos34"}
    return root


def aitex(root: Path) -> Path:
    """Four defective pictures, the third with two masks, the fourth without; five sound, one grey + alpha."""
    root = root / "AITEX"
    for i in range(4):
        stem = f"{i:04d}_019_0{i}"
        save(root / "Defect_images" / f"{stem}.png", noise(i, 32, 256))
        for suffix in {0: ("_mask",), 1: ("_mask",), 2: ("_mask1", "_mask2")}.get(i, ()):
            at = 4 if suffix != "_mask2" else 100
            pixels = mask(32, 256, (at, 4, at + 10, 14))
            save(root / "Mask_images" / f"{stem}{suffix}.png", pixels)
    for i in range(4, 9):
        path = root / "NODefect_images" / f"23{i % 2}-210u" / f"{i:04d}_000_0{i % 2}.png"
        save(path, noise(i, 32, 256), "LA" if i == 8 else None)
    return root


def rsdds_set(root: Path) -> Path:
    root = root / "RSDDs dataset"
    for kind, (height, width) in {"I": (200, 32), "II": (250, 11)}.items():
        folder = root / rsdds._TYPES[kind]
        for i in range(1, 5):
            save(folder / "Rail surface images" / f"rail_{i}.jpg", noise(50 * width + i, height, width))
            save(folder / "GroundTruth" / f"rail_{i}.jpg", mask(height, width, (0, 0, 11, 32)))
    return root


def tianchi_fabric_set(root: Path) -> Path:
    """Two parts at two depths; three pictures of each kind, three tiles wide, and sound ones."""
    names = [names[0] for names in tianchi_fabric.KINDS.values()]
    for p, part in enumerate(
        ("guangdong1_round1_train1_20190818/partA", "guangdong1_round1_train2_20190828")
    ):
        at = root / "fabric" / part
        entries = []
        for k, defect in enumerate(names):
            for i in range(2):
                image = f"{p}{k:02d}{i}.jpg"
                save(at / "defect_Images" / image, noise(1000 * p + 10 * k + i, 32, 80))
                entries.append({"name": image, "defect_name": defect, "bbox": [2.5, 3.0, 20.0, 21.25]})
        for i in range(3):
            save(at / "normal_Images" / f"n{p}{i}.jpg", noise(5000 + 10 * p + i, 32, 80))
        text(at / "Annotations" / "anno_train.json", json.dumps(entries, ensure_ascii=False, indent=1))
    return root / "fabric"


def bsdata(root: Path) -> Path:
    """Five places at two times, pitted at the second; the first two have no annotation at the first time."""
    root = root / "BSData"
    images = []
    for place in range(5):
        for time in range(2):
            stem = f"01_2009050{time}{place}021_{2775 + place}00_315_crop_2"
            save(root / "data" / f"{stem}.jpg", noise(10 * place + time, 64, 128))
            if place < 2 and not time:
                continue
            corners = [[4.5, 4.5], [30.0, 5.5], [28.0, 30.25], [6.0, 28.0]]
            text(root / "label" / f"{stem}.json", labelme(128, 64, *([("Pitting", corners)] if time else [])))
            part = "test" if time else "train"
            entry = {"filename": f"{stem}.jpg", "train_test_split": part, "type": 2, "wear_dev": []}
            images.append(entry | {"annotations": f"{stem}.json"})
    text(root / "image_data.json", json.dumps({"images": images}, indent=4))
    return root


def crack_forest(root: Path) -> Path:
    """Four photographs of 2x3 tiles with a ground truth, one without."""
    root = root / "CrackForest-dataset"
    for i in range(1, 6):
        pixels = noise(i, 128, 192)[..., None].repeat(3, 2)
        pixels[..., 1] //= 2
        save(root / "image" / f"{i:03d}.jpg", pixels)
        if i == 5:
            continue
        truth = np.ones((128, 192), np.uint8)
        truth[:64, 5:7] = 2  # 128 pixels: a crack
        truth[70:74, 70:72] = 2  # 8 pixels: too little
        truth[64:, 130:140] = 3  # enclosed surface without a crack: doubtful
        truth[5:6, 130:140] = 3
        truth[10:30, 130:140] = 4  # a faint crack beside it
        path = root / "groundTruth" / f"{i:03d}.mat"
        path.parent.mkdir(exist_ok=True)
        savemat(path, {"groundTruth": {"Segmentation": truth, "Boundaries": truth * 0}})
    (root / "seg").mkdir()
    (root / "seg" / "001.seg").write_text("not read")
    return root


def deep_pcb(root: Path) -> Path:
    """Five boards to train and three to test, six boxes each, one orphan."""
    root = root / "DeepPCB" / "PCBData"
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for i in range(8):
        group, name = "group00041", f"0004100{i}"
        template = noise(50 + i, 200, 200)
        board = template.copy()
        lines = []
        for kind in range(6):
            x, y = 10 + 60 * (kind % 3), 20 + 90 * (kind // 3)
            board[y : y + 20, x : x + 30] = 255 - board[y : y + 20, x : x + 30]
            lines.append(f"{x} {y} {x + 30} {y + 20} {kind + 1}")
        folder = root / group / "00041"
        save(folder / f"{name}_test.jpg", board)
        save(folder / f"{name}_temp.jpg", template)
        boxes = root / group / "00041_not" / f"{name}.txt"
        boxes.parent.mkdir(exist_ok=True)
        boxes.write_text("\r\n".join(lines))
        part = "trainval" if i < 5 else "test"
        lists[part].append(f"{group}/00041/{name}.jpg {group}/00041_not/{name}.txt")
    save(folder / "00041999_temp.jpg", template)
    for part, lines in lists.items():
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return root.parent


def escalator_voc(root: Path) -> Path:
    root = root / "VOC2007"
    for i in range(5):
        save(root / "JPEGImages" / f"{i:06d}.jpg", noise(i, 96, 128))
        boxes = [("crack", 4, 4, 30, 40), ("tooth", 60, 20, 100, 80)] if i else []
        text(root / "Annotations" / f"{i:06d}.xml", voc(128, 96, *boxes))
    return root


def insulator(root: Path) -> Path:
    root = root / "InsulatorDataSet"
    for i in range(4):
        at, stem = root / "Normal_Insulators", f"{50 + i:04d}"
        save(at / "images" / f"{stem}.jpg", noise(i, 86, 115))
        text(at / "labels" / f"{stem}.xml", voc(115, 86, ("insulator", 10, 10, 60, 30)))
        at, stem = root / "Defective_Insulators", f"{i:03d}"
        save(at / "images" / f"{stem}.jpg", noise(100 + i, 86, 115))
        insulators = [("insulator", 10, 10, 60, 30), ("insulator", 10, 50, 60, 80)]
        text(at / "labels" / "insulator" / f"{stem}.xml", voc(115, 86, *insulators))
        text(at / "labels" / "defect" / f"{stem}.xml", voc(115, 86, ("defect", 30, 12, 40, 28)))
    return root


def itodd(root: Path) -> Path:
    """Five pictures of parts 3 and 7; one is hardly seen, part 9 is in one picture only."""
    scene = root / "itodd" / "val" / "000001"
    truth, boxes = {}, {}
    for i in range(5):
        save(scene / "gray" / f"{i:06d}.tif", noise(i, 96, 128))
        parts = [3, 7, 3] + ([9] if i == 2 else [])
        at = [[4, 4, 40, 30], [60, 40, 50, 50], [-1, -1, -1, -1], [80, 4, 30, 30]]
        shares = [1.0, 0.75, 0.0, 0.9]
        pose = {"cam_R_m2c": [1, 0, 0, 0, 1, 0, 0, 0, 1], "cam_t_m2c": [0, 0, 700.5]}
        truth[str(i)] = [{**pose, "obj_id": part} for part in parts]
        boxes[str(i)] = [
            {"bbox_obj": at[j], "bbox_visib": at[j], "visib_fract": shares[j]} for j in range(len(parts))
        ]
    text(scene / "scene_gt.json", json.dumps(truth, indent=1))
    text(scene / "scene_gt_info.json", json.dumps(boxes, indent=1))
    save(scene / "depth" / "000000.tif", np.zeros((96, 128), np.uint16))
    return root / "itodd"
