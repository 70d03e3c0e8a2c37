"""Training: float warm-up, then quantization-aware fine-tuning that follows the float twin.

Of the last quarter of either phase the epoch with the smallest loss on the validation part is kept;
the test part is used once, at the end, for the figures in ``metrics.json``. A run is repeatable: the
same configuration and images give the same checkpoint on the same machine with as many threads.
"""

from __future__ import annotations

import importlib.metadata
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from finnspect.package import Preprocessing
from torch import nn

from quant_models.evaluate import evaluate, logits_of
from quant_models.models import build_float_twin, build_model, default_image_size, model_cost, parse_name
from quant_models.reject import reject_figures, reject_rule
from quant_models.training.calibrate import quantize_from
from quant_models.training.config import AugmentConfig, TrainConfig
from quant_models.training.data import TrainingData, load_training_data
from quant_models.training.phase import PhaseResult, run_phase
from quant_models.training.run_dir import Run, open_run, whole_folder, write_run

__all__ = [
    "AugmentConfig",
    "Run",
    "TrainConfig",
    "Trained",
    "fit",
    "installed_versions",
    "open_run",
    "preprocessing_of",
    "train",
]

_LOG = logging.getLogger(__name__)
#: Pixels enter the network as ``code / 255``.
PIXEL_SCALE = 1 / 255
#: Training images that the scales are set from.
_CALIBRATION_IMAGES = 256
_VERSIONED = ("torch", "brevitas", "lightning", "numpy", "qonnx", "onnx")


def installed_versions() -> dict[str, str]:
    """Return the versions of the packages that decide a run's result."""
    return {name: importlib.metadata.version(name) for name in _VERSIONED}


def preprocessing_of(config: TrainConfig) -> Preprocessing:
    """Return how pictures become the network's input under ``config``."""
    size = config.image_size or default_image_size(config.model)
    return Preprocessing(color=config.color, height=size, width=size, scale=PIXEL_SCALE)


@dataclass(frozen=True, slots=True)
class Trained:
    """What :func:`fit` returns."""

    model: nn.Module
    twin: nn.Module
    float_phase: PhaseResult
    quant_phase: PhaseResult


def fit(config: TrainConfig, data: TrainingData, progress: Callable[[str], None] = _LOG.info) -> Trained:
    """Train the float twin and the quantized network on images in memory.

    Parameters
    ----------
    config
        The run.
    data
        Training and validation parts; the test part is not read.
    progress
        Receives one line an epoch.
    """
    classes, shape = len(data.classes), data.input_shape
    # The global generator only draws the initial weights; the caller's state is given back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        twin = build_float_twin(config.model, classes, shape, PIXEL_SCALE)
        model = build_model(config.model, classes, shape, PIXEL_SCALE)
        cost = model_cost(model, shape)
        progress(
            f"{config.model}: {cost.weights} weights, {cost.macs} multiply-accumulates an image, "
            f"{len(data.train)} images to train on, {len(data.val)} to validate on"
        )
        float_phase = run_phase("float", twin, data.train, data.val, config, classes, progress)
        generator = torch.Generator().manual_seed(config.seed)
        chosen = torch.randperm(len(data.train), generator=generator)[:_CALIBRATION_IMAGES]
        quantize_from(model, twin, data.train.images[chosen])
        quant_phase = run_phase("quant", model, data.train, data.val, config, classes, progress, teacher=twin)
    return Trained(model.eval(), twin.eval(), float_phase, quant_phase)


def train(config: TrainConfig, progress: Callable[[str], None] = _LOG.info) -> Path:
    """Train a network and write its run folder.

    The folder ``config.run_dir`` appears when everything in it is written; an earlier one is
    replaced. Stopped in the middle, the run leaves nothing behind and starts anew next time.

    Parameters
    ----------
    config
        The run.
    progress
        Receives one line for each step and epoch.

    Returns
    -------
    Path
        The run folder, to be opened by :func:`open_run` or given to ``export_package``.

    Raises
    ------
    ConfigError
        Unknown model or data set, or an image size that the topology cannot divide.
    DataError
        The data is missing, of another layout, or has fewer than two classes.
    """
    start = time.perf_counter()
    parse_name(config.model)
    preprocessing = preprocessing_of(config)
    _check_topology(config, preprocessing)
    data = load_training_data(config, preprocessing, progress)
    with whole_folder(config.run_dir) as folder:
        trained = fit(config, data, progress)
        metrics = _metrics(config, preprocessing, data, trained, time.perf_counter() - start)
        write_run(
            folder,
            {
                "config": config,
                "classes": list(data.classes),
                "preprocessing": preprocessing,
                "data_sha256": data.sha256,
                "versions": installed_versions(),
            },
            trained.model,
            trained.twin,
            [*trained.float_phase.history, *trained.quant_phase.history],
            metrics,
            data.manifest,
            data.test,
        )
    progress(
        f"test accuracy {100 * metrics['test_accuracy']:.2f} % quantized, "
        f"{100 * metrics['float_test_accuracy']:.2f} % float; run in {config.run_dir}"
    )
    return config.run_dir


def _check_topology(config: TrainConfig, preprocessing: Preprocessing) -> None:
    """Build the network once, so that a size it cannot divide is refused before the data is read."""
    channels = 1 if preprocessing.color == "grey" else 3
    with torch.random.fork_rng(devices=[]):
        build_float_twin(config.model, 2, (preprocessing.height, preprocessing.width, channels))


def _metrics(
    config: TrainConfig, preprocessing: Preprocessing, data: TrainingData, trained: Trained, seconds: float
) -> dict[str, Any]:
    """Measure both networks; the only place that reads the test part."""

    def measure(net: nn.Module, phase: PhaseResult) -> dict[str, Any]:
        return {
            "val": evaluate(net, data.val, data.classes),
            "test": evaluate(net, data.test, data.classes),
            "best_epoch": phase.best.epoch,
        }

    cost = model_cost(trained.model, data.input_shape)
    twin = measure(trained.twin, trained.float_phase)
    model = measure(trained.model, trained.quant_phase)
    reject = reject_rule(logits_of(trained.model, data.val.images).numpy())
    return {
        "kind": "measured in torch; accuracies are shares of 1, the epoch kept has the smallest loss on val",
        "model": config.model,
        "dataset": config.dataset,
        "seed": config.seed,
        "test_accuracy": model["test"]["accuracy"],
        "val_accuracy": model["val"]["accuracy"],
        "float_test_accuracy": twin["test"]["accuracy"],
        "float_val_accuracy": twin["val"]["accuracy"],
        "float": twin,
        "quantized": model,
        "reject": reject,
        "rejected": reject_figures(
            trained.model, reject["threshold"], data.test, config.dataset, preprocessing
        ),
        "images": {"train": len(data.train), "val": len(data.val), "test": len(data.test)},
        "weights": cost.weights,
        "macs": cost.macs,
        "epochs": {
            "float": len(trained.float_phase.history),
            "quantized": len(trained.quant_phase.history),
        },
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
    }
