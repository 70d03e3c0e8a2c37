"""A run that was killed ends with the weights of one that was not."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from finnspect.errors import DataError

from quant_models.train import open_run, train
from quant_models.training.batches import class_weights
from quant_models.training.config import TrainConfig
from quant_models.training.records import Store

KILLED = """
import json, os, signal, sys
import torch
torch.set_num_threads(1)
from quant_models.train import TrainConfig, train

def progress(line):
    if line.startswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

train(TrainConfig.model_validate_json(sys.argv[1]), progress)
"""


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_killed_run_goes_on_to_the_same_weights(tiny_run, make_config, tmp_path):
    config = make_config(tmp_path / "run", resume_dir=tmp_path / "resume", checkpoint_seconds=0)
    arguments = [sys.executable, "-c", KILLED, config.model_dump_json(), "float epoch 2"]
    killed = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    (kept,) = (tmp_path / "resume").iterdir()
    assert [path.name for path in kept.iterdir()] == ["float.pt"]

    def interrupt(line):
        lines.append(line)
        if line.startswith("quant epoch 1"):
            raise KeyboardInterrupt

    lines = []
    with pytest.raises(KeyboardInterrupt):
        train(config, interrupt)
    assert "float: going on after epoch 2 of 3" in lines
    assert sum(line.startswith("float epoch") for line in lines) == 1
    assert sorted(path.name for path in kept.iterdir()) == ["float-finished.pt", "float.pt", "quant.pt"]

    lines = []
    run = open_run(train(config, lines.append))
    assert "float: finished before, taken up" in lines
    assert "quant: going on after epoch 1 of 2" in lines
    for name in ("checkpoint.pt", "float.pt"):
        assert sha256(run.path / name) == sha256(tiny_run.path / name)
    assert run.metrics["test_accuracy"] == tiny_run.metrics["test_accuracy"]
    assert run.metrics["epochs"] == {"float": 3, "quantized": 2}
    assert list((tmp_path / "resume").iterdir()) == []


def test_checkpoints_of_another_run_are_not_taken_up(make_config, tmp_path):
    def interrupt(line):
        if line.startswith("float epoch 2"):
            raise KeyboardInterrupt

    config = make_config(tmp_path / "run", resume_dir=tmp_path / "resume", checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train(config, interrupt)
    lines = []

    def listen(line):
        lines.append(line)
        interrupt(line)

    for change in ({"seed": 1}, {"float_lr": 1e-3}):
        with pytest.raises(KeyboardInterrupt):
            train(config.model_copy(update=change), listen)
    assert sum(line.startswith("float epoch 1") for line in lines) == 2
    assert not any("going on" in line for line in lines)


def test_damaged_checkpoint_starts_anew(tmp_path):
    store = Store(tmp_path, {"a": 1})
    assert store.read("x") is None
    store.write("x", {"t": torch.arange(3), "n": [1, {"a": None}]})
    assert store.read("x")["t"].tolist() == [0, 1, 2]
    assert Store(tmp_path, {"a": 2}).read("x") is None
    path = store.path / "x.pt"
    path.write_bytes(path.read_bytes()[:200])
    assert store.read("x") is None
    store.clear()
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_takes_the_best_of_all_epochs(make_config, tmp_path):
    # A learning rate this high is worse and worse: the first epochs are the best.
    config = make_config(tmp_path / "run", float_epochs=12, quant_epochs=1, float_lr=3.0, patience=2)
    run = open_run(train(config, lambda _: None))
    done, best = run.metrics["epochs"]["float"], run.metrics["float"]["best_epoch"]
    assert done == best + 2 < 12


def test_shots_and_folds_choose_the_images(make_config, tmp_path):
    few = open_run(
        train(make_config(tmp_path / "few", shots=4, float_epochs=1, quant_epochs=1), lambda _: None)
    )
    assert few.metrics["images"] == {"train": 28, "val": 28, "test": 42}
    assert few.info.config.name == "cnv_tiny_w4a4-synthetic-shots4"
    tests = []
    for fold in range(3):
        config = make_config(tmp_path / f"fold{fold}", fold=(fold, 3), float_epochs=1, quant_epochs=1)
        run = open_run(train(config, lambda _: None))
        images = json.loads((run.path / "split.json").read_text())["images"]
        tests.append({image["source"] for image in images if image["part"] == "test"})
        assert sum(run.metrics["images"].values()) == 210
    assert [len(part) for part in tests] == [70, 70, 70]
    assert len(set.union(*tests)) == 210
    with pytest.raises(DataError, match="too few for 31 folds"):
        train(make_config(tmp_path / "no", fold=(0, 31)), lambda _: None)


@pytest.mark.parametrize("fold", [(3, 3), (0, 1), (-1, 4)])
def test_impossible_folds_are_refused(fold, tmp_path):
    with pytest.raises(ValueError, match="fold"):
        TrainConfig(run_dir=tmp_path, fold=fold)


def test_class_weights_even_out_unlike_classes():
    assert class_weights(torch.tensor([0, 0, 1, 1, 1]), 2) is None
    labels = torch.tensor([0] * 90 + [1] * 10)
    weights = class_weights(labels, 3)
    assert float(weights[1] / weights[0]) == pytest.approx(3)
    assert float(weights[labels].mean()) == pytest.approx(1)
    assert weights[2] == 0
    assert np.isfinite(weights.numpy()).all()
    alike = class_weights(labels, 3, power=1)
    assert float(alike[1] / alike[0]) == pytest.approx(9)
    assert float(alike[labels].mean()) == pytest.approx(1)


def test_frozen_norms_keep_their_statistics(make_config, tmp_path):
    """Frozen from the start, they stay as measured before the quantized phase, however long that is."""

    def means(epochs, frozen):
        config = make_config(tmp_path / "run", float_epochs=1, quant_epochs=epochs, frozen_norms=frozen)
        return open_run(train(config, lambda _: None)).model().stages[2].bn.running_mean

    assert torch.equal(means(1, 1.0), means(2, 1.0))
    assert not torch.equal(means(1, 0.0), means(2, 0.0))
