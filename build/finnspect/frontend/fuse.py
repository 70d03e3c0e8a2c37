"""Last touches to the layers read: staircases join the layer before, unused layers go, multipliers shrink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.multipliers import small_multipliers
from finnspect.frontend.network import Add, Compute, Layer, Requantize, Steps, Sum
from finnspect.frontend.state import STREAM_BITS
from finnspect.frontend.values import Value
from finnspect.ir import IntType


def fused(made: Mapping[str, Layer], output: Value) -> tuple[tuple[Layer, ...], Value]:
    """Return the layers that the output needs, in order, and the output's value.

    Parameters
    ----------
    made
        Layers by their output, in an order in which each comes after what it reads.
    output
        The logits.
    """
    layers = _needed(dict(made), output.layer)
    layers = _fuse_steps(layers, output.layer)
    value = output
    for name, layer in layers.items():
        if name == output.layer and isinstance(layer, Compute) and layer.steps is None:
            layers[name], value = _live(layer, output)
        if isinstance(layer, Add) and layer.steps is None:
            _check_sum(layer)
    return tuple(layers.values()), value


def _needed(layers: dict[str, Layer], output: str) -> dict[str, Layer]:
    wanted = {output}
    for name in reversed(list(layers)):
        if name in wanted:
            wanted.update(layers[name].inputs)
    return {name: layer for name, layer in layers.items() if name in wanted}


def _fuse_steps(layers: dict[str, Layer], output: str) -> dict[str, Layer]:
    """Give staircases to the layer before them where nothing else reads its accumulators."""
    readers = Counter(name for layer in layers.values() for name in layer.inputs)
    readers[output] += 1
    result: dict[str, Layer] = {}
    for name, layer in layers.items():
        result[name] = layer
        if isinstance(layer, Requantize):
            before = result.get(layer.inputs[0])
            if readers[layer.inputs[0]] != 1:
                continue
            if isinstance(before, Compute | Sum | Add) and before.steps is None:
                del result[before.output]
                result[name] = _with_steps(before, layer)
            elif layer.steps.recoded and getattr(before, "steps", None) is not None:
                del result[before.output]
                result[name] = _recoded(before, layer)
    return result


def _recoded(before: Layer, layer: Requantize) -> Layer:
    """Join two staircases: code ``base + k`` is reached with the k-th threshold before it."""
    never = 1 << 2 * STREAM_BITS
    rows = []
    for first, second in zip(before.steps.thresholds, layer.steps.thresholds, strict=True):
        steps = (-never, *first, never)
        at = [min(max(code - before.steps.base, 0), len(first) + 1) for code in second]
        rows.append(tuple(steps[place] for place in at))
    steps = replace(layer.steps, thresholds=tuple(rows), dead=before.steps.dead)
    return replace(
        before, output=layer.output, low=layer.low, high=layer.high, probe=layer.probe, steps=steps
    )


def _with_steps(before: Compute | Sum | Add, staircase: Requantize) -> Layer:
    steps, changes = staircase.steps, {}
    if isinstance(before, Add):
        before, steps = _shrunk(before, steps)
    if isinstance(before, Compute) and any(steps.dead):
        weights = before.weights.copy()
        weights[list(steps.dead)] = 0
        changes["weights"] = weights
        # the staircase of such a channel does not depend on what it gets
        rows = [
            tuple(0 if t <= before.low else 1 for t in row) if dead else row
            for row, dead in zip(steps.thresholds, steps.dead, strict=True)
        ]
        steps = replace(steps, thresholds=tuple(rows))
    return replace(
        before,
        output=staircase.output,
        low=staircase.low,
        high=staircase.high,
        probe=staircase.probe,
        steps=steps,
        **changes,
    )


def _shrunk(layer: Add, steps: Steps) -> tuple[Add, Steps]:
    """Choose small multipliers, and thresholds that decide every pair of codes as the exact ones do."""
    found = small_multipliers(layer.multipliers, layer.input_dtypes, steps.thresholds)
    if found is None:
        _check_sum(layer)
        return layer, steps
    multipliers, rows = found
    return replace(layer, multipliers=multipliers), replace(steps, thresholds=rows)


def _check_sum(layer: Add) -> None:
    bits = IntType.spanning(layer.low, layer.high + 1, signed=True).bits
    if bits > STREAM_BITS:
        raise UnsupportedModelError(
            layer.node,
            f"the scales of its inputs have no small common measure: the sum would need {bits} bits",
            "share one quantizer between its branches, or put a quantizer behind the addition",
        )


def _live(layer: Compute, value: Value) -> tuple[Compute, Value]:
    """Give logits with a slope of zero zero weights instead, and a slope of one."""
    dead = np.array([slope == 0 for slope in value.slopes])
    if not dead.any():
        return layer, value
    weights = layer.weights.copy()
    weights[dead] = 0
    slopes = tuple(Fraction(1) if d else s for s, d in zip(value.slopes, dead, strict=True))
    probe = replace(layer.probe, slopes=slopes)
    return replace(layer, weights=weights, probe=probe), replace(value, slopes=slopes)
