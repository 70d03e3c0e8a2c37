"""A layer can be added from outside the package, by the steps of docs/architecture.md.

One IR type, one reference function, one cost model, one emitter and one RTL module, registered from here; the
graph is then saved and loaded, folded, estimated, emitted and simulated like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from dags import Dag
from finnspect import analysis
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.emit.layers import emit_layer
from finnspect.folding import allowed, check_folding, choose_folding, divisors
from finnspect.ir import DataflowGraph, IntType, Layer
from finnspect.reference import evaluate, evaluate_layer
from finnspect.sim.core import build_core

RTL = Path(__file__).parents[1] / "data" / "toy_layer"


@dataclass(frozen=True, eq=False)
class Invert(Layer):
    """Every element subtracted from the largest of its unsigned type."""

    kind: ClassVar[str] = "test_toy_invert"


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


def _graph() -> DataflowGraph:
    dag = Dag((6, 6, 2), seed=5)
    codes = dag.conv("pixels", 4, out=IntType(3, False))
    invert = Invert("invert", (codes,), ("inverted",))
    inverted = dag._put(invert, dag.tensors[codes].shape, dag.tensors[codes].dtype)
    return dag.graph(dag.dense(inverted, 3), "toy")


def test_a_layer_from_outside_goes_all_the_way(tmp_path):
    graph = _graph()
    graph.save(tmp_path / "graph")
    assert DataflowGraph.load(tmp_path / "graph") == graph

    folding = choose_folding(graph, 700)
    check_folding(graph, folding)
    assert analysis.graph_resources(graph, folding)["invert"].lut > 0
    assert analysis.folding_bound(graph, folding).cycles <= 700

    options = EmitOptions(rtl_dirs=(RTL,))
    accelerator = emit_accelerator(graph, folding, tmp_path / "core", options)
    assert "rtl/toy_invert.sv" in accelerator.sources
    images = np.random.default_rng(1).integers(0, 256, (4, 6, 6, 2), dtype=np.uint8)
    result = build_core(accelerator, tmp_path / "sim").run(images)
    expected = evaluate(graph, images)
    assert len(np.unique(expected["inverted"])) > 4
    np.testing.assert_array_equal(result.logits, expected[graph.output].reshape(4, -1))
