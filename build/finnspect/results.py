"""What integer logits mean: real scores, ties, classes, and a summary of a simulation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect import reference
from finnspect.ir import DataflowGraph

if TYPE_CHECKING:
    from finnspect.images import Images
    from finnspect.sim.core import SimResult


def scores(graph: DataflowGraph, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return real logits and which images have a tie for the best.

    Parameters
    ----------
    logits
        Integers, shape (N, classes).

    Returns
    -------
    real, ties
        float64 (N, classes); bool (N,).
    """
    real = reference.real_logits(graph, logits)
    best = np.sort(real, axis=1)
    return real, best[:, -1] == best[:, -2]


def compare_golden(graph: DataflowGraph, golden: Any, logits: np.ndarray) -> dict[str, Any]:
    """Compare simulated logits with what the package's QONNX file gave on the same images.

    Parameters
    ----------
    golden
        Golden vectors of the package, of which the first ``len(logits)`` were simulated.
    logits
        int32, shape (N, classes).
    """
    count = len(logits)
    real, ties = scores(graph, logits)
    labels = golden.labels[:count]
    predicted = real.argmax(axis=1)
    changed = (predicted != golden.logits[:count].argmax(axis=1)) & ~ties
    return {
        "images": count,
        "logits": int(logits.size),
        "qonnx_mismatches": int((logits != golden.logits_int[:count]).sum()),
        "logit_ties": int(ties.sum()),
        "changed_predictions": int(changed.sum()),
        "correct": int((predicted == labels).sum()) if (labels >= 0).all() else None,
    }


def compare_torch(
    graph: DataflowGraph, images: np.ndarray, labels: np.ndarray, torch_logits: np.ndarray
) -> dict[str, Any]:
    """Compare the integer reference with torch on labelled images.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).
    labels
        int64, shape (N,).
    torch_logits
        float32, shape (N, classes).
    """
    real, ties = scores(graph, reference.logits(graph, images))
    predicted = real.argmax(axis=1)
    changed = predicted != torch_logits.argmax(axis=1)
    return {
        "images": len(images),
        "accuracy": float((predicted == labels).mean()),
        "torch_accuracy": float((torch_logits.argmax(axis=1) == labels).mean()),
        "changed_predictions": int((changed & ~ties).sum()),
        "changed_predictions_at_ties": int((changed & ties).sum()),
        "ties": int(ties.sum()),
    }


def summarise(
    graph: DataflowGraph, images: Images, result: SimResult, classes: Sequence[str]
) -> dict[str, Any]:
    """Return a simulation of a user's images as JSON-able figures and one entry an image.

    Every logit of ``result`` equals the reference: the simulation stops otherwise.
    """
    real, ties = scores(graph, result.logits)
    predicted = real.argmax(axis=1)
    known = images.labels >= 0
    return {
        "format": "finnspect-simulation",
        "format_version": 1,
        "images": len(images.pixels),
        "logits": int(result.logits.size),
        "mismatches": 0,
        "logit_ties": int(ties.sum()),
        "labelled": int(known.sum()),
        "correct": int((predicted == images.labels)[known].sum()) if known.any() else None,
        "cycles_per_frame": result.cycles_per_frame,
        "latency_cycles": result.latency_cycles,
        "folding_bound_cycles": result.bound,
        "results": [
            {
                "image": name,
                "class": classes[int(best)],
                "label": classes[int(label)] if 0 <= label < len(classes) else None,
                "logits": integers.tolist(),
                "scores": values.tolist(),
            }
            for name, best, label, integers, values in zip(
                images.names, predicted, images.labels, result.logits, real, strict=True
            )
        ],
    }
