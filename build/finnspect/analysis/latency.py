"""The least time from the first pixel of a frame to its last logit, under a folding."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from finnspect.analysis.cycles import overlaps, taken_elements
from finnspect.ir import DataflowGraph, Depthwise, Layer, MatVec, MaxPool, SlidingWindow

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding


def _serial(ready: np.ndarray, cycles: int) -> np.ndarray:
    """Return when each of a row of jobs ends: one after the other, each from when it is ready."""
    steps = np.arange(len(ready)) * cycles
    return np.maximum.accumulate(ready - steps) + steps + cycles


def _needed(layer: Layer, arrived: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return when the last pixel of each output pixel's window has arrived."""
    kernel, stride = layer.kernel, layer.stride
    top, left = getattr(layer, "pad", (0, 0, 0, 0))[:2]
    height, width = arrived.shape
    rows = np.minimum(np.arange(shape[0]) * stride[0] + kernel[0] - 1 - top, height - 1)
    columns = np.minimum(np.arange(shape[1]) * stride[1] + kernel[1] - 1 - left, width - 1)
    return arrived[rows][:, columns]


def _pixel_cycles(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return the cycles in which ``layer`` puts out one pixel."""
    own, sink = folding[layer.name], graph.tensors[layer.output]
    if isinstance(layer, SlidingWindow):
        return 0  # its beats are its reader's: they count once, there
    if isinstance(layer, MatVec):
        return (layer.MW // own.SIMD) * (layer.MH // own.PE)
    if isinstance(layer, Depthwise):
        return layer.taps * sink.shape[2] // own.PE
    if isinstance(layer, MaxPool) and overlaps(layer):
        return prod(layer.kernel) * sink.shape[2] // own.PE
    return sink.shape[2] // (own.PE or own.SIMD or 1)


def latency_bound(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return the fewest cycles from a frame's first beat in to its last logit out.

    Every layer takes a beat a cycle, begins a pixel so early that the last beat of its first pass comes as
    soon as the last pixel that it needs is there, and
    none ever waits for room: no register, memory or search takes time. What is built is slower by those.
    """
    source = graph.tensors[graph.input]
    first = graph.consumers(graph.input)[0]
    beats = source.shape[2] // taken_elements(first, graph, folding)
    pixels = source.shape[0] * source.shape[1]
    done = {graph.input: (np.arange(1, pixels + 1) * beats).reshape(source.shape[:2])}
    for layer in graph:
        shape = graph.tensors[layer.output].shape[:2]
        if hasattr(layer, "kernel"):
            arrived = done[layer.inputs[0]]
            taken = graph.tensors[layer.inputs[0]].shape[2] // taken_elements(layer, graph, folding)
            arrived = _serial(arrived.ravel() - taken, taken).reshape(
                arrived.shape
            )  # beat by beat, as they come
            ready = _needed(layer, arrived, shape)
        else:
            ready = np.max([done[name] for name in layer.inputs], axis=0).reshape(shape)
        cycles = _pixel_cycles(layer, graph, folding)
        if not isinstance(layer, MatVec | Depthwise) and not hasattr(layer, "kernel"):
            ready = ready - cycles  # a beat out for each that comes in
        elif isinstance(layer, MatVec | Depthwise):  # only the last beat of the first pass waits
            taps = layer.taps if isinstance(layer, Depthwise) else layer.MW // folding[layer.name].SIMD
            ready = ready - (taps - 1)
        done[layer.output] = _serial(ready.ravel(), cycles).reshape(shape)
    return int(done[graph.output].max())
