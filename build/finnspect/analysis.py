"""Analyses of a folded graph: cycles a frame and resource estimates. Pure functions.

A cycle count here is a bound: what a layer needs when nothing ever makes it wait. Resources are
``estimated`` from a small parametric model, calibrated on yosys results of the library's modules for ECP5
(typically within 15 % a module); they serve to refuse a hopeless design before synthesis and to choose
between foldings, not to report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import singledispatch
from math import ceil, lcm
from typing import TYPE_CHECKING

from finnspect.errors import ResourceError
from finnspect.ir import DataflowGraph, Layer, MatVec, MaxPool, SlidingWindow

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding

# -- cycles --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bound:
    """The slowest layer and what it needs, in cycles a frame."""

    layer: str
    cycles: int


def neuron_folds(window: SlidingWindow, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return how often a sliding window repeats each window: NF of the MatVec that reads it."""
    readers = [c for c in graph.consumers(window.output) if isinstance(c, MatVec) and c.name in folding]
    return max((reader.MH // (folding[reader.name].PE or 1) for reader in readers), default=1)


@singledispatch
def layer_cycles(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    """Return the cycles that ``layer`` needs for one frame when it never waits."""
    raise NotImplementedError(f"no cycle count for a layer of kind {layer.kind!r}")


@layer_cycles.register(SlidingWindow)
def _(layer: SlidingWindow, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    simd = folding[layer.name].SIMD
    reads = graph.tensors[layer.input].size // simd
    writes = graph.tensors[layer.output].size // simd * neuron_folds(layer, graph, folding)
    return max(reads, writes)


@layer_cycles.register(MatVec)
def _(layer: MatVec, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    own = folding[layer.name]
    height, width, _ = graph.tensors[layer.output].shape
    return height * width * (layer.MW // own.SIMD) * (layer.MH // own.PE)


@layer_cycles.register(MaxPool)
def _(layer: MaxPool, graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> int:
    return graph.tensors[layer.input].size // folding[layer.name].PE


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


# -- resources -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resources:
    """Estimated use of a device.

    Parameters
    ----------
    lut
        LUT sites: logic, carry chains (two sites a ``CCU2C``) and distributed memory.
    bram, bram_bits
        Whole blocks, and what the memories in them hold.
    dsp
        Hard multipliers.
    """

    lut: int = 0
    ff: int = 0
    bram: int = 0
    bram_bits: int = 0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, int | str]:
        """Return the figures, labelled as estimates."""
        return {"kind": "estimated"} | {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class Technology:
    """What a device family is built of.

    Parameters
    ----------
    name
        Family.
    block_shapes
        (depth, width) of one block RAM in each of its modes.
    lut_rom_depth
        Words of a one-bit ROM that one LUT holds.
    """

    name: str
    block_shapes: tuple[tuple[int, int], ...]
    lut_rom_depth: int

    def blocks(self, depth: int, width: int) -> int:
        """Return the fewest block RAMs that hold ``depth`` words of ``width`` bits."""
        return min(ceil(depth / d) * ceil(width / w) for d, w in self.block_shapes)


ECP5 = Technology(
    name="ecp5",
    block_shapes=((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)),
    lut_rom_depth=16,
)

#: A memory deeper than this, and at least this large, goes into block RAM: in LUTs it costs a hundred or more
#: a block.
BLOCK_MIN_DEPTH = 32
BLOCK_MIN_BITS = 512
#: A row of PE whose thresholds are at least this many words keeps them in block RAM.
BLOCK_MIN_THRESHOLDS = 256
#: Hard multipliers that :func:`multiplier_styles` may hand out. ECP5-85 has 156, but far apart, and the open
#: tools use no register inside: many cost more in clock and in time to place than LUTs do.
DSP_BUDGET = 16


def memory_style(depth: int, width: int) -> str:
    """Return ``"block"`` or ``"distributed"`` for a memory of ``depth`` words of ``width`` bits."""
    return "block" if depth > BLOCK_MIN_DEPTH and depth * width >= BLOCK_MIN_BITS else "distributed"


def weight_bank(depth: int, width: int, tech: Technology = ECP5) -> int:
    """Return ``WEIGHT_BANK`` of an MVAU: words a bank where one block RAM is not deep enough, else 0.

    The shape of block RAM that needs the fewest; the deeper one where two need as many.
    """
    if memory_style(depth, width) != "block":
        return 0
    _, deepest = min((ceil(depth / d) * ceil(width / w), -d) for d, w in tech.block_shapes)
    return -deepest if depth > -deepest else 0


def threshold_style(layer: MatVec, pe: int) -> str:
    """Return ``THRESH_STYLE`` of an MVAU: ``"block"`` where each row of PE searches a long table."""
    steps = layer.activation.steps if layer.activation else 0
    words = (layer.MH // pe) << steps.bit_length()
    return "block" if words >= BLOCK_MIN_THRESHOLDS else "distributed"


def multiplier_groups(layer: MatVec, a_bits: int, pe: int, simd: int) -> tuple[int, int]:
    """Return how many hard multipliers an MVAU of style ``dsp`` has, and the terms its adder trees sum.

    The rule of ``fs_mvau``: elements of a row, or rows, share an 18-bit multiplier while widths allow.
    """
    w_bits = layer.weight_dtype.bits

    def elements_fit(n: int) -> bool:
        return (n - 1) * (w_bits + a_bits + (n - 1).bit_length()) + max(w_bits, a_bits) + 1 <= 18

    def rows_fit(n: int) -> bool:
        return (n - 1) * (w_bits + a_bits) + w_bits + 1 <= 18

    elements = max([1, *(n for n in range(2, 9) if n <= simd and elements_fit(n))])
    rows = max([1, *(n for n in range(2, 9) if n <= pe and rows_fit(n))])
    by_elements, by_rows = pe * ceil(simd / elements), simd * ceil(pe / rows)
    if elements > 1 and by_elements <= by_rows:
        return by_elements, ceil(simd / elements)
    return by_rows, simd


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


# -- the model, a layer at a time ------------------------------------------------------------------


def _rom(depth: int, width: int, style: str, tech: Technology) -> Resources:
    if style == "block":
        return Resources(bram=tech.blocks(depth, width), bram_bits=depth * width)
    return Resources(lut=width * ceil(depth / tech.lut_rom_depth))


def _ram(depth: int, width: int, tech: Technology) -> Resources:
    if memory_style(depth, width) == "block":
        return Resources(bram=tech.blocks(depth, width), bram_bits=depth * width)
    rows = ceil(depth / 16)  # of RAM16x4: six sites each, and a multiplexer where there are several
    return Resources(lut=rows * ceil(width / 4) * 6 + (rows - 1) * width)


def window_memory(layer: SlidingWindow, graph: DataflowGraph, simd: int) -> tuple[int, int]:
    """Return depth in words and width in bits of the memory of a sliding window's ``fs_swg``."""
    tensor = graph.tensors[layer.input]
    height, width, channels = tensor.shape
    if layer.kernel == (height, width) and not any(layer.pad):
        return 2 * tensor.size // simd, simd * tensor.dtype.bits
    if layer.kernel == layer.stride == (1, 1):
        return 2 * channels // simd, simd * tensor.dtype.bits
    rows = graph.tensors[layer.output].shape[0]
    to_next_frame = height - (rows - 1) * layer.stride[0]
    slots = layer.kernel[0] + max(layer.stride[0], to_next_frame)
    return slots * width * channels // simd, simd * tensor.dtype.bits


@singledispatch
def layer_resources(
    layer: Layer,
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    tech: Technology = ECP5,
    styles: Mapping[str, str] | None = None,
) -> Resources:
    """Return the estimated resources of ``layer``, width converters not counted.

    Parameters
    ----------
    styles
        MatVec name -> ``lut`` or ``dsp``; ``lut`` where not named.
    """
    raise NotImplementedError(f"no resource estimate for a layer of kind {layer.kind!r}")


@layer_resources.register(SlidingWindow)
def _(layer: SlidingWindow, graph, folding, tech=ECP5, styles=None) -> Resources:
    depth, width = window_memory(layer, graph, folding[layer.name].SIMD)
    return _ram(depth, width, tech) + Resources(lut=100, ff=55 + width)


@layer_resources.register(MatVec)
def _(layer: MatVec, graph, folding, tech=ECP5, styles=None) -> Resources:
    pe, simd = folding[layer.name].PE, folding[layer.name].SIMD
    a_bits, w_bits = graph.tensors[layer.input].dtype.bits, layer.weight_dtype.bits
    nf, sf = layer.MH // pe, layer.MW // simd
    weight_bits = pe * simd * w_bits
    # Control; a row's accumulator, comparator and result.
    total = Resources(lut=60 + pe * (2 * layer.acc_dtype.bits + 12), ff=60 + 60 * pe)
    total += _rom(nf * sf, weight_bits, memory_style(nf * sf, weight_bits), tech)
    if bank := weight_bank(nf * sf, weight_bits, tech):
        banks = ceil(nf * sf / bank)
        total += Resources(lut=(banks - 1) * weight_bits, ff=banks * weight_bits)
    total += Resources(ff=3 * pe * simd * (a_bits + w_bits))
    if (styles or {}).get(layer.name, "lut") == "dsp":
        count, terms = multiplier_groups(layer, a_bits, pe, simd)
        total += Resources(dsp=count)
    else:  # multiples of the inputs, shared by all rows; a selection for every two bits of a weight
        terms = simd
        total += Resources(lut=3 * simd * (a_bits + 2) + pe * simd * ceil(w_bits / 2) * (a_bits + 3))
    total += Resources(lut=pe * (terms - 1) * 2 * (a_bits + w_bits + 3))
    if layer.activation is not None:
        style = threshold_style(layer, pe)
        levels = layer.activation.steps.bit_length()
        shared = max(1, sf // (3 if style == "block" else 2))  # levels that use one memory in turn
        for first in range(0, levels, shared):
            last = min(first + shared, levels)
            row = _rom(nf << last, layer.acc_dtype.bits, style, tech)
            total += sum([row] * pe, Resources())
            if first:
                total += Resources(lut=pe * layer.acc_dtype.bits, ff=pe * (layer.acc_dtype.bits + last))
    return total


@layer_resources.register(MaxPool)
def _(layer: MaxPool, graph, folding, tech=ECP5, styles=None) -> Resources:
    tensor, pe = graph.tensors[layer.input], folding[layer.name].PE
    bits = pe * tensor.dtype.bits
    depth = tensor.shape[1] // layer.kernel[1] * tensor.shape[2] // pe
    return _ram(depth, bits, tech) + Resources(lut=30 + 11 * bits, ff=50 + 9 * bits // 2)


def _plumbing(graph: DataflowGraph, folding: Mapping[str, LayerFolding]) -> Resources:
    """Return the width converters between layers, and the logits' way out."""
    lut = 40
    width: dict[str, int] = {}
    for layer in graph:
        own = folding[layer.name]
        takes = own.PE if isinstance(layer, MaxPool) else own.SIMD
        makes = width.get(layer.input, takes)
        if takes != makes:
            wide = lcm(takes, makes)
            bits = wide * graph.tensors[layer.input].dtype.bits
            lut += 5 * bits * sum(side != wide for side in (takes, makes))
        width[layer.output] = own.SIMD if isinstance(layer, SlidingWindow) else own.PE
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
