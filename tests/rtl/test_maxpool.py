"""fs_maxpool: kernels, folds, leftovers, signs and memory styles, at one beat a cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from finnspect.sim.bench import Bench, run_benches, stream


@dataclass(frozen=True)
class Pool:
    H: int
    W: int
    C: int
    kernel: tuple[int, int] = (2, 2)
    PE: int = 1
    BITS: int = 4
    signed: bool = False
    style: str = "auto"

    @property
    def name(self) -> str:
        sign = "s" if self.signed else "u"
        kh, kw = self.kernel
        return f"pool_{self.H}x{self.W}x{self.C}_k{kh}_{kw}_pe{self.PE}_{sign}{self.BITS}_{self.style}"

    @property
    def params(self) -> dict[str, int | str]:
        kh, kw = self.kernel
        sizes = {"H": self.H, "W": self.W, "C": self.C, "KH": kh, "KW": kw, "PE": self.PE}
        return sizes | {"BITS": self.BITS, "SIGNED": int(self.signed), "RAM_STYLE": self.style}


FRAMES = 4

POOLS = [
    *(Pool(8, 8, c, PE=pe, signed=s) for c, pe in ((1, 1), (4, 1), (4, 2), (4, 4)) for s in (False, True)),
    *(Pool(9, 11, 2, (k, k), PE=pe, BITS=3) for k in (1, 2, 3, 4, 5) for pe in (1, 2)),
    *(Pool(10, 7, 3, k, BITS=1) for k in ((1, 3), (3, 1), (2, 3))),
    *(Pool(10, 7, 3, k, BITS=8, signed=True) for k in ((1, 3), (3, 1), (2, 3))),
    *(Pool(5, 2, 1, k) for k in ((2, 2), (5, 2), (2, 1), (1, 2))),
    *(Pool(3, 1, 1, k) for k in ((1, 1), (2, 1), (3, 1))),
    Pool(5, 3, 2, PE=2, signed=True),
    Pool(6, 5, 1, (2, 3), BITS=3),
    Pool(2, 2, 1, signed=True, BITS=2),
    Pool(2, 2, 3, BITS=7),
    Pool(6, 6, 16, (6, 6), PE=4),
    *(Pool(6, 16, 8, PE=pe, style=s) for pe in (1, 4) for s in ("block", "distributed")),
    *(Pool(7, 9, 1, (k, k), style="block", signed=True) for k in (1, 2, 3)),
    Pool(4, 2, 1, style="block"),
    Pool(8, 64, 8, PE=2, BITS=8),
]  # fmt: skip


def pooled(x: np.ndarray, kernel: tuple[int, int]) -> np.ndarray:
    kh, kw = kernel
    f, h, w, c = x.shape
    x = x[:, : h // kh * kh, : w // kw * kw]
    return x.reshape(f, h // kh, kh, w // kw, kw, c).max(axis=(2, 4))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches = []
    for index, pool in enumerate(POOLS):
        rng = np.random.default_rng(index)
        low = -(1 << (pool.BITS - 1)) if pool.signed else 0
        x = rng.integers(low, low + (1 << pool.BITS), (FRAMES, pool.H, pool.W, pool.C))
        inputs = {"s_axis": stream(x.reshape(-1, pool.PE), pool.BITS)}
        outputs = {"m_axis": stream(pooled(x, pool.kernel).reshape(-1, pool.PE), pool.BITS)}
        benches.append(Bench(pool.name, "fs_maxpool", pool.params, inputs, outputs))
    return run_benches(benches, tmp_path_factory.mktemp("maxpool"))


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_takes_a_beat_a_cycle(results, pool):
    steps = results[pool.name, "none"]["m_axis"].frame_cycles(FRAMES)
    assert np.all(steps == pool.H * pool.W * pool.C // pool.PE)
