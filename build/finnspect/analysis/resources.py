"""Resources of every layer, ``estimated``: one registered function a class of layer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from math import ceil
from typing import TYPE_CHECKING

from finnspect.analysis.cycles import overlaps
from finnspect.analysis.styles import (
    memory_style,
    multiplier_groups,
    threshold_style,
    weight_bank,
    window_memory,
)
from finnspect.analysis.technology import ECP5, Resources, Technology
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


def _rom(depth: int, width: int, style: str, tech: Technology) -> Resources:
    if style == "block":
        return Resources(bram=tech.blocks(depth, width), bram_bits=depth * width)
    return Resources(lut=width * ceil(depth / tech.lut_rom_depth))


def _ram(depth: int, width: int, tech: Technology) -> Resources:
    if memory_style(depth, width) == "block":
        return Resources(bram=tech.blocks(depth, width), bram_bits=depth * width)
    rows = ceil(depth / 16)  # of RAM16x4: six sites each, and a multiplexer where there are several
    return Resources(lut=rows * ceil(width / 4) * 6 + (rows - 1) * width)


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
    if overlaps(layer):
        slots = layer.kernel[0] + layer.stride[0]
        memory = _ram(slots * tensor.shape[1] * tensor.shape[2] // pe, bits, tech)
        return memory + Resources(lut=130 + 2 * bits, ff=90 + 3 * bits)
    depth = tensor.shape[1] // layer.kernel[1] * tensor.shape[2] // pe
    return _ram(depth, bits, tech) + Resources(lut=30 + 11 * bits, ff=50 + 9 * bits // 2)


def _staircase(activation: Staircase | None, pe: int, bits: int, tech: Technology) -> Resources:
    """Return a search over thresholds for PE elements a cycle."""
    if activation is None:
        return Resources()
    levels = activation.steps.bit_length()
    words = max(1, len(activation.thresholds) // pe)
    total = Resources(lut=pe * levels * bits, ff=2 * pe * levels * bits)
    for level in range(levels):
        total += sum([_rom(words << level, bits, "distributed", tech)] * pe, Resources())
    return total


@layer_resources.register(Depthwise)
def _(layer: Depthwise, graph, folding, tech=ECP5, styles=None) -> Resources:
    pe = folding[layer.name].PE
    a_bits, w_bits = graph.tensors[layer.input].dtype.bits, layer.weight_dtype.bits
    depth = layer.weights.size // pe
    total = Resources(lut=60, ff=60) + _rom(depth, pe * w_bits, memory_style(depth, pe * w_bits), tech)
    total += Resources(lut=pe * (a_bits * w_bits + 2 * layer.acc_dtype.bits), ff=60 * pe)
    return total + _staircase(layer.activation, pe, layer.acc_dtype.bits, tech)


@layer_resources.register(SumPool)
def _(layer: SumPool, graph, folding, tech=ECP5, styles=None) -> Resources:
    pe, (_, width, channels) = folding[layer.name].PE, graph.tensors[layer.input].shape
    bits = pe * layer.acc_dtype.bits
    total = _ram(width // layer.kernel[1] * channels // pe, bits, tech) + Resources(
        lut=60 + 3 * bits, ff=bits
    )
    return total + _staircase(layer.activation, pe, layer.acc_dtype.bits, tech)


@layer_resources.register(Add)
def _(layer: Add, graph, folding, tech=ECP5, styles=None) -> Resources:
    pe, bits = folding[layer.name].PE, layer.acc_dtype.bits
    factors = sum(abs(each).bit_count() for each in layer.multipliers)
    total = Resources(lut=20 + pe * bits * factors, ff=20 + 2 * pe * bits)
    return total + _staircase(layer.activation, pe, bits, tech)


@layer_resources.register(Threshold)
def _(layer: Threshold, graph, folding, tech=ECP5, styles=None) -> Resources:
    pe, bits = folding[layer.name].PE, graph.tensors[layer.input].dtype.bits
    return Resources(lut=30, ff=30) + _staircase(layer.activation, pe, bits, tech)


@layer_resources.register(Concat)
def _(layer: Concat, graph, folding, tech=ECP5, styles=None) -> Resources:
    bits = folding[layer.name].PE * graph.tensors[layer.output].dtype.bits
    return Resources(lut=30 + bits * len(layer.inputs), ff=30 + 2 * bits)


@layer_resources.register(ArgMax)
def _(layer: ArgMax, graph, folding, tech=ECP5, styles=None) -> Resources:
    bits = graph.tensors[layer.input].dtype.bits
    return Resources(lut=20 + 2 * bits, ff=30 + bits)
