"""Sets with any damage: they load and leave nothing out in silence, or an error names a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import drawn_sets as drawn
import numpy as np
import pytest
from finnspect.errors import DataError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quant_models.datasets import bsdata, dagm, itodd, load, load_dataset, tianchi_fabric
from quant_models.datasets.files import FileTree

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


@pytest.fixture(scope="module", params=sorted(drawn.SETS))
def drawn_set(request, tmp_path_factory):
    """Name, folder and options of each set, and the bytes of its files."""
    path = drawn.draw(request.param, tmp_path_factory.mktemp("drawn"))
    files = {file: file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    return drawn.name_of(request.param), path, drawn.SETS[request.param][1], files


#: What happens to a file: bytes are written over it, it is cut, lost, emptied, gets a line or is kept twice.
DAMAGE: dict[str, Callable[[Path, bytes, int, bytes], object]] = {
    "patch": lambda file, data, at, patch: file.write_bytes(data[:at] + patch + data[at + len(patch) :]),
    "cut": lambda file, data, at, patch: file.write_bytes(data[:at]),
    "lose": lambda file, data, at, patch: file.unlink(),
    "empty": lambda file, data, at, patch: file.write_bytes(b""),
    "line": lambda file, data, at, patch: file.write_bytes(patch + b"\n" + data),
    "twice": lambda file, data, at, patch: file.with_name(f"x{at % 3}{file.name}").write_bytes(data),
}


@settings(FUZZ, max_examples=8)
@given(
    which=st.integers(0, 10**6),
    at=st.integers(0, 10**6),
    patch=st.binary(min_size=1, max_size=4) | st.sampled_from([b"0", b"1", b"2", b"9"]),
    how=st.sampled_from(sorted(DAMAGE)),
    label=st.booleans(),
)
def test_damage_is_refused_or_said(grey16, drawn_set, which, at, patch, how, label):
    name, path, options, files = drawn_set
    whole = _load(name, path, grey16, options)
    some = [file for file in files if (file.suffix in (".txt", ".csv", ".json", ".xml", ".mat")) == label]
    file = (some or list(files))[which % len(some or files)]
    try:
        DAMAGE[how](file, files[file], at % len(files[file]), patch)
        sources, said = _load(name, path, grey16, options)
        gone = [source for source in whole[0] - sources if (path / source.partition("#")[0]).is_file()]
        assert not gone or said != whole[1], f"{gone} went in silence"
    except DataError as error:
        assert str(path) in error.message and error.remedy
    finally:
        for extra in set(path.rglob("*")) - set(files):
            if extra.is_file():
                extra.unlink()
        file.write_bytes(files[file])


def _load(name, path, params, options) -> tuple[set[str], tuple[str, ...]]:
    """Return the samples of a set and what is said of those that are left out."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load.log, "warning", lambda text, *what: said.append(text % what))
        dataset = load_dataset(name, path, params, None, said.append, **options)
    assert dataset.images.dtype == np.uint8 and dataset.images.shape[1:] == (16, 16, 1)
    return set(dataset.sources), tuple(said)
