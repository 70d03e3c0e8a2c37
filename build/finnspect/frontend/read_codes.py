"""Reads nodes that make or move integer codes: quantizer, max pool, flatten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import (
    QuantParameters,
    attributes,
    quant_parameters,
)
from finnspect.frontend.network import Pool, Quantizer
from finnspect.frontend.state import State, handles
from finnspect.frontend.thresholds import exact_fractions

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


@handles("MaxPool")
def _max_pool(model: ModelWrapper, node: NodeProto, state: State) -> None:
    values = attributes(node)
    kernel = tuple(values["kernel_shape"])
    stride = tuple(values.get("strides", (1,) * len(kernel)))
    if len(kernel) != 2 or len(state.shape) != 3:
        raise UnsupportedModelError(node.name, f"kernel {kernel} is not 2-D", "use 2-D max pooling")
    if any(values.get("pads", ())) or values.get("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedModelError(node.name, "padded pooling is not supported", "use padding=0")
    if any(d != 1 for d in values.get("dilations", ())):
        raise UnsupportedModelError(node.name, "dilated pooling is not supported", "use dilation=1")
    if kernel[0] < stride[0] or kernel[1] < stride[1]:
        raise UnsupportedModelError(
            node.name, f"its stride {stride} is larger than its kernel {kernel}", "use stride = kernel"
        )
    before, after = state.shape, tuple(model.get_tensor_shape(node.output[0])[1:])
    floor = tuple((d - k) // s + 1 for d, k, s in zip(before[1:], kernel, stride, strict=True))
    if after[1:] != floor:
        raise UnsupportedModelError(node.name, "ceil_mode pooling is not supported", "use ceil_mode=False")
    state.shape = after
    if state.compute is not None:
        state.pools.append((node.name, kernel, stride))  # moves past the quantizer: both are monotone
    else:
        if not state.layers:
            raise UnsupportedModelError(node.name, "it pools raw pixels", "resize the images instead")
        state.layers.append(Pool(node.name, kernel, stride, state.scale, node.output[0]))


@handles("Reshape", "Flatten")
def _flatten(model: ModelWrapper, node: NodeProto, state: State) -> None:
    after = tuple(model.get_tensor_shape(node.output[0]))
    if after != (1, int(np.prod(state.shape))):
        raise UnsupportedModelError(
            node.name,
            f"it reshapes {(1, *state.shape)} to {after}",
            "only flatten a map before a dense layer",
        )
    if state.compute is not None and state.shape[1:] not in ((), (1, 1)):
        raise UnsupportedModelError(
            node.name, f"its input {state.tensor!r} is not quantized", "quantize the map before flattening it"
        )
    if state.compute is None and len(state.shape) == 3:
        state.flat_of = state.shape
    state.shape = after[1:]


@handles("Identity", "Dropout")
def _identity(model: ModelWrapper, node: NodeProto, state: State) -> None:
    pass


@handles("Quant")
def _quant(model: ModelWrapper, node: NodeProto, state: State) -> None:
    parameters = quant_parameters(model, node)
    if state.compute is None:
        what = "an input quantizer is not needed" if not state.layers else "it quantizes codes again"
        remedy = (
            "feed raw uint8 pixels: remove the quantizer at the input"
            if not state.layers
            else "use one quantizer for each layer"
        )
        raise UnsupportedModelError(node.name, what, remedy)
    _check_activation(node, state, parameters)
    quantizer = Quantizer(node.name, exact_fractions(parameters.scale)[0], parameters.low, parameters.high)
    made = node.output[0]
    state.layers.append(state.finished(quantizer, None if state.pools else made))
    for index, (name, kernel, stride) in enumerate(state.pools, 1):
        tensor = made if index == len(state.pools) else None
        state.layers.append(Pool(name, kernel, stride, quantizer.scale, tensor))
    state.scale, state.dtype = quantizer.scale, quantizer.dtype
    state.compute, state.relu, state.pools = None, None, []


def _check_activation(node: NodeProto, state: State, parameters: QuantParameters) -> None:
    if parameters.scale.size != 1:
        raise UnsupportedModelError(
            node.name,
            f"its scale has {parameters.scale.size} values",
            "use one scale for the whole activation tensor (per-tensor scaling)",
        )
    if parameters.bits == 1 and (parameters.signed or state.relu is None):
        raise UnsupportedModelError(
            node.name,
            "bipolar activations are not supported yet",
            "use 1 bit unsigned after a ReLU, or 2 to 8 bits",
        )
    if parameters.rounding not in ("ROUND", "HALF_EVEN"):
        raise UnsupportedModelError(
            node.name, f"it rounds by {parameters.rounding}", "use round half to even (ROUND)"
        )
    if state.relu is not None and parameters.signed:
        raise UnsupportedModelError(
            node.name,
            f"a signed quantizer after the ReLU {state.relu!r} wastes half its codes",
            "use an unsigned quantizer after ReLU",
        )
    if parameters.narrow and not parameters.signed:
        raise UnsupportedModelError(
            node.name, "an unsigned narrow-range quantizer is not supported", "use narrow_range=False"
        )
