"""Near-duplicates are found, also moved ones; official splits are kept where they are sound."""

from __future__ import annotations

import json

import drawn_sets as drawn
import numpy as np
import pytest
from finnspect.cli import run
from finnspect.package import Preprocessing
from PIL import Image
from scipy import ndimage

from quant_models.datasets import load_dataset, near, near_duplicates, split_dataset
from quant_models.datasets.check import check_dataset
from quant_models.datasets.clean import drop_copies, settle_official
from quant_models.datasets.surface import textures


@pytest.fixture(scope="module")
def surfaces() -> np.ndarray:
    """Twelve textures, then crops of the first that overlap by two thirds, in another light, compressed."""
    fields, _, _ = textures(np.random.default_rng(8), 12)
    light = np.linspace(-40, 40, 64)[:, None]
    base = np.clip(120 + 30 * fields[:, :64, :64], 0, 255)
    moved = np.stack([np.clip(120 + 30 * fields[0, 10:74, 6:70] + light, 0, 255)])
    noisy = np.clip(base[3:4] * 0.8 + np.random.default_rng(1).normal(0, 2, (1, 64, 64)), 0, 255)
    return np.concatenate([base, moved, noisy]).astype(np.uint8)[..., None]


def test_moved_and_noisy_copies_are_found_and_nothing_else(surfaces, monkeypatch):
    assert [(i, j) for i, j, _ in near_duplicates(surfaces)] == [(0, 12), (3, 13)]
    monkeypatch.setattr(near, "EXHAUSTIVE", 5)
    assert [(i, j) for i, j, _ in near_duplicates(surfaces)] == [(3, 13)]  # moved ones: small sets only


@pytest.mark.parametrize("side", [3, 16, 50, 130])
def test_any_size_of_images(surfaces, side):
    images = ndimage.zoom(surfaces[..., 0], (1, side / 64, side / 64), order=1)[..., None]
    images = np.concatenate([images, images[2:3]])
    pairs = {(i, j) for i, j, _ in near_duplicates(images)}
    assert ((2, 14) in pairs) == (side > 3)
    assert near_duplicates(np.full((3, side, side, 3), 9, np.uint8)) == []


@pytest.fixture
def folder(tmp_path, surfaces):
    for i, image in enumerate(surfaces[..., 0]):
        path = tmp_path / "set" / "ab"[i % 2] / f"{i:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "set"


def test_near_duplicates_are_grouped_on_demand(folder, tmp_path, monkeypatch):
    look = Preprocessing(color="grey", height=64, width=64, scale=1.0)
    plain = load_dataset("image-folder", folder, look, tmp_path / "cache")
    assert len(set(plain.groups)) == 14 and not plain.notes
    lines: list[str] = []
    grouped = load_dataset("image-folder", folder, look, tmp_path / "cache", lines.append, group_near=True)
    of = dict(zip(grouped.sources, grouped.groups, strict=True))
    assert len(set(of.values())) == 12
    assert of["a/00.png"] == of["a/12.png"] and of["b/03.png"] == of["b/13.png"]
    assert "2 pairs of near-duplicates are kept together: 12 groups" in lines[-1]
    monkeypatch.setattr(near, "near_duplicates", lambda *_: pytest.fail("compared again"))
    again = load_dataset("image-folder", folder, look, tmp_path / "cache", group_near=True)
    assert again.groups == grouped.groups
    split = split_dataset(grouped, 0)
    assert not {grouped.groups[i] for i in split.train} & {grouped.groups[i] for i in split.test}


def test_a_check_reports_in_text_and_json(folder, capsys):
    check = check_dataset("image-folder", folder)
    assert check.ok and [pair[:2] for pair in check.near] == [
        ("a/00.png", "a/12.png"),
        ("b/03.png", "b/13.png"),
    ]
    assert run(["datasets", "check", "image-folder", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "pictures: 14 (14 of 64x64)" in text and "pairs of near-duplicates: 2" in text and "  ok" in text
    assert run(["datasets", "check", "image-folder", str(folder), "--option", "group_near=true"]) == 0
    text = capsys.readouterr().out
    assert "in 12 groups" in text and "pairs of near-duplicates: " not in text
    (folder / "a" / "00.png").write_bytes((folder / "b" / "01.png").read_bytes())
    (folder / "b" / "05.png").write_bytes(b"no picture")
    assert run(["datasets", "check", "image-folder", str(folder), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["ok"] and document["copies"] == [["a/00.png", "b/01.png"]]
    assert [problem.split(":")[0] for problem in document["problems"]][1:] == [
        "the same picture is in several classes"
    ]
    assert "b/05.png cannot be decoded" in document["problems"][0]


def test_a_check_compares_sizes_with_the_published_ones(tmp_path):
    for key, what in {
        "neu-det": "30 pictures are of another size, the first IMAGES/crazing_1.jpg of 24x20; "
        "the published set has 200x200 pixels",
        "aitex": "of 256x32; the published set has (3796 to 4096)x256 pixels",
        "crack-forest": "of 192x128; the published set has 480x320 or 320x480 pixels",
        "bridge-crack": "",
        "kth-tips": "",
    }.items():
        check = check_dataset(key, drawn.draw(key, tmp_path / key), **drawn.SETS[key][1])
        found = [problem for problem in check.problems if "another size" in problem]
        assert len(found) == bool(what) and all(what in problem for problem in found)


def _arrays(parts: list[str], pixels: str) -> dict:
    count = len(parts)
    return {
        "class_names": ("a", "b"),
        "images": np.zeros((count, 2, 2, 1), np.uint8),
        "labels": np.zeros(count, np.int64),
        "groups": tuple(map(str, range(count))),
        "sources": tuple(map(str, range(count))),
        "sha256": tuple(pixels),
        "pixel_sha256": tuple(pixels),
        "parts": tuple(parts),
        "notes": (),
    }


def test_official_splits(caplog):
    sound = settle_official(_arrays(["train", "val", "test"], "abc"), "set")
    assert sound["parts"] == ("train", "val", "test") and not sound["notes"]
    leaking = settle_official(_arrays(["train", "val", "test"], "aba"), "set")
    assert leaking["parts"] == () and "1 of 1 images of 'test' are in 'train' too" in leaking["notes"][0]
    assert "official split is not used" in caplog.text
    assert "no 'test' part" in settle_official(_arrays(["train", "val"], "ab"), "set")["notes"][0]
    # One copy among many is removed and the split kept; many are the mark of a split that cannot be trusted.
    letters = "".join(chr(200 + i) for i in range(250))
    few = drop_copies(_arrays(["train"] * 50 + ["test"] * 200, letters[:-1] + letters[0]), "set")
    assert few["parts"].count("test") == 199 and len(few["labels"]) == 249
    many = drop_copies(_arrays(["train"] * 50 + ["test"] * 200, letters[:-3] + letters[:3]), "set")
    assert many["parts"] == () and "3 of 200 images of 'test'" in many["notes"][0]
