"""The score from which an image counts as defective, in a set of two classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from finnspect.errors import DataError


def choose_threshold(scores: np.ndarray, defective: np.ndarray, false_alarm_rate: float) -> float:
    """Return the lowest score threshold that keeps to a false-alarm rate.

    Parameters
    ----------
    scores
        Score of the defect class, float64, shape (N,).
    defective
        Bool, shape (N,).
    false_alarm_rate
        Largest share of the sound images that may have a score of the threshold or more.

    Returns
    -------
    float
        An image is called defective where its score is at least this. Between two scores that occur,
        half way, so that rounding does not decide.

    Raises
    ------
    DataError
        There is no sound or no defective image.
    """
    sound = np.sort(scores[~defective])[::-1]
    if not len(sound) or not defective.any():
        raise DataError(
            "a score threshold needs sound and defective images to be chosen on",
            "give the validation part images of both classes",
        )
    allowed = int(false_alarm_rate * len(sound) + 1e-9)
    if allowed >= len(sound):
        return 0.0
    highest = float(sound[allowed])  # the first that must not alarm
    above = scores[scores > highest]
    return (highest + float(above.min())) / 2 if len(above) else min(1.0, np.nextafter(highest, 2.0))


def threshold_effect(scores: np.ndarray, defective: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return what a threshold does on a part: counts, recall, precision, false-alarm rate."""
    alarm = scores >= threshold
    hits, alarms = int((alarm & defective).sum()), int(alarm.sum())
    sound = int((~defective).sum())
    return {
        "images": len(scores),
        "defective": int(defective.sum()),
        "found": hits,
        "false_alarms": alarms - hits,
        "recall": hits / int(defective.sum()) if defective.any() else None,
        "precision": hits / alarms if alarms else None,
        "false_alarm_rate": (alarms - hits) / sound if sound else None,
    }
