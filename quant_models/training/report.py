"""What a training run reports of its networks: figures, score threshold, reject rule, logits, pictures.

The only place that reads the test part. Thresholds are chosen on the validation part.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from quant_models.evaluate import logits_of
from quant_models.metrics import (
    choose_reject,
    choose_threshold,
    leading,
    measure,
    positive_class,
    probabilities,
    reject_effect,
    threshold_effect,
    unlike_images,
)
from quant_models.metrics.plots import save_plots
from quant_models.models import model_cost
from quant_models.training.config import TrainConfig
from quant_models.training.data import TrainingData
from quant_models.training.records import Part, PhaseResult, Trained
from quant_models.training.run_dir import SCORES_FILE

#: Logits by network (``float``, ``quantized``) and part (``val``, ``test``).
Logits = Mapping[str, Mapping[str, torch.Tensor]]


def part_logits(data: TrainingData, model: nn.Module, twin: nn.Module) -> Logits:
    """Return the logits of both networks on validation and test."""
    return {
        name: {"val": logits_of(net, data.val.images), "test": logits_of(net, data.test.images)}
        for name, net in (("float", twin), ("quantized", model))
    }


def run_metrics(
    config: TrainConfig, data: TrainingData, trained: Trained, logits: Logits, seconds: float
) -> dict[str, Any]:
    """Return ``metrics.json`` of a run."""

    def figures(name: str, phase: PhaseResult) -> dict[str, Any]:
        parts = {"val": data.val, "test": data.test}
        measured = {
            key: measure(logits[name][key], part.labels, data.classes, config.false_alarm_rate)
            for key, part in parts.items()
        }
        return {**measured, "best_epoch": phase.best.epoch}

    cost = model_cost(trained.model, data.input_shape)
    twin = figures("float", trained.float_phase)
    model = figures("quantized", trained.quant_phase)
    lead = leading(torch.bincount(data.train.labels, minlength=len(data.classes)).tolist())
    return {
        "kind": "measured in torch; accuracies are shares of 1, the epoch kept has the smallest loss on val",
        "model": config.model,
        "dataset": config.dataset,
        "seed": config.seed,
        "test_accuracy": model["test"]["accuracy"],
        "val_accuracy": model["val"]["accuracy"],
        "float_test_accuracy": twin["test"]["accuracy"],
        "float_val_accuracy": twin["val"]["accuracy"],
        "leading": {
            "metric": lead,
            "test": model["test"][lead],
            "val": model["val"][lead],
            "float_test": twin["test"][lead],
            "float_val": twin["val"][lead],
        },
        "float": twin,
        "quantized": model,
        **thresholds(config, data, trained.model, logits["quantized"]),
        "images": {"train": len(data.train), "val": len(data.val), "test": len(data.test)},
        "weights": cost.weights,
        "macs": cost.macs,
        "weight_bits": cost.weight_bits,
        "epochs": {
            "float": len(trained.float_phase.history),
            "quantized": len(trained.quant_phase.history),
        },
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
    }


def thresholds(
    config: TrainConfig, data: TrainingData, model: nn.Module, logits: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    """Choose the reject rule and, for two classes, the score threshold on validation; measure them on test.

    Returns
    -------
    dict
        ``reject``, ``reject_effect`` and, for two classes of which validation has both,
        ``score_threshold``.
    """
    scores = {part: probabilities(values) for part, values in logits.items()}
    labels = {"val": data.val.labels.numpy(), "test": data.test.labels.numpy()}
    rule = choose_reject(scores["val"], labels["val"], config.reject_coverage)
    unlike = {}
    for kind, images in unlike_images(data.input_shape).items():
        drawn = logits_of(model, torch.from_numpy(images).permute(0, 3, 1, 2))
        best = probabilities(drawn).max(axis=1)
        unlike[kind] = float(np.mean(best < rule.get("threshold", 0.0)))
    found: dict[str, Any] = {
        "reject": rule,
        "reject_effect": {
            "chosen_on": f"validation, so that {config.reject_coverage:g} of the right answers stay",
            **{part: reject_effect(scores[part], labels[part], rule) for part in ("val", "test")},
            "unlike_images_rejected": unlike,
        },
    }
    positive = positive_class(data.classes)
    if positive is not None and len(np.unique(labels["val"])) == 2:
        defective = {part: values == positive for part, values in labels.items()}
        one = {part: values[:, positive] for part, values in scores.items()}
        threshold = choose_threshold(one["val"], defective["val"], config.false_alarm_rate)
        found["score_threshold"] = {
            "class": data.classes[positive],
            "threshold": threshold,
            "chosen_on": f"validation, for a false-alarm rate of at most {config.false_alarm_rate:g}",
            **{part: threshold_effect(one[part], defective[part], threshold) for part in ("val", "test")},
        }
    return found


def write_scores(folder: Path, data: TrainingData, logits: Logits) -> None:
    """Write the logits of all parts, and the pictures of the quantized network on test."""
    arrays = {f"{name}_{part}": values.numpy() for name, of in logits.items() for part, values in of.items()}
    np.savez_compressed(folder / SCORES_FILE, **arrays, val_labels=data.val.labels.numpy())
    save_plots(
        folder,
        probabilities(logits["quantized"]["test"]),
        _pictures(data.test),
        data.test.labels.numpy(),
        data.classes,
    )


def _pictures(part: Part) -> np.ndarray:
    return part.images.permute(0, 2, 3, 1).numpy()
