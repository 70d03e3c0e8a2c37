"""From samples to what one of each term costs: non-negative least squares of relative errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import nnls

from finnspect.analysis.costs import FITTED, Costs
from finnspect.analysis.fit.samples import Sample
from finnspect.analysis.technology import Technology

#: A model smaller than this many cells is fitted to the cell, not to the per cent.
_FLOOR = {"lut": 40, "ff": 60}
#: Pull of every cost to ``_PLAIN`` cells a count, so that few samples give no wild figures.
_RIDGE = 0.1
_PLAIN = 0.7


def _matrix(samples: Sequence[Sample], tech: Technology) -> tuple[list[str], np.ndarray]:
    names = sorted({name for sample in samples for name in sample.terms.values} | {"memory"})
    rows = []
    for sample in samples:
        memory = sum(each.luts(tech) * count for each, count in sample.terms.memories)
        values = {**sample.terms.values, "memory": memory}
        rows.append([values.get(name, 0.0) for name in names])
    return names, np.array(rows, dtype=float)


def _solve(matrix: np.ndarray, wanted: np.ndarray, floor: float) -> np.ndarray:
    weight = 1 / np.maximum(wanted, floor)
    scale = np.abs(matrix * weight[:, None]).mean(axis=0)
    pull = np.diag(_RIDGE * scale * np.sqrt(len(matrix)))
    left = np.vstack([matrix * weight[:, None], pull])
    right = np.concatenate([wanted * weight, pull.sum(axis=1) * _PLAIN])
    return np.where(scale > 0, nnls(left, right)[0], _PLAIN)


def _left_out(matrix: np.ndarray, wanted: np.ndarray, floor: float) -> np.ndarray:
    """Return what each sample is estimated at by a fit to the others."""
    if len(matrix) < 2:
        return np.zeros(len(matrix))
    rest = [np.arange(len(matrix)) != index for index in range(len(matrix))]
    return np.array([matrix[i] @ _solve(matrix[own], wanted[own], floor) for i, own in enumerate(rest)])


def _errors(got: np.ndarray, wanted: np.ndarray, floor: float) -> dict[str, float]:
    relative = 100 * np.abs(got - wanted) / np.maximum(wanted, floor)
    return {
        "median_percent": round(float(np.median(relative)), 1),
        "worst_percent": round(float(relative.max()), 1),
    }


def _counted(sample: Sample, tech: Technology) -> bool:
    """Return whether block RAMs and hard multipliers are as the rules say."""
    found = Costs({}, {}).resources(sample.terms, tech)
    return (found.bram, found.dsp) == (sample.measured.bram, sample.measured.dsp)


def fit_models(samples: Sequence[Sample], tech: Technology) -> dict[str, Any]:
    """Return the ``models`` of a cost file: costs, errors and how many samples they rest on."""
    models = {}
    for model in sorted({sample.terms.model for sample in samples}):
        own = [sample for sample in samples if sample.terms.model == model]
        names, matrix = _matrix(own, tech)
        entry: dict[str, Any] = {"samples": len(own)}
        errors = {}
        for quantity in FITTED:
            wanted = np.array([getattr(sample.measured, quantity) for sample in own], dtype=float)
            costs = _solve(matrix, wanted, _FLOOR[quantity])
            entry[quantity] = {n: float(f"{c:.4g}") for n, c in zip(names, costs, strict=True) if c > 1e-6}
            errors[quantity] = _errors(matrix @ costs, wanted, _FLOOR[quantity])
            alone = _left_out(matrix, wanted, _FLOOR[quantity])
            errors[quantity]["left_out"] = _errors(alone, wanted, _FLOOR[quantity])
        entry["error"] = errors | {"blocks_and_multipliers_exact": sum(_counted(each, tech) for each in own)}
        models[model] = entry
    return models
