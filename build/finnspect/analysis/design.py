"""Resources of a whole graph: which multipliers are hard, what joins the layers, what fits."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import TYPE_CHECKING

from finnspect.analysis.cycles import made_elements, taken_elements
from finnspect.analysis.resources import layer_resources
from finnspect.analysis.styles import DSP_BUDGET
from finnspect.analysis.technology import ECP5, Resources, Technology
from finnspect.errors import ResourceError
from finnspect.ir import DataflowGraph, MatVec

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding


def multiplier_styles(
    graph: DataflowGraph, folding: Mapping[str, LayerFolding], budget: int = DSP_BUDGET
) -> dict[str, str]:
    """Return ``lut`` or ``dsp`` for each MatVec: hard multipliers where each saves the most LUTs.

    Parameters
    ----------
    budget
        Hard multipliers that may be used.
    """
    styles = {layer.name: "lut" for layer in graph if isinstance(layer, MatVec)}
    gains = []
    for name in styles:
        layer = graph.layer(name)
        soft = layer_resources(layer, graph, folding, styles={name: "lut"})
        hard = layer_resources(layer, graph, folding, styles={name: "dsp"})
        gains.append(((soft.lut - hard.lut) / hard.dsp, name, hard.dsp))
    for gain, name, count in sorted(gains, key=lambda item: -item[0]):
        if gain > 0 and count <= budget:
            styles[name] = "dsp"
            budget -= count
    return styles


def _plumbing(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Resources:
    """Return the width converters between layers, and the logits' way out."""
    lut = 40
    made = {layer.output: made_elements(layer, folding) for layer in graph}
    for layer in graph:
        takes = taken_elements(layer, graph, folding)
        for name in layer.inputs:
            makes = made.get(name, takes)
            bits = lcm(takes, makes) * graph.tensors[name].dtype.bits
            lut += 5 * bits * sum(side != lcm(takes, makes) for side in (takes, makes))
    return Resources(lut=lut, ff=lut)


def graph_resources(
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    tech: Technology = ECP5,
    dsp_budget: int = DSP_BUDGET,
) -> dict[str, Resources]:
    """Return the estimated resources of every layer, in topological order, and of what joins them.

    Multipliers are counted in the styles that :func:`multiplier_styles` gives them with ``dsp_budget``.
    """
    styles = multiplier_styles(graph, folding, dsp_budget)
    layers = {layer.name: layer_resources(layer, graph, folding, tech, styles) for layer in graph}
    return layers | {"(width converters)": _plumbing(graph, folding)}


def check_fit(
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    available: Mapping[str, int],
    board: str,
    tech: Technology = ECP5,
    dsp_budget: int = DSP_BUDGET,
) -> Resources:
    """Return the estimated total, or refuse a design that a board cannot hold.

    Parameters
    ----------
    available
        What the board has, by the names of :class:`Resources` (``lut``, ``ff``, ``bram``, ``dsp``);
        what is not named is not checked.
    dsp_budget
        Hard multipliers that emission may use.

    Raises
    ------
    ResourceError
        Says which resource is short, by how much, and which layer takes most of it.
    """
    layers = graph_resources(graph, folding, tech, dsp_budget)
    total = sum(layers.values(), Resources())
    for name, limit in available.items():
        need = getattr(total, name)
        if need > limit:
            largest = max(layers, key=lambda layer: getattr(layers[layer], name))
            raise ResourceError(
                f"{graph.name} does not fit {board}: it needs an estimated {need} {name.upper()}, "
                f"{need - limit} more than the {limit} there are; layer {largest!r} takes "
                f"{getattr(layers[largest], name)}",
                "allow more cycles a frame (smaller PE and SIMD), use fewer bits or channels, "
                "or choose a larger board",
            )
    return total
