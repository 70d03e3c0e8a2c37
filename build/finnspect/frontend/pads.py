"""Padding on its own in front of convolutions becomes the convolutions' padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finnspect.frontend.constants import attributes

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def absorb_pads(model: ModelWrapper) -> None:
    """Give zeros that a ``Pad`` node puts around a channels-first map to the convolutions that read it.

    One that pads otherwise, or that something else reads, stays as it is.
    """
    for node in [each for each in model.graph.node if each.op_type == "Pad"]:
        pads = _zeros_around(model, node)
        readers = model.find_consumers(node.output[0])
        takes = [_takes_pads(reader, node) for reader in readers]
        if pads is None or not takes or not all(takes):
            continue
        for reader in readers:
            own = attributes(reader).get("pads", [0, 0, 0, 0])
            for attribute in [a for a in reader.attribute if a.name in ("pads", "auto_pad")]:
                reader.attribute.remove(attribute)
            _set(reader, "pads", [a + b for a, b in zip(own, pads, strict=True)])
            reader.input[0] = node.input[0]
        model.graph.node.remove(node)


def _set(node: NodeProto, name: str, value: list[int]) -> None:
    from onnx.helper import make_attribute

    node.attribute.append(make_attribute(name, [int(v) for v in value]))


def _takes_pads(reader: NodeProto, pad: NodeProto) -> bool:
    """Whether a node is a convolution of the padded map, with padding in numbers."""
    mode = attributes(reader).get("auto_pad", "NOTSET")
    of_map = list(reader.input).count(pad.output[0]) == 1 and reader.input[0] == pad.output[0]
    return reader.op_type == "Conv" and of_map and mode in ("NOTSET", "VALID")


def _zeros_around(model: ModelWrapper, node: NodeProto) -> list[int] | None:
    """Return (top, left, bottom, right) of a node that pads height and width with zeros, else None."""
    given = [model.get_initializer(name) if name else None for name in node.input[1:]]
    missing = any(g is None for name, g in zip(node.input[1:], given, strict=True) if name)
    shape = model.get_tensor_shape(node.input[0])
    if missing or not given or given[0] is None or shape is None or len(shape) != 4:
        return None
    value = given[1] if len(given) > 1 and given[1] is not None else np.zeros(1)
    axes = given[2] if len(given) > 2 and given[2] is not None else np.arange(4)
    if attributes(node).get("mode", "constant") != "constant" or value.any() or given[0].min() < 0:
        return None
    sides = np.zeros((2, 4), np.int64)
    sides[:, np.ravel(axes) % 4] = np.reshape(given[0], (2, -1))
    return None if sides[:, :2].any() else sides[:, 2:].ravel().tolist()
