"""Random residual graphs, foldings and stalls: every logit and every stream equals the reference."""

from __future__ import annotations

import numpy as np
import pytest
from dags import dag_folding, random_dag
from finnspect import reference
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.frontend import load_qonnx, read_network
from finnspect.frontend.lower import dataflow_graph
from finnspect.sim.core import build_core
from finnspect.verify import locate_divergence
from graphs import random_images
from random_networks import random_network

SEEDS = range(10)


def folding_of(graph, seed):
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return dag_folding(graph, lambda values: max(v for v in values if v <= 6))
    return dag_folding(graph, lambda values: int(rng.choice([v for v in values if v <= 24])))


def equal_in_rtl(graph, seed, images, folder):
    """Emit, simulate without and with stalls, compare every stream; the pace is that of the slowest layer."""
    expected = reference.logits(graph, images)
    options = EmitOptions(dsp_budget=64 if seed % 2 else 0)
    accelerator = emit_accelerator(graph, folding_of(graph, seed), folder / "acc", options)
    # Registers start at random: the core may rely on its reset only.
    sim = build_core(accelerator, folder / "sim", probe=True, optimize="-O0", random_init=True)
    result = sim.run(images, seed=seed)
    locate_divergence(graph, images, result.streams, accelerator.streams)
    assert np.array_equal(result.logits, expected)
    assert result.bound <= result.cycles_per_frame <= 1.01 * result.bound
    stalls = np.random.default_rng(seed).random(2) * 0.7
    again = sim.run(images, stall_in=stalls[0], stall_out=stalls[1], seed=seed + 1)
    for net, carried in result.streams.items():
        assert np.array_equal(again.streams[net], carried), net
    assert np.array_equal(again.logits, expected)
    assert len(np.unique(expected)) > 1, "draw another network: this one answers everything alike"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_dag(tmp_path, seed):
    graph = random_dag(seed)
    equal_in_rtl(graph, seed, random_images(graph, 8, seed), tmp_path)


@pytest.mark.parametrize("seed", [0, 17, 24, 29])
def test_from_qonnx_to_rtl(tmp_path, seed):
    drawn = random_network(seed)
    network = read_network(load_qonnx(drawn.save(tmp_path / "m.onnx")))
    equal_in_rtl(dataflow_graph(network, f"random{seed}"), seed, drawn.images(8), tmp_path)


def test_every_kind_of_layer_is_drawn():
    kinds = {layer.kind for seed in SEEDS for layer in random_dag(seed)}
    assert kinds == {
        "sliding_window",
        "matvec",
        "depthwise",
        "max_pool",
        "sum_pool",
        "add",
        "concat",
        "threshold",
        "argmax",
    }
