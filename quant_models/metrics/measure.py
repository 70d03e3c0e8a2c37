"""Figures of a classifier from its logits, by torchmetrics.

In a set of two classes one is the defect; where such a set is not balanced, average precision leads,
and recall at a chosen false-alarm rate goes with it, because accuracy is then won by never alarming.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_average_precision,
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

#: Names of a class without a defect, in lower case and without ``-``, ``_`` and blanks.
_SOUND = frozenset(
    {
        *("none", "good", "ok", "sound", "normal", "negative", "free", "clean", "pass", "background", "0"),
        *("nodefect", "defectfree", "nondefect", "nondefective", "functional", "undamaged", "intact"),
        *("nocrack", "noncrack", "mtfree"),
    }
)
#: A set whose largest class is more than so many times its smallest is not balanced.
_BALANCED = 1.5


def probabilities(logits: torch.Tensor | np.ndarray) -> np.ndarray:
    """Return softmax scores in float64, as the driver computes them, shape (N, classes)."""
    real = np.asarray(logits, dtype=np.float64)
    powers = np.exp(real - real.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def positive_class(classes: Sequence[str]) -> int | None:
    """Return which of two classes is the defect; None where there are more.

    The class whose name says that nothing is wrong is the other one; without such a name the second
    class is the defect.
    """
    if len(classes) != 2:
        return None
    plain = [name.lower().replace("-", "").replace("_", "").replace(" ", "") for name in classes]
    return 0 if plain[1] in _SOUND and plain[0] not in _SOUND else 1


def leading(counts: Sequence[int]) -> str:
    """Return the name of the figure that leads for a set with so many images a class.

    Returns
    -------
    str
        ``accuracy`` where classes are about equal, else ``average_precision`` for two classes and
        ``balanced_accuracy`` for more.
    """
    present = [count for count in counts if count]
    if max(present) <= _BALANCED * min(present):
        return "accuracy"
    return "average_precision" if len(counts) == 2 else "balanced_accuracy"


def _number(value: torch.Tensor | float) -> float | None:
    value = float(value)
    return None if math.isnan(value) else value


def measure(
    logits: torch.Tensor, labels: torch.Tensor, classes: Sequence[str], false_alarm_rate: float = 0.05
) -> dict[str, Any]:
    """Return the figures of a network on one part.

    Parameters
    ----------
    logits
        Float, shape (N, classes); equal ones go to the lowest index.
    labels
        int64, shape (N,).
    classes
        Class names, in the order of the logits.
    false_alarm_rate
        For the recall of a set of two classes.

    Returns
    -------
    dict
        ``images``, ``correct``, ``accuracy``, ``balanced_accuracy`` (mean recall of the classes that
        occur), ``macro_f1``, ``auroc`` and ``average_precision`` (means over the classes that occur, or
        those of the defect class), ``per_class`` (recall by name), ``classes`` (by name: images,
        precision, recall, f1, auroc, average_precision) and ``confusion`` (rows true, columns
        predicted); with two classes ``positive`` (the defect's name) and ``recall_at_false_alarms``.
        A figure that the images cannot tell is None.
    """
    n = len(classes)
    scores = torch.from_numpy(probabilities(logits))
    predicted = torch.from_numpy(np.argmax(np.asarray(logits), axis=1))
    confusion = multiclass_confusion_matrix(predicted, labels, n).tolist()
    counts = [sum(row) for row in confusion]
    correct = sum(confusion[i][i] for i in range(n))
    by_class = {
        "precision": multiclass_precision(predicted, labels, n, average="none"),
        "recall": multiclass_recall(predicted, labels, n, average="none"),
        "f1": multiclass_f1_score(predicted, labels, n, average="none"),
        "auroc": multiclass_auroc(scores, labels, n, average="none"),
        "average_precision": multiclass_average_precision(scores, labels, n, average="none"),
    }
    table = {
        name: {"images": counts[i]}
        | {key: _number(values[i]) if counts[i] else None for key, values in by_class.items()}
        for i, name in enumerate(classes)
    }
    # AUROC needs images of other classes too; torchmetrics then says 0.
    if sum(map(bool, counts)) < 2:
        for row in table.values():
            row["auroc"] = None
    seen = [row for row in table.values() if row["images"]]

    def mean(key: str) -> float | None:
        values = [row[key] for row in seen if row[key] is not None]
        return sum(values) / len(values) if values else None

    result = {
        "images": len(labels),
        "correct": correct,
        "accuracy": correct / len(labels),
        "balanced_accuracy": sum(confusion[i][i] / counts[i] for i in range(n) if counts[i]) / len(seen),
        "macro_f1": mean("f1"),
        "auroc": mean("auroc"),
        "average_precision": mean("average_precision"),
        "per_class": {
            name: confusion[i][i] / counts[i] if counts[i] else None for i, name in enumerate(classes)
        },
        "classes": table,
        "confusion": confusion,
    }
    positive = positive_class(classes)
    if positive is not None:
        result |= _binary(scores[:, positive], labels == positive, classes[positive], false_alarm_rate)
    return result


def _binary(
    scores: torch.Tensor, defective: torch.Tensor, name: str, false_alarm_rate: float
) -> dict[str, Any]:
    """Return the figures of the defect class of a set of two classes."""
    from quant_models.metrics.threshold import choose_threshold, threshold_effect

    target = defective.long()
    both = bool(target.any()) and not bool(target.all())
    recall = None
    if both:
        threshold = choose_threshold(scores.numpy(), defective.numpy(), false_alarm_rate)
        recall = threshold_effect(scores.numpy(), defective.numpy(), threshold)["recall"]
    return {
        "positive": name,
        "auroc": _number(binary_auroc(scores, target)) if both else None,
        "average_precision": _number(binary_average_precision(scores, target)) if both else None,
        "recall_at_false_alarms": {"false_alarm_rate": false_alarm_rate, "recall": recall},
    }
