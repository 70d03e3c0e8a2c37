"""Every family of models runs at its folding bound: frames back to back, equal to the reference."""

from __future__ import annotations

import pytest
from finnspect.analysis import folding_bound
from finnspect.analysis.latency import latency_bound
from finnspect.bench_hardware import MAX_OVER_BOUND, simulate
from finnspect.emit import emit_accelerator
from finnspect.folding import choose_folding
from finnspect.frontend import compile_qonnx

from quant_models.compilable import random_images, settle
from quant_models.export import export_qonnx_graph
from quant_models.models.registry import build_float_twin, build_model

FRAMES = 5
#: Model -> input shape, cycles a frame to fold for.
MODELS = {
    "cnv_tiny_w4a4": ((16, 16, 1), 8_000),
    "dsnet_w3a3": ((16, 16, 3), 6_000),
    "mlp_w1a1": ((8, 8, 1), 4_000),
    "resnet8_w2a2": ((16, 16, 3), 20_000),
    "vgg6_w1a2": ((32, 32, 3), 150_000),
}


def compiled(name, shape, folder):
    model, twin = build_model(name, 4, shape), build_float_twin(name, 4, shape)
    exported = export_qonnx_graph(settle(model, twin, random_images(shape)), shape, name)
    path = folder / f"{name}.qonnx.onnx"
    path.write_bytes(exported.model.SerializeToString())
    return compile_qonnx(path, [str(index) for index in range(4)], folder / "work").graph


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
def test_models_reach_the_folding_bound(name, tmp_path):
    shape, target = MODELS[name]
    graph = compiled(name, shape, tmp_path)
    folding = choose_folding(graph, target)
    core = emit_accelerator(graph, folding, tmp_path / "core")
    figures = simulate(core, graph, FRAMES, tmp_path / "sim")
    bound = folding_bound(graph, folding).cycles
    assert bound <= figures["cycles_per_frame"] <= (1 + MAX_OVER_BOUND) * bound
    assert figures["first_frame_cycles"] >= latency_bound(graph, folding)
