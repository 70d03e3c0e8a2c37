"""One emitter a class of layer; a new layer registers its own with ``emit_layer.register``."""

from __future__ import annotations

from functools import singledispatch

from finnspect import analysis
from finnspect.analysis.styles import MULTIPLIER_BITS, hard_rows, threshold_plan
from finnspect.emit import memory
from finnspect.emit.network import Network, identifier
from finnspect.errors import UnsupportedModelError
from finnspect.ir import Depthwise, Layer, MatVec, SlidingWindow

#: Widest weight and input of ``fs_mvau``.
MAX_BITS = 8


@singledispatch
def emit_layer(layer: Layer, network: Network) -> None:
    """Add the modules of ``layer`` to ``network``.

    Raises
    ------
    UnsupportedModelError
        The library has no module for this layer in this form.
    """
    raise UnsupportedModelError(
        layer.name, f"no hardware for a layer of kind {layer.kind!r}", "register an emitter for its class"
    )


def check_weighted(layer: MatVec | Depthwise, network: Network, window: str, remedy: str) -> None:
    """Refuse what ``fs_mvau`` and ``fs_vvau`` cannot be; their own checks would stop a tool much later.

    Parameters
    ----------
    window, remedy
        What a sliding window in front of the layer does for it, and what to do where there is none.

    Raises
    ------
    UnsupportedModelError
        Weights, inputs or staircase are too wide, or there is no sliding window.
    """
    graph = network.graph
    a_bits, o_bits = graph.tensors[layer.input].dtype.bits, graph.tensors[layer.output].dtype.bits
    narrow = layer.bipolar or (layer.weight_dtype.signed and 2 <= layer.weight_dtype.bits <= MAX_BITS)
    if not narrow or a_bits > MAX_BITS:
        raise UnsupportedModelError(
            layer.name,
            f"its weights are {layer.weight_dtype}, its inputs have {a_bits} bits",
            f"use bipolar or signed weights of 2 to {MAX_BITS} bits and inputs of 1 to {MAX_BITS} bits",
        )
    steps = layer.activation.steps if layer.activation else None
    if steps is not None and not 1 <= steps < 1 << o_bits:
        raise UnsupportedModelError(
            layer.name,
            f"its activation has {steps} steps, its output {o_bits} bits",
            "use a quantizer of at least two levels, and an output type that holds them all",
        )
    if not isinstance(graph.producer(layer.input), SlidingWindow):
        raise UnsupportedModelError(layer.name, f"no sliding window in front of it {window}", remedy)


@emit_layer.register
def _(layer: MatVec, network: Network) -> None:
    graph = network.graph
    remedy = "put a window of kernel (1, 1) or of the whole map in front of it"
    check_weighted(layer, network, "repeats its vectors", remedy)
    pe, simd = network.folding[layer.name].PE, network.folding[layer.name].SIMD
    a_type, o_type = graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype
    source = network.take(layer.name, layer.input, simd)
    sink = network.put(layer.name, layer.output, pe)
    thresh_style, thresh_rows = threshold_plan(layer, pe, simd)
    stem = f"mem/{identifier(layer.name)}"
    w_bits = 1 if layer.bipolar else layer.weight_dtype.bits
    folds, word_bits = (layer.MH // pe) * (layer.MW // simd), pe * simd * w_bits
    bank = analysis.weight_bank(folds, word_bits)
    weight_file, prefix, images = memory.mvau_images(
        layer, stem, pe, simd, thresh_style, bank, thresh_rows, a_type
    )
    network.add_images(images)
    style, mul_bits = network.mul_styles[layer.name], MULTIPLIER_BITS.get(network.technology, 18)
    params = {
        "MW": layer.MW,
        "MH": layer.MH,
        "SIMD": simd,
        "PE": pe,
        "W_BITS": w_bits,
        "A_BITS": a_type.bits,
        "A_SIGNED": int(a_type.signed),
        "ACC_BITS": layer.acc_dtype.bits,
        "O_BITS": o_type.bits,
        "O_BASE": layer.activation.base if layer.activation else 0,
        "THRESHOLDS": layer.activation.steps if layer.activation else 0,
        "WEIGHT_FILE": weight_file,
        "THRESH_FILE": prefix,
        "WEIGHT_STYLE": analysis.memory_style(folds, word_bits),
        "WEIGHT_BANK": bank,
        "THRESH_STYLE": thresh_style,
        "THRESH_ROWS": thresh_rows,
        "MUL_STYLE": "lut" if style == "lut" else "dsp",
        "MUL_BITS": mul_bits,
        "SOFT_ROWS": pe - hard_rows(layer, a_type.bits, pe, mul_bits, style) if style == "mixed" else 0,
    }
    network.add("fs_mvau", layer.name, params, source, sink, layer.name)
