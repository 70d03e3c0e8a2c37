"""Reads a QONNX graph as a graph of integer layers, and refuses what cannot be compiled.

Every tensor that is computed from the image is known as integers of a layer and the exact function that
gives its real values (:mod:`finnspect.frontend.values`). The ``read_*`` modules hold one function for
each kind of node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finnspect.errors import UnsupportedModelError
from finnspect.frontend import (  # noqa: F401  (they register the nodes)
    read_affine,
    read_codes,
    read_joins,
    read_layers,
    read_pools,
)
from finnspect.frontend.constants import require_finite
from finnspect.frontend.fuse import fused
from finnspect.frontend.network import ArgMax, Network
from finnspect.frontend.state import HANDLERS, Reading
from finnspect.frontend.values import Value

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


#: What to say about operators that a user is likely to try.
_REMEDIES = {
    "Softmax": "leave it out: the class with the greatest logit is the same",
    "LogSoftmax": "leave it out: the class with the greatest logit is the same",
    "Sigmoid": "use ReLU, or leave it out before the logits",
    "Tanh": "use ReLU, HardTanh, or a signed quantizer",
    "LeakyRelu": "use ReLU",
    "PRelu": "use ReLU",
    "Gelu": "use ReLU",
    "HardSwish": "use ReLU",
    "HardSigmoid": "use Clip, or a quantizer alone",
    "Sign": "use BipolarQuant",
    "ConvTranspose": "use convolutions that keep or shrink the map",
    "Resize": "use convolutions that keep or shrink the map",
    "Upsample": "use convolutions that keep or shrink the map",
    "Pad": "pad with zeros right in front of a convolution, or give the padding to it",
    "FloatQuant": "use an integer quantizer (Quant)",
    "QuantizeLinear": "export QONNX (Quant nodes), not QDQ",
    "DequantizeLinear": "export QONNX (Quant nodes), not QDQ",
    "LayerNormalization": "use batch norm",
    "InstanceNormalization": "use batch norm",
    "GroupNormalization": "use batch norm",
}
_DEFAULT_REMEDY = (
    "use convolution, dense, batch norm, ReLU, max and average pool, addition, concatenation and flatten"
)


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
    channels, height, width = model.get_tensor_shape(source)[1:]
    reading = Reading(model)
    reading.start(source, (channels, height, width))
    for node in _needed(model):
        require_finite(model, node)
        computed = [name for name in node.input if name in reading.values]
        if not computed:
            continue  # a quantizer of weights
        value = _handler(node)(reading, node, reading.values[computed[0]])
        if value is not None:
            reading.values[node.output[0]] = value
    output = model.graph.output[0].name
    value = _finished(reading, model, output)
    layers, value = fused(reading.layers, value)
    return Network(
        input_tensor=source,
        output_tensor=output,
        input_shape=(height, width, channels),
        input_scale=reading.pixel_scale,
        layers=layers,
        slopes=value.slopes,
        offsets=value.offsets,
    )


def _handler(node: NodeProto):
    handler = HANDLERS.get(node.op_type)
    if handler is None:
        raise UnsupportedModelError(
            node.name,
            f"operator {node.op_type} is not supported",
            _REMEDIES.get(node.op_type, _DEFAULT_REMEDY),
        )
    return handler


def _needed(model: ModelWrapper) -> list[NodeProto]:
    """Return the nodes that the output depends on, in order."""
    wanted = {model.graph.output[0].name}
    needed = []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted.update(node.input)
            needed.append(node)
    return needed[::-1]


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


def _finished(reading: Reading, model: ModelWrapper, output: str) -> Value:
    producer = model.find_producer(output)
    name = producer.name if producer is not None else output
    if not reading.layers or output not in reading.values:
        raise UnsupportedModelError(name, "there is no layer", "end the model with a dense layer")
    value = reading.values[output]
    if value.pools or value.clipped:
        raise UnsupportedModelError(
            name, "a ReLU or pool stands between the last layer and the output", "end with the dense layer"
        )
    value = reading.settled(value, producer)
    if value.shape[1:] != (1, 1):
        raise UnsupportedModelError(
            name, f"the output is a map of shape {value.shape}", "end the model with a dense layer"
        )
    made = reading.layers.get(value.layer)
    if made is None:
        raise UnsupportedModelError(name, "there is no layer", "end the model with a dense layer")
    if not isinstance(made, ArgMax):
        reading.probe(value, output)
    return value
