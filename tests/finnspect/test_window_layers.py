"""Windows of several pixels a beat, depthwise layers and every kind of pool: exact, at the folding bound."""

from __future__ import annotations

import numpy as np
import pytest
from dags import Dag
from finnspect import reference
from finnspect.emit import emit_accelerator
from finnspect.folding import Folding
from finnspect.ir import IntType
from finnspect.sim.core import build_core
from finnspect.verify import locate_divergence
from graphs import random_images

U4, I4 = IntType(4, False), IntType(4, True)


def grey():
    """A grey image, whole windows a beat."""
    dag = Dag((24, 20, 1), 1)
    x = dag.conv("pixels", 8, out=U4)
    x = dag.depthwise(x, (3, 3), (2, 2), out=I4)
    x = dag.max_pool(x, (3, 3), (2, 2), (1, 1, 1, 1))
    x = dag.sum_pool(x, None, IntType(6, True))
    graph = dag.graph(dag.dense(x, 6), "grey")
    folds = [{"SIMD": 9}, {"PE": 2, "SIMD": 9}, {"SIMD": 8}, {"PE": 8}, {"PE": 8}, {"PE": 8}, {"SIMD": 2}]
    return graph, [*folds, {"PE": 1, "SIMD": 2}], 24 * 20 * 4


def colour():
    """A colour image without padding, a kernel row a beat; pools of one row and of every row."""
    dag = Dag((19, 18, 3), 2)
    x = dag.conv("pixels", 6, pad=(0, 0, 0, 0), out=U4)
    x = dag.sum_pool(x, (1, 2), U4)
    x = dag.depthwise(x, (2, 2), (1, 1), (0, 0, 0, 0), bits=1, out=U4)
    x = dag.max_pool(x, (4, 1))
    graph = dag.graph(dag.dense(x, 5), "colour")
    folds = [{"SIMD": 9}, {"PE": 3, "SIMD": 9}, {"PE": 3}, {"SIMD": 3}, {"PE": 3}, {"PE": 6}, {"SIMD": 12}]
    return graph, [*folds, {"PE": 1, "SIMD": 12}], 17 * (16 * 2 + 1) * 3


@pytest.mark.parametrize("make", [grey, colour])
def test_exact_at_the_bound(make, tmp_path):
    graph, folds, bound = make()
    folding = Folding.of({layer.name: fold for layer, fold in zip(graph, folds, strict=True)})
    images = random_images(graph, 6, 1)
    accelerator = emit_accelerator(graph, folding, tmp_path / "acc")
    assert accelerator.bound.cycles == bound
    sim = build_core(accelerator, tmp_path / "sim", probe=True, optimize="-O0", random_init=True)
    result = sim.run(images, seed=1)
    locate_divergence(graph, images, result.streams, accelerator.streams)
    expected = reference.logits(graph, images)
    assert np.array_equal(result.logits, expected)
    assert len(np.unique(expected)) > 1
    assert result.bound <= result.cycles_per_frame <= 1.01 * result.bound
    again = sim.run(images, stall_in=0.4, stall_out=0.4, seed=2)
    assert np.array_equal(again.logits, expected)
