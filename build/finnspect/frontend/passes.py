"""Our own passes on FINN's graph: what FINN leaves to software, and exact thresholds.

Each takes a qonnx ``ModelWrapper``, changes it in place and returns it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

NCHW_TO_NHWC = [0, 2, 3, 1]


def _only_consumer(model: ModelWrapper, tensor: str) -> NodeProto | None:
    consumers = model.find_consumers(tensor)
    return consumers[0] if len(consumers) == 1 else None


def move_pools_past_quantizers(model: ModelWrapper) -> ModelWrapper:
    """Swap each max pool with a following ReLU or quantizer; both are monotone, so nothing changes."""
    from qonnx.transformation.general import SortGraph
    from qonnx.transformation.infer_shapes import InferShapes

    moved = True
    while moved:
        moved = False
        for pool in model.get_nodes_by_op_type("MaxPool"):
            follower = _only_consumer(model, pool.output[0])
            if follower is None or follower.op_type not in ("Relu", "Quant"):
                continue
            source, between, result = pool.input[0], pool.output[0], follower.output[0]
            follower.input[0], follower.output[0] = source, between
            pool.input[0], pool.output[0] = between, result
            model.set_tensor_shape(between, model.get_tensor_shape(source))
            moved = True
    return model.transform(SortGraph()).transform(InferShapes())


def neutralise_dead_channels(model: ModelWrapper) -> ModelWrapper:
    """Give channels with a batch norm gamma of zero zero weights instead, and a gamma of one.

    The channel is constant either way, but FINN divides by gamma.
    """
    for norm in model.get_nodes_by_op_type("BatchNormalization"):
        gamma, _, mean = (model.get_initializer(name) for name in norm.input[1:4])
        dead = gamma == 0
        if not dead.any():
            continue
        layer = model.find_producer(norm.input[0])
        quantizer = model.find_producer(layer.input[1])
        weights = model.get_initializer(quantizer.input[0]).copy()
        by_row = layer.op_type == "Conv" or attributes(layer).get("transB", 0)
        np.moveaxis(weights, 0 if by_row else 1, 0)[dead] = 0
        model.set_initializer(quantizer.input[0], weights)
        if len(layer.input) > 2 and layer.input[2]:
            bias = model.get_initializer(layer.input[2])
            if bias is None:
                raise UnsupportedModelError(
                    norm.name, "a gamma of zero behind a quantized bias", "train without the bias"
                )
            model.set_initializer(layer.input[2], np.where(dead, 0, bias).astype(np.float32))
        model.set_initializer(norm.input[1], np.where(dead, 1, gamma).astype(np.float32))
        model.set_initializer(norm.input[3], np.where(dead, 0, mean).astype(np.float32))
    return model


def widen_weights(model: ModelWrapper) -> ModelWrapper:
    """Annotate weights one bit wider where their negatives would not fit.

    FINN absorbs a negative batch norm gamma by negating weights, and leaves the sign in the graph
    where -8 is among 4-bit weights. Widths are minimised again from the values later.
    """
    from qonnx.core.datatype import DataType

    for node in model.graph.node:
        if node.op_type not in ("Conv", "MatMul"):
            continue
        weights, dtype = model.get_initializer(node.input[1]), model.get_tensor_datatype(node.input[1])
        if weights is not None and dtype.is_integer() and weights.min() <= dtype.min() < 0:
            model.set_tensor_datatype(node.input[1], DataType[f"INT{dtype.bitwidth() + 1}"])
    return model


def clear_false_depthwise(model: ModelWrapper) -> ModelWrapper:
    """Undo the depthwise marks that lowering puts on a convolution of one channel to one channel."""
    from qonnx.custom_op.registry import getCustomOp

    for node in model.get_nodes_by_op_type("Im2Col"):
        if model.get_tensor_shape(node.input[0])[-1] == 1:
            getCustomOp(node).set_nodeattr("depthwise", 0)
    for node in model.get_nodes_by_op_type("MatMul"):
        annotation = next(
            (a for a in model.graph.quantization_annotation if a.tensor_name == node.input[1]), None
        )
        if annotation is not None:
            kept = [p for p in annotation.quant_parameter_tensor_names if p.key != "tensor_sparsity"]
            del annotation.quant_parameter_tensor_names[:]
            annotation.quant_parameter_tensor_names.extend(kept)
    return model


def channels_last_input(model: ModelWrapper) -> ModelWrapper:
    """Make the graph take NHWC pixels, so that no transpose is left to software.

    Raises
    ------
    UnsupportedModelError
        The first node is neither the transpose that lowering put there nor a flatten.
    """
    source = model.graph.input[0].name
    first = _only_consumer(model, source)
    _, channels, height, width = model.get_tensor_shape(source)
    if first is not None and first.op_type == "Transpose" and attributes(first)["perm"] == NCHW_TO_NHWC:
        shape = (1, height, width, channels)
    elif first is not None and first.op_type in ("Reshape", "Flatten"):
        dense = _only_consumer(model, first.output[0])
        weights = model.get_initializer(dense.input[1])
        rows = weights.reshape(channels, height, width, -1).transpose(1, 2, 0, 3)
        model.set_initializer(dense.input[1], rows.reshape(weights.shape).astype(np.float32))
        shape = (1, height * width * channels)
    else:
        raise UnsupportedModelError(
            first.name if first is not None else source,
            "the first operation on the pixels is not a convolution or a dense layer",
            "begin with a convolution or a flatten and a dense layer",
        )
    for consumer in model.find_consumers(first.output[0]):
        consumer.input[0] = source
    model.graph.node.remove(first)
    model.set_tensor_shape(source, shape)
    layout = ["N", "H", "W", "C"] if len(shape) == 4 else ["N", "C"]
    model.set_tensor_layout(source, layout)
    return model


def strip_logit_affine(model: ModelWrapper) -> ModelWrapper:
    """Take the trailing scale and bias out: the graph then ends with integer accumulators."""
    result = model.graph.output[0].name
    last = model.find_producer(result)
    while last.op_type in ("Mul", "Add") and model.get_initializer(last.input[1]) is not None:
        before = model.find_producer(last.input[0])
        model.graph.node.remove(last)
        last = before
    model.set_tensor_datatype(result, model.get_tensor_datatype(last.output[0]))
    last.output[0] = result
    return model


def require_integers(model: ModelWrapper, allowed: frozenset[str]) -> None:
    """Refuse a graph with operators that are not ``allowed`` or with tensors that are not integers."""
    for node in model.graph.node:
        if node.op_type not in allowed:
            raise UnsupportedModelError(
                node.name,
                f"after FINN's transformations a {node.op_type} node is left",
                "use the order layer, batch norm, ReLU, quantizer, pool",
            )
        for tensor in (node.input[0], *node.output):
            if not model.get_tensor_datatype(tensor).is_integer():
                raise UnsupportedModelError(
                    node.name,
                    f"after FINN's transformations its tensor {tensor!r} is not an integer",
                    "quantize every layer's input and weights",
                )
