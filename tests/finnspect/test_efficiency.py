"""Every family of models runs at its folding bound: frames back to back, equal to the reference."""

from __future__ import annotations

import pytest
from finnspect.analysis import folding_bound
from finnspect.analysis.latency import latency_bound
from finnspect.bench_hardware import simulate
from finnspect.bench_pace import SLACK, foldings, measure_pace, zoo_graph
from finnspect.emit import emit_accelerator
from finnspect.folding import choose_folding

FRAMES = 5
#: Model -> input shape, cycles a frame to fold for.
MODELS = {
    "cnv_tiny_w4a4": ((16, 16, 1), 8_000),
    "dsnet_w3a3": ((16, 16, 3), 6_000),
    "mlp_w1a1": ((8, 8, 1), 4_000),
    "resnet8_w2a2": ((16, 16, 3), 20_000),
    "vgg6_w1a2": ((32, 32, 3), 150_000),
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_models_keep_the_pace_of_any_folding(name, tmp_path):
    """The fastest folding for a board and a cheap one; no handshake depends on data, so there is none."""
    graph = zoo_graph(name, MODELS[name][0], classes=4)
    for index, folding in enumerate(foldings(graph, cheaper=(20,))):
        pace = measure_pace(graph, folding, FRAMES, tmp_path / str(index))
        assert 0 <= pace.over <= SLACK, pace
        assert pace.first_frame_cycles >= pace.latency_bound_cycles


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_models_reach_the_folding_bound_with_data(name, tmp_path):
    shape, target = MODELS[name]
    graph = zoo_graph(name, shape, classes=4)
    folding = choose_folding(graph, target)
    core = emit_accelerator(graph, folding, tmp_path / "core")
    figures = simulate(core, graph, FRAMES, tmp_path / "sim")
    bound = folding_bound(graph, folding).cycles
    assert bound <= figures["cycles_per_frame"] <= (1 + SLACK) * bound
    assert figures["first_frame_cycles"] >= latency_bound(graph, folding)
