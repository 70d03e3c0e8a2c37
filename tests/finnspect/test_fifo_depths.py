"""FIFO depths of residual graphs: the bound, what simulation measures, and what too little does."""

from __future__ import annotations

import os

import numpy as np
import pytest
from dags import Dag, dag_folding
from finnspect import reference
from finnspect.bench_pace import zoo_graph
from finnspect.board import load_board
from finnspect.config import BuildConfig
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.fifo import default_depths, edges, rounded
from finnspect.fifo_sizing import FifoError, size_fifos
from finnspect.folding import Folding
from finnspect.folding_stage import choose
from finnspect.ir import IntType
from finnspect.sim.core import build_core
from finnspect.sim.result import SimulationError
from graphs import Conv, dense, make_graph, random_images

U4, I4 = IntType(4, False), IntType(4, True)


@pytest.fixture(scope="module")
def graph():
    """Two residual blocks, one with a convolution on its short side; the rhythm is the last convolution's."""
    dag = Dag((8, 8, 3), 5)
    stem = dag.conv("pixels", 4, out=U4)
    first = dag.add(dag.conv(dag.conv(stem, 4, out=U4), 4, out=I4), stem, (3, 2), U4)
    long = dag.conv(dag.conv(first, 8, stride=(2, 2), out=U4), 8, out=I4)
    short = dag.conv(first, 8, (1, 1), (2, 2), (0, 0, 0, 0), out=I4)
    return dag.graph(dag.dense(dag.add(long, short, out=U4), 4))


@pytest.fixture(scope="module")
def folding(graph):
    return dag_folding(graph, lambda values: max(v for v in values if v <= 4))


@pytest.fixture(scope="module")
def sizing(graph, folding, tmp_path_factory):
    return size_fifos(graph, folding, tmp_path_factory.mktemp("sizing"))


def test_without_data_every_beat_moves_when_it_does_with_data(graph, folding, tmp_path):
    accelerator = emit_accelerator(graph, folding, tmp_path / "core")
    images = random_images(graph, 4, 3)
    whole, pace = (
        build_core(accelerator, tmp_path / str(pace_only), pace_only=pace_only, optimize="-O0").run(
            images, stall_in=0.3, stall_out=0.3
        )
        for pace_only in (False, True)
    )
    assert np.array_equal(pace.frame_cycles, whole.frame_cycles)
    assert pace.links == whole.links
    assert pace.fifo_peaks == whole.fifo_peaks


def test_edges_are_named_by_reader_where_there_are_several(graph):
    adds = [layer for layer in graph if layer.kind == "add"]
    stem = adds[0].inputs[1]
    assert {edge.key for edge in edges(graph) if edge.tensor == stem} == {
        f"{stem}:{layer.name}" for layer in graph.consumers(stem)
    }
    assert edges(graph)[-1].reader is None
    assert edges(graph)[-1].key == graph.output
    dag = Dag((4, 4, 1))
    both = dag.add("pixels", "pixels")
    keys = [edge.key for edge in edges(dag.graph(both))]
    assert keys == ["pixels:add0:0", "pixels:add0:1", both]


def test_chains_need_none(tmp_path):
    graph = make_graph((6, 6, 1), [Conv(3), dense(2)])
    folding = dag_folding(graph, max)
    assert default_depths(graph, folding) == {}
    sizing = size_fifos(graph, folding, tmp_path)
    assert (sizing.fifos, sizing.bits, sizing.cycles_per_frame) == ((), 0, None)
    assert list(tmp_path.iterdir()) == []


def test_bursts_of_pools_are_evened_out(tmp_path):
    """A pool gives a row in half the time that its slow reader needs for it, and neither can wait."""
    dag = Dag((8, 8, 1), 2)
    pooled = dag.max_pool(dag.conv("pixels", 4, (3, 2), pad=(1, 0, 1, 1), out=U4))
    graph = dag.graph(dag.dense(dag.sum_pool(pooled), 3))
    folding = dag_folding(graph, max)
    slow = Folding.of(folding.to_json() | {"sum3": {"PE": 1}})
    assert default_depths(graph, folding) == {}
    assert default_depths(graph, slow) == {pooled: 32}
    for depths, ratio in ((None, 1.0), ({}, 1.25)):
        made = emit_accelerator(graph, slow, tmp_path / "acc", EmitOptions(fifo_depths=depths))
        sim = build_core(made, tmp_path / "sim", optimize="-O0")
        result = sim.run(random_images(graph, 8))
        assert result.cycles_per_frame == ratio * result.bound


def test_sized_fifos_keep_the_pace_with_fewer_bits(graph, folding, sizing):
    assert sizing.depths.keys() == default_depths(graph, folding).keys()
    for fifo in sizing.fifos:
        assert fifo.peak <= fifo.depth == rounded(max(fifo.peak, 2)) < fifo.default
    assert sizing.bound <= sizing.cycles_per_frame <= 1.01 * sizing.bound
    assert sizing.bits < sizing.default_bits / 2
    assert sizing.to_json()["unsized_bits"] == sizing.default_bits


def test_the_residual_model_is_sized_within_a_minute(tmp_path):
    """Processor time of all processes: two cores have 120 seconds of it in a minute."""
    model = zoo_graph("resnet8_w4a4")
    chosen = choose(model, load_board("pynq-z2"), BuildConfig())[0]
    before = os.times()
    made = size_fifos(model, chosen, tmp_path)
    spent = sum(now - then for now, then in zip(os.times()[:4], before[:4], strict=True))
    assert spent < 60
    assert made.fifos
    assert made.bits < made.default_bits
    assert made.bound <= made.cycles_per_frame <= 1.01 * made.bound


def test_half_a_fifo_hangs_or_slows_the_accelerator(graph, folding, sizing, tmp_path):
    """On the way round two convolutions: what is there is needed."""
    deepest = max(sizing.fifos, key=lambda fifo: fifo.peak * fifo.width)
    reader = deepest.key.split(":")[1]
    outcomes = {}
    for share in (2, 4):
        depths = sizing.depths | {deepest.key: max(2, deepest.peak // share)}
        made = emit_accelerator(graph, folding, tmp_path / f"acc{share}", EmitOptions(fifo_depths=depths))
        sim = build_core(made, tmp_path / f"sim{share}", optimize="-O0")
        try:
            result = sim.run(random_images(graph, 8), quiet_cycles=3000)
        except SimulationError as error:
            outcomes[share] = "hangs"
            assert f"full FIFOs: {deepest.key} ({depths[deepest.key]} beats, read by {reader})" in str(error)
            assert error.remedy == f"a deeper FIFO: {deepest.key}"
        else:
            outcomes[share] = "slow"
            assert result.cycles_per_frame > 1.05 * sizing.bound
            assert result.fifo_peaks[deepest.key] >= depths[deepest.key]
            assert np.array_equal(result.logits, reference.logits(graph, random_images(graph, 8)))
    assert outcomes[4] == "hangs"


def test_a_graph_that_cannot_keep_its_pace_is_an_error(graph, folding, tmp_path, monkeypatch):
    monkeypatch.setattr("finnspect.fifo_sizing.SLACK", -0.5)
    with pytest.raises(FifoError, match="its folding bound is"):
        size_fifos(graph, folding, tmp_path)
