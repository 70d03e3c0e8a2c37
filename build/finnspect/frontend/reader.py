"""Reads a QONNX graph as a chain of layers, and refuses what cannot be compiled.

The walk keeps what is known of the tensor at hand: integer codes with one scale, or integer
accumulators with a slope and an offset for each channel. ``read_layers`` and ``read_codes`` hold one
function for each kind of node.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from finnspect.errors import UnsupportedModelError
from finnspect.frontend import read_codes, read_layers  # noqa: F401  (register the nodes)
from finnspect.frontend.network import Network
from finnspect.frontend.state import HANDLERS, State
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
    state = State(source, tuple(shape[1:]), Fraction(1), IntType(8, False))
    output = model.graph.output[0].name
    input_scale: Fraction | None = None
    while state.tensor != output:
        node = _next_node(model, state)
        handler = HANDLERS.get(node.op_type)
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


def _next_node(model: ModelWrapper, state: State) -> NodeProto:
    consumers = model.find_consumers(state.tensor)
    if len(consumers) != 1:
        names = ", ".join(node.name for node in consumers) or "nothing"
        raise UnsupportedModelError(
            consumers[0].name if consumers else state.tensor,
            f"tensor {state.tensor!r} is read by {names}",
            "branches are not supported yet; use a chain of layers",
        )
    return consumers[0]


def _finish(model: ModelWrapper, state: State) -> None:
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
    state.layers.append(state.finished(None, state.tensor))
