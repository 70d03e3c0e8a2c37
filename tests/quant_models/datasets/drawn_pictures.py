"""Data sets of whole pictures, drawn small in the exact layout of their originals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawing import dagm_labels, mask, noise, save, text

from quant_models.datasets import elpv, neu, neu_cls, textures, tianchi_aluminium


def neu_det(root: Path) -> Path:
    """Five images of each class, with annotations."""
    root = root / "NEU-DET"
    for c, name in enumerate(neu.NEU_DET_CLASSES):
        for i in range(1, 6):
            save(root / "IMAGES" / f"{name}_{i}.jpg", noise(100 * c + i, 20, 24), "RGB")
            text(root / "ANNOTATIONS" / f"{name}_{i}.xml", "<annotation/>")
    return root


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


def image_folder(root: Path) -> Path:
    """Two classes: six good pictures, and seven bad ones, of which six are of two items."""
    root = root / "parts"
    for i in range(6):
        save(root / "good" / f"g{i}.png", noise(i, 20, 24))
        save(root / "bad" / f"item{i // 3}" / f"view{i}.png", noise(10 + i, 20, 24))
    save(root / "bad" / "single.png", noise(99, 20, 24))
    return root


def escalator_folders(root: Path) -> Path:
    root = root / "steps"
    for c, name in enumerate(("normal", "worn")):
        for i in range(4):
            save(root / name / f"{i}.jpg", noise(10 * c + i, 24, 32))
    return root


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


def bridge_crack(root: Path) -> Path:
    """Ten sound and six cracked patches to train; validation repeats the cracks, and one image is twice."""
    root = root / "Bridge_Crack_Image" / "DBCC_Training_Data_Set"
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for i in range(1, 11):
        save(root / "train" / f"no{i}.jpeg", noise(i if i < 10 else 1, 16, 16)[..., None].repeat(3, 2))
        lists["train"].append(f"no{i}.jpeg 0")
    for i in range(1, 7):
        save(root / "train" / f"crack{i}.jpeg", noise(100 + i, 16, 16)[..., None].repeat(3, 2))
        lists["train"].append(f"crack{i}.jpeg 1")
    for i in range(1, 4):
        save(root / "val" / f"no{i}.jpeg", noise(200 + i, 16, 16)[..., None].repeat(3, 2))
        data = (root / "train" / f"crack{i}.jpeg").read_bytes()
        (root / "val" / f"crack{i + 40}.jpeg").write_bytes(data)
        lists["val"] += [f"no{i}.jpeg 0", f"crack{i + 40}.jpeg 1"]
    for part, lines in lists.items():
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return root.parent


def magnetic_tile(root: Path) -> Path:
    """Three views a class at two exposures; the first view has exposures in two classes."""
    root = root / "Magnetic-tile-defect-datasets."
    seed = 0
    for c, name in enumerate(("Blowhole", "Break", "Crack", "Fray", "Free", "Uneven")):
        for view in range(4):
            for exposure in (1, 2):
                number = 10_000 * (view + 1) + 1000 * c + 20 * exposure
                if name == "Free" and view == 0:
                    number = 10_000 + 60 + 20 * exposure  # the view of the first blowhole
                stem = root / f"MT_{name}" / "Imgs" / f"exp{exposure}_num_{number}"
                seed += 1
                pixels = noise(seed, 20 + c, 30)
                save(stem.with_suffix(".jpg"), pixels)
                mask = np.zeros_like(pixels)
                mask[3:7, 4:8] = 255 if name != "Free" else 0
                save(stem.with_suffix(".png"), mask)
    (root / "README.md").write_text("about")
    save(root / "dataset.jpg", pixels)
    return root


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


def kylberg_flat(root: Path) -> Path:
    return kylberg(root, flat=True)


def kth_tips(root: Path) -> Path:
    root = root / "KTH_TIPS"
    for c, name in enumerate(textures.KTH_TIPS_CLASSES):
        for scale in (1, 2, 3, 9):
            for i in (1, 2):
                stem = f"{c + 10}-scale_{scale}_im_{i}_col"
                save(root / name / f"{stem}.png", noise(100 * c + 10 * scale + i, 20, 20))
    return root
