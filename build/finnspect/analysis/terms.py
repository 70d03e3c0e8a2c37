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
    BLOCK_MIN_THRESHOLDS,
    MULTIPLIER_BITS,
    SEARCH_CYCLES,
    hard_rows,
    memory_style,
    multiplier_groups,
    threshold_plan,
    weight_bank,
    window_copies,
    window_memory,
)
from finnspect.analysis.technology import Technology
from finnspect.ir import (
    Add,
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    SumPool,
    Threshold,
)

if TYPE_CHECKING:
    from finnspect.emit.steps import Steps
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
    height, width, channels = tensor.shape
    taken, made = min(simd, channels) * tensor.dtype.bits, simd * tensor.dtype.bits
    readers = graph.consumers(layer.output)
    depthwise = any(isinstance(reader, Depthwise) for reader in readers)
    runs = not any(layer.pad) and (layer.kernel == (height, width) or layer.kernel == layer.stride == (1, 1))
    repeat = neuron_folds(layer, graph, folding)
    depth, word = window_memory(layer, graph, simd, repeat)
    memories = [(Memory(depth, word, memory_style(depth, word), writable=True), 1)]
    values = {
        "base": 1,
        "width": taken,
        "address": log2(depth + 1),
        "position": log2(height * width + 1),
        "repeat": log2(repeat),
        "pad": taken if any(layer.pad) else 0,
    }
    if runs and not (depthwise and simd < channels):
        if repeat == 1:
            return (
                converter_terms(taken, made) if made != taken else Terms("slice", {"base": 1, "width": made})
            )
        values["widen"] = made if made != taken else 0
        values["width"] = made
        return Terms("sliding_window.vector", values, tuple(memories))
    if simd <= channels:
        return Terms(f"sliding_window.{'depthwise' if depthwise else 'rows'}", values, tuple(memories))
    lanes = window_copies(layer, graph, simd)
    beats = layer.kernel[0] // lanes
    memories = [(memories[0][0], lanes)]
    values["pad"] = made if any(layer.pad) else 0
    values["window"] = made
    if beats > 1:  # windows wait in LUTs
        banks = 2 << (beats - 1).bit_length() if repeat > 1 else beats
        memories.append((Memory(banks, made, "distributed", writable=True), 2 if repeat > 1 else 1))
    return Terms("sliding_window.parallel", values, tuple(memories))


def _tree_bits(terms: int, bits: int) -> int:
    """Return the bits of all adders of a balanced tree over ``terms`` terms of ``bits`` bits."""
    total = 0
    while terms > 1:
        bits += 1
        total += terms // 2 * bits
        terms = (terms + 1) // 2
    return total


def _product_bits(w_bits: int, a_bits: int) -> tuple[int, int]:
    """Return the bits of a product's radix-4 rows, and of the adders that sum them (``fs_mul_lut``)."""
    digits, odd = divmod(w_bits, 2)
    rows = digits * (a_bits + 3) + odd * (a_bits + 1)
    if digits + odd == 1:
        return rows, 0
    sums = [w_bits + a_bits] if digits + odd == 2 else [a_bits + 4, w_bits + a_bits - 4]
    return rows, sum(sums) + (sums[-1] if digits + odd == 4 else 0)


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
    choice = units * bits * (rows - 1) if rows > 1 else 0
    return {"compare": units * bits, "choice": choice, "steps": units * levels, "queue": pe * bits}, [
        (memory, units)
    ]


def _bipolar_adders(a_bits: int, simd: int) -> int:
    """Return the bits of the adders of one row of ``fs_dot_bipolar`` behind its first counters."""
    group, bits = (18, 5) if a_bits == 1 else (3, a_bits + 2)
    return _tree_bits(ceil(simd / group), bits)


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
    search, memories = _matvec_search(layer, pe, simd, acc_bits)
    values = {
        "base": 1,
        "folds": log2(nf * sf),
        "result": pe * graph.tensors[layer.output].dtype.bits,
        "inputs": simd * a_bits,
        "banks": (ceil(nf * sf / bank) - 1) * weights.width if bank else 0,
        **search,
    }
    memories = ((weights, 1), *memories)
    accumulators = pe * acc_bits if sf > 1 else 0
    if layer.bipolar:
        values["products"] = pe * simd * a_bits
        values["counters"] = pe * simd if a_bits == 1 else 0  # of 18 bits each, in place of adders of three
        values["adders"] = pe * _bipolar_adders(a_bits, simd) + accumulators
        return Terms("matvec.bipolar", values, memories)
    mul_bits = MULTIPLIER_BITS.get(tech.name, 18)
    count, summed = multiplier_groups(layer, a_bits, pe, simd, mul_bits, style)
    hard = hard_rows(layer, a_bits, pe, mul_bits, style)
    rows, sums = _product_bits(w_bits, a_bits)
    soft_tree, hard_tree = _tree_bits(simd, w_bits + a_bits), _tree_bits(summed, w_bits + a_bits + 2)
    values |= {
        "products": (pe - hard) * simd * rows,
        "adders": (pe - hard) * (simd * sums + soft_tree) + hard * hard_tree + accumulators,
        "unpacked": hard * summed * (w_bits + a_bits),
        "multipliers": count,
        # elements of a chain wait for those before them
        "waiting": (weights.width + simd * a_bits) * (simd / summed - 1) / 2 if hard and mul_bits > 18 else 0,
    }
    return Terms("matvec", values, memories, count)


@layer_terms.register(Depthwise)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    pe = folding[layer.name].PE
    a_bits, acc_bits = graph.tensors[layer.input].dtype.bits, layer.acc_dtype.bits
    w_bits = 1 if layer.bipolar else layer.weight_dtype.bits
    depth, rows = layer.weights.size // pe, layer.channels // pe
    weights = Memory(depth, pe * w_bits, memory_style(depth, pe * w_bits))
    search, memories = _search(layer.activation, pe, acc_bits, rows, layer.taps, "distributed")
    product, sums = (a_bits, 0) if layer.bipolar else _product_bits(w_bits, a_bits)
    values = {
        "base": 1,
        "adders": pe * (sums + acc_bits),
        "products": pe * product,
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


def _staircase(
    steps: Steps, form: str, address_bits: int
) -> tuple[dict[str, float], list[tuple[Memory, int]]]:
    """Return terms and memories of ``fs_steps``: a table of codes, or a memory and a comparison a level."""

    def memory(depth: int, width: int) -> Memory:
        return Memory(depth, width, "block" if depth > BLOCK_MIN_THRESHOLDS else "distributed")

    if form != "search":
        return {"codes": steps.pe * steps.out_type.bits}, [
            (memory(len(steps.rows) << address_bits, steps.out_type.bits), steps.pe)
        ]
    levels, bits = steps.steps.bit_length(), steps.t_type.bits
    depths = (len(steps.rows) << level for level in range(levels))
    values = {"compare": steps.pe * levels * bits, "steps": steps.pe * levels * levels}
    return values, [(memory(depth, bits), steps.pe) for depth in depths if depth > 1]


def _table_or_search(steps: Steps) -> tuple[dict[str, float], list[tuple[Memory, int]]]:
    bits = steps.x_type.bits
    return _staircase(steps, "table" if steps.table_luts(bits) <= steps.search_luts() else "search", bits)


@layer_terms.register(SumPool)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    from finnspect.emit.steps import Steps

    tensor, pe = graph.tensors[layer.input], folding[layer.name].PE
    bits, folds = layer.acc_dtype.bits, tensor.shape[2] // pe
    depth = tensor.shape[1] // layer.kernel[1] * folds
    memory = Memory(depth, pe * bits, memory_style(depth, pe * bits), writable=True)
    values, memories = {"base": 1, "width": pe * bits, "address": log2(depth + 1)}, []
    if layer.activation is not None:
        acc, out = IntType(bits, tensor.dtype.signed), graph.tensors[layer.output].dtype
        steps, memories = _table_or_search(Steps.of(layer.activation, tensor.shape[2], acc, out, pe))
        values |= steps
    return Terms("sum_pool", values, ((memory, 1), *memories))


@layer_terms.register(Add)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    from finnspect.emit.steps import Steps, add_form

    pe, out = folding[layer.name].PE, graph.tensors[layer.output]
    partial = sum((abs(factor) ^ 3 * abs(factor)).bit_count() - 1 for factor in layer.multipliers)
    bits = pe * layer.acc_dtype.bits
    values, memories, form = {"base": 1}, [], None
    if layer.activation is not None:
        steps = Steps.of(layer.activation, out.shape[2], layer.acc_dtype, out.dtype, pe)
        types = tuple(graph.tensors[name].dtype for name in layer.inputs)
        form = add_form(layer, steps, types)
        address = sum(each.bits for each in types) if form == "pair" else layer.acc_dtype.bits
        more, memories = _staircase(steps, form, address)
        values |= more
    if form != "pair":
        values |= {"width": bits, "multiples": bits * partial}
    return Terms("add", values, tuple(memories))


@layer_terms.register(Threshold)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    from finnspect.emit.steps import Steps

    tensor, pe = graph.tensors[layer.input], folding[layer.name].PE
    out = graph.tensors[layer.output].dtype
    steps, memories = _table_or_search(Steps.of(layer.activation, tensor.shape[2], tensor.dtype, out, pe))
    values = {"base": 1, "width": pe * tensor.dtype.bits, **steps}
    return Terms("threshold", values, tuple(memories))


@layer_terms.register(Concat)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    width = folding[layer.name].PE * graph.tensors[layer.output].dtype.bits
    return Terms("concat", {"base": 1, "width": width, "inputs": width * len(layer.inputs)})


@layer_terms.register(ArgMax)
def _(layer, graph, folding, tech, style="lut") -> Terms:
    tensor = graph.tensors[layer.input]
    bits = layer.score_dtype(tensor.dtype).bits
    bits += bits if layer.offsets else 0  # an adder
    return Terms("argmax", {"base": 1, "width": bits, "index": log2(tensor.size + 1)})


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
