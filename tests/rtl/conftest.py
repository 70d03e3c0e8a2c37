"""Shared by the benches of the RTL library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def random_beats() -> Callable[[int, int, int], list[int]]:
    """Make ``count`` random beats of ``width`` bits from a seed."""

    def make(width: int, count: int, seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        return [int.from_bytes(rng.bytes((width + 7) // 8), "little") % (1 << width) for _ in range(count)]

    return make
