"""Export: a finished training run becomes a model package.

The QONNX file takes raw pixel codes 0 .. 255 (annotated UINT8) and scales them itself, in its first
node. The golden vectors come from executing that file with QONNX, and their images are drawn, never
taken from a real data set.
"""

from __future__ import annotations

import copy
import importlib
import json
import logging
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from finnspect.errors import ConfigError, PackageError
from finnspect.package import MODEL_FILE, Golden, ModelPackage, Preprocessing, write_package
from finnspect_driver.preprocess import preprocess

from quant_models.datasets.synthetic import CLASS_NAMES, generate
from quant_models.export_check import compare_exports
from quant_models.models.custom import is_custom
from quant_models.qonnx_tools import Execution, execute, quiet_exporter, tidy
from quant_models.training.config import PLACES, TrainConfig, model_label
from quant_models.training.run_dir import METRICS_FILE, Run, open_run, whole_folder

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

_LOG = logging.getLogger(__name__)
#: Seed of the golden images: other than any training set's default, so that no package shows its own.
_GOLDEN_SEED = 20_261_123
#: Surfaces drawn in addition, to replace those that are left out.
_SPARE = 8
_METRICS = (
    "kind",
    "test_accuracy",
    "val_accuracy",
    "float_test_accuracy",
    "float_val_accuracy",
    "images",
    "weights",
    "macs",
    "epochs",
)
#: Figures of the test part.
_TEST_METRICS = ("macro_f1", "auroc", "average_precision", "positive", "recall_at_false_alarms")
#: Fields of a configuration that `finnspect train` has an option for.
_OPTIONS = ("image_size", "color", "shots")
#: Those that runs of earlier versions, or of other sets, do not have.
_MORE_METRICS = ("weight_bits", "leading", "score_threshold", "reject", "reject_effect")


def export_package(
    run_dir: Path,
    out_dir: Path,
    golden_images: int = 16,
    *,
    command: str | None = None,
    progress: Callable[[str], None] = _LOG.info,
) -> ModelPackage:
    """Export a training run to a model package.

    Parameters
    ----------
    run_dir
        A finished run, see :func:`quant_models.train.train`.
    out_dir
        Folder of the package; made whole, or replaced whole.
    golden_images
        Number of golden vectors, at least 1. A quarter, at most four, are noise and extreme
        patterns.
    command
        Command to record in the package; by default one that repeats the run.
    progress
        Receives one line for each step.

    Returns
    -------
    ModelPackage
        The package, opened and checked. Its metrics hold the comparison of torch and QONNX on the
        run's test images under ``export``.

    Raises
    ------
    ConfigError
        ``run_dir`` is not a finished run, or ``golden_images`` is not positive.
    PackageError
        The exported graph does not compute what the network computes.
    """
    if golden_images < 1:
        raise ConfigError(f"{golden_images} golden images were asked for", "ask for at least one")
    run = open_run(run_dir)
    metrics = package_metrics(run)
    net = run.model()
    progress(f"exporting {run.info.config.model} to QONNX")
    model = export_qonnx_graph(net, run.input_shape, model_label(run.info.config.model))
    golden = _golden(run, net, model, golden_images)
    test_images, _ = run.test_images()
    progress(f"executing QONNX and QCDQ on {len(test_images)} test images to compare with torch")
    comparison = compare_exports(net, model, test_images)
    config = run.info.config
    with whole_folder(out_dir) as folder:
        (folder / MODEL_FILE).write_bytes(model.model.SerializeToString(deterministic=True))
        write_package(
            folder,
            {
                "name": config.name,
                "model": model_label(config.model),
                "dataset": config.dataset,
                "classes": run.info.classes,
                "preprocessing": _preprocessing(run, model),
                "metrics": {**metrics, "export": comparison},
                "data_sha256": run.info.data_sha256,
                "seed": config.seed,
                "command": command or repeat_command(config),
                "versions": run.info.versions,
            },
            golden,
        )
    progress(f"model package in {out_dir}")
    return ModelPackage.load(out_dir)


def _preprocessing(run: Run, model: ModelWrapper) -> Preprocessing:
    """Return the run's preprocessing, with the pixel scale of the network where that is the user's own."""
    preprocessing = run.info.preprocessing
    if not is_custom(run.info.config.model):
        return preprocessing
    # Not an import statement, which would make the front end one of the sources that decide whether a
    # finished export is still good.
    network = importlib.import_module("quant_models.compilable").read_graph(model)
    return preprocessing.model_copy(update={"scale": float(network.input_scale)})


def export_qonnx_graph(net: torch.nn.Module, input_shape: tuple[int, int, int], name: str) -> ModelWrapper:
    """Return a network's QONNX graph, cleaned.

    Parameters
    ----------
    net
        Quantized network; takes pixel codes (1, C, H, W).
    input_shape
        Height, width, channels.
    name
        Name for the graph.
    """
    from brevitas.export import export_qonnx
    from qonnx.core.modelwrapper import ModelWrapper

    height, width, channels = input_shape
    sample = torch.zeros(1, channels, height, width)
    with tempfile.TemporaryDirectory() as folder, quiet_exporter():
        path = Path(folder) / "raw.onnx"
        # A copy of every weight inside the file: `external_data` would put them in a second one.
        export_qonnx(
            net.eval(), sample, str(path), dynamo=True, optimize=True, verbose=False, external_data=False
        )
        return tidy(ModelWrapper(str(path)), name)


def _golden(run: Run, net: torch.nn.Module, model: ModelWrapper, count: int) -> Golden:
    """Execute the graph on drawn images.

    QONNX executes in float32. An image with a value so near to a threshold that float64 decides
    otherwise would give other integers on another machine: it is left out for the next drawn one.
    """
    images, labels = golden_inputs(count, run.info.preprocessing, spare=_SPARE)
    result = execute(model, images)
    settled = np.flatnonzero(np.all(exact_integers(net, images, result) == result.integers, axis=1))
    patterns = settled[settled >= len(images) - count // 4]
    chosen = np.concatenate([settled[: count - len(patterns)], patterns])
    if len(np.unique(chosen)) < count:
        raise PackageError(
            f"only {len(settled)} of {len(images)} golden images have the same logits in float32 and float64",
            "report this: the exporter changed the network",
        )
    labels = labels[chosen]
    return Golden(
        images=images[chosen],
        logits=result.logits[chosen],
        logits_int=result.integers[chosen].astype(np.int32),
        # The drawn classes mean nothing to a network of other classes.
        labels=labels if tuple(run.info.classes) == CLASS_NAMES else np.full_like(labels, -1),
    )


def exact_integers(net: torch.nn.Module, images: np.ndarray, result: Execution) -> np.ndarray:
    """Return the last layer's accumulators from an evaluation of the network in float64.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).
    result
        An execution of the graph, for the scales of its logits.

    Returns
    -------
    numpy.ndarray
        int64, shape (N, classes).
    """
    codes = torch.from_numpy(images).permute(0, 3, 1, 2).double()
    with torch.no_grad():
        logits = copy.deepcopy(net).double().eval()(codes).numpy()
    return result.steps(logits)


def golden_inputs(count: int, preprocessing: Preprocessing, spare: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw the images of the golden vectors: procedural surfaces, then noise and extreme patterns.

    Parameters
    ----------
    count
        Number of images; a quarter of them, at most four, are patterns.
    preprocessing
        Colour and size.
    spare
        More surfaces, after the others and before the patterns.

    Returns
    -------
    images : numpy.ndarray
        uint8, shape (count + spare, H, W, C); the same for the same arguments.
    labels : numpy.ndarray
        int64, shape (count + spare,): class of a surface in the synthetic set, -1 for a pattern.
    """
    params = preprocessing.model_dump()
    shape = (preprocessing.height, preprocessing.width, 1 if preprocessing.color == "grey" else 3)
    rng = np.random.default_rng(_GOLDEN_SEED)
    patterns = [
        rng.integers(0, 256, shape),
        255 * rng.integers(0, 2, shape),
        np.full(shape, 255),
        np.zeros(shape),
    ]
    extra = patterns[: count // 4]
    drawn = generate(count - len(extra) + spare, _GOLDEN_SEED)
    images = [preprocess(image, params) for image in drawn] + [p.astype(np.uint8) for p in extra]
    labels = np.full(len(images), -1, dtype=np.int64)
    labels[: len(drawn)] = np.arange(len(drawn)) % len(CLASS_NAMES)
    return np.stack(images), labels


def package_metrics(run: Run) -> dict[str, Any]:
    """Return the metrics of a run that go into its package: all that do not change from run to run.

    Raises
    ------
    ConfigError
        The run has not the figures that a package must have.
    """
    try:
        test = run.metrics["quantized"]["test"]
        return {
            **{key: run.metrics[key] for key in _METRICS},
            **{key: run.metrics[key] for key in _MORE_METRICS if key in run.metrics},
            "test_balanced_accuracy": test["balanced_accuracy"],
            "test_per_class": test["per_class"],
            "test_confusion": test["confusion"],
            **{f"test_{key}": test[key] for key in _TEST_METRICS if key in test},
        }
    except (KeyError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else "another form"
        raise ConfigError(
            f"{run.path / METRICS_FILE} has {what}: another version of finnspect made the run",
            "train again, with this version",
        ) from error


def repeat_command(config: TrainConfig) -> str:
    """Return the command line that repeats a run, without any path of the machine it ran on."""
    words = ["finnspect", "train", "--model", model_label(config.model), "--dataset", config.dataset]
    if config.data is not None:
        words += ["--data", config.data.name]
    for key, value in config.dataset_options.items():
        words += ["--data-option", f"{key}={value}"]
    words += ["--seed", str(config.seed)]
    own = {"model", "dataset", "data", "dataset_options", "seed"}
    special = config.model_dump(mode="json", exclude_defaults=True, exclude=own | PLACES)
    for key, value in special.items():
        if key in _OPTIONS:
            words += [f"--{key.replace('_', '-')}", str(value)]
        else:
            words += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return f"{shlex.join(words)}, then finnspect export"
