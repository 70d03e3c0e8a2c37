"""Random graphs, foldings and stalls: every logit and every stream equals the reference."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect import reference
from finnspect.analysis import folding_bound
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.folding import Folding, LayerFolding, allowed, full_folding
from finnspect.sim.core import build_core
from finnspect.verify import locate_divergence
from graphs import random_folding, random_graph, random_images

FOLDINGS = {
    "one": lambda graph, seed: Folding.of(
        {x.name: LayerFolding(**dict.fromkeys(allowed(x, graph), 1)) for x in graph}
    ),
    "full": lambda graph, seed: full_folding(graph),
    "random": random_folding,
}


@pytest.mark.parametrize(
    ("seed", "style"),
    [
        *((seed, "random") for seed in range(100, 114)),
        *((seed, "one") for seed in range(200, 203)),
        *((seed, "full") for seed in range(300, 305)),
    ],
)
def test_random_core(tmp_path, seed, style):
    graph = random_graph(seed)
    folding = FOLDINGS[style](graph, seed)
    images = random_images(graph, 10, seed)
    options = EmitOptions(dsp_budget=64 if seed % 2 else 0)
    accelerator = emit_accelerator(graph, folding, tmp_path / "acc", options)
    # Registers start at random: the core may rely on its reset only.
    sim = build_core(accelerator, tmp_path / "sim", probe=True, optimize="-O0", random_init=True)
    result = sim.run(images, seed=seed)
    locate_divergence(graph, images, result.streams, accelerator.streams)
    assert np.array_equal(result.logits, reference.logits(graph, images))
    bound = folding_bound(graph, folding).cycles
    assert bound <= result.cycles_per_frame <= 1.01 * bound
    stalls = np.random.default_rng(seed).random(2) * 0.7
    again = sim.run(images, stall_in=stalls[0], stall_out=stalls[1], seed=seed + 1)
    assert np.array_equal(again.logits, result.logits)
    for net, carried in result.streams.items():
        assert np.array_equal(again.streams[net], carried), net
