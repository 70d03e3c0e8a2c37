"""Random QONNX networks as simulated hardware; ``tests/random_to_rtl.py`` runs as many as one likes."""

from __future__ import annotations

import pytest
from features import WANTED, features
from random_networks import random_network
from random_to_rtl import qonnx_to_rtl

#: Together they have everything, and the foldings of ``random_to_rtl``, two of the search among them.
SEEDS = (35, 8, 28, 13, 15, 16, 24, 29)


@pytest.mark.parametrize("seed", SEEDS)
def test_hardware_equals_the_executed_file(seed, tmp_path):
    qonnx_to_rtl(seed, tmp_path)


def test_everything_that_is_to_be_taken_is_simulated():
    assert set().union(*(features(random_network(seed).model) for seed in SEEDS)) == WANTED
