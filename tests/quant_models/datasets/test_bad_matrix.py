"""Every fault that a set may have, for every set; the table is in ``bad_matrix.py``."""

from __future__ import annotations

import re

import drawn_sets as drawn
import numpy as np
import pytest
from bad_matrix import FAULTS, MATRIX, Noted, Refused
from finnspect.errors import DataError
from finnspect_driver.preprocess import preprocess
from PIL import Image

from quant_models.datasets import list_datasets, load_dataset
from quant_models.datasets.check import check_dataset
from quant_models.datasets.decode import decode_image


def test_every_set_and_fault_is_listed():
    assert set(MATRIX) == set(drawn.SETS)
    assert {drawn.name_of(key) for key in MATRIX} == {i.name for i in list_datasets() if i.needs_path}
    for key, row in MATRIX.items():
        assert set(row) == set(FAULTS), key


CELLS = [(key, fault) for key, row in MATRIX.items() for fault in row if isinstance(row[fault], Refused)]


@pytest.mark.parametrize(("key", "fault"), CELLS, ids=[f"{key}: {fault}" for key, fault in CELLS])
def test_a_fault_is_named(key, fault, grey16, tmp_path, caplog):
    cell, name = MATRIX[key][fault], drawn.name_of(key)
    options = drawn.SETS[key][1] | cell.options
    path = drawn.draw(key, tmp_path)
    cell.spoil(path)
    if type(cell) is Refused:
        with pytest.raises(DataError, match=cell.message) as caught:
            load_dataset(name, path, grey16, None, **options)
        assert caught.value.remedy and str(path) in caught.value.message
        found = check_dataset(name, path, scratch=tmp_path / "scratch", **options).problems
    elif isinstance(cell, Noted):
        found = load_dataset(name, path, grey16, None, **options).notes
    else:
        load_dataset(name, path, grey16, None, **options)
        assert re.search(cell.message, caplog.text)
        found = check_dataset(name, path, scratch=tmp_path / "scratch", **options).problems
    assert any(re.search(cell.message, line) for line in found)


@pytest.mark.parametrize("key", sorted(drawn.SETS))
def test_truncated_pictures_are_named(key, grey16, tmp_path):
    """A load stops at the first; a check names all and goes on."""
    name, options = drawn.name_of(key), drawn.SETS[key][1]
    path = drawn.draw(key, tmp_path)
    whole = load_dataset(name, path, grey16, None, **options)
    sources = list(dict.fromkeys(source.partition("#")[0] for source in whole.sources))
    victims = sources[len(sources) // 2], sources[-1]
    pictures = check_dataset(name, path, scratch=tmp_path / "scratch", **options).pictures
    for victim in victims:
        data = (path / victim).read_bytes()
        (path / victim).write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(DataError, match=rf"{re.escape(victims[0])}:? cannot be (decoded|read)") as caught:
        load_dataset(name, path, grey16, None, **options)
    assert caught.value.remedy
    check = check_dataset(name, path, scratch=tmp_path / "scratch", **options)
    for victim in victims:
        assert sum(victim in problem for problem in check.problems) == 1
    assert check.pictures == pictures - 2
    (path / victims[0]).write_bytes(b"")
    with pytest.raises(DataError, match=rf"{re.escape(victims[0])}:? (is empty|cannot be decoded)"):
        load_dataset(name, path, grey16, None, **options)


def _as_kind(kind: str, size: tuple[int, int]) -> Image.Image:
    """Return a picture that is stored in another way, of width and height."""
    rng = np.random.default_rng(sum(map(ord, kind)))
    colour = rng.integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    return {
        "16-bit": lambda: Image.fromarray(colour[..., 0].astype(np.uint16) * 200),
        "RGBA": lambda: Image.fromarray(colour),
        "palette": lambda: Image.fromarray(colour[..., :3]).convert("P"),
        "one bit": lambda: Image.fromarray(colour[..., 0]).convert("1"),
    }[kind]()


@pytest.mark.parametrize("key", sorted(drawn.SETS))
def test_other_kinds_of_pixels_are_converted_as_documented(key, grey16, tmp_path):
    name, options = drawn.name_of(key), drawn.SETS[key][1]
    path = drawn.draw(key, tmp_path)
    whole = load_dataset(name, path, grey16, None, **options)
    sources = list(dict.fromkeys(source.partition("#")[0] for source in whole.sources))
    victims = dict(zip(sources[1:], ("16-bit", "RGBA", "palette", "one bit"), strict=False))
    for victim, kind in victims.items():
        with Image.open(path / victim) as image:
            size = image.size
        _as_kind(kind, size).save(path / victim, "PNG")
    dataset = load_dataset(name, path, grey16, None, **options)
    seen = set()
    for image, sample in zip(dataset.images, dataset.sources, strict=True):
        source, _, box = sample.partition("#xywh=")
        if source in victims:
            pixels = decode_image((path / source).read_bytes(), source)
            x, y, w, h = map(int, box.split(",")) if box else (0, 0, *pixels.shape[1::-1])
            part = np.ascontiguousarray(pixels[y : y + h, x : x + w])
            assert np.array_equal(image, preprocess(part, grey16.model_dump()))
            seen.add(source)
    assert seen == set(victims) and len(seen) >= 3


@pytest.mark.parametrize(
    ("key", "masks"),
    [("aitex", "Mask_images/*"), ("kolektor-sdd", "kos*/*_label.bmp"), ("rsdds", "*/GroundTruth/*")],
)
def test_other_kinds_of_masks_give_the_same_labels(key, masks, grey16, tmp_path):
    name, options = drawn.name_of(key), drawn.SETS[key][1]
    path = drawn.draw(key, tmp_path)
    whole = load_dataset(name, path, grey16, None, **options)
    for i, mask in enumerate(sorted(path.glob(masks))):
        with Image.open(mask) as image:
            grey = np.where(np.asarray(image.convert("L")) > 155, np.uint8(255), np.uint8(0))
        stored = (
            Image.fromarray(grey.astype(np.uint16) * 257),
            Image.fromarray(grey).convert("RGBA"),
            Image.fromarray(grey).convert("P"),
            Image.fromarray(grey).convert("1"),
        )[i % 4]
        stored.save(mask, "PNG")
    again = load_dataset(name, path, grey16, None, **options)
    assert again.sources == whole.sources and np.array_equal(again.labels, whole.labels)
