"""FIFO depths that need no simulation: how far the branches of a graph can run apart.

Two branches that part at a fork and meet again at an add or a concatenation hold different amounts of data:
sliding windows keep rows. What the longer branch holds, the shorter one must hold too, in a FIFO in front of
the layer where they meet; with less, the fork stops, the longer branch never gets its rows, and nothing moves
any more. :func:`default_depths` bounds what every branch can hold from the sizes of its memories;
``fifo_sizing`` measures what is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import singledispatch
from math import ceil
from typing import TYPE_CHECKING

from finnspect.analysis import (
    folding_bound,
    layer_cycles,
    made_elements,
    overlaps,
    taken_elements,
    window_memory,
)
from finnspect.ir import DataflowGraph, Depthwise, Layer, MatVec, MaxPool, SlidingWindow, SumPool

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding

#: Beats that a layer's pipeline and the converters around it hold, whatever it is.
PIPELINE_BEATS = 64
#: Depths are multiples of this: the words of the smallest memory of LUTs.
GRAIN = 16


@dataclass(frozen=True)
class Edge:
    """One reader of one tensor: where a FIFO may stand.

    Parameters
    ----------
    key
        The tensor's name where it has one reader, else ``<tensor>:<reader>``.
    reader
        Layer; None for the core's output.
    place
        Which of the reader's inputs it is.
    """

    key: str
    tensor: str
    reader: str | None
    place: int = 0


def edges(graph: DataflowGraph) -> tuple[Edge, ...]:
    """Return every reader of every tensor, in topological order of the readers, the output last."""
    readers: dict[str, list[tuple[str | None, int]]] = {}
    for layer in graph:
        for place, tensor in enumerate(layer.inputs):
            readers.setdefault(tensor, []).append((layer.name, place))
    readers.setdefault(graph.output, []).append((None, 0))
    found = []
    for tensor, each in readers.items():
        for reader, place in each:
            twice = sum(name == reader for name, _ in each) > 1
            name = (reader or "output") + (f":{place}" if twice else "")
            key = tensor if len(each) == 1 else f"{tensor}:{name}"
            found.append(Edge(key, tensor, reader, place))
    order = {layer.name: place for place, layer in enumerate(graph)}
    return tuple(sorted(found, key=lambda e: (order.get(e.reader, len(order)), e.place)))


def rounded(beats: int) -> int:
    """Return a depth that memories are made in: 2 (a register slice) or a multiple of :data:`GRAIN`."""
    return 2 if beats <= 2 else -(-beats // GRAIN) * GRAIN


def fifo_elements(
    tensor: str, layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]
) -> int:
    """Return the elements a beat of a FIFO between the maker of ``tensor`` and its reader ``layer``.

    It stands behind a converter to wider beats, and in front of one to narrower beats: there it takes bursts.
    """
    producer, taken = graph.producer(tensor), taken_elements(layer, graph, folding)
    made = taken if producer is None else made_elements(producer, folding)
    return taken if taken % made == 0 else made


@singledispatch
def frames_held(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Fraction:
    """Return the most that the memories of ``layer`` hold, as a fraction of a frame."""
    return Fraction(0)


@frames_held.register(SlidingWindow)
def _(layer: SlidingWindow, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Fraction:
    taken = taken_elements(layer, graph, folding)
    depth, _ = window_memory(layer, graph, taken)
    rows = Fraction(layer.kernel[0] + 1, graph.tensors[layer.input].shape[0])
    return max(Fraction(depth * taken, graph.tensors[layer.input].size), rows)


@frames_held.register(MaxPool)
@frames_held.register(SumPool)
def _(layer: MaxPool | SumPool, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Fraction:
    rows = layer.kernel[0] + layer.stride[0] + 1
    return Fraction(rows, graph.tensors[layer.input].shape[0])


def _held(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Fraction:
    """Return what a layer holds with its pipeline, as a fraction of a frame."""
    if isinstance(layer, MatVec | Depthwise):  # its vectors come many times over: few are inside
        beats = graph.tensors[layer.output].size // made_elements(layer, folding)
    else:
        beats = graph.tensors[layer.inputs[0]].size // taken_elements(layer, graph, folding)
    return frames_held(layer, graph, folding) + Fraction(PIPELINE_BEATS, max(beats, 1))


def _dominators(graph: DataflowGraph) -> dict[str, list[str]]:
    """Return for each tensor those that every path to it goes through, itself included, in order."""
    through: dict[str, list[str]] = {graph.input: [graph.input]}
    for layer in graph:
        common = [t for t in through[layer.inputs[0]] if all(t in through[other] for other in layer.inputs)]
        for tensor in layer.outputs:
            through[tensor] = [*common, tensor]
    return through


def _longest(graph: DataflowGraph, held: Mapping[str, Fraction], start: str, end: str) -> Fraction:
    """Return the most that any path from tensor ``start`` to ``end`` holds."""
    most: dict[str, Fraction] = {start: Fraction(0)}
    for layer in graph:
        before = [most[name] for name in layer.inputs if name in most]
        if before and layer.outputs[0] not in most:
            most[layer.outputs[0]] = max(before) + held[layer.name]
    return most[end]


def default_depths(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> dict[str, int]:
    """Return FIFO depths with which no branch ever waits for room, whatever the others hold.

    And those that even out the bursts of pools: :func:`burst_depths`.

    Returns
    -------
    dict
        Key of an :class:`Edge` -> beats of :func:`fifo_elements`.
    """
    depths = burst_depths(graph, folding)
    for key, depth in branch_depths(graph, folding).items():
        depths[key] = max(depth, depths.get(key, 0))
    return depths


def _waits_for_rows(layer: Layer, graph: DataflowGraph) -> bool:
    """Return whether a layer has room for a row while it works on others: it evens out bursts itself."""
    if not isinstance(layer, SlidingWindow):
        return isinstance(layer, MaxPool) and overlaps(layer)
    return layer.kernel != (1, 1) or layer.stride != (1, 1)


def burst_depths(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> dict[str, int]:
    """Return depths of FIFOs behind pools: a row of output, where its reader is too slow for the burst.

    A pool puts out a row while it takes the last of its kernel's rows, and nothing while it takes the others.
    A reader that needs more than that time for a row, and has no memory for it, would stop the pool and what
    is in front of it; at the folding bound, that time is lost.
    """
    bound = folding_bound(graph, folding).cycles
    bursts: dict[str, int] = {graph.input: 1}  # tensor -> rows in whose time one comes
    depths: dict[str, int] = {}
    readers = {(edge.reader, edge.place): edge.key for edge in edges(graph)}
    for layer in graph:
        burst = max(bursts[name] for name in layer.inputs)
        slow = layer_cycles(layer, graph, folding) * burst > bound
        if burst > 1 and slow and not _waits_for_rows(layer, graph):
            for place, name in enumerate(layer.inputs):
                _, width, channels = graph.tensors[name].shape
                if bursts[name] > 1:
                    row = width * channels // fifo_elements(name, layer, graph, folding)
                    depths[readers[layer.name, place]] = rounded(row + GRAIN)
            burst = 1
        if isinstance(layer, MaxPool | SumPool):
            burst = layer.kernel[0] if graph.tensors[layer.output].shape[0] > 1 else 1
        elif _waits_for_rows(layer, graph):
            burst = 1
        bursts |= dict.fromkeys(layer.outputs, burst)
    return depths


def branch_depths(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> dict[str, int]:
    """Return FIFO depths with which no branch ever waits for room; empty for a chain."""
    held = {layer.name: _held(layer, graph, folding) for layer in graph}
    through = _dominators(graph)
    depths: dict[str, int] = {}
    for edge in edges(graph):
        layer = graph.layer(edge.reader) if edge.reader is not None else None
        if layer is None or len(layer.inputs) < 2:
            continue
        skew = Fraction(0)
        for other in layer.inputs:
            fork = [t for t in through[edge.tensor] if t in through[other]][-1]
            skew = max(skew, _longest(graph, held, fork, other) if other != edge.tensor else Fraction(0))
        if skew:
            beats = graph.tensors[edge.tensor].size // fifo_elements(edge.tensor, layer, graph, folding)
            depths[edge.key] = rounded(ceil(skew * beats))
    return depths
