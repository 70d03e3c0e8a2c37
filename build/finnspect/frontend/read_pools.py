"""Reads pools: maximum, average, global average."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes
from finnspect.frontend.geometry import Windows, pool_windows
from finnspect.frontend.network import Sum
from finnspect.frontend.read_layers import products
from finnspect.frontend.state import CODE_BITS, Reading, handles
from finnspect.frontend.values import PoolSpec, Value

if TYPE_CHECKING:
    from onnx import NodeProto


def _need_map(node: NodeProto, value: Value) -> None:
    if value.layout != "NCHW":
        raise UnsupportedModelError(
            node.name, f"its input is a {value.layout} map", "pool a channels-first map (N, C, H, W)"
        )


@handles("MaxPool")
def _max_pool(reading: Reading, node: NodeProto, value: Value) -> Value:
    _need_map(node, value)
    kernel, windows = pool_windows(node, value.shape[1:])
    spec = PoolSpec(node.name, kernel, windows.stride, windows.pad)
    made = reading.pool(value, spec, (value.channels, *windows.out))
    if not made.pools and not made.clipped:
        reading.probe(made, node.output[0])
    return made


@handles("AveragePool")
def _average_pool(reading: Reading, node: NodeProto, value: Value) -> Value:
    _need_map(node, value)
    kernel, windows = pool_windows(node, value.shape[1:])
    if any(windows.pad) and not attributes(node).get("count_include_pad", 0):
        raise UnsupportedModelError(
            node.name,
            "it divides by fewer than its kernel's positions at the border (count_include_pad=0)",
            "use padding=0, or count_include_pad=True",
        )
    return _average(reading, node, value, kernel, windows)


@handles("GlobalAveragePool")
def _global_average_pool(reading: Reading, node: NodeProto, value: Value) -> Value:
    _need_map(node, value)
    return _average(reading, node, value, value.shape[1:], Windows.dense((1, 1)))


@handles("ReduceMean", "ReduceSum")
def _reduce(reading: Reading, node: NodeProto, value: Value) -> Value:
    values = attributes(node)
    axes = values.get("axes")
    if axes is None and len(node.input) > 1 and node.input[1]:
        constant = reading.model.get_initializer(node.input[1])
        axes = None if constant is None else constant.ravel().tolist()
    wanted = {"NCHW": [2, 3], "NHWC": [1, 2]}.get(value.layout)
    if axes is None or wanted is None or sorted(int(a) % 4 for a in axes) != wanted:
        raise UnsupportedModelError(
            node.name,
            f"it reduces a {value.layout} map along {axes}",
            "reduce height and width, and only them",
        )
    layout = value.layout if values.get("keepdims", 1) else "CHW"
    divisor = None if node.op_type == "ReduceMean" else 1
    return _average(reading, node, value, value.shape[1:], Windows.dense((1, 1)), layout, divisor)


def _average(
    reading: Reading,
    node: NodeProto,
    value: Value,
    kernel: tuple[int, int],
    windows: Windows,
    layout: str = "NCHW",
    divisor: int | None = None,
) -> Value:
    """Sum windows; the division is in the scale. Overlapping or padded ones are depthwise ones."""
    value = reading.settled(value, node)
    reading.used(value)
    taps = kernel[0] * kernel[1]
    divisor = taps if divisor is None else divisor
    if kernel == (1, 1) and windows.stride == (1, 1):
        return value
    strides = windows.stride if windows.out != (1, 1) else kernel
    if strides != kernel or any(windows.pad):
        if reading.dtype(value.layer).bits > CODE_BITS:
            value = reading.codes(value, node)  # refuses
        ones = np.ones((value.channels, *kernel, 1), np.int64)
        scales = [Fraction(1, divisor)] * value.channels
        return products(reading, node, value, "depthwise", ones, scales, windows, layout)
    low, high = (taps * end for end in reading.span(value.layer))
    layer = Sum(
        node.name, (value.layer,), reading.name(), (*windows.out, value.channels), low, high, None,
        kernel, reading.dtype(value.layer),
    )  # fmt: skip
    slopes = [s / divisor for s in value.slopes]
    offsets = [o * Fraction(taps, divisor) for o in value.offsets]
    shape = (value.channels, *windows.out)
    made = Value.of(reading.add(layer), shape, layout, slopes, offsets, maker=node.name)
    reading.probe(made, node.output[0])
    return made
