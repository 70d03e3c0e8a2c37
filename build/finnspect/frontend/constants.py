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


#: Widest quantizer of a bias; layers have none, it goes into thresholds.
BIAS_BITS = 32


@dataclass(frozen=True)
class QuantParameters:
    """The constant inputs and attributes of a ``Quant`` node."""

    scale: np.ndarray
    bits: int
    signed: bool
    narrow: bool
    rounding: str

    @property
    def bipolar(self) -> bool:
        """Whether the codes are -1 and +1: QONNX executes signed quantizers of 1 bit so."""
        return self.signed and self.bits == 1

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


def quant_parameters(model: ModelWrapper, node: NodeProto, max_bits: int = 8) -> QuantParameters:
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
    if np.size(bits) != 1 or width != int(width) or not 1 <= width <= max_bits:
        raise UnsupportedModelError(
            node.name, f"it has {np.ravel(bits).tolist()} bits", f"use 2 to {max_bits} bits, or 1"
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
    if parameters.bipolar:
        return np.where(scaled >= 0, 1, -1).astype(np.int64)
    clipped = np.clip(scaled, np.float32(parameters.low), np.float32(parameters.high))
    return resolve_rounding_mode(parameters.rounding)(clipped).astype(np.int64)


def require_finite(model: ModelWrapper, node: NodeProto) -> None:
    """Refuse constants of a node that hold what is no number; bounds of a clip may be infinite."""
    for name in node.input:
        value = model.get_initializer(name)
        if value is None or not np.issubdtype(value.dtype, np.floating):
            continue
        if np.isnan(value).any() or (node.op_type != "Clip" and not np.isfinite(value).all()):
            raise UnsupportedModelError(
                node.name,
                f"its constant {name!r} holds values that are not finite numbers",
                "the training has diverged: train again with a lower learning rate, or export an earlier "
                "checkpoint",
            )


def constant(model: ModelWrapper, tensor: str) -> np.ndarray | None:
    """Return a tensor's constant value, through a quantizer (exactly) if there is one; else None."""
    value = model.get_initializer(tensor)
    if value is not None:
        return np.asarray(value)
    producer = model.find_producer(tensor)
    if producer is None or producer.op_type != "Quant":
        return None
    source = model.get_initializer(producer.input[0])
    if source is None:
        return None
    parameters = quant_parameters(model, producer, BIAS_BITS)
    codes = quant_codes(source, parameters)
    return codes.astype(np.float64) * parameters.scale.astype(np.float64)


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
    codes = quant_codes(source, parameters)
    if codes.max() > 127:
        raise UnsupportedModelError(
            node.name, f"its unsigned weights are up to {codes.max()}", "use signed weights of 2 to 8 bits"
        )
    return codes, parameters.scale


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
