"""A layer can be added from outside the package, by the steps of docs/architecture.md.

A reader of its operator, one IR type, one reference function, one cost model, one emitter and one RTL module,
registered from here; a QONNX file that has it is then read, and its graph saved and loaded, folded,
estimated, emitted and simulated like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from finnspect import analysis
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.emit.layers import emit_layer
from finnspect.folding import allowed, check_folding, choose_folding, divisors
from finnspect.frontend import load_qonnx, network, read_network
from finnspect.frontend.lower import dataflow_graph, lower_layer
from finnspect.frontend.state import handles
from finnspect.ir import DataflowGraph, Layer
from finnspect.reference import evaluate, evaluate_layer
from finnspect.sim.core import build_core
from nets import OPSETS, QonnxWriter
from onnx import TensorProto, helper

RTL = Path(__file__).parents[1] / "data" / "toy_layer"


@dataclass(frozen=True, eq=False)
class Invert(Layer):
    """Every element subtracted from the largest of its unsigned type."""

    kind: ClassVar[str] = "test_toy_invert"


@dataclass(frozen=True)
class Inverted(network.Layer):
    """The same, as it is read from a file."""


@handles("ToyInvert")
def _read(reading, node, value):
    value = reading.codes(value, node)
    height, width, channels = reading.layers[value.layer].shape
    top = reading.dtype(value.layer).max
    name = reading.add(
        Inverted(node.name, (value.layer,), reading.name(), (height, width, channels), 0, top, None)
    )
    return replace(value, layer=name)


@lower_layer.register
def _(layer: Inverted, builder):
    source = builder.tensor(layer.inputs[0])
    made = Invert(builder.names[layer.output], (source.name,), (builder.tensor_name(layer.output),))
    builder.add(made, layer.shape, source.dtype)


@evaluate_layer.register
def _(layer: Invert, graph, inputs):
    (x,) = inputs
    return ((graph.tensors[layer.input].dtype.max - x).astype(x.dtype),)


@allowed.register
def _(layer: Invert, graph):
    return {"PE": divisors(graph.tensors[layer.input].shape[2])}


@analysis.layer_cycles.register
def _(layer: Invert, graph, folding):
    return graph.tensors[layer.input].size // folding[layer.name].PE


@analysis.layer_resources.register
def _(layer: Invert, graph, folding, tech=None, styles=None):
    bits = folding[layer.name].PE * graph.tensors[layer.input].dtype.bits
    return analysis.Resources(lut=bits, ff=2 * bits)


@emit_layer.register
def _(layer: Invert, network):
    pe = network.folding[layer.name].PE
    source = network.take(layer.name, layer.input, pe)
    sink = network.put(layer.name, layer.output, pe)
    params = {"PE": pe, "BITS": network.graph.tensors[layer.input].dtype.bits}
    network.add("toy_invert", layer.name, params, source, sink, layer.name)


def _graph(folder: Path) -> DataflowGraph:
    """A file of somebody who has the operator too: a convolution, the toy, a convolution of the whole map."""
    net = QonnxWriter((6, 6, 2), 5).pixels().conv(4).norm().relu().quant(3)
    net.tip = net.node("ToyInvert", [net.tip], "toys")
    weights = net.weights((3, 4, 6, 6), 4, narrow=True, per_channel=False)
    net.tip = net.node("Conv", [net.tip, weights], kernel_shape=[6, 6])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("global_in", [1, 2, 6, 6]), (net.tip, [1, 3, 1, 1]))
    ]
    graph = helper.make_graph(net.nodes, "toy", ends[:1], ends[1:], net.constants)
    imports = [*OPSETS, helper.make_opsetid("toys", 1)]
    path = folder / "toy.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=imports).SerializeToString())
    return dataflow_graph(read_network(load_qonnx(path)), "toy")


def test_a_layer_from_outside_goes_all_the_way(tmp_path):
    graph = _graph(tmp_path)
    (invert,) = (layer for layer in graph if isinstance(layer, Invert))
    graph.save(tmp_path / "graph")
    assert DataflowGraph.load(tmp_path / "graph") == graph

    folding = choose_folding(graph, 700)
    check_folding(graph, folding)
    assert analysis.graph_resources(graph, folding)[invert.name].lut > 0
    assert analysis.folding_bound(graph, folding).cycles <= 700

    options = EmitOptions(rtl_dirs=(RTL,))
    accelerator = emit_accelerator(graph, folding, tmp_path / "core", options)
    assert "rtl/toy_invert.sv" in accelerator.sources
    images = np.random.default_rng(1).integers(0, 256, (4, 6, 6, 2), dtype=np.uint8)
    result = build_core(accelerator, tmp_path / "sim").run(images)
    expected = evaluate(graph, images)
    assert len(np.unique(expected[invert.output])) > 4
    np.testing.assert_array_equal(result.logits, expected[graph.output].reshape(4, -1))
