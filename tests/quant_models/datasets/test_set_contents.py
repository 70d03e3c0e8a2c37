"""What loaders make of sound copies, what they leave out, and label files of any content."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import drawn_sets as drawn
import pytest
from drawn_sets import SHEET, SMALL
from finnspect.errors import DataError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quant_models.datasets import bsdata, dagm, itodd, load_dataset, tianchi_fabric
from quant_models.datasets.files import FileTree


def test_what_a_loader_leaves_out_is_said(grey16, tmp_path):
    lines: dict[str, str] = {}
    for name in ("aitex", "bsdata", "kolektor-sdd", "mvtec-itodd", "elpv"):
        draw, options = drawn.SETS[name]
        lines[name] = " / ".join(load_dataset(name, draw(tmp_path / name), grey16, None, **options).notes)
    assert "1 defective images left out: they have no mask (0003_019_03)" in lines["aitex"]
    assert "2 images left out: they are not annotated" in lines["bsdata"]
    assert "2 images left out: their item is a copy of another one" in lines["kolektor-sdd"]
    assert "9 are seen in fewer than 3 pictures" in lines["mvtec-itodd"]
    assert "5 parts left out: too little of them can be seen" in lines["mvtec-itodd"]
    assert "which cells come from one module is not published" in lines["elpv"]


def test_groups_hold_what_must_not_part(grey16, tmp_path):
    def groups(name: str) -> dict[str, set[str]]:
        draw, options = drawn.SETS[name]
        dataset = load_dataset(name, draw(tmp_path / name), grey16, None, **options)
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
    path = drawn.kolektor_sdd(tmp_path)
    drawn.save(path / "kos26" / "Part0.jpg", drawn.noise(4321, 127, 50))
    dataset = load_dataset("kolektor-sdd", path, grey16, None, **SMALL)
    together = {
        s.partition("/")[0] for s, g in zip(dataset.sources, dataset.groups, strict=True) if g == "kos01"
    }
    assert together == {"kos01", "kos26"} and not any("copy" in note for note in dataset.notes)


@pytest.mark.parametrize("name", ["tianchi-fabric", "tianchi-aluminium"])
def test_the_other_round_of_a_contest_is_refused(name, grey16, tmp_path):
    drawn.save(tmp_path / "defect" / "01" / "template_01.jpg", drawn.noise(1, 16, 16))
    drawn.text(tmp_path / "defect" / "01" / "01.json", "{}")
    with pytest.raises(DataError, match=r"round 2 of the contest.*which is not read\n.*expected layout"):
        load_dataset(name, tmp_path, grey16, None)


def test_the_official_split_of_bsdata_leaks_and_goes(grey16, tmp_path):
    dataset = load_dataset("bsdata", drawn.bsdata(tmp_path), grey16, None, **SMALL)
    assert not dataset.parts
    assert any(
        "the official split is not used: " in note and "are in 'train' too" in note for note in dataset.notes
    )


REAL_DAGM = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "DAGM_official_Labels"


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


FUZZ = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["0", "name", "defect_name", "bbox", "images", "filename", "train_test_split", "obj_id"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
PIECES = st.sampled_from(
    ["1", "0001", "0", "0001.PNG", "0001_label.PNG", "\t", "\t", "\r\n", "\r\n", " ", "é", "\0"]
)


def _reads_or_faults(tmp_path: Path, name: str, content: bytes, read: Callable[[FileTree], object]) -> None:
    """Read a file: it is read, or refused by an error that names it."""
    (tmp_path / name).write_bytes(content)
    try:
        read(FileTree(tmp_path, tmp_path))
    except DataError as error:
        assert name in error.message and error.remedy


@FUZZ
@given(lines=st.lists(PIECES, max_size=14) | st.just(["\xff"]))
def test_fuzz_dagm_labels(tmp_path, lines):
    for content in ("".join(lines).encode(), ("1\r\n" + "".join(lines)).encode("latin-1", "replace")):
        _reads_or_faults(
            tmp_path, "Labels.txt", content, lambda tree: list(dagm.read_labels(tree, "Labels.txt"))
        )


@FUZZ
@given(document=JSON)
def test_fuzz_json_labels(tmp_path, document):
    content = json.dumps(document).encode()
    entry = {"name": "a.jpg", "defect_name": "破洞", "bbox": document}
    for wrapped in (document, [document], [entry]):
        data = json.dumps(wrapped).encode()
        _reads_or_faults(tmp_path, "a.json", data, lambda tree: tianchi_fabric.read_entries(tree, "a.json"))
    for wrapped in (document, {"images": document}, {"images": [document]}):
        data = json.dumps(wrapped).encode()
        _reads_or_faults(tmp_path, "a.json", data, lambda tree: bsdata.read_split(tree, "a.json"))
    (tmp_path / "scene_gt_info.json").write_text('{"0": [{"bbox_visib": [1, 2, 3, 4], "visib_fract": 0.5}]}')
    for data in (content, json.dumps({"0": document}).encode(), json.dumps({"0": [document]}).encode()):
        _reads_or_faults(tmp_path, "scene_gt.json", data, lambda tree: itodd.read_scene(tree, ""))
    (tmp_path / "scene_gt.json").write_text('{"0": [{"obj_id": 3}]}')
    for data in (json.dumps({"0": [{"bbox_visib": document, "visib_fract": 1}]}).encode(), content):
        _reads_or_faults(tmp_path, "scene_gt_info.json", data, lambda tree: itodd.read_scene(tree, ""))


@FUZZ
@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_fuzz_tables_in_their_sets(grey16, drawn_tables, at, patch):
    """Bytes written over the table of a set: it loads, or the error names a file of it."""
    for name, path, table, options in drawn_tables:
        data = table.read_bytes()
        at %= len(data)
        try:
            table.write_bytes(data[:at] + patch + data[at + len(patch) :])
            load_dataset(name, path, grey16, None, **options)
        except DataError as error:
            assert str(path) in error.message and error.remedy
        finally:
            table.write_bytes(data)


@pytest.fixture(scope="module")
def drawn_tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    elpv, sheets, old = drawn.elpv_set(root), drawn.severstal(root), drawn.dagm_old(root)
    return [
        ("elpv", elpv, elpv / "src/elpv_dataset/data/labels.csv", {}),
        ("severstal", sheets, sheets / "train.csv", SHEET),
        ("dagm-2007", old, old / "Class1_def" / "labels.txt", {}),
    ]
