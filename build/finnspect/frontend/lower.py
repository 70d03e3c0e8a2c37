"""A network becomes the dataflow graph: names, types, integer thresholds."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np

from finnspect import ir
from finnspect.errors import UnsupportedModelError
from finnspect.frontend.network import (
    PIXELS,
    Add,
    ArgMax,
    Compute,
    Concat,
    Layer,
    Network,
    Pool,
    Requantize,
    Steps,
    Sum,
)
from finnspect.frontend.thresholds import clip_thresholds
from finnspect.ir import DataflowGraph, IntType, Staircase, Tensor
from finnspect.reference import accumulator_bounds, output_size

#: Logits leave the chip as int32.
LOGIT_BITS = 32
LOGITS, CLASS = "logits", "class"
_NAMES = {
    Pool: "pool",
    Sum: "sum",
    Add: "add",
    Concat: "concat",
    Requantize: "threshold",
    ArgMax: "argmax",
}


def layer_names(network: Network) -> dict[str, str]:
    """Return a short, stable name for each layer, by its output: ``conv0``, ``pool0``, ``dense0`` ..."""
    counts: dict[str, int] = {}
    names = {}
    for layer in network.layers:
        kind = (
            layer.kind
            if isinstance(layer, Compute)
            else _NAMES.get(type(layer), type(layer).__name__.lower())
        )
        names[layer.output] = f"{kind}{counts.get(kind, 0)}"
        counts[kind] = counts.get(kind, 0) + 1
    return names


@dataclass
class GraphBuilder:
    """Layers and tensors made so far.

    Parameters
    ----------
    network
        What is lowered.
    names
        Name of each of its layers in the graph, by its output.
    tensors
        The graph's, by name.
    """

    network: Network
    names: dict[str, str]
    tensors: dict[str, Tensor]
    layers: list[ir.Layer] = field(default_factory=list)

    def tensor(self, name: str) -> Tensor:
        """Return the graph's tensor of a tensor of the network."""
        return self.tensors[self.tensor_name(name)]

    def tensor_name(self, name: str) -> str:
        """Return the graph's name of a tensor of the network."""
        if name == PIXELS:
            return PIXELS
        last = self.network.last
        if name == last.output:
            return CLASS if isinstance(last, ArgMax) else LOGITS
        return self.names[name]

    def add(self, layer: ir.Layer, shape: tuple[int, int, int], dtype: IntType) -> None:
        """Append a layer, and the tensor that it makes."""
        self.layers.append(layer)
        self.tensors[layer.output] = Tensor(layer.output, shape, dtype)


def dataflow_graph(network: Network, name: str) -> DataflowGraph:
    """Return the dataflow graph of a network.

    Padding and window generation fuse into one sliding window, accumulation and thresholds into one layer.

    Parameters
    ----------
    name
        Name of the graph.
    """
    source = Tensor(PIXELS, network.input_shape, IntType(8, False))
    builder = GraphBuilder(network, layer_names(network), {PIXELS: source})
    for layer in network.layers:
        lower_layer(layer, builder)
    output = builder.tensor(network.last.output)
    if output.dtype.bits > LOGIT_BITS:
        raise UnsupportedModelError(
            network.last.node,
            f"its logits need {output.dtype.bits} bits",
            "use fewer inputs or fewer bits",
        )
    return DataflowGraph(
        name=name,
        input=PIXELS,
        output=output.name,
        tensors=builder.tensors,
        layers=tuple(builder.layers),
        logit_scale=np.array([float(s) for s in network.slopes]),
        logit_bias=np.array([float(b) for b in network.offsets]),
        input_scale=float(network.input_scale),
    )


def _accumulator(low: int, high: int, steps: Steps | None, *, signed: bool = True) -> IntType:
    """Return the accumulators' type: room for "never reached" where there is a staircase."""
    least = min(low, -1) if signed else 0
    return IntType.spanning(least, high + (steps is not None), signed=signed)


def _staircase(
    steps: Steps | None, low: np.ndarray, high: np.ndarray, always: int, never: int, *, join: bool = False
) -> Staircase | None:
    """Return the staircase, unreachable steps at ``always`` and ``never``; ``join``: equal rows as one."""
    if steps is None:
        return None
    thresholds = clip_thresholds(steps.thresholds, low, high, always, never)
    if join and (thresholds == thresholds[:1]).all():
        thresholds = thresholds[:1]
    return Staircase(np.ascontiguousarray(thresholds), steps.base)


@singledispatch
def lower_layer(layer: Layer, builder: GraphBuilder) -> None:
    """Add a layer to the graph; register an implementation for each class of layer."""
    raise UnsupportedModelError(
        layer.node,
        f"a {type(layer).__name__} layer has no counterpart in the dataflow graph",
        "register one with finnspect.frontend.lower.lower_layer.register",
    )


@lower_layer.register
def _(layer: Compute, builder: GraphBuilder) -> None:
    label, source = builder.names[layer.output], builder.tensor(layer.inputs[0])
    kernel = tuple(layer.weights.shape[1:3])
    window = ir.SlidingWindow(
        f"{label}_window", (source.name,), (f"{label}_window",), kernel, layer.stride, layer.pad
    )
    height, width, channels = source.shape
    size = output_size(window, height, width)
    builder.add(window, (*size, kernel[0] * kernel[1] * channels), source.dtype)
    weights = np.ascontiguousarray(layer.matrix)
    low, high = accumulator_bounds(weights, source.dtype)
    acc = _accumulator(int(low.min()), int(high.max()), layer.steps)
    narrow = IntType.spanning(int(weights.min()), int(weights.max()), signed=True)
    make = ir.Depthwise if layer.kind == "depthwise" else ir.MatVec
    product = make(
        label,
        (window.output,),
        (builder.tensor_name(layer.output),),
        weights=weights,
        weight_dtype=IntType(max(2, narrow.bits), True),
        acc_dtype=acc,
        activation=_staircase(layer.steps, low, high, acc.min, acc.max),
    )
    builder.add(product, layer.shape, acc if layer.steps is None else layer.steps.dtype)


@lower_layer.register
def _(layer: Pool, builder: GraphBuilder) -> None:
    source = builder.tensor(layer.inputs[0])
    label, output = builder.names[layer.output], builder.tensor_name(layer.output)
    pool = ir.MaxPool(label, (source.name,), (output,), layer.kernel, layer.stride, layer.pad)
    builder.add(pool, layer.shape, source.dtype)


@lower_layer.register
def _(layer: Sum, builder: GraphBuilder) -> None:
    source = builder.tensor(layer.inputs[0])
    taps = layer.kernel[0] * layer.kernel[1]
    low, high = (np.full(layer.shape[-1], taps * end) for end in (source.dtype.min, source.dtype.max))
    acc = _accumulator(int(low[0]), int(high[0]), layer.steps, signed=source.dtype.signed)
    pool = ir.SumPool(
        builder.names[layer.output],
        (source.name,),
        (builder.tensor_name(layer.output),),
        layer.kernel,
        acc,
        _staircase(layer.steps, low, high, acc.min, acc.max),
    )
    builder.add(pool, layer.shape, acc if layer.steps is None else layer.steps.dtype)


@lower_layer.register
def _(layer: Add, builder: GraphBuilder) -> None:
    sources = [builder.tensor(name) for name in layer.inputs]
    ends = [
        sorted((factor * s.dtype.min, factor * s.dtype.max))
        for factor, s in zip(layer.multipliers, sources, strict=True)
    ]
    low, high = (np.full(layer.shape[-1], sum(pair[i] for pair in ends)) for i in (0, 1))
    acc = _accumulator(int(low[0]), int(high[0]), layer.steps)
    add = ir.Add(
        builder.names[layer.output],
        tuple(s.name for s in sources),
        (builder.tensor_name(layer.output),),
        layer.multipliers,
        acc,
        _staircase(layer.steps, low, high, acc.min, acc.max, join=True),
    )
    builder.add(add, layer.shape, acc if layer.steps is None else layer.steps.dtype)


@lower_layer.register
def _(layer: Concat, builder: GraphBuilder) -> None:
    sources = tuple(builder.tensor(name) for name in layer.inputs)
    label, output = builder.names[layer.output], builder.tensor_name(layer.output)
    builder.add(ir.Concat(label, tuple(s.name for s in sources), (output,)), layer.shape, sources[0].dtype)


@lower_layer.register
def _(layer: Requantize, builder: GraphBuilder) -> None:
    source = builder.tensor(layer.inputs[0])
    least, most = source.dtype.min, source.dtype.max
    low, high = (np.full(layer.shape[-1], end) for end in (least, most))
    threshold = ir.Threshold(
        builder.names[layer.output],
        (source.name,),
        (builder.tensor_name(layer.output),),
        _staircase(layer.steps, low, high, least, most + 1, join=True),
    )
    builder.add(threshold, layer.shape, layer.steps.dtype)


@lower_layer.register
def _(layer: ArgMax, builder: GraphBuilder) -> None:
    source = builder.tensor(layer.inputs[0])
    label, output = builder.names[layer.output], builder.tensor_name(layer.output)
    argmax = ir.ArgMax(label, (source.name,), (output,), layer.shift, layer.offsets)
    builder.add(argmax, (1, 1, 1), layer.dtype)
