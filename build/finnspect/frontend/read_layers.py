"""Reads nodes that multiply by weights: convolution, depthwise convolution, dense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes, constant, quantized_weights
from finnspect.frontend.geometry import Windows, convolution_windows
from finnspect.frontend.network import Sum
from finnspect.frontend.read_affine import per_channel
from finnspect.frontend.state import CODE_BITS, Reading, compute_layer, handles
from finnspect.frontend.thresholds import exact_fractions
from finnspect.frontend.values import Value

if TYPE_CHECKING:
    from onnx import NodeProto


def weight_scales(node: NodeProto, scale: np.ndarray, weights: tuple[int, ...], axis: int) -> list[Fraction]:
    """Return one scale for each output channel; ``axis`` is theirs in the file's weights."""
    out = weights[axis]
    aligned = (1,) * (len(weights) - scale.ndim) + scale.shape
    wanted = tuple(out if a == axis else 1 for a in range(len(weights)))
    if scale.size != 1 and aligned != wanted:
        raise UnsupportedModelError(
            node.name,
            f"its weight scale has shape {scale.shape}",
            "use one scale for the tensor, or one for each output channel",
        )
    values = exact_fractions(scale)
    return values * out if len(values) == 1 else values


def products(
    reading: Reading,
    node: NodeProto,
    value: Value,
    kind: str,
    weights: np.ndarray,
    scales: Sequence[Fraction],
    windows: Windows,
    layout: str,
) -> Value:
    """Add the layer, and say what its accumulators mean.

    ``weights`` has shape (O, KH, KW, I); of a depthwise layer I is 1 and channels may differ in slope.
    """
    depthwise = kind == "depthwise"
    if not depthwise and not value.uniform:
        raise UnsupportedModelError(
            node.name,
            f"its input has a scale for each channel since {value.maker!r}",
            "use one scale for the whole activation tensor (per-tensor scaling), or one quantizer for all "
            "inputs of a concatenation",
        )
    if any(value.offsets) and any(windows.pad):
        centred = reading.centred(value, node)
        if centred is None:
            raise UnsupportedModelError(
                node.name,
                f"its input is shifted since {value.maker!r}: no code stands for the zeros of its padding",
                "use no padding, or a quantizer behind the shift; scale pixels only (no mean subtraction)",
            )
        value = centred
    taps = weights.sum(axis=(1, 2), dtype=np.int64)  # (O, I)
    slopes, offsets = [], []
    for channel, scale in enumerate(scales):
        slopes.append(scale * value.slopes[channel if depthwise else 0])
        at = [value.offsets[channel]] if depthwise else value.offsets
        shift = Fraction(0)
        if any(at):
            shift = sum((int(n) * o for n, o in zip(taps[channel], at, strict=True)), shift)
        offsets.append(scale * shift)
    shape = (len(weights), *windows.out)
    if not depthwise and wide_average(reading, value, weights.shape[1:3]) is not None:
        layer = _averaged_products(reading, node, value, weights)
    else:
        layer = compute_layer(reading, node, value, kind, weights, windows.stride, windows.pad, shape)
    made = Value.of(layer, shape, layout, slopes, offsets, maker=node.name)
    reading.probe(made, node.output[0])
    return made


def wide_average(reading: Reading, value: Value, kernel: tuple[int, int]) -> Sum | None:
    """Return the sum of whole maps that a value is, where products of its codes are to come before it.

    The sum has too many bits to be multiplied, the codes that it adds up have not.
    """
    layer = reading.layers.get(value.layer)
    if not isinstance(layer, Sum) or layer.steps is not None or layer.shape[:2] != (1, 1):
        return None
    fits = reading.dtype(layer.inputs[0]).bits <= CODE_BITS < layer.dtype.bits
    return layer if fits and tuple(kernel) == (1, 1) else None


def _averaged_products(reading: Reading, node: NodeProto, value: Value, weights: np.ndarray) -> str:
    """Add the products at each pixel, then their sum: a mean's products are the products' mean."""
    pool = reading.layers[value.layer]
    source = replace(value, layer=pool.inputs[0])
    shape = (len(weights), *pool.kernel)
    layer = compute_layer(reading, node, source, "conv", weights, (1, 1), (0, 0, 0, 0), shape)
    taps = pool.kernel[0] * pool.kernel[1]
    low, high = (taps * end for end in reading.span(layer))
    total = Sum(
        node.name, (layer,), reading.name(), (1, 1, len(weights)), low, high, None, pool.kernel,
        reading.dtype(layer),
    )  # fmt: skip
    return reading.add(total)


def _multiplied(reading: Reading, node: NodeProto, value: Value, kernel: tuple[int, int]) -> Value:
    """Return a settled value that products may be made of."""
    if wide_average(reading, value, kernel) is not None:
        value = reading.settled(value, node)
        if wide_average(reading, value, kernel) is not None:
            reading.used(value)
            return value
    return reading.codes(value, node)


@handles("Conv")
def _conv(reading: Reading, node: NodeProto, value: Value) -> Value:
    values = attributes(node)
    _weights_last(reading, node)
    weights, scale = quantized_weights(reading.model, node)
    if weights.ndim != 4 or value.layout != "NCHW":
        raise UnsupportedModelError(
            node.name, f"it has {weights.ndim - 2} dimensions on a {value.layout} map", "use 2-D convolutions"
        )
    groups = values.get("group", 1)
    depthwise = groups != 1
    if depthwise and not groups == value.channels == len(weights):
        raise UnsupportedModelError(
            node.name,
            f"groups = {groups} with {value.channels} channels in and {len(weights)} out is not supported",
            "use groups=1, or groups = channels in = channels out (depthwise)",
        )
    kernel = (0, 0) if depthwise or any(values.get("pads", [])) else tuple(weights.shape[2:])
    value = _multiplied(reading, node, value, kernel)
    windows = convolution_windows(node, value.shape[1:], tuple(weights.shape[2:]))
    scales = weight_scales(node, scale, weights.shape, 0)
    kernel = np.ascontiguousarray(weights.transpose(0, 2, 3, 1))
    kind = "depthwise" if depthwise else "conv"
    made = products(reading, node, value, kind, kernel, scales, windows, "NCHW")
    return _biased(reading, node, made)


@handles("Gemm", "MatMul")
def _dense(reading: Reading, node: NodeProto, value: Value) -> Value:
    values = attributes(node)
    if values.get("alpha", 1.0) != 1.0 or values.get("beta", 1.0) != 1.0 or values.get("transA", 0):
        raise UnsupportedModelError(node.name, "it scales or transposes its input", "use a plain dense layer")
    _weights_last(reading, node)
    weights, scale = quantized_weights(reading.model, node)
    by_row = bool(values.get("transB", 0))
    if weights.ndim != 2 or value.layout == "NCHW":
        raise UnsupportedModelError(
            node.name, f"its input is a map of shape {value.shape}", "flatten the map before the dense layer"
        )
    value = _multiplied(reading, node, value, value.shape[1:])
    scales = weight_scales(node, scale, weights.shape, 0 if by_row else 1)
    weights = weights if by_row else weights.T
    channels, height, width = value.shape
    if value.layout == "NHWC":  # a product at each pixel: a 1x1 convolution
        kernel, windows, layout = weights[:, None, None, :], Windows.dense((height, width)), "NHWC"
        kind = "conv"
    else:
        if value.layout == "CHW":
            kernel = weights.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        else:
            kernel = weights.reshape(-1, height, width, channels)
        windows, layout = Windows((height, width), (0, 0, 0, 0), (1, 1)), "CHW"
        kind = "dense"
    made = products(reading, node, value, kind, np.ascontiguousarray(kernel), scales, windows, layout)
    return _biased(reading, node, made)


def _weights_last(reading: Reading, node: NodeProto) -> None:
    if node.input[1] in reading.values:
        raise UnsupportedModelError(
            node.name, "its weights are computed at run time", "use constant weights, as the second input"
        )


def _biased(reading: Reading, node: NodeProto, value: Value) -> Value:
    """Add the node's own bias; the probe is on its output, bias included."""
    if len(node.input) < 3 or not node.input[2]:
        return value
    bias = constant(reading.model, node.input[2])
    if bias is None:
        raise UnsupportedModelError(node.name, "its bias is not constant", "use a constant bias")
    shifts = exact_fractions(np.ravel(bias))
    if len(shifts) not in (1, value.channels):
        shifts = per_channel(node, value, bias)
    shifts = shifts * value.channels if len(shifts) == 1 else shifts
    value = value.affine([Fraction(1)] * value.channels, shifts, node.name)
    reading.probe(value, node.output[0])
    return value
