"""Reads nodes where branches meet, and nodes that only move numbers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes
from finnspect.frontend.network import Add, ArgMax, Concat
from finnspect.frontend.state import CODE_BITS, STREAM_BITS, Reading, handles
from finnspect.frontend.values import Value
from finnspect.ir import IntType

if TYPE_CHECKING:
    from onnx import NodeProto

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
_FLAT = {"NCHW": "CHW", "NHWC": "HWC", "CHW": "CHW", "HWC": "HWC"}


# -- branches ----------------------------------------------------------------------------------------


def add_values(reading: Reading, node: NodeProto, first: Value, second: Value) -> Value:
    """Return the sum of two computed tensors."""
    first, second = (reading.settled(v, node) for v in (first, second))
    if first.shape != second.shape or not _same_layout(first, second):
        raise UnsupportedModelError(
            node.name,
            f"it adds maps of shapes {first.shape} and {second.shape}",
            "add maps of one shape (no broadcasting)",
        )
    offsets = [a + b for a, b in zip(first.offsets, second.offsets, strict=True)]
    if first.layer == second.layer:
        slopes = [a + b for a, b in zip(first.slopes, second.slopes, strict=True)]
        return Value.of(first.layer, first.shape, first.layout, slopes, offsets, maker=node.name)
    ratios = {a / b if b else None for a, b in zip(first.slopes, second.slopes, strict=True)}
    if len(ratios) != 1 or ratios & {None, Fraction(0)}:
        raise UnsupportedModelError(
            node.name,
            f"its inputs have scales that differ from channel to channel ({first.maker!r}, {second.maker!r})",
            "put a quantizer on each branch before the addition, best one quantizer for both",
        )
    (ratio,) = ratios
    multipliers = (ratio.numerator, ratio.denominator)
    low = high = 0
    for factor, value in zip(multipliers, (first, second), strict=True):
        ends = sorted(factor * end for end in reading.span(value.layer))
        low, high = low + ends[0], high + ends[1]
    channels, height, width = first.shape
    types = (reading.dtype(first.layer), reading.dtype(second.layer))
    for value in (first, second):
        reading.used(value)
    layer = Add(
        node.name, (first.layer, second.layer), reading.name(), (height, width, channels), min(low, -1), high,
        None,
        multipliers, types,
    )  # fmt: skip
    slopes = [b / multipliers[1] for b in second.slopes]
    made = Value.of(reading.add(layer), first.shape, first.layout, slopes, offsets, maker=node.name)
    reading.probe(made, node.output[0])
    return made


def _same_layout(first: Value, second: Value) -> bool:
    return first.layout == second.layout or (
        first.flat and second.flat and first.shape[1:] == second.shape[1:] == (1, 1)
    )


@handles("Concat")
def _concat(reading: Reading, node: NodeProto, value: Value) -> Value:
    missing = [name for name in node.input if name not in reading.values]
    if missing:
        raise UnsupportedModelError(
            node.name, f"its input {missing[0]!r} is a constant", "join computed tensors only"
        )
    values = [reading.settled(reading.values[name], node) for name in node.input]
    axis = attributes(node).get("axis", 1)
    rank = 2 if value.flat else 4
    wanted = 3 if value.layout == "NHWC" else 1
    sizes = {v.shape[1:] for v in values}
    alike = all(_same_layout(value, v) for v in values)
    if axis % rank != wanted or len(sizes) != 1 or not alike or (value.flat and sizes != {(1, 1)}):
        raise UnsupportedModelError(
            node.name,
            f"it joins shapes {', '.join(str(v.shape) for v in values)} along axis {axis}",
            "join maps of one size along their channels",
        )
    if len(values) == 1:
        return values[0]
    values = _of_one_type(reading, node, values)
    slopes = [s for v in values for s in v.slopes]
    for each in values:
        reading.used(each)
    spans = [reading.span(v.layer) for v in values]
    height, width = value.shape[1:]
    channels = sum(v.channels for v in values)
    layer = Concat(
        node.name, tuple(v.layer for v in values), reading.name(), (height, width, channels),
        min(low for low, _ in spans), max(high for _, high in spans), None,
    )  # fmt: skip
    offsets = [o for v in values for o in v.offsets]
    shape = (channels, height, width)
    made = Value.of(reading.add(layer), shape, value.layout, slopes, offsets, maker=node.name)
    reading.probe(made, node.output[0])
    return made


def _of_one_type(reading: Reading, node: NodeProto, values: list[Value]) -> list[Value]:
    """Return values in the narrowest type that holds the codes of all."""
    types = [reading.dtype(v.layer) for v in values]
    if len(set(types)) == 1:
        return values
    joint = IntType.spanning(min(t.min for t in types), max(t.max for t in types))
    if joint.bits > CODE_BITS:
        raise UnsupportedModelError(
            node.name,
            f"it joins {', '.join(map(str, types))}, which have no type of {CODE_BITS} bits in common",
            "share one quantizer between the branches",
        )
    return [reading.widened(v, joint) for v in values]


@handles("ArgMax", "TopK")
def _argmax(reading: Reading, node: NodeProto, value: Value) -> None:
    values = attributes(node)
    name = node.output[0]
    if node.op_type == "TopK":
        k = reading.model.get_initializer(node.input[1]) if len(node.input) > 1 else values.get("k")
        if k is None or int(k if isinstance(k, int) else k.ravel()[0]) != 1 or not values.get("largest", 1):
            raise UnsupportedModelError(node.name, "it takes more than the greatest", "use k=1, largest")
        name = node.output[1]
    value = reading.settled(value, node)
    channels = value.channels
    axis = values.get("axis", 0 if node.op_type == "ArgMax" else -1) % (2 if value.flat else 4)
    if value.shape[1:] != (1, 1) or axis != (3 if value.layout == "NHWC" else 1):
        raise UnsupportedModelError(
            node.name, f"it works along axis {axis} of a map of shape {value.shape}", "apply it to the logits"
        )
    if values.get("select_last_index", 0):
        raise UnsupportedModelError(node.name, "it takes the last of a tie", "use select_last_index=0")
    shift, offsets = _ranking(reading, node, value)
    reading.used(value)
    layer = ArgMax(
        node.name, (value.layer,), reading.name(), (1, 1, 1), 0, channels - 1, None, channels, shift, offsets
    )
    index = Value.of(reading.add(layer), (1, 1, 1), "CHW", [Fraction(1)], maker=node.name)
    reading.probe(index, name)
    reading.values[name] = index


def _ranking(reading: Reading, node: NodeProto, value: Value) -> tuple[int, tuple[int, ...]]:
    """Return what turns integers into scores of the same order as the logits: ``(a << shift) + offset``.

    A bias is a whole number of steps and a fraction of one. Fractions decide between equal sums alone: the
    rank of each among the classes' does for it.
    """
    if not value.uniform or value.slopes[0] <= 0:
        raise UnsupportedModelError(
            node.name,
            "the classes have different scales, so that the greatest integer may not be the greatest logit",
            "leave it out: the accelerator puts the logits out; or use one scale for all weights of the last "
            "layer (per-tensor scaling)",
        )
    biases = [offset / value.slopes[0] for offset in value.offsets]
    whole = [bias.numerator // bias.denominator for bias in biases]
    fractions = [bias - floor for bias, floor in zip(biases, whole, strict=True)]
    ranks = {fraction: rank for rank, fraction in enumerate(sorted(set(fractions)))}
    shift = (len(ranks) - 1).bit_length()
    least = min(whole)
    offsets = tuple(((n - least) << shift) + ranks[f] for n, f in zip(whole, fractions, strict=True))
    if not any(offsets):
        return 0, ()
    low, high = reading.span(value.layer)
    bits = IntType.spanning(low << shift, (high << shift) + max(offsets), signed=True).bits
    if bits > STREAM_BITS:
        raise UnsupportedModelError(
            node.name,
            f"the classes' biases are up to {max(offsets) >> shift} steps apart: scores need {bits} bits",
            "leave it out: the accelerator puts the logits out; or train with smaller biases",
        )
    return shift, offsets


# -- shapes ------------------------------------------------------------------------------------------


@handles("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def _reshape(reading: Reading, node: NodeProto, value: Value) -> Value:
    after = tuple(reading.model.get_tensor_shape(node.output[0]))
    channels, height, width = value.shape
    whole = {"NCHW": (1, channels, height, width), "NHWC": (1, height, width, channels)}
    if after == (1, channels * height * width):
        return replace(value, layout=_FLAT[value.layout])
    for layout in ("NCHW", "NHWC"):
        if after == whole[layout] and (value.layout in (layout, _FLAT[layout]) or height * width == 1):
            return replace(value, layout=layout)
    raise UnsupportedModelError(
        node.name,
        f"it reshapes {(1, *value.shape)} to {after}",
        "only flatten a map before a dense layer",
    )


@handles("Transpose")
def _transpose(reading: Reading, node: NodeProto, value: Value) -> Value:
    order = list(attributes(node).get("perm", []))
    if order == sorted(order) and order:
        return value
    if value.layout == "NCHW" and order == _TO_LAST:
        return replace(value, layout="NHWC")
    if value.layout == "NHWC" and order == _TO_FIRST:
        return replace(value, layout="NCHW")
    raise UnsupportedModelError(
        node.name, f"it permutes a {value.layout} map by {order}", "only move the channels last or first"
    )


@handles("Identity", "Dropout")
def _identity(reading: Reading, node: NodeProto, value: Value) -> Value:
    if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]:
        training = reading.model.get_initializer(node.input[2])
        if training is None or training.any():
            raise UnsupportedModelError(
                node.name, "it drops values at random", "export the model in evaluation mode"
            )
    return value
