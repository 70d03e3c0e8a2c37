"""Emitters of the layers that join streams, and of staircases on their own."""

from __future__ import annotations

import numpy as np

from finnspect.emit.layers import emit_layer
from finnspect.emit.memory import readmemh
from finnspect.emit.network import Network, identifier
from finnspect.emit.steps import Steps, add_params, thresholds_params
from finnspect.errors import UnsupportedModelError
from finnspect.ir import Add, ArgMax, Concat, IntType, Layer, Staircase, Threshold

#: Bits of a multiplier of ``fs_add`` with its sign, and of its sum.
MAX_MULTIPLIER_BITS = 32
#: Levels of the search of ``fs_steps``.
MAX_STEPS = 1023


def check_steps(layer: Layer, activation: Staircase, out: IntType) -> None:
    """Refuse a staircase that ``fs_steps`` cannot be.

    Raises
    ------
    UnsupportedModelError
        It has no step, too many, or codes beyond the output type.
    """
    steps = activation.steps
    if not 1 <= steps <= MAX_STEPS or activation.base < out.min or activation.base + steps > out.max:
        raise UnsupportedModelError(
            layer.name,
            f"its activation has {steps} steps from {activation.base} on, its output is {out}",
            "use a quantizer of at least two levels, and an output type that holds them all",
        )


@emit_layer.register
def _(layer: Add, network: Network) -> None:
    graph = network.graph
    pe = network.folding[layer.name].PE
    types = tuple(graph.tensors[name].dtype for name in layer.inputs)
    tensor = graph.tensors[layer.output]
    if any(IntType.spanning(min(m, 0), max(m, 0)).bits >= MAX_MULTIPLIER_BITS for m in layer.multipliers):
        raise UnsupportedModelError(
            layer.name,
            f"its multipliers are {layer.multipliers}",
            f"use scales whose ratio is one of integers below 2**{MAX_MULTIPLIER_BITS - 1}",
        )
    sources = [network.take(layer.name, name, pe) for name in layer.inputs]
    sink = network.put(layer.name, layer.output, pe)
    params: dict[str, int | str] = {
        "PE": pe,
        "A_BITS": types[0].bits,
        "A_SIGNED": int(types[0].signed),
        "B_BITS": types[1].bits,
        "B_SIGNED": int(types[1].signed),
        "MUL_A": layer.multipliers[0],
        "MUL_B": layer.multipliers[1],
        "ACC_BITS": layer.acc_dtype.bits,
    }
    if layer.activation is None:
        params |= {"ACC_BITS": tensor.dtype.bits, "O_BITS": tensor.dtype.bits}
    else:
        check_steps(layer, layer.activation, tensor.dtype)
        steps = Steps.of(layer.activation, tensor.shape[2], layer.acc_dtype, tensor.dtype, pe)
        more, images = add_params(layer, steps, types, f"mem/{identifier(layer.name)}_steps")
        params |= more
        network.add_images(images)
    network.add("fs_add", layer.name, params, sources, sink, layer.name)


@emit_layer.register
def _(layer: Concat, network: Network) -> None:
    graph = network.graph
    pe = network.folding[layer.name].PE
    sources = [network.take(layer.name, name, pe) for name in layer.inputs]
    sink = network.put(layer.name, layer.output, pe)
    folds = sum(graph.tensors[name].shape[2] // pe << 16 * i for i, name in enumerate(layer.inputs))
    params = {"N": len(sources), "WIDTH": sink.width, "FOLDS": f"{16 * len(sources)}'h{folds:x}"}
    network.add("fs_concat", layer.name, params, sources, sink, layer.name)


@emit_layer.register
def _(layer: Threshold, network: Network) -> None:
    graph = network.graph
    pe = network.folding[layer.name].PE
    x_type, tensor = graph.tensors[layer.input].dtype, graph.tensors[layer.output]
    check_steps(layer, layer.activation, tensor.dtype)
    source = network.take(layer.name, layer.input, pe)
    sink = network.put(layer.name, layer.output, pe)
    steps = Steps.of(layer.activation, tensor.shape[2], x_type, tensor.dtype, pe)
    params, images = thresholds_params(steps, f"mem/{identifier(layer.name)}_steps")
    network.add_images(images)
    network.add("fs_thresholds", layer.name, params, source, sink, layer.name)


@emit_layer.register
def _(layer: ArgMax, network: Network) -> None:
    graph = network.graph
    tensor = graph.tensors[layer.input]
    source = network.take(layer.name, layer.input, 1)
    sink = network.put(layer.name, layer.output, 1)
    params = {
        "C": tensor.size,
        "BITS": tensor.dtype.bits,
        "SIGNED": int(tensor.dtype.signed),
        "O_BITS": sink.width,
    }
    if layer.offsets:
        scores, name = layer.score_dtype(tensor.dtype), f"mem/{identifier(layer.name)}_offsets.mem"
        network.add_images({name: readmemh(np.array(layer.offsets)[:, None], scores.bits)})
        params |= {"SCORE_BITS": scores.bits, "SHIFT": layer.shift, "OFFSET_FILE": name}
    network.add("fs_argmax", layer.name, params, source, sink, layer.name)
