"""What memories and multipliers of a layer are made of: shared by the estimates and by emission."""

from __future__ import annotations

from math import ceil

from finnspect.analysis.technology import ECP5, Technology
from finnspect.ir import DataflowGraph, MatVec, SlidingWindow

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
