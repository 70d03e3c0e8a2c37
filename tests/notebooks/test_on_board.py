"""``on_board.ipynb`` asks a board for nothing that its image lacks."""

from __future__ import annotations

import ast
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from finnspect.paths import ROOT
from finnspect_driver import DefectClassifier

#: On the image, beside the standard library; the driver comes with the zip.
ON_THE_IMAGE = {"numpy", "matplotlib", "PIL", "IPython", "finnspect_driver"}
STANDARD = {"platform", "tempfile", "time", "itertools", "pathlib"}


def cells():
    notebook = nbformat.read(ROOT / "notebooks" / "on_board.ipynb", 4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def names(node):
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return {node.module.split(".")[0]} if isinstance(node, ast.ImportFrom) else set()


def test_python_3_8_reads_it():
    for source in cells():
        ast.parse(source, feature_version=(3, 8))


def test_imports():
    found = set()
    for source in cells():
        tree = ast.parse(source)
        top = set().union(*map(names, tree.body))
        assert top <= ON_THE_IMAGE | STANDARD, top
        found |= set().union(*map(names, ast.walk(tree))) - top
    # OpenCV for a camera only, finnspect on a PC only.
    assert found <= ON_THE_IMAGE | STANDARD | {"cv2", "finnspect"}


def test_what_a_user_sets_is_in_the_first_cell_and_is_nobody_s_machine():
    first = ast.parse(cells()[0])
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in first.body}
    assert values == {"DEPLOY": None, "DEVICE": "auto", "GALLERY": None, "LIVE": None, "LIVE_FRAMES": 16}


def test_no_environment_is_read():
    assert not any("environ" in source or "getenv" in source for source in cells())


# -- the live loop over a camera -------------------------------------------------------------------------


class Camera:
    """OpenCV's ``VideoCapture``: ``good`` pictures in its order of colours, then none."""

    def __init__(self, pictures, good):
        self.pictures, self.good, self.reads, self.released = pictures, good, 0, 0

    def read(self):
        self.reads += 1
        if self.reads > self.good:
            return False, None
        return True, np.ascontiguousarray(self.pictures[(self.reads - 1) % len(self.pictures)][..., ::-1])

    def release(self):
        self.released += 1


@pytest.fixture
def live(monkeypatch, tmp_path):
    """Run the notebook's live cell with a camera in front of a classifier on modelled registers."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "driver"))
    import matplotlib
    from driver_fakes import AxiDevice, make_zip

    matplotlib.use("Agg")
    pictures = np.random.default_rng(4).integers(0, 256, (7, 12, 10, 3), dtype=np.uint8)
    shown = []
    (cell,) = (source for source in cells() if "def camera" in source)
    (imports_cell,) = (source for source in cells() if source.startswith("import platform"))

    def run(good, frames):
        camera = Camera(pictures, good)
        asked, got = [], []
        cv2 = SimpleNamespace(VideoCapture=lambda number: asked.append(number) or camera)
        monkeypatch.setitem(sys.modules, "cv2", cv2)
        names = {"LIVE": 3, "LIVE_FRAMES": frames, "GALLERY": None, "pictures": []}
        exec(imports_cell.partition("ON_BOARD")[0], names)  # only the imports
        names["display"] = lambda *_, **__: SimpleNamespace(update=shown.append)
        device = AxiDevice()
        try:
            with DefectClassifier(make_zip(tmp_path), device=device, batch=4) as classifier:
                stream = classifier.stream
                classifier.stream = lambda *a, **k: (got.append(p) or p for p in stream(*a, **k))
                names["classifier"] = classifier
                exec(cell, names)
                del classifier.stream
                shots = [pictures[i % 7] for i in range(frames)]
                right, swapped = classifier.logits(shots), classifier.logits([s[..., ::-1] for s in shots])
        finally:
            assert asked == [3] and camera.released == 1 and device.live == []
        np.testing.assert_array_equal([p.logits for p in got], right)
        assert not np.array_equal(right, swapped), "the pictures do not tell the orders of colours apart"
        return names["counts"], [p.name for p in got], shown

    return run


def test_a_camera_s_pictures_are_classified_in_their_own_colours(live):
    counts, verdicts, shown = live(good=100, frames=21)
    assert {name: count for name, count in counts.items() if count} == {
        name: verdicts.count(name) for name in verdicts
    }
    assert len(shown) >= 8


def test_a_camera_that_stops_is_given_back(live):
    with pytest.raises(RuntimeError, match="camera 3 gives no picture"):
        live(good=5, frames=21)
