"""FINN's hardware graph becomes the dataflow graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.exact import channel_signs
from finnspect.frontend.network import Compute, Network, Pool
from finnspect.frontend.thresholds import clip_thresholds
from finnspect.ir import (
    DataflowGraph,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    Tensor,
)
from finnspect.reference import accumulator_bounds, output_size

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

NO_PAD = (0, 0, 0, 0)
#: Logits leave the chip as int32.
LOGIT_BITS = 32


@dataclass
class _Builder:
    """Layers and tensors made so far; ``tip`` is the newest tensor."""

    tip: Tensor
    tensors: dict[str, Tensor] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    finn_nodes: dict[str, str] = field(default_factory=dict)

    def add(self, layer: Layer, shape: tuple[int, int, int], dtype: IntType, node: str | None) -> None:
        self.layers.append(layer)
        self.tip = self.tensors[layer.output] = Tensor(layer.output, shape, dtype)
        if node is not None:
            self.finn_nodes[layer.name] = node

    def window(
        self,
        name: str,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pad: tuple[int, int, int, int],
        node: str | None,
    ) -> None:
        height, width, channels = self.tip.shape
        layer = SlidingWindow(name, (self.tip.name,), (name,), kernel=kernel, stride=stride, pad=pad)
        oh, ow = output_size(layer, height, width)
        self.add(layer, (oh, ow, kernel[0] * kernel[1] * channels), self.tip.dtype, node)


def layer_names(network: Network) -> list[str]:
    """Return a short, stable name for each layer: ``conv0``, ``pool0``, ``dense0`` ..."""
    counts: dict[str, int] = {}
    names = []
    for layer in network.layers:
        kind = "pool" if isinstance(layer, Pool) else layer.kind
        names.append(f"{kind}{counts.get(kind, 0)}")
        counts[kind] = counts.get(kind, 0) + 1
    return names


def dataflow_graph(model: ModelWrapper, network: Network, name: str) -> DataflowGraph:
    """Read FINN's hardware graph (before SpecializeLayers) as a dataflow graph.

    Padding and input generator fuse into one sliding window, MVAU and thresholds into one MatVec.
    Geometry, weights and thresholds are FINN's; the network names the layers, gives the
    logits' scale, and every layer is checked against it.

    Parameters
    ----------
    model
        After the steps of :mod:`finnspect.frontend.steps`.
    name
        Name of the graph.
    """
    source = Tensor("input", network.input_shape, IntType(8, False))
    builder = _Builder(source, {source.name: source})
    nodes = _chain(model)
    for layer, label in zip(network.layers, layer_names(network), strict=True):
        if isinstance(layer, Pool):
            _pool(builder, nodes, layer, label)
        else:
            _compute(builder, nodes, model, layer, label)
    if nodes:
        raise UnsupportedModelError(
            nodes[0].name, "FINN made a layer that the file does not have", "report this"
        )
    last = network.last
    logits = builder.layers[-1]
    if logits.acc_dtype.bits > LOGIT_BITS:
        raise UnsupportedModelError(
            last.node, f"its logits need {logits.acc_dtype.bits} bits", "use fewer inputs or fewer bits"
        )
    signs = _signs(logits.weights, last)
    return DataflowGraph(
        name=name,
        input=source.name,
        output=builder.tip.name,
        tensors=builder.tensors,
        layers=tuple(builder.layers),
        logit_scale=np.array([float(s * slope) for s, slope in zip(signs, last.slopes, strict=True)]),
        logit_bias=np.array([float(b) for b in last.offsets]),
        input_scale=float(network.input_scale),
        finn_nodes=builder.finn_nodes,
    )


def _chain(model: ModelWrapper) -> list[NodeProto]:
    """Return the nodes from input to output, checking that they are a chain."""
    tensor, nodes = model.graph.input[0].name, []
    while tensor != model.graph.output[0].name:
        consumers = model.find_consumers(tensor)
        if len(consumers) != 1:
            raise UnsupportedModelError(
                tensor, f"it is read by {len(consumers)} nodes", "use a chain of layers"
            )
        nodes.append(consumers[0])
        tensor = consumers[0].output[0]
    return nodes


def _attributes(node: NodeProto) -> Mapping[str, object]:
    from qonnx.custom_op.registry import getCustomOp

    instance = getCustomOp(node)
    return {name: instance.get_nodeattr(name) for name in instance.get_nodeattr_types()}


def _take(nodes: list[NodeProto], op_type: str, wanted_by: str) -> NodeProto:
    if not nodes or nodes[0].op_type != op_type:
        found = nodes[0].op_type if nodes else "nothing"
        raise UnsupportedModelError(
            wanted_by, f"FINN made {found} where {op_type} was expected", "use the order layer, ReLU, pool"
        )
    return nodes.pop(0)


def _pair(value: object) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)


def _agree(node: str, what: str, got: object, expected: object) -> None:
    if got != expected:
        raise UnsupportedModelError(
            node, f"FINN gave it {what} {got}, the file {expected}", "report this model"
        )


def _pool(builder: _Builder, nodes: list[NodeProto], layer: Pool, label: str) -> None:
    window = _attributes(_take(nodes, "ConvolutionInputGenerator", layer.node))
    node = _take(nodes, "Pool", layer.node)
    attributes = _attributes(node)
    kernel, stride = _pair(attributes["KernelSize"]), _pair(window["Stride"])
    _agree(layer.node, "function", attributes["Function"], "MaxPool")
    _agree(layer.node, "kernel and stride", (kernel, stride), (layer.kernel, layer.stride))
    pool = MaxPool(label, (builder.tip.name,), (label,), kernel=kernel, stride=stride)
    height, width, channels = builder.tip.shape
    builder.add(pool, (*output_size(pool, height, width), channels), builder.tip.dtype, node.name)


def _compute(
    builder: _Builder, nodes: list[NodeProto], model: ModelWrapper, layer: Compute, label: str
) -> None:
    pad = NO_PAD
    kernel, stride, node = (1, 1), (1, 1), None
    if nodes and nodes[0].op_type == "FMPadding":
        pad = tuple(int(p) for p in _attributes(nodes.pop(0))["Padding"])
    if nodes and nodes[0].op_type == "ConvolutionInputGenerator":
        window = nodes.pop(0)
        attributes = _attributes(window)
        kernel, stride = _pair(attributes["ConvKernelDim"]), _pair(attributes["Stride"])
        _agree(layer.node, "dilation", _pair(attributes["Dilation"]), (1, 1))
        node = window.name
    elif layer.kind == "dense":
        kernel = stride = builder.tip.shape[:2]  # FINN lets the whole map flow in as one vector
    builder.window(f"{label}_window", kernel, stride, pad, node)
    _agree(layer.node, "kernel", kernel, layer.weights.shape[1:3])
    _agree(layer.node, "stride", stride, layer.stride)
    _agree(layer.node, "padding", pad, layer.pad)
    _matvec(builder, _take(nodes, "MVAU", layer.node), model, layer, label)


def _matvec(builder: _Builder, node: NodeProto, model: ModelWrapper, layer: Compute, label: str) -> None:
    stored = model.get_initializer(node.input[1]).T
    weights = np.ascontiguousarray(np.round(stored).astype(np.int64))
    assert np.array_equal(weights, stored), node.name
    _signs(weights, layer)
    source = builder.tip
    _agree(layer.node, "input type", source.dtype, layer.input_dtype)
    low, high = accumulator_bounds(weights, source.dtype)
    room = 1 if layer.quantizer is not None else 0
    acc = IntType.spanning(min(int(low.min()), -1), int(high.max()) + room, signed=True)
    activation, out, name = None, acc, "logits"
    if layer.quantizer is not None:
        base = int(_attributes(node)["ActVal"])
        _agree(layer.node, "lowest code", base, layer.quantizer.low)
        thresholds = np.broadcast_to(
            model.get_initializer(node.input[2]), (len(weights), len(layer.quantizer.codes))
        )
        whole = thresholds.astype(np.int64)
        assert np.array_equal(whole, thresholds), node.name
        activation = Staircase(clip_thresholds(whole.tolist(), low, high, acc.min, acc.max), base)
        out, name = layer.quantizer.dtype, label
    narrow = IntType.spanning(int(weights.min()), int(weights.max()), signed=True)
    matvec = MatVec(
        label,
        (source.name,),
        (name,),
        weights=weights,
        weight_dtype=IntType(max(2, narrow.bits), True),
        acc_dtype=acc,
        activation=activation,
    )
    builder.add(matvec, (*source.shape[:2], len(weights)), out, node.name)


def _signs(weights: np.ndarray, layer: Compute) -> np.ndarray:
    """Return the channels' signs; the rows must be in order (h, w, c)."""
    signs = channel_signs(layer, weights.T)
    if not np.array_equal(signs[:, None] * layer.matrix, weights):
        raise UnsupportedModelError(
            layer.node, "FINN ordered its weights channels first", "report this model"
        )
    return signs
