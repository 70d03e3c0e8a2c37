"""Random residual graphs, foldings and stalls: every logit and every stream equals the reference."""

from __future__ import annotations

import numpy as np
import pytest
from dags import random_dag
from finnspect import reference
from graphs import random_images
from random_to_rtl import equal_in_rtl

SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_dag(tmp_path, seed):
    graph = random_dag(seed)
    images = random_images(graph, 8, seed)
    equal_in_rtl(graph, seed, images, tmp_path)
    answers = np.unique(reference.logits(graph, images))
    assert len(answers) > 1, "draw another network: this one answers everything alike"


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
