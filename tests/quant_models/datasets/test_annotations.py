"""Readers of label files: what they read, and that anything else is one clear error."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from finnspect.errors import DataError, FlowError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from quant_models.datasets import annotations as read
from quant_models.datasets.files import FileTree

FUZZ = settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def tree(tmp_path):
    return FileTree(tmp_path, tmp_path)


def _put(tree: FileTree, name: str, data: bytes | str) -> str:
    (tree.folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return name


def _png(pixels: np.ndarray | Image.Image, kind: str = "PNG") -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


VOC = (
    "<annotation><size><width>30</width><height>20</height></size><object><name>dent</name><bndbox>"
    "<xmin>1</xmin><ymin>2.5</ymin><xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"
)
LABELME = (
    '{"imageHeight": 20, "imageWidth": 30, "shapes": [{"label": "pit", "points": [[1, 2], [9, 2], [9, 8]]}]}'
)


def _every_reader(tree: FileTree, name: str) -> None:
    """Read a file with every reader: each gives something or a DataError that names the file."""
    readers = [
        lambda: list(read.read_table(tree, name, ("a", "b"), header=True)),
        lambda: list(read.read_table(tree, name, ("a", "b"), header=False)),
        lambda: [r.integer("a") for r in read.read_table(tree, name, ("a", "b"), header=False, blanks=True)],
        lambda: [
            read.run_length_mask(row, "b", 7, 5)
            for row in read.read_table(tree, name, ("a", "b"), header=False)
        ],
        lambda: read.read_voc(tree, name),
        lambda: [s.mask(9, 9) for s in read.read_labelme(tree, name).shapes],
        lambda: read.read_json(tree, name),
        lambda: read.read_mask(tree, name),
        lambda: read.read_mat(tree, name, "x"),
    ]
    for reader in readers:
        try:
            reader()
        except DataError as error:
            assert name in error.message and error.remedy


@FUZZ
@given(data=st.binary(max_size=120))
def test_bytes_are_read_or_refused(tree, data):
    _every_reader(tree, _put(tree, "labels.bin", data))


_PIECES = st.sampled_from(
    [
        VOC,
        LABELME,
        "1 2",
        "1,2\n",
        '"',
        "1e400",
        "nan",
        "-1",
        "9" * 25,
        "\0",
        "\r",
        "\n",
        ",",
        "<",
        "]",
        "é",
        "[" * 50,
    ]
)


@FUZZ
@given(pieces=st.lists(_PIECES, max_size=6), cut=st.integers(0, 400))
def test_damaged_labels_are_read_or_refused(tree, pieces, cut):
    _every_reader(tree, _put(tree, "labels.txt", "".join(pieces)[cut % 7 :][:cut]))


@FUZZ
@given(mask=st.lists(st.booleans(), min_size=35, max_size=35))
def test_run_lengths_go_down_the_columns(tree, mask):
    wanted = np.array(mask).reshape(7, 5)
    flat = np.concatenate([[0], wanted.T.reshape(-1), [0]]).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    runs = " ".join(f"{s + 1} {e - s}" for s, e in zip(starts, ends, strict=True))
    name = _put(tree, "runs.csv", f"image,runs\na.jpg,{runs}\n")
    (row,) = read.read_table(tree, name, ("image", "runs"), header=True)
    assert row.line == 2 and np.array_equal(read.run_length_mask(row, "runs", 7, 5), wanted)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ("1", "expected pairs"),
        ("0 3", "lies outside a picture of 5x7"),
        ("34 3", "lies outside"),
        ("1 0", "lies outside"),
        ("4 3 6 2", "the run 6 2 overlaps"),
        ("1 x", "expected pairs"),
        ("-1 3", "expected pairs"),
    ],
)
def test_wrong_run_lengths(tree, runs, message):
    name = _put(tree, "runs.csv", f"image,runs\na.jpg,{runs}\n")
    (row,) = read.read_table(tree, name, ("image", "runs"), header=True)
    with pytest.raises(DataError, match=rf"runs\.csv, line 2: .*{message}"):
        read.run_length_mask(row, "runs", 7, 5)


def test_tables_know_their_lines(tree):
    name = _put(tree, "t.csv", "\ufeffname,n\r\n\r\na,1\r\nb,x\r\n")
    rows = list(read.read_table(tree, name, ("name", "n"), header=True))
    assert [(row.line, row["name"]) for row in rows] == [(3, "a"), (4, "b")] and rows[0].integer("n") == 1
    for call, message in (
        (lambda: rows[1].integer("n"), "line 4: n is 'x', expected an integer"),
        (lambda: rows[1].number("n"), "line 4: n is 'x', expected a number"),
        (lambda: rows[1].choice("name", ("a", "c")), "line 4: name is 'b', expected one of a, c"),
        (
            lambda: list(read.read_table(tree, name, ("n", "name"), header=True)),
            "line 1: .*expected the header",
        ),
        (
            lambda: list(read.read_table(tree, name, ("name", "n"), header=False)),
            "line 1: .*looks like a header",
        ),
        (lambda: list(read.read_table(tree, "no.csv", ("a",), header=True)), "no.csv is missing"),
    ):
        with pytest.raises(DataError, match=message):
            call()


def test_voc_and_labelme(tree):
    voc = read.read_voc(tree, _put(tree, "a.xml", VOC))
    assert (voc.height, voc.width, voc.boxes) == (20, 30, (read.Box("dent", 1, 2, 9, 8),))
    with pytest.raises(DataError, match=r"a\.xml: .*document type"):
        read.read_voc(tree, _put(tree, "a.xml", "<!DOCTYPE x [<!ENTITY a 'b'>]>" + VOC))
    with pytest.raises(DataError, match=r"a\.xml, line 1: <bndbox/ymax> is 'far', expected a number"):
        read.read_voc(tree, _put(tree, "a.xml", VOC.replace("8</ymax>", "far</ymax>")))
    labelme = read.read_labelme(tree, _put(tree, "a.json", LABELME))
    mask = labelme.shapes[0].mask(20, 30)
    assert labelme.shapes[0].name == "pit" and mask[2, 5] and not mask[7, 2] and mask.sum() > 20
    with pytest.raises(DataError, match=r"a\.json: shape 0 is a 'line'"):
        read.read_labelme(
            tree, _put(tree, "a.json", LABELME.replace('"label"', '"shape_type": "line", "label"'))
        )
    with pytest.raises(DataError, match=r"a\.json, line 2: is no JSON"):
        read.read_json(tree, _put(tree, "a.json", '{\n"a": }'))


@pytest.mark.parametrize("kind", ["8", "16", "1", "palette", "rgba", "jpeg"])
def test_masks_of_every_kind(tree, kind):
    wanted = np.zeros((16, 24), bool)
    wanted[4:12, 8:16] = True
    grey = wanted.astype(np.uint8) * 255
    rgba = np.zeros((16, 24, 4), np.uint8)
    rgba[wanted, 0] = 255  # red and wholly transparent: transparency does not count
    palette = Image.fromarray(wanted.astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, 200, 30, 30])
    data = {
        "8": lambda: _png(grey),
        "16": lambda: _png(wanted.astype(np.uint16) * 65535),
        "1": lambda: _png(Image.fromarray(grey).convert("1")),
        "palette": lambda: _png(palette),
        "rgba": lambda: _png(rgba),
        "jpeg": lambda: _png(grey, "JPEG"),
    }[kind]()
    got = read.read_mask(tree, _put(tree, "mask", data), threshold=127, size=(16, 24))
    assert np.array_equal(got, wanted)
    with pytest.raises(DataError, match="mask: is of 24x16 pixels, its picture of 24x17"):
        read.read_mask(tree, "mask", size=(17, 24))


def test_marks_below_the_threshold_are_no_empty_mask(tree):
    name = _put(tree, "mask.png", _png(np.eye(5, dtype=np.uint8)))
    assert read.read_mask(tree, name).sum() == 5
    with pytest.raises(DataError, match=r"mask\.png: its values go up to 1, none is above 127"):
        read.read_mask(tree, name, threshold=127)
    assert not read.read_mask(
        tree, _put(tree, "none.png", _png(np.zeros((5, 5), np.uint8))), threshold=127
    ).any()
    with pytest.raises(DataError, match=r"mask\.png cannot be decoded"):
        read.read_mask(tree, _put(tree, "mask.png", (Path(tree.folder) / name).read_bytes()[:50]))


def test_nested_matlab_fields(tree):
    savemat(tree.folder / "a.mat", {"truth": {"map": np.eye(3)}})
    assert np.array_equal(read.read_mat(tree, "a.mat", "truth", "map"), np.eye(3, dtype=np.int64))
    for fields in (("truth", "maps"), ("other",)):
        with pytest.raises(FlowError, match=r"a\.mat: has no field"):
            read.read_mat(tree, "a.mat", *fields)
