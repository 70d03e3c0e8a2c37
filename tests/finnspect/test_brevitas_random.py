"""Random brevitas networks: torch, the exported file, the reference and the hardware agree exactly."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from brevitas_nets import export_brevitas
from features import WANTED, features, widest_accumulator
from finnspect import reference
from finnspect.frontend import load_qonnx, read_network
from finnspect.frontend.check import check_model
from finnspect.frontend.lower import dataflow_graph
from random_brevitas import random_brevitas
from random_networks import FLOAT32_EXACT
from random_to_rtl import equal_in_rtl

#: Together they have everything that is to be taken.
SEEDS = (57, 11, 5, 13, 26, 3, 33, 55, 0, 7)
SIMULATED = (11, 13, 55)
IMAGES = 24


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a network and its QONNX model by seed, each exported once."""
    made = {}

    def export(seed):
        if seed not in made:
            drawn = random_brevitas(seed)
            path = tmp_path_factory.mktemp("brevitas") / f"{seed}.onnx"
            made[seed] = drawn, load_qonnx(export_brevitas(drawn.net, drawn.shape, path))
        return made[seed]

    return export


def torch_integers(net, images, graph, dtype):
    """Evaluate a network in torch; return its logits in steps of each class's scale, or the class."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(dtype)
    with torch.no_grad():
        real = copy.deepcopy(net).to(dtype)(pixels).numpy().reshape(len(images), -1)
    return np.rint((real.astype(np.float64) - graph.logit_bias) / graph.logit_scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_file_and_reference_agree(seed, exported):
    drawn, model = exported(seed)
    assert widest_accumulator(model.model) < FLOAT32_EXACT
    network = read_network(model)
    graph = dataflow_graph(network, f"brevitas{seed}")
    images = drawn.images(IMAGES)
    check = check_model(graph, model, network, images)
    assert check.changed_predictions <= check.rounding_images <= 2
    integers = reference.logits(graph, images)
    # float32 rounding may take a value over a threshold; float64 then does not
    same = [
        (torch_integers(drawn.net, images, graph, dtype) == integers).all(axis=1)
        for dtype in (torch.float32, torch.float64)
    ]
    assert (same[0] | same[1]).all(), np.flatnonzero(~(same[0] | same[1]))
    assert same[0].sum() >= 0.8 * IMAGES
    assert len(np.unique(integers, axis=0)) > 1


@pytest.mark.parametrize("seed", SIMULATED)
def test_hardware_agrees(seed, exported, tmp_path):
    drawn, model = exported(seed)
    graph = dataflow_graph(read_network(model), f"brevitas{seed}")
    equal_in_rtl(graph, seed, drawn.images(8), tmp_path)


def test_everything_that_is_to_be_taken_is_exported(exported):
    missing = WANTED - set().union(*(features(exported(seed)[1].model) for seed in SEEDS))
    assert not missing, f"no network has {sorted(missing)}: take more seeds"
