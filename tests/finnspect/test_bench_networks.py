"""Bench networks: the sizes they are quoted with, and activations that use their codes."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.bench_networks import network
from finnspect.errors import ConfigError
from finnspect.ir import MatVec, SlidingWindow
from finnspect.reference import Reference

MACS = {"cnn5_w4a4": 961_536, "cnv_w1a1": 59_461_376, "resnet8_w4a4": 12_501_632}


@pytest.mark.parametrize("name", MACS)
def test_network_is_what_it_says(name):
    graph = network(name)
    products = [layer for layer in graph if isinstance(layer, MatVec)]
    macs = sum(each.weights.size * graph.tensors[each.output].size // each.MH for each in products)
    assert macs == MACS[name]
    images = np.random.default_rng(5).integers(0, 256, (2, *graph.tensors[graph.input].shape))
    values = Reference(graph).evaluate(images.astype(np.uint8))
    for layer in graph:
        if not isinstance(layer, SlidingWindow) and layer.output != graph.output:
            codes = 1 << graph.tensors[layer.output].dtype.bits
            assert len(np.unique(values[layer.output])) >= codes // 2, layer.name


def test_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="no bench network 'lenet'"):
        network("lenet")
