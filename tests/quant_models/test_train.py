import csv
import hashlib
import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from finnspect.errors import ConfigError, DataError

from quant_models.evaluate import evaluate, has_tie, predictions
from quant_models.train import AugmentConfig, TrainConfig, open_run, train
from quant_models.training.augment import Augment
from quant_models.training.average import Averaged, measure_statistics
from quant_models.training.records import Part
from quant_models.training.run_dir import whole_folder

NEU = Path(__file__).resolve().parents[3] / "shared" / "data" / "NEU-DET.tar.xz"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state_of(run):
    return run.model().state_dict()


# -- the run folder -----------------------------------------------------------------------------


def test_metrics_agree_with_the_checkpoint_on_the_kept_test_part(tiny_run):
    images, labels = tiny_run.test_images()
    assert images.dtype == np.uint8 and images.shape[1:] == (16, 16, 1)
    with torch.no_grad():
        logits = tiny_run.model()(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    correct = int((logits.argmax(1).numpy() == labels).sum())
    metrics = tiny_run.metrics
    assert metrics["quantized"]["test"]["correct"] == correct
    assert metrics["test_accuracy"] == correct / len(labels)
    confusion = np.array(metrics["quantized"]["test"]["confusion"])
    assert np.array_equal(confusion.sum(1), np.bincount(labels, minlength=len(tiny_run.info.classes)))
    assert sum(metrics["images"].values()) == 210
    assert metrics["images"]["test"] == len(labels)


def test_history_has_every_epoch_and_the_best_is_the_best_on_validation(tiny_run):
    with (tiny_run.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["phase"], int(r["epoch"])) for r in rows] == [
        *(("float", i) for i in (1, 2, 3)),
        *(("quant", i) for i in (1, 2)),
    ]
    for phase, key in (("float", "float"), ("quant", "quantized")):
        of_phase = [r for r in rows if r["phase"] == phase]
        of_phase = [r for r in of_phase if int(r["epoch"]) > 0.75 * len(of_phase)]
        best = min(of_phase, key=lambda r: float(r["val_loss"]))
        assert tiny_run.metrics[key]["best_epoch"] == int(best["epoch"])
        assert tiny_run.metrics[key]["val"]["accuracy"] == pytest.approx(
            float(best["val_accuracy"]), abs=1e-6
        )


def test_learning_rates_rise_and_fall_as_a_cosine(make_config):
    from quant_models.models import build_float_twin
    from quant_models.training.phase import _Phase

    config = make_config(Path("none"), float_lr=0.01)
    part = Part(batch().byte(), torch.arange(8) % 7)
    steps = 100
    phase = _Phase("float", build_float_twin(config.model, 7, (16, 16, 1)), None, config, part, 7, steps, 4)
    phase.configure_optimizers()
    rates = []
    for _ in range(steps):
        rates.append(phase.optimizer.param_groups[0]["lr"])
        phase.optimizer.step()
        phase.schedule.step()
    warm = 5
    assert rates[:warm] == pytest.approx([0.01 * (i + 1) / warm for i in range(warm)])
    falling = [0.005 * (1 + np.cos(np.pi * i / (steps - warm))) for i in range(steps - warm)]
    assert rates[warm:] == pytest.approx(falling)


def test_the_manifest_is_the_split_that_was_used(tiny_run):
    from quant_models.datasets import SplitManifest

    manifest = SplitManifest.read(tiny_run.path / "split.json")
    assert manifest.sha256 == tiny_run.info.data_sha256
    counts = {part: sum(by_class.values()) for part, by_class in manifest.counts.items()}
    assert counts == tiny_run.metrics["images"]


def test_float_twin_is_kept(tiny_run):
    images, labels = tiny_run.test_images()
    part = Part(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))
    measured = evaluate(tiny_run.float_model(), part, tiny_run.info.classes)
    assert measured == tiny_run.metrics["float"]["test"]


def test_same_seed_same_checkpoint(tiny_run, make_config, tmp_path):
    again = open_run(train(make_config(tmp_path / "again"), lambda _: None))
    assert sha256(again.path / "checkpoint.pt") == sha256(tiny_run.path / "checkpoint.pt")
    assert sha256(again.path / "float.pt") == sha256(tiny_run.path / "float.pt")


def test_another_seed_another_checkpoint(tiny_run, make_config, tmp_path):
    other = open_run(train(make_config(tmp_path / "other", seed=1), lambda _: None))
    assert other.info.data_sha256 != tiny_run.info.data_sha256
    assert not torch.equal(state_of(other)["head.weight"], state_of(tiny_run)["head.weight"])


def test_training_leaves_the_global_state_alone(make_config, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train(make_config(tmp_path / "run", float_epochs=1, quant_epochs=1), lambda _: None)
    assert torch.equal(torch.rand(1), expected)
    assert not torch.are_deterministic_algorithms_enabled()


def test_training_learns(make_config, tmp_path):
    """Seven classes: a chance of 14 %; a small net on 1,050 images of 32x32 pixels does far better."""
    config = make_config(
        tmp_path / "run",
        dataset_options={"images": 1050},
        image_size=32,
        float_epochs=15,
        quant_epochs=5,
        float_lr=1e-2,
    )
    metrics = open_run(train(config, lambda _: None)).metrics
    assert metrics["test_accuracy"] > 0.4
    assert metrics["float_test_accuracy"] > 0.4


# -- interruption -------------------------------------------------------------------------------


def stop_at(word, stop):
    def progress(line):
        if word in line:
            stop()

    return progress


def keyboard_interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("word", ["float epoch 2", "quant epoch 1"])
@pytest.mark.parametrize(
    "stop", [keyboard_interrupt, lambda: signal.raise_signal(signal.SIGINT)], ids=["raise", "sigint"]
)
def test_interrupted_run_leaves_nothing(make_config, tmp_path, word, stop):
    handler = signal.getsignal(signal.SIGINT)
    config = make_config(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(config, stop_at(word, stop))
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(ConfigError, match="not a finished training run"):
        open_run(config.run_dir)


def test_interrupted_run_keeps_the_finished_one(make_config, tiny_run, tmp_path):
    config = make_config(tmp_path / "run", float_epochs=1, quant_epochs=1)
    before = sha256(train(config, lambda _: None) / "checkpoint.pt")
    with pytest.raises(KeyboardInterrupt):
        train(config, stop_at("quant epoch", keyboard_interrupt))
    assert sha256(open_run(config.run_dir).path / "checkpoint.pt") == before


def test_a_killed_run_is_cleared_away(make_config, tmp_path):
    config = make_config(tmp_path / "run", float_epochs=1, quant_epochs=1)
    stale = tmp_path / ".run.partial"
    stale.mkdir()
    (stale / "checkpoint.pt").write_bytes(b"half")
    assert open_run(train(config, lambda _: None)).path == config.run_dir
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_whole_folder_gives_up_the_disk_on_any_error(tmp_path):
    with pytest.raises(OSError, match="full"), whole_folder(tmp_path / "x") as folder:
        (folder / "part").write_text("some")
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["checkpoint.pt", "test.npz", "split.json"])
def test_altered_run_is_refused(tiny_run, tmp_path, file):
    copy = tmp_path / "run"
    copy.mkdir()
    for source in tiny_run.path.iterdir():
        (copy / source.name).write_bytes(source.read_bytes())
    assert open_run(copy).info == tiny_run.info
    data = bytearray((copy / file).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / file).write_bytes(data)
    with pytest.raises(ConfigError, match=file):
        open_run(copy)


def test_unreadable_run_is_refused(tiny_run, tmp_path):
    document = json.loads((tiny_run.path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(document | {"format_version": 99}))
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(ConfigError, match="version 99"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        open_run(tmp_path)


# -- bad configuration --------------------------------------------------------------------------


def test_bad_names_are_refused_before_data_is_read(make_config, tmp_path):
    missing = tmp_path / "no_such_data"
    for changes, words in (
        ({"model": "cnv_x"}, "unknown model"),
        ({"image_size": 20}, "halved"),
        ({"dataset": "no-such-set", "dataset_options": {}}, "unknown data set"),
    ):
        with pytest.raises(ConfigError, match=words):
            train(make_config(tmp_path / "run", data=missing, **changes))
    with pytest.raises(DataError, match="no_such_data"):
        train(make_config(tmp_path / "run", dataset="neu-det", data=missing, dataset_options={}))
    assert list(tmp_path.iterdir()) == []


# -- parts --------------------------------------------------------------------------------------


def batch(n=8, side=16):
    return torch.randint(0, 256, (n, 1, side, side), generator=torch.Generator().manual_seed(3)).float()


def test_augmentation_gives_seeded_whole_codes():
    x = batch()
    first, second = Augment(AugmentConfig(), 4)(x), Augment(AugmentConfig(), 4)(x)
    assert torch.equal(first, second)
    assert not torch.equal(first, Augment(AugmentConfig(), 5)(x))
    assert first.shape == x.shape and first.dtype == torch.float32
    assert torch.equal(first, first.round()) and first.min() >= 0 and first.max() <= 255


@pytest.mark.parametrize("turns", [True, False])
def test_flips_only_move_pixels(turns):
    x = batch(64)
    out = Augment(AugmentConfig(turns=turns, shift=0, contrast=0, brightness=0, noise=0), 1)(x)
    assert torch.equal(out.flatten(1).sort(1).values, x.flatten(1).sort(1).values)
    turned = {
        next(
            k
            for k in range(8)
            if torch.equal(
                b, (a.transpose(-1, -2) if k & 1 else a).flip([-1] * (k >> 1 & 1) + [-2] * (k >> 2 & 1))
            )
        )
        for a, b in zip(x, out, strict=True)
    }
    assert turned == (set(range(8)) if turns else {0, 2, 4, 6})


def test_shift_moves_and_mirrors():
    x = torch.arange(8.0).expand(32, 1, 8, 8).contiguous()
    config = AugmentConfig(flips=False, shift=0.25, contrast=0, brightness=0, noise=0)
    rows = {tuple(r.int().tolist()) for r in Augment(config, 0)(x)[:, 0, 0]}
    assert rows == {
        (2, 1, 0, 1, 2, 3, 4, 5),
        (1, 0, 1, 2, 3, 4, 5, 6),
        (0, 1, 2, 3, 4, 5, 6, 7),
        (1, 2, 3, 4, 5, 6, 7, 6),
        (2, 3, 4, 5, 6, 7, 6, 5),
    }


def test_no_augmentation_is_the_identity():
    x = batch()
    none = AugmentConfig(flips=False, shift=0, contrast=0, brightness=0, noise=0)
    assert torch.equal(Augment(none, 0)(x), x)


def test_average_follows_and_swaps_back():
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(net.weight)
    average = Averaged(net, 0.5)
    torch.nn.init.ones_(net.weight)
    for _ in range(40):
        average.update(net)
    average.swap(net)
    assert float(net.weight) == pytest.approx(1, abs=1e-6) and float(net.weight) != 0
    average.swap(net)
    assert float(net.weight) == 1


def test_statistics_are_those_of_the_images():
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(1)).eval()
    torch.nn.init.constant_(net[0].running_mean, 7.0)
    images = batch(12).byte()
    measure_statistics(net, images, batch_size=4)
    parts = images.float().reshape(3, -1)
    assert torch.allclose(net[0].running_mean, parts.mean())
    assert torch.allclose(net[0].running_var, parts.var(1).mean())
    assert net[0].momentum == 0.1 and not net.training


def test_evaluate_counts_by_class():
    class Fixed(torch.nn.Module):
        def forward(self, codes):
            return torch.nn.functional.one_hot(codes[:, 0, 0, 0].long(), 3).float()

    codes = torch.tensor([0, 0, 1, 0]).reshape(4, 1, 1, 1)
    result = evaluate(Fixed(), Part(codes, torch.tensor([0, 0, 1, 1])), ("a", "b", "c"))
    assert result["correct"] == 3 and result["accuracy"] == 0.75
    assert result["per_class"] == {"a": 1.0, "b": 0.5, "c": None}
    assert result["balanced_accuracy"] == 0.75
    assert result["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]


def test_ties_go_to_the_lowest_index():
    logits = np.array([[1, 3, 3], [2, 1, 0]])
    assert predictions(logits).tolist() == [1, 0]
    assert has_tie(logits).tolist() == [True, False]


@pytest.mark.skipif(not NEU.exists(), reason="the NEU-DET archive is not beside the checkout")
def test_one_epoch_on_neu_det(tmp_path):
    config = TrainConfig(
        model="cnv_tiny_w4a4",
        dataset="neu-det",
        data=NEU,
        run_dir=tmp_path / "run",
        float_epochs=2,
        quant_epochs=1,
    )
    run = open_run(train(config, lambda _: None))
    assert run.info.classes[0] == "crazing" and len(run.info.classes) == 6
    assert sum(run.metrics["images"].values()) == 1800
    assert run.metrics["images"]["test"] >= 300
