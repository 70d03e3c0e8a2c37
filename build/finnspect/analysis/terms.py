"""What the cost of a layer is made of: terms that grow with its logic, one set a class of layer.

A term is a count that a look-up table or two serves: bits of a register or adder, products, memories in LUTs.
The fit (:mod:`finnspect.analysis.fit`) finds what one of each costs in each technology; block RAMs
and hard multipliers are counted by rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from math import ceil, log2
from typing import TYPE_CHECKING

from finnspect.analysis.cycles import neuron_folds, overlaps
from finnspect.analysis.styles import (
    MULTIPLIER_BITS,
    SEARCH_CYCLES,
    memory_style,
    multiplier_groups,
    threshold_plan,
    weight_bank,
    window_memory,
)
from finnspect.analysis.technology import Technology
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
    Staircase,
    SumPool,
    Threshold,
)

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding


@dataclass(frozen=True)
class Memory:
    """A memory of ``depth`` words of ``width`` bits."""

    depth: int
    width: int
    style: str  # block or distributed
    writable: bool = False

    def luts(self, tech: Technology) -> float:
        """Return the look-up tables that hold it, 0 for block RAM."""
        if self.style == "block":
            return 0
        if self.writable:
            return tech.lut_ram(self.depth, self.width)
        return self.width * max(1, ceil(self.depth / tech.lut_rom_depth))

    def blocks(self, tech: Technology) -> int:
        """Return the block RAMs that hold it, 0 in LUTs."""
        return tech.blocks(self.depth, self.width) if self.style == "block" else 0


@dataclass(frozen=True)
class Terms:
    """Terms of one layer.

    Parameters
    ----------
    model
        Which fitted model they belong to.
    values
        Term -> count.
    memories
        Each with how many of it there are.
    dsp
        Hard multipliers.
    """

    model: str
    values: Mapping[str, float]
    memories: tuple[tuple[Memory, int], ...] = ()
    dsp: int = 0


@singledispatch
def layer_terms(
    layer: Layer,
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    tech: Technology,
    style: str = "lut",
) -> Terms:
    """Return the terms of ``layer``; ``style`` is that of its multipliers."""
    raise NotImplementedError(f"no cost model for a layer of kind {layer.kind!r}")


def _search(
    activation: Staircase | None, pe: int, bits: int, rows: int, every: int, style: str
) -> tuple[dict[str, float], list[tuple[Memory, int]]]:
    """Return terms and memories of a search over thresholds, PE at a time, one every ``every`` cycles.

    ``rows`` is how many sets of thresholds each of them reads.
    """
    if activation is None:
        return {}, []
    levels = activation.steps.bit_length()
    shared = max(1, every // SEARCH_CYCLES[style])  # levels that use one memory in turn
    firsts = range(0, levels, shared)
    memories = [(Memory(rows << min(first + shared, levels), bits, style), pe) for first in firsts]
    return {"compare": pe * len(firsts) * bits, "steps": pe * levels}, memories


@layer_terms.register(SlidingWindow)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    tensor, simd = graph.tensors[layer.input], folding[layer.name].SIMD
    bits = tensor.dtype.bits
    depth, width = window_memory(layer, graph, simd)
    memory = Memory(depth, width, memory_style(depth, width), writable=True)
    if simd > tensor.shape[2]:
        model = "parallel"
    elif any(isinstance(reader, Depthwise) for reader in graph.consumers(layer.output)):
        model = "depthwise"
    elif layer.kernel == tensor.shape[:2] and not any(layer.pad):
        model = "whole"
    elif layer.kernel == layer.stride == (1, 1):
        model = "pixel"
    else:
        model = "rows"
    repeat = neuron_folds(layer, graph, folding)
    if model in ("whole", "pixel") and repeat == 1:
        return Terms("sliding_window.slice", {"base": 1, "width": simd * bits})
    copies = simd // (tensor.shape[2] * layer.kernel[1]) if model == "parallel" else 1
    values = {
        "base": 1,
        "width": simd * bits,
        "address": log2(depth + 1),
        "position": log2(tensor.shape[0] * tensor.shape[1] + 1),
        "repeat": log2(repeat),
    }
    return Terms(f"sliding_window.{model}", values, ((memory, max(1, copies)),))


def _tree_bits(terms: int, bits: int) -> int:
    """Return the bits of all adders of a balanced tree over ``terms`` terms of ``bits`` bits."""
    total = 0
    while terms > 1:
        bits += 1
        total += terms // 2 * bits
        terms = (terms + 1) // 2
    return total


def _matvec_search(
    layer: MatVec, pe: int, simd: int, bits: int
) -> tuple[dict[str, float], list[tuple[Memory, int]]]:
    """Return terms and memories of an MVAU's thresholds: rows in turn, or every row by itself."""
    style, rows = threshold_plan(layer, pe, simd)
    nf, sf = layer.MH // pe, layer.MW // simd
    if not rows:
        return _search(layer.activation, pe, bits, nf, sf, style)
    units, levels = ceil(pe / rows), layer.activation.steps.bit_length()
    memory = Memory(nf << ((rows - 1).bit_length() + levels), bits, style)
    return {"units": units * bits, "queue": pe * bits, "turns": units * levels}, [(memory, units)]


@layer_terms.register(MatVec)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    pe, simd = folding[layer.name].PE, folding[layer.name].SIMD
    a_type, acc_bits = graph.tensors[layer.input].dtype, layer.acc_dtype.bits
    a_bits, w_bits = a_type.bits, 1 if layer.bipolar else layer.weight_dtype.bits
    if layer.bipolar:  # counted, not added up
        acc_bits = ((a_type.max - a_type.min) * layer.MW + 1).bit_length()
    nf, sf = layer.MH // pe, layer.MW // simd
    weights = Memory(nf * sf, pe * simd * w_bits, memory_style(nf * sf, pe * simd * w_bits))
    bank = weight_bank(nf * sf, weights.width, tech)
    count, summed = 0, simd
    if style == "dsp":
        mul_bits = MULTIPLIER_BITS.get(tech.name, 18)
        count, summed = multiplier_groups(layer, a_bits, pe, simd, mul_bits)
    search, memories = _matvec_search(layer, pe, simd, acc_bits)
    values = {
        "base": 1,
        "rows": pe,
        "accumulators": pe * acc_bits if sf > 1 else 0,
        "inputs": simd * a_bits,
        # A product of as many radix-4 digits as the weight has.
        f"products{ceil(w_bits / 2)}": pe * simd * (w_bits + a_bits),
        "tree": pe * _tree_bits(summed, w_bits + a_bits),
        "terms": pe * (summed - 1),
        "banks": (ceil(nf * sf / bank) - 1) * weights.width if bank else 0,
        "folds": log2(nf * sf),
        **search,
    }
    model = "bipolar" if layer.bipolar else style
    return Terms(f"matvec.{model}", values, ((weights, 1), *memories), count)


@layer_terms.register(Depthwise)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    pe = folding[layer.name].PE
    a_bits, acc_bits = graph.tensors[layer.input].dtype.bits, layer.acc_dtype.bits
    w_bits = 1 if layer.bipolar else layer.weight_dtype.bits
    depth, rows = layer.weights.size // pe, layer.channels // pe
    weights = Memory(depth, pe * w_bits, memory_style(depth, pe * w_bits))
    search, memories = _search(layer.activation, pe, acc_bits, rows, layer.taps, "distributed")
    values = {
        "base": 1,
        "rows": pe,
        "accumulators": pe * acc_bits,
        "products": pe * w_bits * a_bits,
        "folds": log2(depth),
        **search,
    }
    return Terms("depthwise", values, ((weights, 1), *memories))


@layer_terms.register(MaxPool)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    tensor, pe = graph.tensors[layer.input], folding[layer.name].PE
    width = pe * tensor.dtype.bits
    folds = tensor.shape[2] // pe
    if overlaps(layer):
        depth, model = (layer.kernel[0] + layer.stride[0]) * tensor.shape[1] * folds, "window"
    else:
        depth, model = tensor.shape[1] // layer.kernel[1] * folds, "rows"
    memory = Memory(depth, width, memory_style(depth, width), writable=True)
    values = {"base": 1, "width": width, "rows": pe, "address": log2(depth + 1)}
    return Terms(f"max_pool.{model}", values, ((memory, 1),))


@layer_terms.register(SumPool)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    tensor, pe = graph.tensors[layer.input], folding[layer.name].PE
    bits, folds = layer.acc_dtype.bits, tensor.shape[2] // pe
    depth = tensor.shape[1] // layer.kernel[1] * folds
    memory = Memory(depth, pe * bits, memory_style(depth, pe * bits), writable=True)
    every = layer.kernel[0] * layer.kernel[1]
    search, memories = _search(layer.activation, pe, bits, folds, every, "distributed")
    values = {"base": 1, "width": pe * bits, "address": log2(depth + 1), **search}
    return Terms("sum_pool", values, ((memory, 1), *memories))


def _rows(activation: Staircase | None, channels: int, pe: int) -> int:
    return channels // pe if activation is not None and len(activation.thresholds) > 1 else 1


@layer_terms.register(Add)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    pe, bits = folding[layer.name].PE, layer.acc_dtype.bits
    channels = graph.tensors[layer.output].shape[2]
    rows = _rows(layer.activation, channels, pe)
    search, memories = _search(layer.activation, pe, bits, rows, 1, "distributed")
    partial = sum(abs(factor).bit_count() - 1 for factor in layer.multipliers)
    values = {"base": 1, "width": pe * bits, "multiples": pe * bits * partial, **search}
    return Terms("add", values, tuple(memories))


@layer_terms.register(Threshold)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    tensor, pe = graph.tensors[layer.input], folding[layer.name].PE
    bits, rows = tensor.dtype.bits, _rows(layer.activation, tensor.shape[2], pe)
    search, memories = _search(layer.activation, pe, bits, rows, 1, "distributed")
    return Terms("threshold", {"base": 1, "width": pe * bits, **search}, tuple(memories))


@layer_terms.register(Concat)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    width = folding[layer.name].PE * graph.tensors[layer.output].dtype.bits
    return Terms("concat", {"base": 1, "width": width, "inputs": width * len(layer.inputs)})


@layer_terms.register(ArgMax)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    tensor = graph.tensors[layer.input]
    return Terms("argmax", {"base": 1, "width": tensor.dtype.bits, "index": log2(tensor.size + 1)})


def converter_terms(in_bits: int, out_bits: int) -> Terms:
    """Return the terms of one width converter (``fs_dwc``) from ``in_bits`` to ``out_bits`` a beat."""
    narrow, wide = sorted((in_bits, out_bits))
    model = "width.up" if out_bits > in_bits else "width.down"
    return Terms(
        model,
        {"base": 1, "narrow": narrow, "wide": wide, "count": log2(wide / narrow), "choice": wide - narrow},
    )


def fifo_terms(width: int, depth: int) -> Terms:
    """Return the terms of one FIFO (``fs_fifo``) of ``depth`` beats of ``width`` bits."""
    style = "block" if depth >= 64 and depth * width >= 1024 else "distributed"
    memory = Memory(depth, width, style, writable=True)
    return Terms("fifo", {"base": 1, "width": width, "address": log2(depth)}, ((memory, 1),))


def fork_terms(width: int, readers: int) -> Terms:
    """Return the terms of one fork (``fs_fork``)."""
    return Terms("fork", {"base": 1, "width": width, "readers": readers})
