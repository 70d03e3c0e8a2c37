"""What a QONNX file has of what the compiler is to take, read from its nodes alone.

:func:`features` names them; :data:`WANTED` is the whole list, which the random networks of the tests are held
against. :func:`widest_accumulator` bounds the sums of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

KERNELS = (1, 3, 5, 7)
WANTED = frozenset(
    {
        *(f"convolution {k}x{k}" for k in KERNELS),
        *("rectangular kernel", "stride", "padding", "unequal padding", "depthwise", "dense"),
        *("bipolar weights", *(f"{bits}-bit weights" for bits in range(2, 9))),
        *("bipolar activation", *(f"{bits}-bit unsigned activation" for bits in range(1, 9))),
        *(f"{bits}-bit signed activation" for bits in range(2, 9)),
        *("padded bipolar activation", "scale of the tensor", "scales of channels"),
        *("batch norm", "falling batch norm", "bias of a convolution", "bias of a dense layer"),
        *("max pool", "overlapping max pool", "padded max pool", "average pool", "global average pool"),
        *("addition of equal scales", "addition of unequal scales", "fork", "concatenation", "flatten"),
        *("logits", "argmax", "argmax of biased logits", "RGB", "grey"),
    }
)


class _File:
    """A model's constants and the nodes behind its tensors."""

    def __init__(self, model: Any) -> None:
        self.graph = model.graph
        self.constants = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.makers = {name: node for node in model.graph.node for name in node.output}

    def attributes(self, node: Any) -> dict[str, Any]:
        return {a.name: helper.get_attribute_value(a) for a in node.attribute}

    def quantizer(self, tensor: str) -> Any:
        """Return the quantizer whose codes a tensor holds, through nodes that only move them; None."""
        node = self.makers.get(tensor)
        while node is not None and node.op_type in ("MaxPool", "Identity", "Transpose", "Reshape", "Flatten"):
            node = self.makers.get(node.input[0])
        return node if node is not None and node.op_type in ("Quant", "BipolarQuant", "IntQuant") else None

    def bits(self, node: Any) -> int:
        """Return a quantizer's bits; 1 of bipolar ones."""
        return 1 if node.op_type == "BipolarQuant" else int(self.constants[node.input[3]].ravel()[0])

    def bipolar(self, node: Any) -> bool:
        signed = node.op_type == "BipolarQuant" or self.attributes(node).get("signed", 1)
        return self.bits(node) == 1 and bool(signed)

    def weights(self, node: Any) -> Any:
        """Return the quantizer of a layer's weights, through a transposition."""
        made = self.makers.get(node.input[1])
        while made is not None and made.op_type == "Transpose":
            made = self.makers.get(made.input[0])
        return made


def features(model: Any) -> set[str]:
    """Return which of :data:`WANTED` a QONNX model (onnx.ModelProto) has."""
    file = _File(model)
    found: set[str] = set()
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            found.update(_product(file, node))
        elif node.op_type in ("Quant", "BipolarQuant", "IntQuant"):
            found.update(_activation(file, node))
        else:
            found.update(_other(file, node))
    read = [name for node in model.graph.node for name in node.input if name not in file.constants]
    found |= {"fork"} if len(set(read)) < len(read) else set()
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    found |= {"RGB"} if 3 in (shape[1], shape[3]) else {"grey"}
    last = file.makers[model.graph.output[0].name].op_type
    found |= {"argmax"} if last in ("ArgMax", "TopK") else {"logits"}
    return found & WANTED


def _product(file: _File, node: Any) -> Iterator[str]:
    values, quantizer = file.attributes(node), file.weights(node)
    weights = file.constants[quantizer.input[0]]
    yield "bipolar weights" if file.bipolar(quantizer) else f"{file.bits(quantizer)}-bit weights"
    yield "scale of the tensor" if file.constants[quantizer.input[1]].size == 1 else "scales of channels"
    biased = len(node.input) > 2 and bool(node.input[2])
    if node.op_type != "Conv":
        yield "dense"
        yield from ["bias of a dense layer"] if biased else []
        return
    height, width = weights.shape[2:]
    pads = values.get("pads", [0] * 4)
    yield from ["bias of a convolution"] if biased else []
    yield "depthwise" if values.get("group", 1) > 1 else f"convolution {height}x{width}"
    yield from ["rectangular kernel"] if height != width else []
    yield from ["stride"] if max(values.get("strides", [1])) > 1 else []
    yield from ["padding"] if any(pads) else []
    yield from ["unequal padding"] if len(set(pads)) > 1 else []
    source = file.quantizer(node.input[0])
    if any(pads) and source is not None and file.bipolar(source):
        yield "padded bipolar activation"


def _activation(file: _File, node: Any) -> Iterator[str]:
    if node.input[0] in file.constants:
        return
    signed = "signed" if file.attributes(node).get("signed", 1) else "unsigned"
    yield "bipolar activation" if file.bipolar(node) else f"{file.bits(node)}-bit {signed} activation"


def _other(file: _File, node: Any) -> Iterator[str]:
    values = file.attributes(node)
    kernel = values.get("kernel_shape", [0])
    computed = [name for name in node.input if name and name not in file.constants]
    match node.op_type:
        case "BatchNormalization":
            yield "batch norm"
            yield from ["falling batch norm"] if file.constants[node.input[1]].min() < 0 else []
        case "MaxPool":
            yield "max pool"
            yield from ["padded max pool"] if any(values.get("pads", [])) else []
            yield from ["overlapping max pool"] if kernel[0] > values.get("strides", [1])[0] else []
        case "AveragePool":
            yield "average pool"
        case "GlobalAveragePool" | "ReduceMean":
            yield "global average pool"
        case "Concat":
            yield "concatenation"
        case "Flatten" | "Reshape":
            yield "flatten"
        case "Add" | "Sub" if len(computed) == 2:
            scales = {_scale(file, name) for name in computed}
            yield "addition of equal scales" if len(scales) == 1 else "addition of unequal scales"
        case "Add" if file.makers[computed[0]].op_type == "MatMul":
            yield "bias of a dense layer"
        case "ArgMax" | "TopK":
            before = file.makers[node.input[0]]
            if before.op_type == "Add" or len(before.input) > 2:
                yield "argmax of biased logits"


def _scale(file: _File, tensor: str) -> float:
    node = file.quantizer(tensor)
    return -1.0 if node is None else float(file.constants[node.input[1]].ravel()[0])


# -- accumulators ------------------------------------------------------------------------------------


def widest_accumulator(model: Any) -> int:
    """Return a bound on the sums of products of codes in a model, by what its quantizers can put out."""
    file = _File(model)
    largest: dict[str, int] = {model.graph.input[0].name: 255}
    widest = 0
    for node in model.graph.node:
        known = [largest[name] for name in node.input if name in largest]
        if node.op_type in ("Quant", "BipolarQuant", "IntQuant"):
            bits = file.bits(node)
            signed = node.op_type == "BipolarQuant" or file.attributes(node).get("signed", 1)
            largest[node.output[0]] = max(1 << (bits - 1), 1) if signed else (1 << bits) - 1
        elif node.op_type in ("Conv", "Gemm", "MatMul"):
            quantizer = file.weights(node)
            if node.input[0] in largest:
                widest = max(widest, largest[node.input[0]] * _taps(file, node, quantizer))
        elif node.op_type in ("Add", "Sub", "AveragePool", "GlobalAveragePool", "ReduceMean") and known:
            taps = file.attributes(node).get("kernel_shape", [64, 1]) if "Pool" in node.op_type else [64, 1]
            taps = [1, 1] if node.op_type in ("Add", "Sub") else taps
            largest[node.output[0]] = sum(known) * int(np.prod(taps))
        elif known:
            largest[node.output[0]] = max(known)
    return widest


def _taps(file: _File, node: Any, quantizer: Any) -> int:
    """Return the greatest sum of a row of weights' absolute codes."""
    weights, scale = (file.constants[name].astype(np.float64) for name in quantizer.input[:2])
    codes = np.ones(weights.shape) if file.bits(quantizer) == 1 else np.abs(np.round(weights / scale))
    by_row = node.op_type == "Conv" or file.attributes(node).get("transB", 0)
    return int(
        np.moveaxis(codes, 0 if by_row else -1, 0).reshape(codes.shape[0 if by_row else -1], -1).sum(1).max()
    )
