"""``on_board.ipynb`` asks a board for nothing that its image lacks."""

from __future__ import annotations

import ast

import nbformat
from finnspect.paths import ROOT

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
