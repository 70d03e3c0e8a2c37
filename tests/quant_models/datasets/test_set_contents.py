"""What loaders make of sound copies: labels, groups, official splits, and what they leave out."""

from __future__ import annotations

from pathlib import Path

import drawn_sets as drawn
import numpy as np
import pytest
from drawing import mask, noise, save, text
from finnspect.errors import ConfigError, DataError, FlowError
from spoil import cut

from quant_models.datasets import clusters, dagm, get_dataset, load_dataset, split_dataset
from quant_models.datasets.check import check_dataset
from quant_models.datasets.files import FileTree

REAL_DAGM = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "DAGM_official_Labels"


@pytest.fixture
def load_drawn(grey16, tmp_path):
    """Draw a set and load it, with its own options and others."""

    def load(key: str, **options):
        path = tmp_path / key
        if path not in roots:
            roots[path] = drawn.draw(key, path)
        return load_dataset(drawn.name_of(key), roots[path], grey16, None, **drawn.SETS[key][1] | options)

    roots: dict[Path, Path] = {}
    return load


def test_magnetic_tile_keeps_exposures_of_a_view_together_over_classes(load_drawn, caplog):
    types = load_drawn("magnetic-tile")
    assert types.class_names == ("blowhole", "break", "crack", "fray", "free", "uneven")
    assert set(types.counts.values()) == {8} and len(set(types.groups)) == 23
    one_view = [s for s, g in zip(types.sources, types.groups, strict=True) if g == types.groups[0]]
    assert [s.split("/")[0] for s in one_view] == ["MT_Blowhole"] * 2 + ["MT_Free"] * 2
    assert "MT_Fray holds 8 images; the published set has 32" in caplog.text
    binary = load_drawn("magnetic-tile", task="binary")
    assert binary.counts == {"good": 8, "defect": 40} and binary.groups == types.groups
    with pytest.raises(ConfigError, match=r"task is 'both'\n.*types, binary"):
        load_drawn("magnetic-tile", task="both")
    split = split_dataset(binary, 1)
    together = clusters(binary)
    assert not set(together[split.train]) & set(together[split.test])


def test_magnetic_tiles_are_labelled_by_the_masks_under_them(load_drawn):
    whole, cut_up = load_drawn("magnetic-tile"), load_drawn("magnetic-tile", tile=10)
    assert cut_up.counts == {name: 368 if name == "free" else 8 for name in whole.class_names}
    pictures = [source.partition("#")[0] for source in cut_up.sources]
    views = dict(zip(whole.sources, whole.groups, strict=True))
    assert [views[source] for source in pictures] == list(cut_up.groups)
    defects = [
        source
        for source, label in zip(pictures, cut_up.labels, strict=True)
        if cut_up.class_names[label] != "free"
    ]
    assert sorted(defects) == sorted(source for source in whole.sources if "MT_Free" not in source)
    with pytest.raises(DataError, match="no image of class 'blowhole'"):  # a mark has 16 pixels
        load_drawn("magnetic-tile", tile=10, minimum=17)
    with pytest.raises(ConfigError, match="cannot be cut"):
        load_drawn("magnetic-tile", tile=2)


def test_a_picture_of_a_defect_that_is_not_marked_gives_no_tiles(grey16, tmp_path):
    root = drawn.draw("magnetic-tile", tmp_path)
    save(root / "MT_Uneven" / "Imgs" / "exp1_num_15020.png", mask(25, 30))
    found = load_dataset("magnetic-tile", root, grey16, None, tile=10)
    assert found.counts["uneven"] == 7 and found.counts["free"] == 360
    assert "1 pictures left out: of a defect that their mask does not mark" in found.notes


def test_a_mask_that_the_task_does_not_need_is_still_checked(grey16, tmp_path):
    root = drawn.draw("magnetic-tile", tmp_path)
    cut("MT_Blowhole/Imgs/exp1_num_10020.png", 60)(root)
    save(root / "MT_Uneven" / "Imgs" / "exp1_num_15020.png", mask(25, 30))
    assert len(load_dataset("magnetic-tile", root, grey16, None)) == 48
    check = check_dataset("magnetic-tile", root)
    assert sum("exp1_num_10020.png" in problem for problem in check.problems) == 1
    assert "1 of 8 masks of 'uneven' mark nothing" in check.notes


def test_bridge_crack_finds_the_leak_and_drops_copies(load_drawn):
    dataset = load_drawn("bridge-crack")
    assert dataset.counts == {"good": 12, "crack": 6} and dataset.parts == ()
    leak, copies = dataset.notes
    assert "official split is not used: 3 of 6 images of 'val' are in 'train' too; it has no 'test'" in leak
    assert copies.startswith("4 images left out: their pixels are identical")
    assert len(set(dataset.pixel_sha256)) == len(dataset)


def test_crack_forest_labels_tiles_by_the_ground_truth(load_drawn):
    dataset = load_drawn("crack-forest")
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


def test_deep_pcb_crops_and_official_split(load_drawn):
    types = load_drawn("deep-pcb")
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
    binary = load_drawn("deep-pcb", task="binary")
    assert binary.counts == {"good": 48, "defect": 48} and len(set(binary.groups)) == 8
    sound = [s for s, label in zip(binary.sources, binary.labels, strict=True) if label == 0]
    assert all("_temp.jpg#" in source for source in sound)


def test_what_a_loader_leaves_out_is_said(load_drawn):
    lines = {
        name: " / ".join(load_drawn(name).notes)
        for name in ("aitex", "bsdata", "kolektor-sdd", "mvtec-itodd", "elpv", "magnetic-tile")
    }
    assert "1 defective images left out: they have no mask (0003_019_03)" in lines["aitex"]
    assert "2 images left out: they are not annotated" in lines["bsdata"]
    assert "2 images left out: their item is a copy of another one" in lines["kolektor-sdd"]
    assert "9 are seen in fewer than 3 pictures" in lines["mvtec-itodd"]
    assert "5 parts left out: too little of them can be seen" in lines["mvtec-itodd"]
    assert "which cells come from one module is not published" in lines["elpv"]
    assert lines["magnetic-tile"].startswith("1 pictures are not used: no label, list or name takes them")
    assert lines["magnetic-tile"].endswith("(dataset.jpg)")


@pytest.mark.parametrize("key", sorted(drawn.SETS))
def test_a_picture_that_no_label_takes_into_the_set_is_named(key, grey16, tmp_path):
    """One that lies where no loader looks, beside the set."""
    path = drawn.draw(key, tmp_path)
    name, options = drawn.name_of(key), drawn.SETS[key][1]
    before = load_dataset(name, path, grey16, None, **options)
    beside = path.parent / "beside"
    beside.mkdir()
    path.rename(beside / path.name)
    save(beside / "other" / "deep" / "down" / "odd.png", noise(77, 20, 20))
    try:
        after = load_dataset(name, beside, grey16, None, **options)
    except DataError as error:  # a set of any folders and names takes it for its own
        assert (
            "odd.png" in error.message or "several folders" in error.message or "no folder" in error.message
        )
        return
    assert len(after) in (len(before), len(before) + 1)
    assert len(after) > len(before) or any("other/deep/down/odd.png" in note for note in after.notes)


def test_groups_hold_what_must_not_part(load_drawn):
    def groups(name: str) -> dict[str, set[str]]:
        dataset = load_drawn(name)
        found: dict[str, set[str]] = {}
        for source, group in zip(dataset.sources, dataset.groups, strict=True):
            found.setdefault(group, set()).add(source.partition("#")[0])
        return found

    assert groups("kolektor-sdd")["kos02"] == {"kos02/Part0.jpg", "kos02/Part1.jpg"}
    assert groups("bsdata")["01 at 277800_315"] == {
        f"data/01_2009050{t}3021_277800_315_crop_2.jpg" for t in (0, 1)
    }
    assert len(groups("kylberg")["wall1-b"]) == 2 and len(groups("kth-tips")["linen at scale 9"]) == 2
    for sources in (*groups("severstal").values(), *groups("rsdds").values(), *groups("aitex").values()):
        assert len(sources) == 1


def test_items_that_are_copies_but_for_a_byte_stay_with_the_other(grey16, tmp_path):
    path = drawn.draw("kolektor-sdd", tmp_path)
    save(path / "kos26" / "Part0.jpg", noise(4321, 127, 50))
    dataset = load_dataset("kolektor-sdd", path, grey16, None, **drawn.SMALL)
    together = {
        s.partition("/")[0] for s, g in zip(dataset.sources, dataset.groups, strict=True) if g == "kos01"
    }
    assert together == {"kos01", "kos26"} and not any("copy" in note for note in dataset.notes)


@pytest.mark.parametrize("name", ["tianchi-fabric", "tianchi-aluminium"])
def test_the_other_round_of_a_contest_is_refused(name, grey16, tmp_path):
    save(tmp_path / "defect" / "01" / "template_01.jpg", noise(1, 16, 16))
    text(tmp_path / "defect" / "01" / "01.json", "{}")
    with pytest.raises(DataError, match=r"round 2 of the contest.*which is not read\n.*expected layout"):
        load_dataset(name, tmp_path, grey16, None)


def test_the_official_split_of_bsdata_leaks_and_goes(load_drawn):
    dataset = load_drawn("bsdata")
    assert not dataset.parts
    assert any(
        "the official split is not used: " in note and "are in 'train' too" in note for note in dataset.notes
    )


#: For each option with a number, others of which one makes a difference to every drawn set.
OTHER = {"tile": (24,), "minimum": (1, 110, 900), "least": (80,), "most_good": (2,), "visible": (0.95,)}
#: What an option goes with.
WITH = {("magnetic-tile", "minimum"): {"tile": 24}}
OPTIONS = [
    (key, option)
    for key in drawn.SETS
    for option in get_dataset(drawn.name_of(key)).info.options
    # least is for the crops of the other layout; group_near is tested with near-duplicates
    if key != "escalator-step" and option != "group_near"
]


@pytest.mark.parametrize(("key", "option"), OPTIONS, ids=[" ".join(row) for row in OPTIONS])
def test_every_option_does_something(load_drawn, key, option):
    def facts(**options) -> tuple:
        try:
            dataset = load_drawn(key, **WITH.get((key, option), {}) | options)
        except FlowError as error:
            return (error.message,)
        return dataset.class_names, dataset.sources, dataset.labels.tolist()

    default = get_dataset(drawn.name_of(key)).info.options[option]
    wrong = ["other"] if isinstance(default, tuple) else ["3", type(default)(-1)]
    others = default[1:4] if isinstance(default, tuple) else OTHER[option]
    usual = facts()
    assert len(usual) == 3 and any(facts(**{option: value}) != usual for value in others)
    for value in wrong:
        with pytest.raises(ConfigError, match=f"{option} is {value!r}"):
            load_drawn(key, **{option: value})


def test_the_real_label_files_of_dagm():
    if not REAL_DAGM.is_dir():
        pytest.skip(f"the official label files are not at {REAL_DAGM}")
    files = sorted(REAL_DAGM.rglob("Labels.txt"))
    assert len(files) == 20
    tree = FileTree(REAL_DAGM, REAL_DAGM)
    counts = {}
    for file in files:
        rows = list(dagm.read_labels(tree, file.relative_to(REAL_DAGM).as_posix()))
        counts[file.parts[-4], file.parts[-3]] = len(rows), sum(row["label"] == "1" for row in rows)
        numbers = [int(row["number"]) for row in rows]
        assert numbers == list(range(numbers[0], numbers[0] + len(rows)))
    assert counts["Class1", "Train"] == (575, 79) and counts["Class10", "Test"] == (1150, 150)
    assert sum(n for n, _ in counts.values()) == 16100 and sum(n for _, n in counts.values()) == 2100
