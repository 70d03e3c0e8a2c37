"""Reads nodes that scale, shift and clip: batch norm, constants, ReLU, Clip."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes, constant
from finnspect.frontend.read_joins import add_values
from finnspect.frontend.state import Reading, handles
from finnspect.frontend.thresholds import exact_fractions, sqrt
from finnspect.frontend.values import Value

if TYPE_CHECKING:
    from onnx import NodeProto


def per_channel(node: NodeProto, value: Value, array: np.ndarray) -> list[Fraction]:
    """Return one number for each channel of a constant that is broadcast to a value's tensor.

    Raises
    ------
    UnsupportedModelError
        It varies within a channel.
    """
    array = np.asarray(array)
    channels, height, width = value.shape
    if array.size == 1:
        return exact_fractions(array) * channels
    whole = {
        "NCHW": (1, channels, height, width),
        "NHWC": (1, height, width, channels),
        "CHW": (1, channels * height * width),
        "HWC": (1, channels * height * width),
    }[value.layout]
    try:
        full = np.broadcast_to(array, whole)
    except ValueError:
        full = None
    if full is not None:
        first = value.layout in ("NCHW", "CHW")
        rows = full.reshape(channels, -1) if first else full.reshape(-1, channels).T
        if (rows == rows[:, :1]).all():
            return exact_fractions(rows[:, 0])
    raise UnsupportedModelError(
        node.name,
        f"its constant of shape {array.shape} is not one value for each of {channels} channels",
        "use one value, or one for each channel",
    )


@handles("BatchNormalization")
def _batch_norm(reading: Reading, node: NodeProto, value: Value) -> Value:
    parameters = [constant(reading.model, name) for name in node.input[1:5]]
    if any(p is None for p in parameters) or attributes(node).get("training_mode", 0):
        raise UnsupportedModelError(
            node.name, "its statistics are not constant", "export the model in evaluation mode"
        )
    if value.layout == "NHWC" or (value.flat and value.shape[1:] != (1, 1)):
        parameters = [_within(node, value, p) for p in parameters]
    else:
        parameters = [exact_fractions(p) for p in parameters]
    epsilon = Fraction(attributes(node).get("epsilon", 1e-5))
    factors, shifts = [], []
    for c, (gamma, beta, mean, variance) in enumerate(zip(*parameters, strict=True)):
        if variance + epsilon <= 0:
            raise UnsupportedModelError(node.name, f"channel {c} has no variance", "use a positive epsilon")
        factor = gamma / sqrt(variance + epsilon)
        factors.append(factor)
        shifts.append(beta - mean * factor)
    return _scaled(reading, node, value, factors, shifts)


def _within(node: NodeProto, value: Value, parameter: np.ndarray) -> list[Fraction]:
    if not value.flat:
        raise UnsupportedModelError(
            node.name, "it normalises a channels-last map", "put it on the channels-first map"
        )
    return per_channel(node, value, parameter.reshape(1, -1))


def _scaled(
    reading: Reading, node: NodeProto, value: Value, scales: list[Fraction], shifts: list[Fraction]
) -> Value:
    """Apply an affine function; pools that wait are made first where it turns a channel over."""
    if value.pools and min(scales) < 0:
        value = reading.settled(value, node)
    return value.affine(scales, shifts, node.name)


@handles("Neg")
def _negate(reading: Reading, node: NodeProto, value: Value) -> Value:
    return _scaled(reading, node, value, [Fraction(-1)] * value.channels, [Fraction(0)] * value.channels)


@handles("Mul", "Div", "Add", "Sub")
def _arithmetic(reading: Reading, node: NodeProto, value: Value) -> Value:
    computed = [name for name in node.input if name in reading.values]
    if len(computed) == 2:
        return _two_computed(reading, node)
    first = node.input[0] == computed[0]
    array = constant(reading.model, node.input[1] if first else node.input[0])
    if array is None:
        raise UnsupportedModelError(node.name, "its other operand is not constant", "use a constant")
    numbers = per_channel(node, value, array)
    scales, shifts = [Fraction(1)] * value.channels, [Fraction(0)] * value.channels
    if node.op_type == "Add":
        shifts = numbers
    elif node.op_type == "Sub":
        scales = scales if first else [-s for s in scales]
        shifts = [-n for n in numbers] if first else numbers
    elif node.op_type == "Mul":
        scales = numbers
    elif not first or 0 in numbers:
        raise UnsupportedModelError(
            node.name, "it divides by the computed tensor or by zero", "write tensor / c, c other than 0"
        )
    else:
        scales = [1 / n for n in numbers]
    return _scaled(reading, node, value, scales, shifts)


def _two_computed(reading: Reading, node: NodeProto) -> Value:
    if node.op_type in ("Mul", "Div"):
        raise UnsupportedModelError(
            node.name,
            f"it multiplies or divides two computed tensors ({', '.join(node.input)})",
            "use additions or concatenations only (no gating or attention)",
        )
    first, second = (reading.values[name] for name in node.input)
    return add_values(
        reading, node, first, second if node.op_type == "Add" else _negate(reading, node, second)
    )


@handles("Relu")
def _relu(reading: Reading, node: NodeProto, value: Value) -> Value:
    return value.clip(Fraction(0), None)


@handles("Clip")
def _clip(reading: Reading, node: NodeProto, value: Value) -> Value:
    values = attributes(node)
    ends = []
    for index, key in ((1, "min"), (2, "max")):
        name = node.input[index] if len(node.input) > index else ""
        array = constant(reading.model, name) if name else values.get(key)
        if array is None and name:
            raise UnsupportedModelError(node.name, "its bounds are not constant", "use constant bounds")
        bound = None if array is None else float(np.ravel(array)[0])
        ends.append(None if bound is None or np.isinf(bound) else Fraction(bound))
    low, high = ends
    if low is not None and high is not None and low > high:
        raise UnsupportedModelError(node.name, f"its bounds {ends} are the wrong way round", "swap them")
    return value.clip(low, high)
