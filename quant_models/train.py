"""Training: float warm-up, then quantization-aware fine-tuning that follows the float twin.

Of the last quarter of either phase the epoch with the smallest loss on the validation part is kept;
the test part is used once, at the end, for the figures in ``metrics.json``. A run is repeatable: the
same configuration and images give the same checkpoint on the same machine with as many threads.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from finnspect.errors import ConfigError
from finnspect.package import Preprocessing
from finnspect.sources import source_hash

from quant_models.models import build_float_twin, build_model, default_image_size, model_cost, parse_name
from quant_models.models.custom import is_custom, source_digest
from quant_models.training.average import measure_statistics
from quant_models.training.calibrate import quantize_from
from quant_models.training.config import PLACES, AugmentConfig, TrainConfig
from quant_models.training.data import TrainingData, load_training_data
from quant_models.training.phase import device_of, run_phase
from quant_models.training.records import Store, Trained
from quant_models.training.report import part_logits, run_metrics, write_scores
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


def fit(
    config: TrainConfig,
    data: TrainingData,
    progress: Callable[[str], None] = _LOG.info,
    store: Store | None = None,
) -> Trained:
    """Train the float twin and the quantized network on images in memory.

    Parameters
    ----------
    config
        The run.
    data
        Training and validation parts; the test part is not read.
    progress
        Receives one line an epoch.
    store
        Where checkpoints are kept and looked for.
    """
    classes, shape = len(data.classes), data.input_shape
    # The global generator only draws the initial weights; the caller's state is given back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        twin = build_float_twin(config.model, classes, shape, PIXEL_SCALE)
        model = build_model(config.model, classes, shape, PIXEL_SCALE)
        cost = model_cost(model, shape)
        progress(
            f"{config.model}: {cost.weights} weights in {cost.weight_bits} bits, "
            f"{cost.macs} multiply-accumulates an image, "
            f"{len(data.train)} images to train on, {len(data.val)} to validate on"
        )
        float_phase = run_phase("float", twin, data.train, data.val, config, classes, progress, store=store)
        generator = torch.Generator().manual_seed(config.seed)
        chosen = torch.randperm(len(data.train), generator=generator)[:_CALIBRATION_IMAGES]
        sample = data.train.images[chosen]
        quantize_from(model, twin, sample)
        if config.frozen_norms == 1:  # their statistics are never measured in training
            measure_statistics(model, sample, config.batch_size)
        quant_phase = run_phase(
            "quant", model, data.train, data.val, config, classes, progress, teacher=twin, store=store
        )
    return Trained(model.cpu().eval(), twin.cpu().eval(), float_phase, quant_phase)


def train(config: TrainConfig, progress: Callable[[str], None] = _LOG.info) -> Path:
    """Train a network and write its run folder.

    The folder ``config.run_dir`` appears when everything in it is written; an earlier one is
    replaced. Stopped in the middle, the run leaves nothing behind but, with ``config.resume_dir``, its
    checkpoints: the next time it goes on from them and ends with the same weights.

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
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("this torch sees no CUDA device", "train with device cpu, or auto")
    if not is_custom(config.model):
        parse_name(config.model)
    preprocessing = preprocessing_of(config)
    _check_topology(config, preprocessing)
    data = load_training_data(config, preprocessing, progress)
    store = None if config.resume_dir is None else Store(config.resume_dir, _identity(config, data))
    with whole_folder(config.run_dir) as folder:
        trained = fit(config, data, progress, store)
        logits = part_logits(data, trained.model, trained.twin)
        metrics = run_metrics(config, data, trained, logits, time.perf_counter() - start)
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
        write_scores(folder, data, logits)
    if store is not None:
        store.clear()
    progress(
        f"test accuracy {100 * metrics['test_accuracy']:.2f} % quantized, "
        f"{100 * metrics['float_test_accuracy']:.2f} % float; run in {config.run_dir}"
    )
    return config.run_dir


def _identity(config: TrainConfig, data: TrainingData) -> dict[str, Any]:
    """Return all that decides a run's result: a checkpoint of another run is never taken up."""
    return {
        "config": config.model_dump(mode="json", exclude=PLACES | {"data"}),
        "model": source_digest(config.model),
        "data": data.sha256,
        "versions": installed_versions(),
        "threads": torch.get_num_threads(),
        "device": device_of(config),
        "sources": source_hash("quant_models.train"),
    }


def _check_topology(config: TrainConfig, preprocessing: Preprocessing) -> None:
    """Build the network once, so that a size it cannot divide is refused before the data is read.

    A user's own network is also exported and read by the front end.
    """
    channels = 1 if preprocessing.color == "grey" else 3
    shape = (preprocessing.height, preprocessing.width, channels)
    with torch.random.fork_rng(devices=[]):
        twin = build_float_twin(config.model, 2, shape)
        if is_custom(config.model):
            # Not an import statement, which would make the front end one of the sources that decide
            # whether a finished training is still good.
            check = importlib.import_module("quant_models.compilable").check_compiles
            check(build_model(config.model, 2, shape), twin, shape)
