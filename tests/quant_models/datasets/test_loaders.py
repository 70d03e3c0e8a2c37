"""Each set in its exact layout, drawn small: what is read, and what is refused with a clear message."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from finnspect.errors import ConfigError, DataError
from finnspect_driver.preprocess import preprocess
from PIL import Image
from scipy.io import savemat

from quant_models.datasets import clusters, load_dataset, split_dataset
from quant_models.datasets.check import check_dataset
from quant_models.datasets.decode import decode_image


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


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
                pixels = _noise(seed, 20 + c, 30)
                _save(stem.with_suffix(".jpg"), pixels)
                mask = np.zeros_like(pixels)
                mask[3:6, 4:8] = 255 if name != "Free" else 0
                _save(stem.with_suffix(".png"), mask)
    (root / "README.md").write_text("about")
    _save(root / "dataset.jpg", pixels)
    return root


def bridge_crack(root: Path) -> Path:
    """Ten sound and six cracked patches to train; validation repeats the cracks, and one image is twice."""
    root = root / "Bridge_Crack_Image" / "DBCC_Training_Data_Set"
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for i in range(1, 11):
        _save(root / "train" / f"no{i}.jpeg", _noise(i if i < 10 else 1, 16, 16)[..., None].repeat(3, 2))
        lists["train"].append(f"no{i}.jpeg 0")
    for i in range(1, 7):
        _save(root / "train" / f"crack{i}.jpeg", _noise(100 + i, 16, 16)[..., None].repeat(3, 2))
        lists["train"].append(f"crack{i}.jpeg 1")
    for i in range(1, 4):
        _save(root / "val" / f"no{i}.jpeg", _noise(200 + i, 16, 16)[..., None].repeat(3, 2))
        data = (root / "train" / f"crack{i}.jpeg").read_bytes()
        (root / "val" / f"crack{i + 40}.jpeg").write_bytes(data)
        lists["val"] += [f"no{i}.jpeg 0", f"crack{i + 40}.jpeg 1"]
    for part, lines in lists.items():
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return root.parent


def crack_forest(root: Path) -> Path:
    """Four photographs of 2x3 tiles with a ground truth, one without."""
    root = root / "CrackForest-dataset"
    for i in range(1, 6):
        pixels = _noise(i, 128, 192)[..., None].repeat(3, 2)
        pixels[..., 1] //= 2
        _save(root / "image" / f"{i:03d}.jpg", pixels)
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
        template = _noise(50 + i, 200, 200)
        board = template.copy()
        lines = []
        for kind in range(6):
            x, y = 10 + 60 * (kind % 3), 20 + 90 * (kind // 3)
            board[y : y + 20, x : x + 30] = 255 - board[y : y + 20, x : x + 30]
            lines.append(f"{x} {y} {x + 30} {y + 20} {kind + 1}")
        folder = root / group / "00041"
        _save(folder / f"{name}_test.jpg", board)
        _save(folder / f"{name}_temp.jpg", template)
        boxes = root / group / "00041_not" / f"{name}.txt"
        boxes.parent.mkdir(exist_ok=True)
        boxes.write_text("\r\n".join(lines))
        part = "trainval" if i < 5 else "test"
        lists[part].append(f"{group}/00041/{name}.jpg {group}/00041_not/{name}.txt")
    _save(folder / "00041999_temp.jpg", template)
    for part, lines in lists.items():
        (root / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return root.parent


BUILDERS = {
    "magnetic-tile": magnetic_tile,
    "bridge-crack": bridge_crack,
    "crack-forest": crack_forest,
    "deep-pcb": deep_pcb,
}


#: Picture files that each set uses.
PICTURES = {"magnetic-tile": 48, "bridge-crack": 22, "crack-forest": 4, "deep-pcb": 8}


@pytest.fixture
def small(tmp_path):
    """Write a set by its name."""
    return lambda name: BUILDERS[name](tmp_path)


@pytest.fixture
def load_small(grey16):
    return lambda name, root, **options: load_dataset(name, root, grey16, None, **options)


def test_magnetic_tile_keeps_exposures_of_a_view_together_over_classes(small, load_small, caplog):
    root = small("magnetic-tile")
    types = load_small("magnetic-tile", root)
    assert types.class_names == ("blowhole", "break", "crack", "fray", "free", "uneven")
    assert set(types.counts.values()) == {8} and len(set(types.groups)) == 23
    one_view = [s for s, g in zip(types.sources, types.groups, strict=True) if g == types.groups[0]]
    assert [s.split("/")[0] for s in one_view] == ["MT_Blowhole"] * 2 + ["MT_Free"] * 2
    assert "MT_Fray holds 8 images; the published set has 32" in caplog.text
    binary = load_small("magnetic-tile", root, task="binary")
    assert binary.counts == {"good": 8, "defect": 40} and binary.groups == types.groups
    with pytest.raises(ConfigError, match=r"task is 'both'\n.*types, binary"):
        load_small("magnetic-tile", root, task="both")
    split = split_dataset(binary, 1)
    together = clusters(binary)
    assert not set(together[split.train]) & set(together[split.test])


def test_a_mask_that_the_task_does_not_need_is_still_checked(small, load_small):
    root = small("magnetic-tile")
    _cut("exp1_num_10020.png")(root)
    _save(root / "MT_Uneven" / "Imgs" / "exp1_num_15020.png", np.zeros((25, 30), np.uint8))
    assert len(load_small("magnetic-tile", root)) == 48
    check = check_dataset("magnetic-tile", root)
    assert sum("exp1_num_10020.png" in problem for problem in check.problems) == 1
    assert "1 of 8 masks of 'uneven' mark nothing" in check.notes


def test_bridge_crack_finds_the_leak_and_drops_copies(small, load_small):
    dataset = load_small("bridge-crack", small("bridge-crack"))
    assert dataset.counts == {"good": 12, "crack": 6} and dataset.parts == ()
    leak, copies = dataset.notes
    assert "official split is not used: 3 of 6 images of 'val' are in 'train' too; it has no 'test'" in leak
    assert copies.startswith("4 images left out: their pixels are identical")
    assert len(set(dataset.pixel_sha256)) == len(dataset)


def test_crack_forest_labels_tiles_by_the_ground_truth(small, load_small):
    dataset = load_small("crack-forest", small("crack-forest"))
    assert dataset.counts == {"good": 8, "crack": 8} and len(set(dataset.groups)) == 4
    boxes = [
        s.partition("#xywh=")[2] for s, g in zip(dataset.sources, dataset.groups, strict=True) if g == "001"
    ]
    labels = dataset.labels[:4].tolist()
    assert dict(zip(boxes, labels, strict=True)) == {
        "0,0,64,64": 1,
        "64,0,64,64": 0,
        "128,0,64,64": 1,  # a faint crack; doubt beside a crack does not count
        "0,64,64,64": 0,
    }
    assert "1 images left out: they have no ground truth" in dataset.notes
    assert any(note.startswith("4 tiles left out: they show some defect, but less") for note in dataset.notes)
    assert any(note.startswith("4 tiles left out: they touch a region") for note in dataset.notes)


def test_deep_pcb_crops_and_official_split(small, load_small):
    root = small("deep-pcb")
    types = load_small("deep-pcb", root)
    assert set(types.counts.values()) == {8} and len(set(types.groups)) == 8
    assert types.labels[:6].tolist() == [0, 1, 2, 3, 4, 5]
    assert types.sources[0].endswith("_test.jpg#xywh=0,0,64,64")  # moved into the picture
    (note,) = types.notes
    assert note.startswith("1 pictures are not used: no label") and "00041999_temp.jpg" in note
    split = split_dataset(types, 3)
    assert split.official and len(split.test) == 18
    assert {types.parts[i] for i in split.test} == {"test"}
    assert {types.parts[i] for i in np.r_[split.train, split.val]} == {"train"}
    assert len(split.train) == 24 and len(split.val) == 6
    binary = load_small("deep-pcb", root, task="binary")
    assert binary.counts == {"good": 48, "defect": 48} and len(set(binary.groups)) == 8
    sound = [s for s, label in zip(binary.sources, binary.labels, strict=True) if label == 0]
    assert all("_temp.jpg#" in source for source in sound)


def _first(root: Path, pattern: str) -> Path:
    return sorted(root.rglob(pattern))[0]


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_unreadable_pictures_are_named(small, load_small, name):
    """A load stops at the first; a check names all and goes on."""
    root = small(name)
    pictures = sorted(p for p in root.rglob("*.jp*g") if p.stem not in ("dataset", "005", "00041999_temp"))
    used = [p for p in pictures if "_temp" not in p.stem and p.parent.name != "val"]
    victims = used[1], used[3]
    for victim in victims:
        data = victim.read_bytes()
        victim.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(DataError, match=rf"{re.escape(victims[0].name)}:? cannot be decoded"):
        load_small(name, root)
    check = check_dataset(name, root)
    for victim in victims:
        assert sum(victim.name in problem for problem in check.problems) == 1
    assert not check.ok and check.pictures == PICTURES[name] - 2


@pytest.mark.parametrize("name", sorted(BUILDERS))
@pytest.mark.parametrize("kind", ["16-bit", "rgba", "palette", "one bit"])
def test_other_kinds_of_pixels_are_converted_as_documented(small, grey16, name, kind):
    root = small(name)
    used = [p for p in sorted(root.rglob("*.jp*g")) if "_temp" not in p.stem and p.stem != "dataset"]
    victim = used[1]
    with Image.open(victim) as image:
        rng = np.random.default_rng(5)
        grey = rng.integers(0, 256, (image.height, image.width), dtype=np.uint8)
    colour = rng.integers(0, 256, (*grey.shape, 4), dtype=np.uint8)
    made = {
        "16-bit": Image.fromarray(grey.astype(np.uint16) * 200),
        "rgba": Image.fromarray(colour),
        "palette": Image.fromarray(colour[..., :3]).convert("P"),
        "one bit": Image.fromarray(grey).convert("1"),
    }[kind]
    made.save(victim, "PNG")
    dataset = load_dataset(name, root, grey16, None)
    picture = decode_image(victim.read_bytes(), "x")
    at = next(i for i, source in enumerate(dataset.sources) if victim.name in source)
    fragment = dataset.sources[at].partition("#xywh=")[2]
    if fragment:
        x, y, w, h = map(int, fragment.split(","))
        picture = np.ascontiguousarray(picture[y : y + h, x : x + w])
    assert np.array_equal(dataset.images[at], preprocess(picture, grey16.model_dump()))


def _remove(pattern: str):
    return lambda root: _first(root, pattern).unlink()


def _edit(pattern: str, old: str, new: str):
    def edit(root: Path) -> None:
        path = _first(root, pattern)
        data = path.read_bytes()
        assert old.encode() in data
        path.write_bytes(data.replace(old.encode(), new.encode(), 1))

    return edit


def _put_first(pattern: str, line: str):
    def edit(root: Path) -> None:
        path = _first(root, pattern)
        path.write_bytes(line.encode() + b"\n" + path.read_bytes())

    return edit


def _empty_folder(pattern: str):
    def edit(root: Path) -> None:
        for path in _first(root, pattern).rglob("*.*"):
            path.unlink()

    return edit


def _truth(change):
    def edit(root: Path) -> None:
        truth = np.ones((128, 192), np.uint8)
        savemat(root / "groundTruth" / "002.mat", change(truth))

    return edit


def _cut(pattern: str):
    def edit(root: Path) -> None:
        path = _first(root, pattern)
        path.write_bytes(path.read_bytes()[:60])

    return edit


def _segmentation(array: np.ndarray) -> dict:
    return {"groundTruth": {"Segmentation": array, "Boundaries": array}}


def _set(array: np.ndarray, value: float) -> np.ndarray:
    array = array.astype(type(value))
    array[0, 0] = value
    return array


_T = "trainval.txt"
WRONG = [
    ("magnetic-tile", _remove("exp1_num_10020.png"), r"exp1_num_10020\.jpg: is an image without mask"),
    ("magnetic-tile", _remove("exp1_num_10020.jpg"), r"exp1_num_10020\.png: is a mask without image"),
    ("magnetic-tile", lambda r: _save(r / "MT_Break/Imgs/odd.jpg", _noise(1, 9, 9)), r"odd\.jpg"),
    (
        "magnetic-tile",
        lambda r: _save(_first(r, "*.png"), _noise(1, 7, 9)),
        r"\.png: is of 9x7 pixels, its picture of 30x",
    ),
    ("magnetic-tile", lambda r: (r / "MT_Fray").rename(r / "MT_Dent"), "no folder holds .*MT_Fray"),
    ("magnetic-tile", _empty_folder("MT_Fray"), "no image of class 'fray'"),
    ("bridge-crack", _remove("val.txt"), r"val\.txt is missing"),
    (
        "bridge-crack",
        _put_first("train.txt", "name label"),
        r"train\.txt, line 1: 'name label' looks like a header",
    ),
    (
        "bridge-crack",
        _edit("train.txt", "no3.jpeg 0", "no3.jpeg 2"),
        r"train\.txt, line 3: label is '2', expected",
    ),
    ("bridge-crack", _edit("train.txt", "no3.jpeg 0", "no3.jpeg 1"), r"line 3: 'no3\.jpeg' has label 1"),
    (
        "bridge-crack",
        _edit("train.txt", "no3.jpeg 0", "no3.jpeg"),
        r"line 3: 1 fields, expected 2: name, label",
    ),
    (
        "bridge-crack",
        _edit("train.txt", "no3.jpeg 0", "no33.jpeg 0"),
        r"line 3: no33\.jpeg is not in the folder",
    ),
    ("bridge-crack", _edit("train.txt", "no3.jpeg 0", "no2.jpeg 0"), r"line 3: no2\.jpeg is listed twice"),
    ("bridge-crack", _edit("train.txt", "no3.jpeg 0\n", ""), r"no3\.jpeg: has no label: it is not in train"),
    ("bridge-crack", _remove("no3.jpeg"), r"train\.txt, line 3: no3\.jpeg is not in the folder"),
    ("bridge-crack", lambda r: _first(r, "train.txt").write_text(""), r"train\.txt: is empty"),
    ("bridge-crack", lambda r: _first(r, "train.txt").write_bytes(b"a 0\nb\xff 1"), "line 2: is no UTF-8"),
    ("crack-forest", _remove("002.jpg"), r"002\.mat: has no image image/002\.jpg"),
    ("crack-forest", lambda r: (r / "groundTruth").rename(r / "truth"), "no folder holds .*'groundTruth'"),
    (
        "crack-forest",
        _truth(lambda t: _segmentation(t[:100])),
        r"002\.mat: is of 192x100 pixels, its picture of 192x128",
    ),
    ("crack-forest", _truth(lambda t: _segmentation(_set(t, 7))), r"002\.mat: holds the class 7"),
    ("crack-forest", _truth(lambda t: _segmentation(_set(t, 1.5))), r"002\.mat: .*float64.*whole numbers"),
    ("crack-forest", _truth(lambda t: {"other": t}), r"002\.mat: has no field groundTruth\.Segmentation"),
    ("crack-forest", _cut("002.mat"), r"002\.mat: (is no MATLAB file|has no field)"),
    ("crack-forest", lambda r: [p.unlink() for p in r.rglob("*.mat")], "no image of class 'good'"),
    ("deep-pcb", _remove("00041003.txt"), rf"{_T}, line 4: .*00041003\.txt is missing"),
    ("deep-pcb", _remove("00041003_temp.jpg"), rf"{_T}, line 4: .*00041003_temp\.jpg is missing"),
    ("deep-pcb", _remove("trainval.txt"), r"no folder holds 'trainval\.txt'"),
    ("deep-pcb", _edit("00041003.txt", "70 20", "70,"), r"00041003\.txt, line [0-9]: "),
    ("deep-pcb", _put_first("00041003.txt", "x y w h type"), r"00041003\.txt, line 1: .*looks like a header"),
    (
        "deep-pcb",
        _edit("00041003.txt", "40 1", "40 7"),
        r"00041003\.txt, line 1: type is '7', expected one of 1",
    ),
    (
        "deep-pcb",
        _edit("00041003.txt", "10 20 40 40", "10 20 400 40"),
        r"00041003\.txt, line 1: the box .* leaves its image of 200x200",
    ),
    ("deep-pcb", _edit("00041003.txt", "10 20 40 40", "40 20 10 40"), r"line 1: the box .* is empty"),
    ("deep-pcb", _edit("test.txt", "00041005.txt", "00041006.txt"), r"test\.txt, line 1: .* are no pair"),
    (
        "deep-pcb",
        lambda r: _first(r, "test.txt").write_bytes(_first(r, _T).read_bytes()),
        "is in trainval.txt too",
    ),
]


@pytest.mark.parametrize("case", range(len(WRONG)), ids=lambda i: f"{WRONG[i][0]}-{i}")
def test_what_is_wrong_is_named(small, load_small, case):
    name, spoil, message = WRONG[case]
    root = small(name)
    spoil(root)
    with pytest.raises(DataError, match=message) as caught:
        load_small(name, root)
    assert caught.value.remedy
    check = check_dataset(name, root)
    assert not check.ok and any(re.search(message, problem) for problem in check.problems)
