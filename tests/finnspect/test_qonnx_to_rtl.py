"""Random QONNX networks as simulated hardware; ``tests/random_to_rtl.py`` runs as many as one likes."""

from __future__ import annotations

import pytest
from random_to_rtl import qonnx_to_rtl

#: With the foldings of ``random_to_rtl``, one of the search among them, every kind of layer.
SEEDS = (0, 3, 17, 24, 29, 47, 88, 129)


@pytest.mark.parametrize("seed", SEEDS)
def test_hardware_equals_the_executed_file(seed, tmp_path):
    qonnx_to_rtl(seed, tmp_path)
