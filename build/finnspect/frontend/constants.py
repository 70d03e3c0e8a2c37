"""Constants of a QONNX graph: initializers, and quantizers of initializers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.errors import UnsupportedModelError

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def attributes(node: NodeProto) -> dict[str, Any]:
    """Return a node's attributes by name; bytes become text."""
    from onnx.helper import get_attribute_value

    values = {a.name: get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


@dataclass(frozen=True)
class QuantParameters:
    """The constant inputs and attributes of a ``Quant`` node."""

    scale: np.ndarray
    bits: int
    signed: bool
    narrow: bool
    rounding: str

    @property
    def low(self) -> int:
        """Least code."""
        return -(1 << (self.bits - 1)) + int(self.narrow) if self.signed else 0

    @property
    def high(self) -> int:
        """Greatest code."""
        if self.signed:
            return (1 << (self.bits - 1)) - 1
        return (1 << self.bits) - 1 - int(self.narrow)


def quant_parameters(model: ModelWrapper, node: NodeProto) -> QuantParameters:
    """Read a ``Quant`` node; refuse zero points, odd widths and scales that are not constant."""
    scale, zero, bits = (model.get_initializer(name) for name in node.input[1:4])
    if scale is None or zero is None or bits is None:
        raise UnsupportedModelError(
            node.name,
            "its scale, zero point or bit width is computed at run time",
            "export the model in evaluation mode, so that the quantizer's parameters are constants",
        )
    if np.any(zero != 0):
        raise UnsupportedModelError(
            node.name,
            "it has a zero point other than 0",
            "use a symmetric quantizer (signed, or unsigned after ReLU)",
        )
    width = float(np.ravel(bits)[0])
    if np.size(bits) != 1 or width != int(width) or not 1 <= width <= 8:
        raise UnsupportedModelError(
            node.name, f"it has {np.ravel(bits).tolist()} bits", "use 2 to 8 bits (1 to 8 for activations)"
        )
    if np.any(scale <= 0) or not np.all(np.isfinite(scale)):
        raise UnsupportedModelError(
            node.name, "its scale is not a positive number", "train again; the quantizer has collapsed"
        )
    values = attributes(node)
    return QuantParameters(
        scale=scale,
        bits=int(width),
        signed=bool(values.get("signed", 1)),
        narrow=bool(values.get("narrow", 1)),
        rounding=str(values.get("rounding_mode", "ROUND")).upper(),
    )


def quant_codes(values: np.ndarray, parameters: QuantParameters) -> np.ndarray:
    """Return the int64 codes that QONNX's own float32 execution gives to ``values``."""
    from qonnx.custom_op.general.quant import resolve_rounding_mode

    scaled = values.astype(np.float32) / parameters.scale.astype(np.float32)
    clipped = np.clip(scaled, np.float32(parameters.low), np.float32(parameters.high))
    return resolve_rounding_mode(parameters.rounding)(clipped).astype(np.int64)


def constant(model: ModelWrapper, tensor: str) -> np.ndarray | None:
    """Return a tensor's constant value (float32), through a quantizer if there is one; else None."""
    value = model.get_initializer(tensor)
    if value is not None:
        return np.asarray(value)
    producer = model.find_producer(tensor)
    if producer is None or producer.op_type != "Quant":
        return None
    source = model.get_initializer(producer.input[0])
    if source is None:
        return None
    parameters = quant_parameters(model, producer)
    codes = quant_codes(source, parameters)
    return codes.astype(np.float32) * parameters.scale.astype(np.float32)


def quantized_weights(model: ModelWrapper, node: NodeProto) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's integer weights (int64, as stored) and their float32 scale.

    Raises
    ------
    UnsupportedModelError
        The weights are not constant, not quantized, or of a width that is not supported.
    """
    tensor = node.input[1]
    producer = model.find_producer(tensor)
    source = None if producer is None else model.get_initializer(producer.input[0])
    if source is None:
        if model.get_initializer(tensor) is None:
            raise UnsupportedModelError(
                node.name, "its weights are computed at run time", "use constant weights"
            )
        raise UnsupportedModelError(
            node.name,
            "its weights are float: there is no quantizer on them",
            "use a brevitas layer with a weight quantizer (QuantConv2d, QuantLinear)",
        )
    if producer.op_type == "BipolarQuant":
        return np.where(source >= 0, 1, -1).astype(np.int64), bipolar_scale(model, producer)
    if producer.op_type != "Quant":
        raise UnsupportedModelError(
            node.name,
            f"its weights come from a {producer.op_type} node",
            "quantize the weights with a Quant node directly before the layer",
        )
    parameters = quant_parameters(model, producer)
    if parameters.bits == 1:
        raise UnsupportedModelError(
            node.name,
            "it has 1-bit weights that are not -1 and +1",
            "use BipolarQuant, or weights of 2 to 8 bits",
        )
    return quant_codes(source, parameters), parameters.scale


def bipolar_scale(model: ModelWrapper, node: NodeProto) -> np.ndarray:
    """Return the constant scale of a ``BipolarQuant`` node."""
    scale = model.get_initializer(node.input[1])
    if scale is None:
        raise UnsupportedModelError(
            node.name, "its scale is computed at run time", "export the model in evaluation mode"
        )
    if np.any(scale <= 0) or not np.all(np.isfinite(scale)):
        raise UnsupportedModelError(
            node.name, "its scale is not a positive number", "train again; the quantizer has collapsed"
        )
    return scale
