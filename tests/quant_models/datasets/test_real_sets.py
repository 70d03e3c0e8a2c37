"""The published archives, where they are there: the figures of docs/datasets.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quant_models.datasets import clusters, load_dataset, split_dataset

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data"
ARCHIVES = {
    "neu-det": "NEU-DET",
    "magnetic-tile": "Magnetic-tile-defect-datasets",
    "bridge-crack": "Bridge_Crack_Image",
    "deep-pcb": "DeepPCB",
    "crack-forest": "CrackForest-dataset",
}
COUNTS = {
    "neu-det": [300] * 6,
    "magnetic-tile": [115, 85, 57, 32, 952, 103],
    "bridge-crack": [47971, 6000],
    "deep-pcb": [1942, 1506, 1965, 1625, 1474, 1501],
    "crack-forest": [3206, 1304],
}
GROUPS = {
    "neu-det": 1799,
    "magnetic-tile": 210,
    "bridge-crack": 53971,
    "deep-pcb": 1500,
    "crack-forest": 118,
}
UNUSED = "pictures are not used: no label, list or name takes them into the set"
NOTES = {
    "neu-det": [],
    "magnetic-tile": [
        f"2 {UNUSED} (Magnetic-tile-defect-datasets./dataset.jpg, Magnetic-tile-defect-datasets./dataset.png)"
    ],
    "bridge-crack": [
        "the official split is not used: 999 of 5000 images of 'val' are in 'train' too; "
        "it has no 'test' part",
        "1029 images left out: their pixels are identical to an image before them",
    ],
    "deep-pcb": [f"1 {UNUSED} (DeepPCB/PCBData/group90100/90100/90100034_temp.jpg)"],
    "crack-forest": [
        "37 images left out: they have no ground truth",
        "210 tiles left out: they show some defect, but less than the minimum",
    ],
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "bridge-crack")) for name in sorted(ARCHIVES)],
)
def test_the_published_set_has_these_figures(name, grey16, caplog):
    archive = DATA / f"{ARCHIVES[name]}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"the published archive is not at {archive}")
    dataset = load_dataset(name, archive, grey16, None)
    assert list(dataset.counts.values()) == COUNTS[name]
    assert len(set(clusters(dataset).tolist())) == GROUPS[name]
    assert list(dataset.notes) == NOTES[name]
    assert "the published set has" not in caplog.text
    split = split_dataset(dataset, 0)
    assert split.official == (name == "deep-pcb")
    text = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    row = next(line for line in text.split("\n") if re.match(rf"\| `{name}`.*\| \d+ \|", line))
    figures = set(map(int, re.findall(r"\d+", row)))
    assert {GROUPS[name], *COUNTS[name]} <= figures
