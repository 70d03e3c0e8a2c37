"""Emitters of the layers that work on windows a channel: sliding windows, depthwise convolutions, pools."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from finnspect import analysis
from finnspect.emit import memory
from finnspect.emit.join_layers import check_steps
from finnspect.emit.layers import check_weighted, emit_layer
from finnspect.emit.network import Network, identifier
from finnspect.emit.steps import Steps, thresholds_params
from finnspect.errors import UnsupportedModelError
from finnspect.ir import Depthwise, IntType, Layer, MatVec, MaxPool, SlidingWindow, SumPool, Tensor


def _window_params(layer: Any, tensor: Tensor) -> dict[str, int | str]:
    """Return the geometry of ``fs_swg``.

    Raises
    ------
    UnsupportedModelError
        Some windows hold nothing but padding.
    """
    top, left, bottom, right = layer.pad
    if max(top, bottom) >= layer.kernel[0] or max(left, right) >= layer.kernel[1]:
        raise UnsupportedModelError(
            layer.name,
            f"padding {layer.pad} is not smaller than its kernel {layer.kernel}",
            "windows that hold nothing but padding carry no information: pad less",
        )
    height, width, channels = tensor.shape
    return {
        "H": height,
        "W": width,
        "C": channels,
        "KH": layer.kernel[0],
        "KW": layer.kernel[1],
        "SH": layer.stride[0],
        "SW": layer.stride[1],
        "PT": top,
        "PL": left,
        "PB": bottom,
        "PR": right,
    }


@emit_layer.register
def _(layer: SlidingWindow, network: Network) -> None:
    graph = network.graph
    tensor = graph.tensors[layer.input]
    simd = network.folding[layer.name].SIMD
    repeat = analysis.neuron_folds(layer, graph, network.folding)
    depthwise = any(isinstance(reader, Depthwise) for reader in graph.consumers(layer.output))
    params = _window_params(layer, tensor)
    source = network.take(layer.name, layer.input, min(simd, tensor.shape[2]))
    sink = network.put(layer.name, layer.output, simd, repeat, prod(layer.kernel) if depthwise else 1)
    params |= {
        "SIMD": simd,
        "BITS": tensor.dtype.bits,
        "REPEAT": repeat,
        "DEPTHWISE": int(depthwise),
        "RAM_STYLE": analysis.memory_style(*analysis.window_memory(layer, graph, simd, repeat)),
    }
    network.add("fs_swg", layer.name, params, source, sink, layer.name)


def depthwise_images(
    layer: Depthwise, stem: str, pe: int, style: str = "distributed"
) -> tuple[str, str, dict[str, str]]:
    """Return ``WEIGHT_FILE``, ``THRESH_FILE`` and all files' text of ``fs_vvau``; names begin with ``stem``.

    ``style`` is its ``THRESH_STYLE``.
    """
    weights, prefix = f"{stem}_weights.mem", f"{stem}_thresholds"
    # word nf*K + k holds position k of channels nf*PE to nf*PE + PE - 1
    words = layer.weights.reshape(-1, pe, layer.taps).swapaxes(1, 2).reshape(-1, pe)
    if layer.bipolar:
        files = {weights: memory.readmemh(words > 0, 1)}
    else:
        files = {weights: memory.readmemh(words, layer.weight_dtype.bits)}
    # the search is that of an MVAU with a beat a position; it compares accumulators, whatever the weights
    search = MatVec(
        layer.name,
        layer.inputs,
        layer.outputs,
        np.zeros_like(layer.weights),
        layer.weight_dtype,
        layer.acc_dtype,
        layer.activation,
    )
    files |= {prefix + part: text for part, text in memory.threshold_images(search, pe, 1, style).items()}
    return weights, prefix, files


@emit_layer.register
def _(layer: Depthwise, network: Network) -> None:
    graph = network.graph
    check_weighted(layer, network, "orders its positions", "put one in front of it")
    pe = network.folding[layer.name].PE
    a_type, o_type = graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype
    w_bits = 1 if layer.bipolar else layer.weight_dtype.bits
    words = layer.weights.size // pe
    steps = layer.activation.steps if layer.activation else 0
    deep = layer.channels // pe << steps.bit_length() >= analysis.BLOCK_MIN_THRESHOLDS
    thresh_style = "block" if deep else "distributed"
    source = network.take(layer.name, layer.input, pe)
    sink = network.put(layer.name, layer.output, pe)
    stem = f"mem/{identifier(layer.name)}"
    weight_file, prefix, images = depthwise_images(layer, stem, pe, thresh_style)
    network.add_images(images)
    params = {
        "C": layer.channels,
        "K": layer.taps,
        "PE": pe,
        "W_BITS": w_bits,
        "A_BITS": a_type.bits,
        "A_SIGNED": int(a_type.signed),
        "ACC_BITS": layer.acc_dtype.bits,
        "O_BITS": o_type.bits,
        "O_BASE": layer.activation.base if layer.activation else 0,
        "THRESHOLDS": steps,
        "WEIGHT_FILE": weight_file,
        "THRESH_FILE": prefix,
        "WEIGHT_STYLE": analysis.memory_style(words, pe * w_bits),
        "THRESH_STYLE": thresh_style,
        "MUL_STYLE": network.mul_styles.get(layer.name, "lut"),
    }
    network.add("fs_vvau", layer.name, params, source, sink, layer.name)


def _pool_params(layer: Layer, network: Network, bits: int) -> dict[str, int | str]:
    """Return what ``fs_maxpool`` and ``fs_sumpool`` have in common; ``bits`` wait a channel."""
    tensor, pe = network.graph.tensors[layer.input], network.folding[layer.name].PE
    height, width, channels = tensor.shape
    kernel = layer.kernel
    return {
        "H": height,
        "W": width,
        "C": channels,
        "KH": kernel[0],
        "KW": kernel[1],
        "PE": pe,
        "BITS": tensor.dtype.bits,
        "SIGNED": int(tensor.dtype.signed),
        "RAM_STYLE": analysis.memory_style(width // kernel[1] * channels // pe, pe * bits),
    }


@emit_layer.register
def _(layer: MaxPool, network: Network) -> None:
    tensor = network.graph.tensors[layer.input]
    pe = network.folding[layer.name].PE
    if not analysis.overlaps(layer):
        source = network.take(layer.name, layer.input, pe)
        sink = network.put(layer.name, layer.output, pe)
        params = _pool_params(layer, network, tensor.dtype.bits)
        network.add("fs_maxpool", layer.name, params, source, sink, layer.name)
        return
    params = _window_params(layer, tensor)
    source = network.take(layer.name, layer.input, pe)
    sink = network.put(layer.name, layer.output, pe)
    style = analysis.memory_style(*analysis.window_memory(layer, network.graph, pe))
    params |= {"PE": pe, "BITS": tensor.dtype.bits, "SIGNED": int(tensor.dtype.signed), "RAM_STYLE": style}
    network.add("fs_windowpool", layer.name, params, source, sink, layer.name)


@emit_layer.register
def _(layer: SumPool, network: Network) -> None:
    graph = network.graph
    tensor, pe = graph.tensors[layer.output], network.folding[layer.name].PE
    source = network.take(layer.name, layer.input, pe)
    sink = network.put(layer.name, layer.output, pe)
    signed = graph.tensors[layer.input].dtype.signed
    acc = tensor.dtype if layer.activation is None else IntType(layer.acc_dtype.bits, signed)
    params = _pool_params(layer, network, acc.bits) | {"ACC_BITS": acc.bits, "O_BITS": tensor.dtype.bits}
    if layer.activation is not None:
        check_steps(layer, layer.activation, tensor.dtype)
        steps = Steps.of(layer.activation, tensor.shape[2], acc, tensor.dtype, pe)
        more, images = thresholds_params(steps, f"mem/{identifier(layer.name)}_steps")
        params |= {key: more[key] for key in ("O_BASE", "STEPS", "SHARED", "T_BITS", "TABLE", "PREFIX")}
        network.add_images(images)
    network.add("fs_sumpool", layer.name, params, source, sink, layer.name)
