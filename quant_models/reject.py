"""The reject threshold: below which score an image counts as unlike the training set.

The score is the softmax of the best class. The threshold is a low quantile of the scores of the validation
part, so the share of known images that it turns down is chosen, and measured again on the test part. How
many unlike images it finds is another matter, and measured too: an image far from every class can well
have a high score (noise often has), so ``unknown`` is a hint to look, not a proof.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from finnspect.package import Preprocessing
from finnspect_driver.preprocess import preprocess
from torch import nn

from quant_models.datasets.synthetic import generate
from quant_models.evaluate import logits_of, predictions
from quant_models.training.phase import Part

#: Largest share of validation images that may come back as unknown.
REJECT_SHARE = 0.02
#: Images of each kind that the network was not trained for, and the seed that draws them.
_UNLIKE_IMAGES = 256
_UNLIKE_SEED = 20_261_124


def scores_of(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of each row's best class.

    Parameters
    ----------
    logits
        Real logits, shape (N, classes).

    Returns
    -------
    numpy.ndarray
        float64, shape (N,), in (0, 1].
    """
    logits = np.asarray(logits, np.float64)
    return 1 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)


def reject_rule(logits: np.ndarray) -> dict[str, Any]:
    """Return the rule that goes into the package, chosen on the validation part.

    Parameters
    ----------
    logits
        Real logits of the validation images, shape (N, classes), N at least 1.

    Returns
    -------
    dict
        ``rule`` and ``threshold``: a multiple of 0.0001; at most :data:`REJECT_SHARE` of the scores are
        below it.
    """
    scores = np.sort(scores_of(logits))
    lowest_kept = scores[int(REJECT_SHARE * len(scores))]
    return {"rule": "score-below", "threshold": float(np.floor(lowest_kept * 1e4) / 1e4)}


def reject_figures(
    model: nn.Module, threshold: float, test: Part, dataset: str, preprocessing: Preprocessing
) -> dict[str, Any]:
    """Measure what a threshold turns down.

    Parameters
    ----------
    model
        Takes pixel codes (N, C, H, W), returns logits (N, classes).
    threshold
        Score below which an image is unknown.
    test
        Images of the kind that the network was trained for.
    dataset
        Name of the data set: drawn surfaces are unlike every other one than ``synthetic``.
    preprocessing
        Colour and size of an image.

    Returns
    -------
    dict
        Shares of 1: ``test`` images that are unknown, ``accuracy_of_the_others``, and by kind ``unlike``
        images that are unknown.
    """
    logits = logits_of(model, test.images).numpy()
    unknown = scores_of(logits) < threshold
    right = predictions(logits) == test.labels.numpy()
    return {
        "test": float(unknown.mean()),
        "accuracy_of_the_others": float(right[~unknown].mean()) if not unknown.all() else None,
        "unlike": {
            kind: float((scores_of(logits_of(model, images).numpy()) < threshold).mean())
            for kind, images in unlike_images(dataset, preprocessing).items()
        },
    }


def unlike_images(dataset: str, preprocessing: Preprocessing) -> dict[str, torch.Tensor]:
    """Return images that a network for ``dataset`` was not trained for: uint8, (N, C, H, W), by kind."""
    rng = np.random.default_rng(_UNLIKE_SEED)
    channels = 1 if preprocessing.color == "grey" else 3
    shape = (_UNLIKE_IMAGES, preprocessing.height, preprocessing.width, channels)
    levels = np.arange(_UNLIKE_IMAGES, dtype=np.uint8)[:, None, None, None]
    kinds = {
        "noise": rng.integers(0, 256, shape, dtype=np.uint8),
        "one grey level": np.broadcast_to(levels, shape).copy(),
    }
    if dataset != "synthetic":
        params = preprocessing.model_dump()
        drawn = generate(_UNLIKE_IMAGES, _UNLIKE_SEED)
        kinds["drawn surfaces"] = np.stack([preprocess(image, params) for image in drawn])
    return {kind: torch.from_numpy(images).permute(0, 3, 1, 2) for kind, images in kinds.items()}
