"""The reject rule: an answer whose score is below a threshold is ``unknown``.

The threshold is chosen on validation so that a given share of the right answers stays; what that does
is measured on the test part, and on drawn images that are no surfaces at all.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: Thresholds are kept to so many digits.
_DIGITS = 4
_UNLIKE_SEED = 77_001
#: Share of answers kept, of the points of the curve.
_CURVE = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8)


def _best(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return scores.max(axis=1), scores.argmax(axis=1)


def choose_reject(scores: np.ndarray, labels: np.ndarray, coverage: float) -> dict[str, Any]:
    """Return the reject rule that keeps a share of the right answers on validation.

    Parameters
    ----------
    scores
        Softmax scores, float64, shape (N, classes).
    labels
        int64, shape (N,).
    coverage
        Least share of the right answers that stay.

    Returns
    -------
    dict
        ``{"rule": "score-below", "threshold": t}``, as a deploy zip carries it: unknown where the best
        score is below ``t``. ``{"rule": "none"}`` where no answer is right.
    """
    best, predicted = _best(scores)
    right = np.sort(best[predicted == labels])
    if not len(right):
        return {"rule": "none"}
    lost = int((1 - coverage) * len(right) + 1e-9)
    # Rounded down: the share is kept.
    return {"rule": "score-below", "threshold": math.floor(right[lost] * 10**_DIGITS) / 10**_DIGITS}


def reject_effect(scores: np.ndarray, labels: np.ndarray, rule: dict[str, Any]) -> dict[str, Any]:
    """Return what a rule does on a part.

    Returns
    -------
    dict
        ``coverage`` (share that is answered), ``error`` (share of wrong ones among the answered),
        ``error_without`` (among all), ``rejected_right``, ``rejected_wrong`` and ``curve``: error by
        coverage for other thresholds.
    """
    best, predicted = _best(scores)
    wrong = predicted != labels
    kept = best >= rule.get("threshold", 0.0)

    def error(of: np.ndarray) -> float | None:
        return float(wrong[of].mean()) if of.any() else None

    order = np.argsort(-best, kind="stable")
    curve = []
    for share in _CURVE:
        count = max(1, round(share * len(best)))
        chosen = order[:count]
        curve.append(
            {
                "coverage": count / len(best),
                "threshold": float(best[chosen[-1]]),
                "error": float(wrong[chosen].mean()),
            }
        )
    return {
        "images": len(best),
        "coverage": float(kept.mean()),
        "error": error(kept),
        "error_without": float(wrong.mean()),
        "rejected_right": int((~kept & ~wrong).sum()),
        "rejected_wrong": int((~kept & wrong).sum()),
        "curve": curve,
    }


def unlike_images(input_shape: tuple[int, int, int], count: int = 64) -> dict[str, np.ndarray]:
    """Draw images that are no surfaces.

    Returns
    -------
    dict
        By kind, uint8, shape (count, H, W, C): noise, single grey levels, stripes, discs.
    """
    height, width, channels = input_shape
    rng = np.random.default_rng(_UNLIKE_SEED)
    y, x = np.mgrid[:height, :width]
    levels = rng.integers(0, 256, (count, 2))
    period = rng.integers(2, max(3, min(height, width) // 2), count)
    angle = rng.uniform(0, np.pi, count)
    along = x * np.cos(angle)[:, None, None] + y * np.sin(angle)[:, None, None]
    stripes = (np.floor(along / period[:, None, None]) % 2).astype(bool)
    centre = rng.uniform(0.3, 0.7, (count, 2)) * (height, width)
    radius = rng.uniform(0.1, 0.4, count) * min(height, width)
    discs = np.hypot(y - centre[:, :1, None], x - centre[:, 1:, None]) < radius[:, None, None]
    drawn = {
        "noise": rng.integers(0, 256, (count, height, width)),
        "level": np.broadcast_to(levels[:, :1, None], (count, height, width)),
        "stripes": np.where(stripes, levels[:, :1, None], levels[:, 1:, None]),
        "discs": np.where(discs, levels[:, :1, None], levels[:, 1:, None]),
    }
    return {
        kind: np.repeat(images.astype(np.uint8)[..., None], channels, axis=3)
        for kind, images in drawn.items()
    }
