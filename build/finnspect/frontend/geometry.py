"""Kernel, stride and padding of window nodes, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes

if TYPE_CHECKING:
    from onnx import NodeProto

NO_PAD = (0, 0, 0, 0)


@dataclass(frozen=True)
class Windows:
    """Stride, padding (top, left, bottom, right) and size of the output."""

    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    out: tuple[int, int]

    @classmethod
    def dense(cls, size: tuple[int, int]) -> Windows:
        """Return windows of one pixel each."""
        return cls((1, 1), NO_PAD, size)


def _padding(
    node: NodeProto,
    values: dict[str, Any],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
) -> tuple[int, int, int, int]:
    mode = values.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return tuple(values.get("pads", NO_PAD))
    if mode == "VALID":
        return NO_PAD
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise UnsupportedModelError(
            node.name, f"auto_pad={mode} is not supported", "give the padding in numbers"
        )
    sides = []
    for length, k, s in zip(size, kernel, stride, strict=True):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        less, more = total // 2, total - total // 2
        sides.append((less, more) if mode == "SAME_UPPER" else (more, less))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def convolution_windows(node: NodeProto, size: tuple[int, int], kernel: tuple[int, int]) -> Windows:
    """Return the windows of a convolution on a map of ``size``."""
    values = attributes(node)
    stride = tuple(values.get("strides", (1, 1)))
    if any(d != 1 for d in values.get("dilations", ())):
        raise UnsupportedModelError(
            node.name, f"dilation {values['dilations']} is not supported", "use dilation=1"
        )
    pad = _padding(node, values, size, kernel, stride)
    return _checked(node, size, kernel, stride, pad)


def pool_windows(node: NodeProto, size: tuple[int, int]) -> tuple[tuple[int, int], Windows]:
    """Return kernel and windows of a pool."""
    values = attributes(node)
    kernel = tuple(values["kernel_shape"])
    if len(kernel) != 2:
        raise UnsupportedModelError(node.name, f"kernel {kernel} is not 2-D", "use 2-D pooling")
    stride = tuple(values.get("strides", (1, 1)))
    if any(d != 1 for d in values.get("dilations", ())):
        raise UnsupportedModelError(node.name, "dilated pooling is not supported", "use dilation=1")
    pad = _padding(node, values, size, kernel, stride)
    windows = _checked(node, size, kernel, stride, pad)
    if values.get("ceil_mode", 0):
        gaps = (size[0] + pad[0] + pad[2] - kernel[0], size[1] + pad[1] + pad[3] - kernel[1])
        if any(gap % s for gap, s in zip(gaps, stride, strict=True)):
            raise UnsupportedModelError(
                node.name, "ceil_mode pooling is not supported", "use ceil_mode=False"
            )
    return kernel, windows


def _checked(
    node: NodeProto,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
) -> Windows:
    if pad[0] >= kernel[0] or pad[2] >= kernel[0] or pad[1] >= kernel[1] or pad[3] >= kernel[1]:
        raise UnsupportedModelError(
            node.name,
            f"padding {pad} reaches the kernel's size {kernel}",
            "use a padding smaller than the kernel",
        )
    out = (
        (size[0] + pad[0] + pad[2] - kernel[0]) // stride[0] + 1,
        (size[1] + pad[1] + pad[3] - kernel[1]) // stride[1] + 1,
    )
    if min(out) < 1:
        raise UnsupportedModelError(
            node.name, f"kernel {kernel} is larger than its map {size}", "use a smaller kernel"
        )
    return Windows(stride, pad, out)
