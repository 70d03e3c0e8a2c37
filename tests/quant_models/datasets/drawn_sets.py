"""Data sets drawn in the exact layout of their originals, small: files, names, label files, shapes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from quant_models.datasets import elpv, kolektor, neu_cls, rsdds, textures, tianchi_aluminium, tianchi_fabric


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def mask(height: int, width: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask that is 255 inside boxes (left, top, right, bottom)."""
    pixels = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 255
    return pixels


def voc(width: int, height: int, *boxes: tuple[str, int, int, int, int]) -> str:
    objects = "".join(
        f"<object><name>{n}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax>"
        "</bndbox></object>"
        for n, a, b, c, d in boxes
    )
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f'<annotation verified="no"><folder>images</folder>{size}{objects}</annotation>\n'


def neu_cls_flat(root: Path) -> Path:
    root = root / "NEU-CLS"
    for c, prefix in enumerate(neu_cls._PREFIXES):
        for i in range(1, 5):
            save(root / f"{prefix}_{i}.bmp", noise(10 * c + i, 20, 20))
    return root


def neu_cls_parts(root: Path) -> Path:
    root = root / "NEU Metal Surface Defects Data"
    for c, (prefix, folder) in enumerate(zip(neu_cls._PREFIXES, neu_cls._FOLDERS, strict=True)):
        for i, part in enumerate(("train", "train", "train", "valid", "test")):
            save(root / part / folder / f"{prefix}_{i}.bmp", noise(10 * c + i, 20, 20))
    return root


def runs(height: int, left: int, top: int, right: int, bottom: int) -> str:
    """Return the runs of a box, counted down the columns from 1."""
    return " ".join(f"{x * height + top + 1} {bottom - top}" for x in range(left, right))


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


def elpv_set(root: Path) -> Path:
    data = root / "elpv-dataset-master" / "src" / "elpv_dataset" / "data"
    lines = []
    for i in range(1, 25):
        save(data / "images" / f"cell{i:04d}.png", noise(i, 30, 30))
        probability = ("0.0", "0.3333333333333333", "0.6666666666666666", "1.0")[i % 4]
        kind = elpv._CELLS[i // 4 % 2]
        lines.append(f"images/cell{i:04d}.png  {probability:<20} {kind}")
    text(data / "labels.csv", "\n".join(lines) + "\n")
    text(root / "elpv-dataset-master" / "README.md", "about")
    return root / "elpv-dataset-master"


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


def tianchi_aluminium_set(root: Path) -> Path:
    root = root / "guangdong_round1_train2_20180916"
    seed = 0
    folders = [tianchi_aluminium._SOUND]
    for kind in tianchi_aluminium.KINDS:
        folder = f"{tianchi_aluminium._DEFECTIVE}/{kind}"
        folders.append(folder if kind != tianchi_aluminium._OTHER else f"{folder}/铝屑")
    for folder in folders:
        for i in range(4):
            seed += 1
            save(root / folder / f"{folder[-2:]}2018090110{i:02d}对照样本.jpg", noise(seed, 24, 32))
        (root / folder / ".DS_Store").write_bytes(b"\0")
    return root


def dagm_labels(first: int, defects: list[bool]) -> str:
    """Return a Labels.txt as published: CRLF, tabs, a tab behind the lines of sound pictures."""
    lines = ["1"]
    for number, defect in enumerate(defects, first):
        tail = f"0\t{number:04d}_label.PNG" if defect else "0\t0\t"
        lines.append(f"{number:04d}\t{int(defect)}\t{number:04d}.PNG\t{tail}")
    return "\r\n".join(lines) + "\r\n"


def dagm(root: Path) -> Path:
    root = root / "DAGM_KaggleUpload"
    for texture in (1, 10):
        for part, first in (("Test", 1), ("Train", 13)):
            folder = root / f"Class{texture}" / part
            defects = [i % 3 == 0 for i in range(12)]
            for number, defect in enumerate(defects, first):
                save(folder / f"{number:04d}.PNG", noise(100 * texture + number, 32, 32))
                if defect:
                    save(folder / "Label" / f"{number:04d}_label.PNG", mask(32, 32, (4, 4, 9, 12)))
            (folder / "Label" / "Labels.txt").write_bytes(dagm_labels(first, defects).encode())
    return root


def dagm_old(root: Path) -> Path:
    root = root / "DAGM"
    for texture in (1, 2):
        for i in range(1, 9):
            save(root / f"Class{texture}" / f"{i}.png", noise(100 * texture + i, 32, 32))
        lines = []
        for i in range(1, 5):
            save(root / f"Class{texture}_def" / f"{i}.png", noise(100 * texture + 50 + i, 32, 32))
            lines.append(f"{i} \t 5.5 \t 3.25 \t -0.7 \t {10 + i} \t 12.5")
        text(root / f"Class{texture}_def" / "labels.txt", "\n".join(lines) + "\n")
    return root


def kylberg(root: Path, flat: bool = False) -> Path:
    root = root / "Kylberg"
    for c, name in enumerate(textures.KYLBERG_CLASSES):
        folder = root if flat else root / name
        for i, photograph in enumerate("abcd"):
            for turned in ("", "-r030"):
                stem = f"{name}-{photograph}-p{i + 1:03d}{turned}"
                save(folder / f"{stem}.png", noise(100 * c + 2 * i + len(turned), 24, 24))
    return root


def kth_tips(root: Path) -> Path:
    root = root / "KTH_TIPS"
    for c, name in enumerate(textures.KTH_TIPS_CLASSES):
        for scale in (1, 2, 3, 9):
            for i in (1, 2):
                stem = f"{c + 10}-scale_{scale}_im_{i}_col"
                save(root / name / f"{stem}.png", noise(100 * c + 10 * scale + i, 20, 20))
    return root


def escalator_folders(root: Path) -> Path:
    root = root / "steps"
    for c, name in enumerate(("normal", "worn")):
        for i in range(4):
            save(root / name / f"{i}.jpg", noise(10 * c + i, 24, 32))
    return root


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


def labelme(width: int, height: int, *shapes: tuple[str, list[list[float]]]) -> str:
    listed = [
        {"label": n, "points": p, "group_id": None, "shape_type": "polygon", "flags": {}} for n, p in shapes
    ]
    document = {"version": "4.5.6", "flags": {}, "shapes": listed, "imageData": "/9j/4AAQSkZJRg"}
    return json.dumps(document | {"imageHeight": height, "imageWidth": width}, indent=1)


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


#: Options that fit the small pictures.
SMALL = {"tile": 32, "minimum": 32}
SHEET = {"tile": 64, "minimum": 32}
#: How each set is drawn, and its options.
SETS = {
    "aitex": (aitex, SMALL),
    "bsdata": (bsdata, SMALL),
    "dagm-2007": (dagm, {}),
    "elpv": (elpv_set, {}),
    "escalator-step": (escalator_voc, {}),
    "insulator": (insulator, {}),
    "kolektor-sdd": (kolektor_sdd, SMALL),
    "kth-tips": (kth_tips, {}),
    "kylberg": (kylberg, {}),
    "mvtec-itodd": (itodd, {}),
    "neu-cls": (neu_cls_flat, {}),
    "rsdds": (rsdds_set, {"tile": 32}),
    "severstal": (severstal, SHEET),
    "tianchi-aluminium": (tianchi_aluminium_set, {}),
    "tianchi-fabric": (tianchi_fabric_set, SMALL),
}
