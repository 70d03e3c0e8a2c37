"""FINN's hardware graph against the dataflow graph, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.geometry import NO_PAD
from finnspect.frontend.network import Network
from finnspect.frontend.thresholds import clip_thresholds
from finnspect.ir import DataflowGraph, MatVec, MaxPool, SlidingWindow
from finnspect.reference import accumulator_bounds

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def named_nodes(model: ModelWrapper, graph: DataflowGraph, network: Network) -> dict[str, str]:
    """Return the name of FINN's node of each layer, having checked that it is the same layer.

    Geometry, types, weights and thresholds are compared; what FINN's graph computes was compared before.

    Parameters
    ----------
    model
        FINN's hardware graph, before SpecializeLayers.
    graph
        A chain of windows, matrix products and max pools.
    network
        Names the nodes of the file.

    Raises
    ------
    UnsupportedModelError
        FINN made another layer; names the file's node.
    """
    nodes = _chain(model)
    wanted = iter(network.layers)
    names: dict[str, str] = {}
    for layer in graph:
        if isinstance(layer, SlidingWindow):
            source = next(wanted).node
            _window(nodes, layer, graph, names, source)
        elif isinstance(layer, MaxPool):
            _pool(nodes, layer, names, next(wanted).node)
        else:
            _matvec(nodes, model, layer, graph, names, source)
    if nodes:
        raise UnsupportedModelError(
            nodes[0].name, "FINN made a layer that the file does not have", "report this"
        )
    return names


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


def _pool(nodes: list[NodeProto], layer: MaxPool, names: dict[str, str], source: str) -> None:
    window = _attributes(_take(nodes, "ConvolutionInputGenerator", source))
    node = _take(nodes, "Pool", source)
    attributes = _attributes(node)
    kernel, stride = _pair(attributes["KernelSize"]), _pair(window["Stride"])
    _agree(source, "function", attributes["Function"], "MaxPool")
    _agree(source, "kernel and stride", (kernel, stride), (layer.kernel, layer.stride))
    names[layer.name] = node.name


def _window(
    nodes: list[NodeProto], layer: SlidingWindow, graph: DataflowGraph, names: dict[str, str], source: str
) -> None:
    pad = NO_PAD
    kernel, stride = (1, 1), (1, 1)
    if nodes and nodes[0].op_type == "FMPadding":
        pad = tuple(int(p) for p in _attributes(nodes.pop(0))["Padding"])
    if nodes and nodes[0].op_type == "ConvolutionInputGenerator":
        window = nodes.pop(0)
        attributes = _attributes(window)
        kernel, stride = _pair(attributes["ConvKernelDim"]), _pair(attributes["Stride"])
        _agree(source, "dilation", _pair(attributes["Dilation"]), (1, 1))
        names[layer.name] = window.name
    elif layer.kernel == graph.tensors[layer.input].shape[:2]:
        kernel = stride = layer.kernel  # FINN lets the whole map flow in as one vector
    _agree(source, "kernel", kernel, layer.kernel)
    _agree(source, "padding", pad, layer.pad)
    if graph.tensors[layer.output].shape[:2] != (1, 1):
        _agree(source, "stride", stride, layer.stride)


def _matvec(
    nodes: list[NodeProto],
    model: ModelWrapper,
    layer: MatVec,
    graph: DataflowGraph,
    names: dict[str, str],
    source: str,
) -> None:
    node = _take(nodes, "MVAU", source)
    stored = model.get_initializer(node.input[1]).T
    if not np.array_equal(stored, layer.weights):
        raise UnsupportedModelError(
            source, "FINN stores other weights, or another order", "report this model"
        )
    dtype = graph.tensors[layer.input].dtype
    stored_type = model.get_tensor_datatype(node.input[0])
    _agree(source, "input bits", stored_type.bitwidth(), dtype.bits)
    if layer.activation is not None:
        base = int(_attributes(node)["ActVal"])
        _agree(source, "lowest code", base, layer.activation.base)
        shape = layer.activation.thresholds.shape
        thresholds = np.broadcast_to(model.get_initializer(node.input[2]), shape)
        low, high = accumulator_bounds(layer.weights, dtype)
        acc = layer.acc_dtype
        whole = clip_thresholds(thresholds.astype(np.int64).tolist(), low, high, acc.min, acc.max)
        if not (whole == layer.activation.thresholds).all():
            raise UnsupportedModelError(source, "FINN stores other thresholds", "report this model")
    names[layer.name] = node.name
