"""Every folding that each layer could have, with its cycles and estimated cost, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from finnspect import analysis
from finnspect.analysis import Technology
from finnspect.folding.attributes import LayerFolding
from finnspect.folding.check import allowed, window_attribute
from finnspect.ir import DataflowGraph, Layer, MatVec, SlidingWindow


@dataclass(frozen=True)
class Unit:
    """A layer, with the sliding window in front of it where it has one, and all its foldings.

    Arrays have one entry, or row, a folding.

    Parameters
    ----------
    sources
        Tensors that the unit reads.
    foldings
        What each folding is.
    cycles
        Cycles a frame of the slower of layer and window.
    takes, makes
        Elements a beat at the inputs and the output.
    work
        Product of the attributes: of equals the smaller is taken.
    soft, hard
        LUT, block RAM, multipliers: with products in LUTs, and in hard multipliers where that can be.
    """

    layer: Layer
    window: SlidingWindow | None
    sources: tuple[str, ...]
    foldings: tuple[LayerFolding, ...]
    cycles: np.ndarray
    takes: np.ndarray
    makes: np.ndarray
    work: np.ndarray
    soft: np.ndarray
    hard: np.ndarray

    def chosen(self, index: int) -> dict[str, LayerFolding]:
        """Return folding ``index`` by layer name, the window's too."""
        return _both(self.layer, self.window, self.foldings[index])


def _both(layer: Layer, window: SlidingWindow | None, own: LayerFolding) -> dict[str, LayerFolding]:
    found = {layer.name: own}
    if window is not None:
        found[window.name] = LayerFolding(SIMD=getattr(own, window_attribute(layer)))
    return found


def _row(resources: analysis.Resources) -> tuple[int, int, int]:
    return resources.lut, resources.bram, resources.dsp


def _unit(graph: DataflowGraph, layer: Layer, window: SlidingWindow | None, tech: Technology) -> Unit:
    names = allowed(layer, graph)
    foldings = [LayerFolding(**dict(zip(names, each, strict=True))) for each in product(*names.values())]
    layers = [layer] if window is None else [window, layer]
    first = layers[0]
    cycles, takes, makes, soft, hard = [], [], [], [], []
    for own in foldings:
        trial: Mapping[str, LayerFolding] = _both(layer, window, own)
        cycles.append(max(analysis.layer_cycles(each, graph, trial) for each in layers))
        takes.append(analysis.taken_elements(first, graph, trial))
        makes.append(analysis.made_elements(layer, trial))
        base = analysis.layer_resources(window, graph, trial, tech) if window else analysis.Resources()
        soft.append(_row(base + analysis.layer_resources(layer, graph, trial, tech)))
        if isinstance(layer, MatVec) and not layer.bipolar:
            styles = {layer.name: "dsp"}
            hard.append(_row(base + analysis.layer_resources(layer, graph, trial, tech, styles)))
        else:
            hard.append(soft[-1])
    return Unit(
        layer,
        window,
        first.inputs,
        tuple(foldings),
        *(np.array(each) for each in (cycles, takes, makes)),
        np.array([prod(own.to_json().values()) for own in foldings]),
        *(np.array(each, dtype=float) for each in (soft, hard)),
    )


def units(graph: DataflowGraph, tech: Technology) -> list[Unit]:
    """Return the units of a graph, in topological order."""
    found = []
    for layer in graph:
        if isinstance(layer, SlidingWindow):
            continue  # with its reader
        producer = graph.producer(layer.inputs[0])
        window = producer if isinstance(producer, SlidingWindow) else None
        found.append(_unit(graph, layer, window, tech))
    return found
