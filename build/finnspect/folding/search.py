"""The cheapest folding for a target."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from math import lcm
from typing import Any

from finnspect import analysis
from finnspect.errors import ConfigError
from finnspect.folding.attributes import Folding, LayerFolding
from finnspect.folding.check import allowed, check_folding
from finnspect.ir import DataflowGraph, Depthwise, Layer, MatVec, SlidingWindow

logger = logging.getLogger(__name__)


def full_folding(graph: DataflowGraph) -> Folding:
    """Return the folding with every attribute at its largest: the fastest the graph can be."""
    return Folding(
        tuple(
            (layer.name, LayerFolding(**{k: v[-1] for k, v in allowed(layer, graph).items()}))
            for layer in graph
        )
    )


def choose_folding(graph: DataflowGraph, target_cycles: int) -> Folding:
    """Return a cheap folding of which no layer needs more than ``target_cycles`` a frame.

    Each MatVec gets the smallest PE x SIMD that meets the target, alone and together with its sliding
    window; among equals, the one that needs the least width conversion after its producer, then the
    one with the smallest estimated area. A max pool takes the width of a neighbour.

    Raises
    ------
    ConfigError
        The target cannot be met; names the layer that limits and the best target that can.
    """
    best = analysis.folding_bound(graph, full_folding(graph))
    if target_cycles < best.cycles:
        raise ConfigError(
            f"{graph.name} cannot run in {target_cycles} cycles a frame: layer {best.layer!r} needs "
            f"{best.cycles} even at its largest PE and SIMD",
            f"ask for {best.cycles} cycles or more",
        )
    chosen: dict[str, LayerFolding] = {}
    width: dict[str, int] = {}  # tensor -> elements a beat; none for the graph's input: any
    for layer in graph:
        if isinstance(layer, SlidingWindow):
            continue  # with its reader
        window = graph.producer(layer.inputs[0])
        before = [window.input if isinstance(window, SlidingWindow) else name for name in layer.inputs]
        widths = [width.get(name, 0) for name in before]
        if isinstance(layer, MatVec):
            pe, simd = _choose_matvec(graph, layer, window, target_cycles, widths[0])
            chosen[layer.name] = LayerFolding(PE=pe, SIMD=simd)
        elif "PE" in allowed(layer, graph):
            pe = simd = _choose_pe(graph, layer, window, target_cycles, widths)
            chosen[layer.name] = LayerFolding(PE=pe)
        else:
            pe = simd = 1
            chosen[layer.name] = LayerFolding()
        if isinstance(window, SlidingWindow):
            chosen[window.name] = LayerFolding(SIMD=simd)
        width[layer.output] = pe
    folding = Folding.of({layer.name: chosen[layer.name] for layer in graph})
    check_folding(graph, folding)
    bound = analysis.folding_bound(graph, folding)
    assert bound.cycles <= target_cycles, bound
    logger.info("folding of %s: %d cycles a frame, limited by %s", graph.name, bound.cycles, bound.layer)
    return folding


def conversion_steps(producer: int, consumer: int) -> int:
    """Return how many width converters join a stream of ``producer`` elements to ``consumer`` (0 to 2)."""
    if producer in (0, consumer):
        return 0
    return 1 if lcm(producer, consumer) in (producer, consumer) else 2


def _choose_matvec(
    graph: DataflowGraph, layer: MatVec, window: Layer | None, target_cycles: int, width: int
) -> tuple[int, int]:
    options = allowed(layer, graph)
    best: tuple[Any, int, int] | None = None
    for simd in options["SIMD"]:
        for pe in options["PE"]:
            trial = {layer.name: LayerFolding(PE=pe, SIMD=simd)}
            layers = [layer]
            if window is not None:
                trial[window.name] = LayerFolding(SIMD=simd)
                layers.append(window)
            if any(analysis.layer_cycles(each, graph, trial) > target_cycles for each in layers):
                continue
            area = sum(analysis.layer_resources(each, graph, trial).lut for each in layers)
            cost = (pe * simd, conversion_steps(width, simd), area)
            if best is None or cost < best[0]:
                best = (cost, pe, simd)
    assert best is not None, f"{layer.name}: the full folding meets the target, so some folding does"
    return best[1], best[2]


def _choose_pe(
    graph: DataflowGraph, layer: Layer, window: Layer | None, target_cycles: int, widths: list[int]
) -> int:
    """Return the smallest PE that meets the target and needs no more than the fewest conversions."""
    feasible = []
    for pe in allowed(layer, graph)["PE"]:
        trial: Mapping[str, LayerFolding] = {layer.name: LayerFolding(PE=pe)}
        layers = [layer]
        if isinstance(layer, Depthwise) and window is not None:
            trial = {**trial, window.name: LayerFolding(SIMD=pe)}
            layers.append(window)
        if all(analysis.layer_cycles(each, graph, trial) <= target_cycles for each in layers):
            feasible.append(pe)
    return min(feasible, key=lambda pe: (sum(conversion_steps(each, pe) for each in widths), pe))
