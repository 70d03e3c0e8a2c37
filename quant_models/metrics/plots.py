"""Pictures of a measurement: confusion, curves, the worst mistakes as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchmetrics.functional.classification import binary_precision_recall_curve, binary_roc

from quant_models.metrics.measure import positive_class

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110
_WORST = 24
_COLUMNS = 6
_LINES, _MARKS = ("-", "--", "-.", ":"), "osD^vPX*<>"


def _figure(width: float, height: float) -> Figure:
    """Return a figure of its own: pyplot's global state is left alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def save_plots(
    folder: Path, scores: np.ndarray, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> list[Path]:
    """Write ``confusion.png``, ``curves.png`` and, where there are mistakes, ``mistakes.png``.

    Parameters
    ----------
    folder
        Made if missing.
    scores
        Softmax scores, float64, shape (N, classes).
    images
        uint8, shape (N, H, W, C).
    labels
        int64, shape (N,).

    Returns
    -------
    list of Path
        What was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "confusion": _confusion(scores, labels, classes),
        "curves": _curves(scores, labels, classes),
        "mistakes": _mistakes(scores, images, labels, classes),
    }
    written = []
    for name, figure in figures.items():
        if figure is not None:
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1], metadata={"Software": None})
    return written


def _confusion(scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Figure:
    n = len(classes)
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (labels, scores.argmax(axis=1)), 1)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = _figure(2.5 + 0.6 * n, 2.2 + 0.5 * n)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(n), classes, rotation=45, ha="right")
    axes.set_yticks(range(n), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def _curves(scores: np.ndarray, labels: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw receiver operating characteristic and precision over recall, a line a class."""
    figure = _figure(10, 4.6)
    roc, precision = figure.subplots(1, 2)
    positive = positive_class(classes)
    for index in range(len(classes)) if positive is None else (positive,):
        target = torch.from_numpy((labels == index).astype(np.int64))
        if not target.any() or target.all():
            continue
        one = torch.from_numpy(scores[:, index])
        # Told apart without colours as well.
        style = {"linestyle": _LINES[index % len(_LINES)], "marker": _MARKS[index % len(_MARKS)]}
        style |= {"markevery": 0.12, "markersize": 5}
        false, true, _ = binary_roc(one, target)
        roc.plot(false, true, label=classes[index], **style)
        values, recall, _ = binary_precision_recall_curve(one, target)
        precision.plot(recall, values, label=classes[index], **style)
    roc.set(xlabel="false-alarm rate", ylabel="recall", xlim=(0, 1), ylim=(0, 1.02))
    precision.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    roc.legend(loc="lower right", fontsize="small")
    return figure


def _mistakes(
    scores: np.ndarray, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> Figure | None:
    """Draw the wrong answers, the surest first."""
    predicted, best = scores.argmax(axis=1), scores.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    if not len(wrong):
        return None
    wrong = wrong[np.argsort(-best[wrong], kind="stable")][:_WORST]
    rows = -(-len(wrong) // _COLUMNS)
    figure = _figure(1.9 * _COLUMNS, 2.3 * rows)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flat
    for axes in (panels := list(panels)):
        axes.set_axis_off()
    for axes, i in zip(panels, wrong, strict=False):
        picture = images[i]
        axes.imshow(picture[..., 0] if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=255)
        title = f"{classes[labels[i]]}\nas {classes[predicted[i]]} {best[i]:.2f}"
        axes.set_title(title, fontsize="small")
    return figure
