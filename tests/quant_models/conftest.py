"""A tiny finished training run, made once for all tests of training and export."""

from pathlib import Path

import pytest
import torch

from quant_models.train import Run, TrainConfig, open_run, train


def tiny_config(folder: Path, **changes) -> TrainConfig:
    fields = {
        "model": "cnv_tiny_w4a4",
        "dataset": "synthetic",
        "dataset_options": {"images": 210},
        "float_epochs": 3,
        "quant_epochs": 2,
        "batch_size": 32,
        "run_dir": folder,
    }
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Networks this small gain nothing from threads, and lose much where other work runs beside them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def make_config():
    return tiny_config


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory) -> Run:
    lines: list[str] = []
    path = train(tiny_config(tmp_path_factory.mktemp("runs") / "tiny"), lines.append)
    assert sum("epoch" in line for line in lines) == 5
    return open_run(path)
