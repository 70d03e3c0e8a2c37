"""Resources of a whole graph: which multipliers are hard, what joins the layers, what fits a board."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import TYPE_CHECKING

from finnspect.analysis.costs import load_costs
from finnspect.analysis.cycles import made_elements, taken_elements
from finnspect.analysis.resources import layer_resources
from finnspect.analysis.styles import DSP_BUDGET
from finnspect.analysis.technology import ECP5, Resources, Technology
from finnspect.analysis.terms import Terms, converter_terms, fifo_terms, fork_terms
from finnspect.errors import ResourceError
from finnspect.ir import DataflowGraph, MatVec

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding

#: Name of what joins the layers in :func:`graph_resources`, and of the shell in :func:`check_fit`.
JOINTS, SHELL = "(joints)", "(shell)"


def multiplier_styles(
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    budget: int = DSP_BUDGET,
    tech: Technology = ECP5,
) -> dict[str, str]:
    """Return ``lut``, ``dsp`` or ``mixed`` for each MatVec: hard multipliers where each saves the most LUTs.

    A layer whose last rows would fill a multiplier in part has these in LUTs first (``mixed``), then not.

    Parameters
    ----------
    budget
        Hard multipliers that may be used.
    """
    styles = {layer.name: "lut" for layer in graph if isinstance(layer, MatVec)}
    steps = []
    for layer in graph:
        if not isinstance(layer, MatVec) or layer.bipolar:
            continue
        soft, mixed, hard = (
            layer_resources(layer, graph, folding, tech, {layer.name: style})
            for style in ("lut", "mixed", "dsp")
        )
        if 0 < mixed.dsp < hard.dsp:
            steps.append(_step(layer.name, "lut", soft, "mixed", mixed))
            steps.append(_step(layer.name, "mixed", mixed, "dsp", hard))
        steps.append(_step(layer.name, "lut", soft, "dsp", hard))
    # what fills multipliers first, then what is left
    for gain, name, before, after, count in sorted(steps, key=lambda step: -step[0]):
        if gain > 0 and count <= budget and styles[name] == before:
            styles[name] = after
            budget -= count
    return styles


def _step(
    name: str, before: str, old: Resources, after: str, new: Resources
) -> tuple[float, str, str, str, int]:
    """Return the LUTs that each further hard multiplier saves, the layer, its styles and the multipliers."""
    count = new.dsp - old.dsp
    return (old.lut - new.lut) / max(1, count), name, before, after, count


def converters(made: int, taken: int, bits: int) -> list[Terms]:
    """Return the width converters between streams of ``made`` and ``taken`` elements of ``bits`` bits."""
    wide = lcm(made, taken)
    steps = [converter_terms(made * bits, wide * bits)] if made != wide else []
    return [*steps, converter_terms(wide * bits, taken * bits)] if taken != wide else steps


def _fifos(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> list[Terms]:
    """Return the FIFOs of the default depths: for branches of a fork, and for bursts of pools."""
    from finnspect.fifo import default_depths, edges, fifo_elements

    depths, terms = default_depths(graph, folding), []
    for edge in edges(graph):
        if edge.key in depths:
            elements = fifo_elements(edge.tensor, graph.layer(edge.reader), graph, folding)
            terms.append(fifo_terms(elements * graph.tensors[edge.tensor].dtype.bits, depths[edge.key]))
    return terms


def joint_terms(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> list[Terms]:
    """Return what joins the layers: forks, width converters, and the logits' way out."""
    made = {layer.output: made_elements(layer, folding) for layer in graph}
    terms = [Terms("logits", {"base": 1})]
    for layer in graph:
        takes = taken_elements(layer, graph, folding)
        for name in layer.inputs:
            terms += converters(made.get(name, takes), takes, graph.tensors[name].dtype.bits)
    for name, tensor in graph.tensors.items():
        readers = len(graph.consumers(name))
        if readers > 1:
            terms.append(fork_terms(made.get(name, 1) * tensor.dtype.bits, readers))
    terms += _fifos(graph, folding)
    last = made[graph.output]
    return terms + converters(last, 1, graph.tensors[graph.output].dtype.bits)


def graph_resources(
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    tech: Technology = ECP5,
    dsp_budget: int = DSP_BUDGET,
    styles: Mapping[str, str] | None = None,
) -> dict[str, Resources]:
    """Return the estimated resources of every layer, in topological order, and of what joins them.

    Multipliers are counted in ``styles``, or where it is None in those that :func:`multiplier_styles` gives
    them with ``dsp_budget``.
    """
    if styles is None:
        styles = multiplier_styles(graph, folding, dsp_budget, tech)
    layers = {layer.name: layer_resources(layer, graph, folding, tech, styles) for layer in graph}
    costs = load_costs(tech)
    joints = (costs.resources(terms, tech) for terms in joint_terms(graph, folding))
    return layers | {JOINTS: sum(joints, Resources())}


def shell_resources(shell: str, tech: Technology) -> Resources:
    """Return what a shell takes beside the core: post-synthesis figures of one design."""
    return load_costs(tech).shells.get(shell, Resources())


def check_fit(
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    available: Mapping[str, int],
    board: str,
    tech: Technology = ECP5,
    dsp_budget: int = DSP_BUDGET,
    shell: Resources | None = None,
) -> Resources:
    """Return the estimated total, or refuse a design that a board cannot hold.

    Parameters
    ----------
    available
        What the board has, by the names of :class:`Resources` (``lut``, ``ff``, ``bram``, ``dsp``);
        what is not named is not checked.
    dsp_budget
        Hard multipliers that emission may use.
    shell
        What the shell takes beside the core.

    Raises
    ------
    ResourceError
        Says which resource is short, by how much, and which layer takes most of it.
    """
    parts = graph_resources(graph, folding, tech, dsp_budget)
    if shell is not None:
        parts[SHELL] = shell
    total = sum(parts.values(), Resources())
    for name, limit in available.items():
        need = getattr(total, name)
        if need > limit:
            largest = max(parts, key=lambda part: getattr(parts[part], name))
            raise ResourceError(
                f"{graph.name} does not fit {board}: it needs an estimated {need} {name.upper()}, "
                f"{need - limit} more than the {limit} there are; layer {largest!r} takes "
                f"{getattr(parts[largest], name)}",
                "allow more cycles a frame (smaller PE and SIMD), use fewer bits or channels, "
                "or choose a larger board",
            )
    return total
