"""Reads nodes that compute: convolution, dense, batch norm, scale and bias, ReLU."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import (
    attributes,
    constant,
    quantized_weights,
)
from finnspect.frontend.state import State, handles
from finnspect.frontend.thresholds import exact_fractions, sqrt

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def _begin(
    model: ModelWrapper,
    node: NodeProto,
    state: State,
    kind: str,
    weights: np.ndarray,
    scale: np.ndarray,
    stride: tuple[int, int],
    pad: tuple[int, ...],
) -> None:
    """Turn the state into accumulators of a new layer; ``weights`` has shape (O, KH, KW, I)."""
    out = len(weights)
    scales = exact_fractions(scale)
    if len(scales) not in (1, out):
        raise UnsupportedModelError(
            node.name,
            f"its weight scale has shape {scale.shape}",
            "use one scale for the tensor, or one for each output channel",
        )
    state.slopes = [state.scale * s for s in (scales * out if len(scales) == 1 else scales)]
    state.offsets = [Fraction(0)] * out
    state.relu, state.pools, state.flat_of = None, [], None
    state.compute = {
        "node": node.name,
        "kind": kind,
        "weights": weights,
        "stride": stride,
        "pad": tuple(pad),
        "input_dtype": state.dtype,
    }


def _need_codes(node: NodeProto, state: State) -> None:
    if state.compute is not None:
        raise UnsupportedModelError(
            node.name,
            f"its input {state.tensor!r} is not quantized",
            "put an activation quantizer (for example QuantReLU) after every layer but the last",
        )


def _bias(model: ModelWrapper, node: NodeProto, state: State) -> None:
    if len(node.input) > 2 and node.input[2]:
        value = constant(model, node.input[2])
        if value is None:
            raise UnsupportedModelError(node.name, "its bias is not constant", "use a constant bias")
        _affine(node, state, np.ones(1, np.float32), np.ravel(value))


@handles("Conv")
def _conv(model: ModelWrapper, node: NodeProto, state: State) -> None:
    _need_codes(node, state)
    values = attributes(node)
    weights, scale = quantized_weights(model, node)
    if weights.ndim != 4:
        raise UnsupportedModelError(
            node.name, f"it has {weights.ndim - 2} dimensions", "use 2-D convolutions"
        )
    if values.get("group", 1) != 1:
        raise UnsupportedModelError(
            node.name,
            f"grouped and depthwise convolutions (groups = {values['group']}) are not supported yet",
            "use groups=1",
        )
    if any(d != 1 for d in values.get("dilations", ())):
        raise UnsupportedModelError(
            node.name, f"dilation {values['dilations']} is not supported", "use dilation=1"
        )
    if values.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedModelError(
            node.name, f"auto_pad={values['auto_pad']} is not supported", "give the padding in numbers"
        )
    kernel = weights.shape[2:]
    stride, pad = tuple(values.get("strides", (1, 1))), tuple(values.get("pads", (0,) * 4))
    if pad[0] >= kernel[0] or pad[2] >= kernel[0] or pad[1] >= kernel[1] or pad[3] >= kernel[1]:
        raise UnsupportedModelError(
            node.name,
            f"padding {pad} reaches the kernel's size {tuple(kernel)}",
            "use a padding smaller than the kernel",
        )
    _begin(model, node, state, "conv", weights.transpose(0, 2, 3, 1).copy(), scale, stride, pad)
    state.shape = tuple(model.get_tensor_shape(node.output[0])[1:])
    _bias(model, node, state)


@handles("Gemm", "MatMul")
def _dense(model: ModelWrapper, node: NodeProto, state: State) -> None:
    _need_codes(node, state)
    values = attributes(node)
    if values.get("alpha", 1.0) != 1.0 or values.get("beta", 1.0) != 1.0 or values.get("transA", 0):
        raise UnsupportedModelError(node.name, "it scales or transposes its input", "use a plain dense layer")
    weights, scale = quantized_weights(model, node)
    if len(state.shape) != 1 or weights.ndim != 2:
        raise UnsupportedModelError(
            node.name, f"its input is a map of shape {state.shape}", "flatten the map before the dense layer"
        )
    if not values.get("transB", 0):
        weights = weights.T
    channels, height, width = state.flat_of or (state.shape[0], 1, 1)
    kernel = weights.reshape(len(weights), channels, height, width).transpose(0, 2, 3, 1).copy()
    _begin(model, node, state, "dense", kernel, scale, (height, width), (0, 0, 0, 0))
    state.shape = (len(weights),)
    _bias(model, node, state)


# -- affine operations and ReLU ---------------------------------------------------------------------


def _affine(node: NodeProto, state: State, scale: np.ndarray, shift: np.ndarray) -> None:
    """Apply ``y * scale + shift`` to the accumulators' real values."""
    if state.relu is not None:
        raise UnsupportedModelError(
            node.name,
            f"it stands between the ReLU {state.relu!r} and the quantizer",
            "put batch norm, scale and bias before the ReLU",
        )
    _before_pools(node, state)
    channels = len(state.slopes)
    for array in (scale, shift):
        if array.size not in (1, channels):
            raise UnsupportedModelError(
                node.name,
                f"its constant has {array.size} values for {channels} channels",
                "use one value, or one for each channel",
            )
    scales = exact_fractions(np.broadcast_to(np.ravel(scale), channels))
    shifts = exact_fractions(np.broadcast_to(np.ravel(shift), channels))
    if 0 in scales:
        raise UnsupportedModelError(node.name, "it multiplies a channel by zero", "remove the channel")
    state.slopes = [a * s for a, s in zip(state.slopes, scales, strict=True)]
    state.offsets = [b * s + t for b, s, t in zip(state.offsets, scales, shifts, strict=True)]


def _before_pools(node: NodeProto, state: State) -> None:
    if state.pools:
        raise UnsupportedModelError(
            node.name,
            f"it follows the pool {state.pools[-1][0]!r} on values that are not quantized yet",
            "put the pool after batch norm, or after the quantizer",
        )


@handles("BatchNormalization")
def _batch_norm(model: ModelWrapper, node: NodeProto, state: State) -> None:
    if state.compute is None or state.relu is not None:
        raise UnsupportedModelError(
            node.name, "it does not follow a convolution or dense layer", "use layer, batch norm, ReLU"
        )
    _before_pools(node, state)
    parameters = [constant(model, name) for name in node.input[1:5]]
    if any(p is None for p in parameters) or attributes(node).get("training_mode", 0):
        raise UnsupportedModelError(
            node.name, "its statistics are not constant", "export the model in evaluation mode"
        )
    gammas, betas, means, variances = (exact_fractions(p) for p in parameters)
    epsilon = Fraction(attributes(node).get("epsilon", 1e-5))
    for c, (gamma, beta, mean, variance) in enumerate(zip(gammas, betas, means, variances, strict=True)):
        if variance + epsilon <= 0:
            raise UnsupportedModelError(node.name, f"channel {c} has no variance", "use a positive epsilon")
        factor = gamma / sqrt(variance + epsilon)
        state.slopes[c] *= factor
        state.offsets[c] = (state.offsets[c] - mean) * factor + beta


@handles("Mul", "Div", "Add", "Sub")
def _constant_operation(model: ModelWrapper, node: NodeProto, state: State) -> None:
    other = node.input[1] if node.input[0] == state.tensor else node.input[0]
    value = constant(model, other)
    if value is None:
        raise UnsupportedModelError(
            node.name,
            f"it combines two computed tensors ({', '.join(node.input)})",
            "residual connections are not supported yet; use a chain of layers",
        )
    if node.op_type in ("Div", "Sub") and node.input[0] != state.tensor:
        raise UnsupportedModelError(node.name, "the constant comes first", "write tensor - c or tensor / c")
    if node.op_type in ("Add", "Sub"):
        _shift(node, state, value if node.op_type == "Add" else -value)
    elif state.compute is None:
        _scale_codes(node, state, value)
    elif node.op_type == "Mul":
        _affine(node, state, np.ravel(value), np.zeros(1, np.float32))
    else:
        _affine(node, state, np.ones(1, np.float32), np.zeros(1, np.float32))  # its checks
        divisors = exact_fractions(np.broadcast_to(np.ravel(value), len(state.slopes)))
        if 0 in divisors:
            raise UnsupportedModelError(node.name, "it divides by zero", "remove the division")
        state.slopes = [a / d for a, d in zip(state.slopes, divisors, strict=True)]
        state.offsets = [b / d for b, d in zip(state.offsets, divisors, strict=True)]


def _shift(node: NodeProto, state: State, value: np.ndarray) -> None:
    if state.compute is not None:
        _affine(node, state, np.ones(1, np.float32), np.ravel(value))
    elif np.any(value != 0):
        where = "pixels" if not state.layers else "quantized values"
        raise UnsupportedModelError(
            node.name,
            f"it shifts {where}; a shift does not move past a zero-padded convolution",
            "only scale the pixels (no mean subtraction); the first batch norm does that work",
        )


def _scale_codes(node: NodeProto, state: State, value: np.ndarray) -> None:
    factors = set(exact_fractions(value))
    if len(factors) != 1 or min(factors) <= 0:
        raise UnsupportedModelError(
            node.name, "it scales codes by other than one positive number", "use one positive scale"
        )
    (factor,) = factors
    state.scale = state.scale * factor if node.op_type == "Mul" else state.scale / factor


@handles("Relu")
def _relu(model: ModelWrapper, node: NodeProto, state: State) -> None:
    if state.compute is None:
        if state.dtype.signed:
            raise UnsupportedModelError(
                node.name,
                "a ReLU after a signed quantizer is not supported",
                "put the ReLU before the quantizer",
            )
        return  # codes are not negative: nothing to do
    state.relu = node.name
