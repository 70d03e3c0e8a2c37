"""Random residual graphs, foldings and stalls: every logit and every stream equals the reference."""

from __future__ import annotations

import numpy as np
import pytest
from dags import dag_folding, random_dag
from finnspect import reference
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.sim.core import build_core
from finnspect.verify import locate_divergence
from graphs import random_images

SEEDS = range(10)


def folding_of(graph, seed):
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return dag_folding(graph, lambda values: max(v for v in values if v <= 6))
    return dag_folding(graph, lambda values: int(rng.choice([v for v in values if v <= 24])))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_dag(tmp_path, seed):
    graph = random_dag(seed)
    folding = folding_of(graph, seed)
    images = random_images(graph, 8, seed)
    expected = reference.logits(graph, images)
    assert len(np.unique(expected)) > 1, "draw another network: this one answers everything alike"
    options = EmitOptions(dsp_budget=64 if seed % 2 else 0)
    accelerator = emit_accelerator(graph, folding, tmp_path / "acc", options)
    # Registers start at random: the core may rely on its reset only.
    sim = build_core(accelerator, tmp_path / "sim", probe=True, optimize="-O0", random_init=True)
    result = sim.run(images, seed=seed)
    locate_divergence(graph, images, result.streams, accelerator.streams)
    assert np.array_equal(result.logits, expected)
    assert result.bound <= result.cycles_per_frame <= 1.01 * result.bound
    stalls = np.random.default_rng(seed).random(2) * 0.7
    again = sim.run(images, stall_in=stalls[0], stall_out=stalls[1], seed=seed + 1)
    for net, carried in result.streams.items():
        assert np.array_equal(again.streams[net], carried), net
    assert np.array_equal(again.logits, expected)


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
