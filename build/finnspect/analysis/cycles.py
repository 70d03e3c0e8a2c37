"""Cycles a frame of every layer: what it needs when nothing ever makes it wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from math import prod
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding


@dataclass(frozen=True, slots=True)
class Bound:
    """The slowest layer and what it needs, in cycles a frame."""

    layer: str
    cycles: int


def neuron_folds(window: SlidingWindow, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return how often a sliding window repeats each window: NF of the MatVec that reads it."""
    readers = [c for c in graph.consumers(window.output) if isinstance(c, MatVec) and c.name in folding]
    return max((reader.MH // (folding[reader.name].PE or 1) for reader in readers), default=1)


def overlaps(pool: MaxPool) -> bool:
    """Return whether a max pool needs a window of several rows: it overlaps, leaves gaps, or pads."""
    return pool.stride != pool.kernel or any(pool.pad)


def taken_elements(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return the elements of a beat at each input of ``layer``.

    A window that puts out more than a pixel a beat takes a pixel a beat.
    """
    own = folding[layer.name]
    elements = own.SIMD or own.PE or 1
    if isinstance(layer, SlidingWindow):
        return min(elements, graph.tensors[layer.input].shape[2])
    return elements


def made_elements(layer: Layer, folding: Mapping[str, LayerFolding]) -> int:
    """Return the elements of a beat at the output of ``layer``."""
    own = folding[layer.name]
    return own.PE or own.SIMD or 1


@singledispatch
def layer_cycles(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return the cycles that ``layer`` needs for one frame when it never waits."""
    raise NotImplementedError(f"no cycle count for a layer of kind {layer.kind!r}")


@layer_cycles.register(SlidingWindow)
def _(layer: SlidingWindow, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    simd, repeat = folding[layer.name].SIMD, neuron_folds(layer, graph, folding)
    source, sink = graph.tensors[layer.input], graph.tensors[layer.output]
    reads = source.size // taken_elements(layer, graph, folding)
    writes = sink.size // simd * repeat
    if simd > source.shape[2] and layer.kernel != source.shape[:2]:
        writes += sink.shape[0] * sink.shape[2] // simd * _gaps(layer, source.shape[1], sink.shape[1], repeat)
    return max(reads, writes)


def _gaps(layer: SlidingWindow, width: int, columns: int, repeat: int) -> int:
    """Return the windows a row that a window-parallel ``fs_swg`` loses to shifting columns in."""
    kernel, stride, left = layer.kernel[1], layer.stride[1], layer.pad[1]
    over = max(0, (columns - 1) * stride + kernel - left - width)
    return max(0, kernel - left - over - repeat) + (columns - 1) * max(0, stride - repeat)


@layer_cycles.register(MatVec)
def _(layer: MatVec, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    own = folding[layer.name]
    height, width, _ = graph.tensors[layer.output].shape
    return height * width * (layer.MW // own.SIMD) * (layer.MH // own.PE)


@layer_cycles.register(Depthwise)
def _(layer: Depthwise, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    return graph.tensors[layer.output].size // folding[layer.name].PE * layer.taps


@layer_cycles.register(MaxPool)
def _(layer: MaxPool, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    pe = folding[layer.name].PE
    reads = graph.tensors[layer.input].size // pe
    if not overlaps(layer):
        return reads
    return max(reads, graph.tensors[layer.output].size // pe * prod(layer.kernel))


@layer_cycles.register(SumPool)
def _(layer: SumPool, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    return graph.tensors[layer.input].size // folding[layer.name].PE


@layer_cycles.register(Add)
@layer_cycles.register(Concat)
@layer_cycles.register(Threshold)
def _(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    return graph.tensors[layer.output].size // folding[layer.name].PE


@layer_cycles.register(ArgMax)
def _(layer: ArgMax, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    return graph.tensors[layer.input].size


def graph_cycles(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> dict[str, int]:
    """Return the cycles a frame of every layer, in topological order."""
    return {layer.name: layer_cycles(layer, graph, folding) for layer in graph}


def folding_bound(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Bound:
    """Return the slowest layer (the first of equals): the fewest cycles a frame in steady state.

    The logits leave one a cycle, so a graph can be bound by its output too.
    """
    cycles = graph_cycles(graph, folding) | {graph.output: graph.tensors[graph.output].size}
    slowest = max(cycles, key=lambda name: cycles[name])
    return Bound(slowest, cycles[slowest])
