"""Which values PE and SIMD may take, and whether a folding keeps to them."""

from __future__ import annotations

from functools import singledispatch
from math import gcd

from finnspect.errors import ConfigError
from finnspect.folding.attributes import Folding
from finnspect.ir import (
    Add,
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    SumPool,
    Threshold,
)

#: Whether windows of several pixels a beat (SIMD above the channels) are offered.
WINDOW_PARALLEL = True


def divisors(number: int) -> list[int]:
    """Return the divisors of ``number``, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]


@singledispatch
def allowed(layer: Layer, graph: DataflowGraph) -> dict[str, list[int]]:
    """Return the values that each folding attribute of ``layer`` may take, by attribute name."""
    raise NotImplementedError(f"no folding for a layer of kind {layer.kind!r}")


@allowed.register
def _(layer: SlidingWindow, graph: DataflowGraph) -> dict[str, list[int]]:
    height, width, channels = graph.tensors[layer.input].shape
    simd = divisors(channels)
    depthwise = any(isinstance(reader, Depthwise) for reader in graph.consumers(layer.output))
    rows, columns = layer.kernel
    if not WINDOW_PARALLEL or depthwise or rows * columns == 1:
        return {"SIMD": simd}
    if layer.kernel == (height, width) and not any(layer.pad):
        pixels = [each for each in divisors(rows * columns) if each > 1]
    else:  # whole rows of the kernel
        pixels = [columns * each for each in divisors(rows) if columns > 1]
    return {"SIMD": simd + [channels * each for each in pixels]}


@allowed.register
def _(layer: MatVec, graph: DataflowGraph) -> dict[str, list[int]]:
    window = graph.producer(layer.input)
    simd = allowed(window, graph)["SIMD"] if isinstance(window, SlidingWindow) else divisors(layer.MW)
    return {"PE": divisors(layer.MH), "SIMD": simd}


@allowed.register
def _(layer: Depthwise, graph: DataflowGraph) -> dict[str, list[int]]:
    return {"PE": divisors(layer.channels)}


@allowed.register(MaxPool)
@allowed.register(SumPool)
@allowed.register(Add)
@allowed.register(Concat)
@allowed.register(Threshold)
def _(layer: Layer, graph: DataflowGraph) -> dict[str, list[int]]:
    return {"PE": divisors(gcd(*(graph.tensors[name].shape[2] for name in layer.inputs)))}


@allowed.register
def _(layer: ArgMax, graph: DataflowGraph) -> dict[str, list[int]]:
    return {}


def check_folding(graph: DataflowGraph, folding: Folding) -> None:
    """Check that a folding covers the graph and that every value divides what it must.

    Raises
    ------
    ConfigError
        Naming the layer, the attribute, its value and the allowed values.
    """
    known = {layer.name for layer in graph}
    for name in folding:
        if name not in known:
            raise ConfigError(
                f"folding names layer {name!r}, which the graph does not have",
                f"layers of {graph.name}: {', '.join(sorted(known))}",
            )
    for layer in graph:
        values = folding[layer.name].to_json() if layer.name in folding else {}
        choices = allowed(layer, graph)
        for attribute, options in choices.items():
            if values.get(attribute) not in options:
                raise ConfigError(
                    f"folding of layer {layer.name!r}: {attribute} is {values.get(attribute, 'not set')}",
                    f"allowed: {', '.join(map(str, options))}",
                )
        for attribute in values:
            if attribute not in choices:
                raise ConfigError(
                    f"folding of layer {layer.name!r}: a {layer.kind} has no {attribute}",
                    f"it has: {', '.join(choices)}",
                )
        if isinstance(layer, MatVec):
            _check_window(graph, layer, folding)
        _check_window(graph, layer, folding)


def window_attribute(layer: Layer) -> str:
    """Return the attribute of ``layer`` that the sliding window in front of it has as SIMD."""
    return "PE" if isinstance(layer, Depthwise) else "SIMD"


def _check_window(graph: DataflowGraph, layer: Layer, folding: Folding) -> None:
    """Refuse a window whose beats are not those of the layer that reads it."""
    window = graph.producer(layer.inputs[0])
    if not isinstance(layer, MatVec | Depthwise) or not isinstance(window, SlidingWindow):
        return
    attribute = window_attribute(layer)
    own, simd = getattr(folding[layer.name], attribute), folding[window.name].SIMD
    if simd != own:
        raise ConfigError(
            f"folding of layer {window.name!r}: SIMD is {simd}, "
            f"{attribute} of the {layer.kind} {layer.name!r} behind it is {own}",
            "give both the same value",
        )
