"""Reads a QONNX graph as a chain of layers, and refuses what cannot be compiled.

The walk keeps what is known of the tensor at hand: integer codes with one scale, or integer
accumulators with a slope and an offset for each channel. Each kind of node has one function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.constants import attributes, constant, quant_parameters, quantized_weights
from finnspect.frontend.network import Compute, Network, Pool, Quantizer
from finnspect.frontend.thresholds import exact_fractions, sqrt
from finnspect.ir import IntType

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: What to say about operators that a user is likely to try.
_REMEDIES = {
    "Softmax": "leave it out: the class with the greatest logit is the same",
    "LogSoftmax": "leave it out: the class with the greatest logit is the same",
    "ArgMax": "leave it out: the accelerator puts the logits out",
    "TopK": "leave it out: the accelerator puts the logits out",
    "Sigmoid": "use ReLU, or leave it out before the logits",
    "Tanh": "use ReLU, or a signed quantizer",
    "HardTanh": "use a signed quantizer alone",
    "LeakyRelu": "use ReLU",
    "PRelu": "use ReLU",
    "Gelu": "use ReLU",
    "Clip": "use ReLU; the quantizer clips",
    "ConvTranspose": "use convolutions that keep or shrink the map",
    "AveragePool": "average pooling is not supported yet; use max pooling",
    "GlobalAveragePool": "global average pooling is not supported yet; flatten the map instead",
    "ReduceMean": "global average pooling is not supported yet; flatten the map instead",
    "Trunc": "average pooling is not supported yet; use max pooling",
    "Concat": "branches are not supported yet; use a chain of layers",
    "BipolarQuant": "bipolar activations are not supported yet; use 2 to 8 bits, or 1 bit unsigned",
}
_DEFAULT_REMEDY = "use convolution, dense, batch norm, ReLU, max pool and flatten"


@dataclass
class _State:
    """The tensor at hand. ``shape`` is (C, H, W), or (F,) once flattened."""

    tensor: str
    shape: tuple[int, ...]
    scale: Fraction  # of codes
    dtype: IntType  # of codes
    compute: dict | None = None  # fields of the Compute being built; None while the tensor holds codes
    slopes: list[Fraction] = field(default_factory=list)
    offsets: list[Fraction] = field(default_factory=list)
    relu: str | None = None
    pools: list[tuple[str, tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    flat_of: tuple[int, int, int] | None = None
    layers: list[Compute | Pool] = field(default_factory=list)


_Handler = Callable[["ModelWrapper", "NodeProto", _State], None]
_HANDLERS: dict[str, _Handler] = {}


def _handles(*op_types: str) -> Callable[[_Handler], _Handler]:
    def register(function: _Handler) -> _Handler:
        _HANDLERS.update(dict.fromkeys(op_types, function))
        return function

    return register


def read_network(model: ModelWrapper) -> Network:
    """Understand a model, or refuse it.

    Parameters
    ----------
    model
        As :func:`finnspect.frontend.qonnx_file.load_qonnx` returns it.

    Raises
    ------
    UnsupportedModelError
        Naming the node, the reason, and the nearest supported form.
    """
    source = _graph_input(model)
    shape = model.get_tensor_shape(source)
    state = _State(source, tuple(shape[1:]), Fraction(1), IntType(8, False))
    output = model.graph.output[0].name
    input_scale: Fraction | None = None
    while state.tensor != output:
        node = _next_node(model, state)
        handler = _HANDLERS.get(node.op_type)
        if handler is None:
            raise UnsupportedModelError(
                node.name,
                f"operator {node.op_type} is not supported",
                _REMEDIES.get(node.op_type, _DEFAULT_REMEDY),
            )
        handler(model, node, state)
        state.tensor = node.output[0]
        if input_scale is None and state.compute is not None:
            input_scale = state.scale
    _finish(model, state)
    channels, height, width = shape[1:]
    return Network(
        input_tensor=source,
        output_tensor=output,
        input_shape=(height, width, channels),
        input_scale=input_scale,
        layers=tuple(state.layers),
    )


def _graph_input(model: ModelWrapper) -> str:
    names = [i.name for i in model.graph.input]
    if len(names) != 1 or len(model.graph.output) != 1:
        raise UnsupportedModelError(
            model.graph.name or "graph",
            f"it has {len(names)} inputs and {len(model.graph.output)} outputs",
            "use one image in, one vector of logits out",
        )
    shape = model.get_tensor_shape(names[0])
    if shape is None or len(shape) != 4 or shape[0] != 1 or any(d < 1 for d in shape):
        raise UnsupportedModelError(
            names[0], f"the input has shape {shape}", "export with an input of shape (1, C, H, W)"
        )
    return names[0]


def _next_node(model: ModelWrapper, state: _State) -> NodeProto:
    consumers = model.find_consumers(state.tensor)
    if len(consumers) != 1:
        names = ", ".join(node.name for node in consumers) or "nothing"
        raise UnsupportedModelError(
            consumers[0].name if consumers else state.tensor,
            f"tensor {state.tensor!r} is read by {names}",
            "branches are not supported yet; use a chain of layers",
        )
    return consumers[0]


def _finish(model: ModelWrapper, state: _State) -> None:
    output = model.find_producer(state.tensor)
    name = output.name if output is not None else state.tensor
    if state.compute is None:
        reason = "there is no layer" if not state.layers else "the logits are quantized or pooled"
        raise UnsupportedModelError(name, reason, "end the model with a dense layer and no output quantizer")
    if state.relu is not None or state.pools:
        raise UnsupportedModelError(
            name, "a ReLU or pool stands between the last layer and the output", "end with the dense layer"
        )
    if len(state.shape) != 1 and state.shape[1:] != (1, 1):
        raise UnsupportedModelError(
            name, f"the output is a map of shape {state.shape}", "end the model with a dense layer"
        )
    state.layers.append(_compute(state, None, state.tensor))


def _compute(state: _State, quantizer: Quantizer | None, tensor: str | None) -> Compute:
    for channel, slope in enumerate(state.slopes):
        if slope == 0:  # a batch norm gamma of zero: the channel is its offset, whatever the weights
            state.compute["weights"][channel] = 0
            state.slopes[channel] = Fraction(1)
    return Compute(
        **state.compute,
        slopes=tuple(state.slopes),
        offsets=tuple(state.offsets),
        quantizer=quantizer,
        tensor=tensor,
    )


# -- layers with weights ----------------------------------------------------------------------------


def _begin(
    model: ModelWrapper,
    node: NodeProto,
    state: _State,
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


def _need_codes(node: NodeProto, state: _State) -> None:
    if state.compute is not None:
        raise UnsupportedModelError(
            node.name,
            f"its input {state.tensor!r} is not quantized",
            "put an activation quantizer (for example QuantReLU) after every layer but the last",
        )


def _bias(model: ModelWrapper, node: NodeProto, state: _State) -> None:
    if len(node.input) > 2 and node.input[2]:
        value = constant(model, node.input[2])
        if value is None:
            raise UnsupportedModelError(node.name, "its bias is not constant", "use a constant bias")
        _affine(node, state, np.ones(1, np.float32), np.ravel(value))


@_handles("Conv")
def _conv(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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


@_handles("Gemm", "MatMul")
def _dense(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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


def _affine(node: NodeProto, state: _State, scale: np.ndarray, shift: np.ndarray) -> None:
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


def _before_pools(node: NodeProto, state: _State) -> None:
    if state.pools:
        raise UnsupportedModelError(
            node.name,
            f"it follows the pool {state.pools[-1][0]!r} on values that are not quantized yet",
            "put the pool after batch norm, or after the quantizer",
        )


@_handles("BatchNormalization")
def _batch_norm(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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


@_handles("Mul", "Div", "Add", "Sub")
def _constant_operation(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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


def _shift(node: NodeProto, state: _State, value: np.ndarray) -> None:
    if state.compute is not None:
        _affine(node, state, np.ones(1, np.float32), np.ravel(value))
    elif np.any(value != 0):
        where = "pixels" if not state.layers else "quantized values"
        raise UnsupportedModelError(
            node.name,
            f"it shifts {where}; a shift does not move past a zero-padded convolution",
            "only scale the pixels (no mean subtraction); the first batch norm does that work",
        )


def _scale_codes(node: NodeProto, state: _State, value: np.ndarray) -> None:
    factors = set(exact_fractions(value))
    if len(factors) != 1 or min(factors) <= 0:
        raise UnsupportedModelError(
            node.name, "it scales codes by other than one positive number", "use one positive scale"
        )
    (factor,) = factors
    state.scale = state.scale * factor if node.op_type == "Mul" else state.scale / factor


@_handles("Relu")
def _relu(model: ModelWrapper, node: NodeProto, state: _State) -> None:
    if state.compute is None:
        if state.dtype.signed:
            raise UnsupportedModelError(
                node.name,
                "a ReLU after a signed quantizer is not supported",
                "put the ReLU before the quantizer",
            )
        return  # codes are not negative: nothing to do
    state.relu = node.name


# -- pools, flatten, quantizers ---------------------------------------------------------------------


@_handles("MaxPool")
def _max_pool(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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


@_handles("Reshape", "Flatten")
def _flatten(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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


@_handles("Identity", "Dropout")
def _identity(model: ModelWrapper, node: NodeProto, state: _State) -> None:
    pass


@_handles("Quant")
def _quant(model: ModelWrapper, node: NodeProto, state: _State) -> None:
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
    state.layers.append(_compute(state, quantizer, None if state.pools else made))
    for index, (name, kernel, stride) in enumerate(state.pools, 1):
        tensor = made if index == len(state.pools) else None
        state.layers.append(Pool(name, kernel, stride, quantizer.scale, tensor))
    state.scale, state.dtype = quantizer.scale, quantizer.dtype
    state.compute, state.relu, state.pools = None, None, []


def _check_activation(node: NodeProto, state: _State, parameters) -> None:
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
