"""What memories and multipliers of a layer are made of: shared by the estimates and by emission."""

from __future__ import annotations

from math import ceil

from finnspect.analysis.technology import ECP5, Technology
from finnspect.ir import DataflowGraph, Depthwise, MatVec, MaxPool, SlidingWindow

#: A memory deeper than this, and at least this large, goes into block RAM: in LUTs it costs a hundred or more
#: a block.
BLOCK_MIN_DEPTH = 32
BLOCK_MIN_BITS = 512
#: A row of PE whose thresholds are at least this many words keeps them in block RAM.
BLOCK_MIN_THRESHOLDS = 256
#: Technology -> bits of the wider operand of a hard multiplier that adds as well; 18 where not named.
MULTIPLIER_BITS = {"xc7": 25}
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


#: THRESH_STYLE of an MVAU -> cycles from one step of a search to its decision (memory read and comparison).
SEARCH_CYCLES = {"distributed": 2, "block": 3}


def threshold_style(layer: MatVec, pe: int) -> str:
    """Return ``THRESH_STYLE`` of an MVAU: ``"block"`` where each row of PE searches a long table."""
    steps = layer.activation.steps if layer.activation else 0
    words = (layer.MH // pe) << steps.bit_length()
    return "block" if words >= BLOCK_MIN_THRESHOLDS else "distributed"


def rows_in_turn(steps: int, sf: int, pe: int, style: str = "distributed") -> int:
    """Return ``THRESH_ROWS`` of an MVAU: rows that search in turn, 0 where there is no time for it.

    As many as ``sf`` cycles allow, spread evenly over the units that PE rows then need.
    """
    levels = steps.bit_length()
    if not levels or sf < levels * SEARCH_CYCLES[style]:
        return 0
    units = ceil(pe / (sf // levels))
    return ceil(pe / units)


def threshold_plan(layer: MatVec, pe: int, simd: int) -> tuple[str, int]:
    """Return ``THRESH_STYLE`` and ``THRESH_ROWS`` of an MVAU.

    Rows in turn where the beats of a vector leave time; their memory is NF * 2^n * 2^levels words for up to
    2^n rows. Else every row has comparators and memories of its own.
    """
    if layer.activation is None:
        return "distributed", 0
    steps, sf, nf = layer.activation.steps, layer.MW // simd, layer.MH // pe
    rows = rows_in_turn(steps, sf, pe)
    if rows and nf << ((rows - 1).bit_length() + steps.bit_length()) < BLOCK_MIN_THRESHOLDS:
        return "distributed", rows
    in_block = rows_in_turn(steps, sf, pe, "block")
    if in_block:
        return "block", in_block
    return ("distributed", rows) if rows else (threshold_style(layer, pe), 0)


def chain(w_bits: int, a_bits: int, rows: int, simd: int, mul_bits: int) -> tuple[int, int]:
    """Return how many rows share a hard multiplier and how many elements add up in a chain of them.

    The rule of ``fs_mvau`` for multipliers that add (``MUL_BITS`` above 18), see ``fs_dot_chain``.
    """
    fits = (n for n in range(2, 9) if n <= rows and (n - 1) * (w_bits + a_bits) + w_bits + 1 <= mul_bits)
    lanes = max([1, *fits])
    field = w_bits + a_bits + 3 if lanes == 1 else min((mul_bits - w_bits - 1) // (lanes - 1), 48 // lanes)
    guard = field - w_bits - a_bits
    # two rows may overlap by two bits
    chains = ceil(simd / (1 << (2 if lanes == 2 and guard < 2 else min(guard, 3))))
    return lanes, ceil(simd / chains)


def hard_rows(layer: MatVec, a_bits: int, pe: int, mul_bits: int = 18, style: str = "dsp") -> int:
    """Return how many of PE rows an MVAU has in hard multipliers; the others are in LUTs.

    Parameters
    ----------
    style
        ``lut``: none. ``dsp``: all, but of an odd number of rows that share chained multipliers in twos the
        last. ``mixed``: as many as fill chained multipliers.
    """
    if style == "lut" or layer.bipolar:
        return 0
    if mul_bits > 18 and pe > 1:
        lanes, _ = chain(layer.weight_dtype.bits, a_bits, pe, 1, mul_bits)
        if lanes == 2 or style == "mixed":
            return pe - pe % lanes
    return pe


def multiplier_groups(
    layer: MatVec, a_bits: int, pe: int, simd: int, mul_bits: int = 18, style: str = "dsp"
) -> tuple[int, int]:
    """Return how many hard multipliers an MVAU has, and the terms the adder trees of their rows sum.

    The rule of ``fs_mvau``: elements of a row, or rows, share a multiplier while widths allow; with
    ``mul_bits`` above 18, rows do, and elements add up in chains of multipliers.
    """
    w_bits = layer.weight_dtype.bits
    if style == "lut" or layer.bipolar:
        return 0, simd
    if mul_bits > 18 and pe > 1:
        lanes, length = chain(w_bits, a_bits, pe, simd, mul_bits)
        return simd * ceil(hard_rows(layer, a_bits, pe, mul_bits, style) / lanes), ceil(simd / length)

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


def window_copies(layer: SlidingWindow, graph: DataflowGraph, simd: int) -> int:
    """Return how many copies of its memory an ``fs_swg`` has: one a kernel row of its beats."""
    tensor = graph.tensors[layer.input]
    height, width, channels = tensor.shape
    if simd <= channels or (layer.kernel == (height, width) and not any(layer.pad)):
        return 1
    return simd // (channels * layer.kernel[1])


def window_memory(
    layer: SlidingWindow | MaxPool, graph: DataflowGraph, simd: int, repeat: int = 1
) -> tuple[int, int]:
    """Return depth in words and width in bits of one copy of the memory of a layer's ``fs_swg``.

    Of a max pool: of its ``fs_windowpool``. The rule of ``fs_swg_rows``.

    Parameters
    ----------
    repeat
        How often each window is put out: ``REPEAT``.
    """
    tensor = graph.tensors[layer.input]
    height, width, channels = tensor.shape
    depthwise = isinstance(layer, MaxPool) or any(
        isinstance(reader, Depthwise) for reader in graph.consumers(layer.output)
    )
    whole = layer.kernel == (height, width) and not any(layer.pad)
    if whole and not (depthwise and simd < channels):
        return 2 * tensor.size // simd, simd * tensor.dtype.bits
    wide, copies = simd > channels, window_copies(layer, graph, simd)
    simd = min(simd, channels)
    if layer.kernel == layer.stride == (1, 1) and not any(layer.pad):
        return 2 * channels // simd, simd * tensor.dtype.bits
    rows, columns, _ = graph.tensors[layer.output].shape
    most_new = max(layer.stride[0], height - (rows - 1) * layer.stride[0])
    row = width * channels // simd
    read = columns * repeat * layer.kernel[0] * layer.kernel[1] * channels // simd  # beats an output row
    if wide and layer.kernel[1] > 1:  # columns, each once
        last = (columns - 1) * layer.stride[1] + layer.kernel[1] - layer.pad[1]
        read = min(width, last) * layer.kernel[0]
    read //= copies
    spare = int(read <= most_new * row)  # hides the handing over of rows
    return (layer.kernel[0] + most_new + spare) * row, simd * tensor.dtype.bits
