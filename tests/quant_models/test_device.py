"""Training on a device beside the CPU. None is here, so torch's lazy tensors stand for one: a real second
device, whose operations refuse tensors of the CPU."""

import lightning
import pytest
import torch
from finnspect.cli import run

from quant_models.compilable import random_images, settle
from quant_models.models import build_float_twin, build_model
from quant_models.train import TrainConfig
from quant_models.training import phase as phases
from quant_models.training.augment import Augment
from quant_models.training.phase import _Phase, device_of
from quant_models.training.records import Part

SHAPE = (16, 16, 1)


@pytest.fixture(scope="module")
def other_device():
    from torch._lazy import ts_backend

    ts_backend.init()
    return "lazy"


def losses(device, config):
    """Losses of a training step and of a validation behind it, for a set of classes of unlike size."""
    torch.manual_seed(0)
    images = torch.from_numpy(random_images(SHAPE, 40)).permute(0, 3, 1, 2)
    labels = torch.tensor([0] * 30 + [1] * 10)
    twin, net = (build(config.model, 2, SHAPE) for build in (build_float_twin, build_model))
    settle(net, twin, images.permute(0, 2, 3, 1).numpy())
    twin.eval().requires_grad_(False).to(device)
    phase = _Phase("quant", net, twin, config, Part(images, labels), 2, steps=10, epochs=4).to(device).train()
    assert phase.weights is not None
    batch = images[:16].float().to(device), labels[:16].to(device)
    step = phase.training_step(batch, 0)
    assert step.device.type == device
    phase.on_train_batch_end()
    phase.on_validation_start()
    phase.eval()
    phase.validation_step(batch, 0)
    phase.on_validation_end()
    assert {value.device.type for value in phase.net.state_dict().values()} == {device}
    assert {value.device.type for value in phase.averaged.state().values()} == {"cpu"}
    return float(step.detach()), float(phase.val_loss.compute())


@pytest.mark.parametrize("model", ["cnv_tiny_w4a4", "resnet8_w2a2"])
def test_every_tensor_of_a_step_is_on_its_device(other_device, model, tmp_path):
    config = TrainConfig(model=model, run_dir=tmp_path)
    there, here = losses(other_device, config), losses("cpu", config)
    assert there[0] == pytest.approx(here[0], abs=1e-5)
    # Statistics differ by roundings, and a value near a threshold of an untrained network may change.
    assert there[1] == pytest.approx(here[1], abs=0.1)


def test_a_tensor_left_on_the_cpu_is_found_out(other_device, tmp_path, monkeypatch):
    monkeypatch.setattr(Augment, "_random", lambda self, n, _: torch.rand(n, 1, 1, 1))
    with pytest.raises(RuntimeError, match="lazy"):
        losses(other_device, TrainConfig(model="cnv_tiny_w4a4", run_dir=tmp_path))


@pytest.mark.parametrize("there", [True, False])
def test_a_gpu_is_taken_where_there_is_one(there, tmp_path, monkeypatch):
    asked = []

    def trainer(**arguments):
        asked.append(arguments)
        raise KeyError("far enough")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(lightning, "Trainer", trainer)
    config = TrainConfig(run_dir=tmp_path)
    assert device_of(config) == ("cuda" if there else "cpu")
    assert device_of(config.model_copy(update={"device": "cpu"})) == "cpu"
    with pytest.raises(KeyError, match="far enough"):
        phases._train(None, None, None, 1, device_of(config), None)
    (arguments,) = asked
    assert arguments["accelerator"] == ("gpu" if there else "cpu") and arguments["devices"] == 1
    assert arguments["deterministic"] == ("warn" if there else True)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_refused(tmp_path, capsys):
    assert run(["train", "--set", "device=cuda", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "this torch sees no CUDA device" in said and "remedy: train with device cpu" in said


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_run_on_a_gpu(make_config, tmp_path):
    from quant_models.train import open_run, train

    metrics = open_run(train(make_config(tmp_path / "run", device="cuda"), lambda _: None)).metrics
    assert sum(metrics["images"].values()) == 210
