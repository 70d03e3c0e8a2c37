"""Reads nodes that make integer codes: Quant, BipolarQuant, Trunc."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import QuantParameters, attributes, bipolar_scale, quant_parameters
from finnspect.frontend.read_affine import per_channel
from finnspect.frontend.state import CODE_BITS, Reading, handles
from finnspect.frontend.thresholds import Step, rounding_steps
from finnspect.frontend.values import Value
from finnspect.ir import IntType

if TYPE_CHECKING:
    from onnx import NodeProto


@handles("Quant")
def _quant(reading: Reading, node: NodeProto, value: Value) -> Value:
    parameters = quant_parameters(reading.model, node)
    _check_activation(node, parameters)
    scales = per_channel(node, value, parameters.scale)
    if parameters.bipolar:
        return _signs(reading, node, value, scales)
    codes = range(parameters.low + 1, parameters.high + 1)
    steps = [rounding_steps(scale, codes) for scale in scales]
    dtype = IntType.spanning(parameters.low, parameters.high)
    made = reading.staircase(value, node, steps, parameters.low, dtype)
    made = made.affine(scales, [Fraction(0)] * made.channels, node.name)
    reading.probe(made, node.output[0])
    return made


def _check_activation(node: NodeProto, parameters: QuantParameters) -> None:
    if parameters.rounding not in ("ROUND", "HALF_EVEN"):
        raise UnsupportedModelError(
            node.name, f"it rounds by {parameters.rounding}", "use round half to even (ROUND)"
        )
    if parameters.low == parameters.high and not parameters.bipolar:
        raise UnsupportedModelError(node.name, "it has a single code", "use more bits")


@handles("BipolarQuant")
def _bipolar(reading: Reading, node: NodeProto, value: Value) -> Value:
    return _signs(reading, node, value, per_channel(node, value, bipolar_scale(reading.model, node)))


def _signs(reading: Reading, node: NodeProto, value: Value, scales: list[Fraction]) -> Value:
    """Return code 0 where a value is negative, 1 elsewhere."""
    steps = [[Step(Fraction(0), False)]] * value.channels
    made = reading.staircase(value, node, steps, 0, IntType(1, False))
    # code 0 is -scale, code 1 is +scale
    made = made.affine([2 * s for s in scales], [-s for s in scales], node.name)
    reading.probe(made, node.output[0])
    return made


@handles("Trunc")
def _trunc(reading: Reading, node: NodeProto, value: Value) -> Value:
    """Divide integers by a power of two: a staircase, if what comes in are integers of its scale."""
    names = (
        "scale",
        "zero point",
        "input width",
        *(("output scale",) if len(node.input) > 5 else ()),
        "width",
    )
    given = [reading.model.get_initializer(name) for name in node.input[1:]]
    if len(given) != len(names) or any(g is None or g.size != 1 for g in given):
        raise UnsupportedModelError(
            node.name, f"its {', '.join(names)} are not single constants", "use per-tensor constants"
        )
    numbers = {k: Fraction(float(np.ravel(g)[0])) for k, g in zip(names, given, strict=True)}
    scale = numbers["scale"]
    if numbers["zero point"] != 0:
        raise UnsupportedModelError(
            node.name, "it has a zero point other than 0", "use a symmetric quantizer"
        )
    if "output scale" in numbers:
        ratio = float(numbers["output scale"] / scale)
        shift, made_scale = round(float(np.round(np.log2(ratio)))), numbers["output scale"]
    else:
        shift, made_scale = int(numbers["input width"] - numbers["width"]), scale
    value = reading.oriented(value)
    ends = [v / scale for v in (*value.slopes, *value.offsets)]
    ends += [v / scale for v in (*value.lows, *value.highs) if v is not None]
    if any(end.denominator != 1 for end in ends):
        raise UnsupportedModelError(
            node.name,
            f"its input is not an integer multiple of its scale {float(scale):g}",
            "truncate an average pool's sum at the scale of the pool's input, or use a quantizer (Quant)",
        )
    low, high = _codes(reading, node, value, scale, shift, numbers)
    steps = _shifted(node, range(low + 1, high + 1), scale * Fraction(2) ** shift)
    if low == high:
        raise UnsupportedModelError(node.name, "it puts out a single code", "truncate to more bits")
    dtype = IntType.spanning(min(low, 0), max(high, 0))
    made = reading.staircase(value, node, [steps] * value.channels, low, dtype)
    made = made.affine([made_scale] * value.channels, [Fraction(0)] * value.channels, node.name)
    reading.probe(made, node.output[0])
    return made


def _codes(
    reading: Reading, node: NodeProto, value: Value, scale: Fraction, shift: int, numbers: dict[str, Fraction]
) -> tuple[int, int]:
    """Return the least and greatest code that can come out."""
    low, high = reading.span(value.layer)
    ends = []
    for slope, offset, bottom, top in zip(value.slopes, value.offsets, value.lows, value.highs, strict=True):
        for real in (slope * low + offset, slope * high + offset):
            held = real if bottom is None else max(real, bottom)
            ends.append((held if top is None else min(held, top)) / scale)
    least, most = (_rounded(node, end / Fraction(2) ** shift) for end in (min(ends), max(ends)))
    if "output scale" in numbers:
        values = attributes(node)
        signed, narrow = bool(values.get("signed", 1)), bool(values.get("narrow", 0))
        kind = IntType(int(numbers["width"]), signed)
        bottom, top = kind.min + int(signed and narrow), kind.max - int(narrow and not signed)
        least, most = (min(max(end, bottom), top) for end in (least, most))
    if most - least >= 1 << CODE_BITS:
        raise UnsupportedModelError(
            node.name, f"it puts out codes from {least} to {most}", "truncate to 8 bits or fewer"
        )
    return least, most


def _mode(node: NodeProto) -> str:
    mode = str(attributes(node).get("rounding_mode", "FLOOR")).upper()
    known = {"ROUND": "ROUND", "HALF_EVEN": "ROUND", "FLOOR": "FLOOR", "CEIL": "CEIL", "CEILING": "CEIL"}
    if mode not in known:
        raise UnsupportedModelError(node.name, f"it rounds by {mode}", "use FLOOR, CEIL or ROUND")
    return known[mode]


def _rounded(node: NodeProto, value: Fraction) -> int:
    return {"ROUND": round, "FLOOR": floor, "CEIL": ceil}[_mode(node)](value)


def _shifted(node: NodeProto, codes: range, step: Fraction) -> list[Step]:
    mode = _mode(node)
    if mode == "ROUND":
        return rounding_steps(step, codes)
    if mode == "FLOOR":
        return [Step(code * step, False) for code in codes]
    return [Step((code - 1) * step, True) for code in codes]
