"""Analyses of a folded graph: cycles a frame and resource estimates. Pure functions.

A cycle count here is a bound: what a layer needs when nothing ever makes it wait. Resources are
``estimated`` from a small parametric model, calibrated on synthesis results of the library's modules;
they serve to refuse a hopeless design before synthesis and to choose between foldings, not to report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import singledispatch
from math import ceil
from typing import TYPE_CHECKING

from finnspect.errors import ResourceError
from finnspect.ir import DataflowGraph, IntType, Layer, MatVec, MaxPool, SlidingWindow

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
    """Estimated use of a device; ``bram_bits`` is what the memories hold, ``bram`` whole blocks."""

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

#: A memory at least this deep and this large goes into block RAM; smaller ones cost few LUTs.
BLOCK_MIN_DEPTH = 64
BLOCK_MIN_BITS = 2048


def memory_style(depth: int, width: int) -> str:
    """Return ``"block"`` or ``"distributed"`` for a memory of ``depth`` words of ``width`` bits."""
    return "block" if depth >= BLOCK_MIN_DEPTH and depth * width >= BLOCK_MIN_BITS else "distributed"


#: Products of weight bits x input bits from this on use hard multipliers.
DSP_MIN_AREA = 32
#: A row of PE whose thresholds are at least this many words keeps them in block RAM.
BLOCK_MIN_THRESHOLDS = 256


def threshold_style(layer: MatVec, pe: int) -> str:
    """Return ``THRESH_STYLE`` of an MVAU: ``"block"`` where each row of PE searches a long table."""
    steps = layer.activation.steps if layer.activation else 0
    words = (layer.MH // pe) << steps.bit_length()
    return "block" if words >= BLOCK_MIN_THRESHOLDS else "distributed"


def multiplier_style(layer: MatVec, input_dtype: IntType) -> str:
    """Return ``MUL_STYLE`` of an MVAU: hard multipliers where a product in LUTs would be large."""
    return "dsp" if layer.weight_dtype.bits * input_dtype.bits >= DSP_MIN_AREA else "lut"


def _memory(depth: int, width: int, tech: Technology) -> Resources:
    bits = depth * width
    if memory_style(depth, width) == "block":
        return Resources(bram=tech.blocks(depth, width), bram_bits=bits)
    return Resources(lut=width * ceil(depth / tech.lut_rom_depth), ff=width)


def _counters(*limits: int) -> Resources:
    bits = sum(max(1, (limit - 1).bit_length()) for limit in limits)
    return Resources(lut=2 * bits, ff=bits)


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
    layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding], tech: Technology = ECP5
) -> Resources:
    """Return the estimated resources of ``layer``, its width converters not counted."""
    raise NotImplementedError(f"no resource estimate for a layer of kind {layer.kind!r}")


@layer_resources.register(SlidingWindow)
def _(
    layer: SlidingWindow, graph: DataflowGraph, folding: Mapping[str, LayerFolding], tech: Technology = ECP5
) -> Resources:
    simd = folding[layer.name].SIMD
    (height, width, channels), bits = graph.tensors[layer.input].shape, graph.tensors[layer.input].dtype.bits
    memory = _memory(*window_memory(layer, graph, simd), tech)
    control = _counters(height, width, channels // simd, *layer.kernel, height * width)
    return memory + control + Resources(lut=80 + 2 * simd * bits, ff=20 + 3 * simd * bits)


@layer_resources.register(MatVec)
def _(
    layer: MatVec, graph: DataflowGraph, folding: Mapping[str, LayerFolding], tech: Technology = ECP5
) -> Resources:
    pe, simd = folding[layer.name].PE, folding[layer.name].SIMD
    a_bits, w_bits = graph.tensors[layer.input].dtype.bits, layer.weight_dtype.bits
    acc_bits = layer.acc_dtype.bits
    folds = (layer.MW // simd) * (layer.MH // pe)
    total = _memory(folds, pe * simd * w_bits, tech)
    product_bits = a_bits + w_bits
    # A w x a array multiplier and its share of the adder tree; the registers between the levels.
    macs = pe * simd
    total += Resources(
        lut=ceil(macs * (a_bits * w_bits * 1.3 + product_bits)), ff=macs * (product_bits + product_bits // 2)
    )
    total += Resources(lut=pe * acc_bits + 40, ff=2 * pe * acc_bits + 30)
    if layer.activation is not None:
        levels = graph.tensors[layer.output].dtype.bits
        for level in range(levels):  # one comparator a level and PE, its table 2^level deep an NF
            total += _memory((layer.MH // pe) << level, pe * acc_bits, tech)
            total += Resources(lut=pe * (acc_bits + 2), ff=pe * (acc_bits + level))
    return total


@layer_resources.register(MaxPool)
def _(
    layer: MaxPool, graph: DataflowGraph, folding: Mapping[str, LayerFolding], tech: Technology = ECP5
) -> Resources:
    pe = folding[layer.name].PE
    (height, width, channels), bits = graph.tensors[layer.input].shape, graph.tensors[layer.input].dtype.bits
    memory = _memory(width // layer.kernel[1] * channels // pe, pe * bits, tech)
    control = _counters(height, width, channels // pe, *layer.kernel)
    return memory + control + Resources(lut=30 + 2 * pe * bits, ff=20 + 3 * pe * bits)


def graph_resources(
    graph: DataflowGraph, folding: Mapping[str, LayerFolding], tech: Technology = ECP5
) -> dict[str, Resources]:
    """Return the estimated resources of every layer, in topological order."""
    return {layer.name: layer_resources(layer, graph, folding, tech) for layer in graph}


def check_fit(
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    available: Mapping[str, int],
    board: str,
    tech: Technology = ECP5,
) -> Resources:
    """Return the estimated total, or refuse a design that a board cannot hold.

    Parameters
    ----------
    available
        What the board has, by the names of :class:`Resources` (``lut``, ``ff``, ``bram``, ``dsp``);
        what is not named is not checked.

    Raises
    ------
    ResourceError
        Says which resource is short, by how much, and which layer takes most of it.
    """
    layers = graph_resources(graph, folding, tech)
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
