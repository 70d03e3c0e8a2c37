"""Every picture is decoded once, several at a time, whatever is trained on it afterwards."""

from __future__ import annotations

import os
import threading
from collections import Counter

import drawn_sets as drawn
import pytest

from quant_models.datasets import load, load_dataset
from quant_models.train import TrainConfig, train


@pytest.fixture
def decodes(monkeypatch) -> Counter[str]:
    """How often each picture is decoded."""
    counts: Counter[str] = Counter()
    decode = load.decode_image

    def count(data, name):
        counts[name.rpartition(": ")[2]] += 1
        return decode(data, name)

    monkeypatch.setattr(load, "decode_image", count)
    return counts


def test_training_decodes_each_picture_once_in_all_its_epochs(tmp_path, decodes):
    path = drawn.draw("neu-det", tmp_path)
    fields = {"model": "cnv_tiny_w4a4", "dataset": "neu-det", "data": path, "batch_size": 8}
    fields |= {"float_epochs": 2, "quant_epochs": 2, "cache_dir": tmp_path / "cache"}
    train(TrainConfig(**fields, run_dir=tmp_path / "first"))
    assert set(decodes.values()) == {1} and len(decodes) == 30
    train(TrainConfig(**fields, run_dir=tmp_path / "second", seed=1))
    assert set(decodes.values()) == {1}


@pytest.mark.parametrize("key", ["deep-pcb", "crack-forest", "severstal"])
def test_a_picture_of_many_tiles_or_crops_is_decoded_once(key, grey16, tmp_path, decodes):
    dataset = load_dataset(
        drawn.name_of(key), drawn.draw(key, tmp_path), grey16, tmp_path / "cache", **drawn.SETS[key][1]
    )
    assert set(decodes.values()) == {1} and len(decodes) < len(dataset)


def test_pictures_are_decoded_at_the_same_time(grey16, class_folder, monkeypatch):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one core only")
    both, decode = threading.Barrier(2), load.decode_image
    waiting = iter(range(2))

    def meet(data, name):
        if next(waiting, None) is not None:
            both.wait(timeout=20)  # breaks where the second picture waits for the first
        return decode(data, name)

    monkeypatch.setattr(load, "decode_image", meet)
    assert len(load_dataset("image-folder", class_folder, grey16, None)) == 13
