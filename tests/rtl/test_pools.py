"""fs_sumpool and fs_windowpool (fs_swg, fs_windowmax): shapes, folds, signs and staircases, at full rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from finnspect.emit.steps import Steps, thresholds_params
from finnspect.ir import IntType, Staircase
from finnspect.sim.bench import Bench, run_benches, stream

FRAMES = 5


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
    def geometry(self) -> dict[str, int | str]:
        kh, kw = self.kernel
        sizes = {"H": self.H, "W": self.W, "C": self.C, "KH": kh, "KW": kw, "PE": self.PE}
        return sizes | {"BITS": self.BITS, "SIGNED": int(self.signed), "RAM_STYLE": self.style}

    @property
    def dtype(self) -> IntType:
        return IntType(self.BITS, self.signed)

    def frames(self, rng: np.random.Generator) -> np.ndarray:
        x = rng.integers(self.dtype.min, self.dtype.max + 1, (FRAMES, self.H, self.W, self.C))
        x[0] = self.dtype.max
        x[-1] = self.dtype.min
        return x

    def reads(self) -> int:
        return self.H * self.W * self.C // self.PE


@dataclass(frozen=True)
class Sum(Pool):
    steps: int = 0
    shared: bool = False
    base: int = 0

    @property
    def name(self) -> str:
        sign, (kh, kw) = "s" if self.signed else "u", self.kernel
        return (
            f"sum_{self.H}x{self.W}x{self.C}_k{kh}_{kw}_pe{self.PE}_{sign}{self.BITS}_{self.style}"
            f"_t{self.steps}{'s' * self.shared}"
        )

    def bench(self, rng: np.random.Generator) -> tuple[Bench, dict[str, str]]:
        x, (kh, kw) = self.frames(rng), self.kernel
        oh, ow = self.H // kh, self.W // kw
        sums = x[:, : oh * kh, : ow * kw].reshape(FRAMES, oh, kh, ow, kw, self.C).sum(axis=(2, 4))
        taps = kh * kw
        acc = IntType.spanning(self.dtype.min * taps, self.dtype.max * taps + 1, signed=self.signed)
        params = self.geometry | {"ACC_BITS": acc.bits, "O_BITS": acc.bits}
        out, files = sums, {}
        if self.steps:
            rows = rng.choice(sums.reshape(-1), (1 if self.shared else self.C, self.steps))
            rows = np.sort(np.clip(rows + rng.integers(0, 2, rows.shape), acc.min, acc.max), axis=1)
            out_type = IntType.spanning(self.base, self.base + self.steps)
            staircase = Staircase(rows.astype(np.int64), self.base)
            out = self.base + (sums[..., None] >= rows).sum(axis=-1)
            steps = Steps.of(staircase, self.C, acc, out_type, self.PE)
            more, files = thresholds_params(steps, self.name)
            params |= {key: more[key] for key in ("O_BASE", "STEPS", "SHARED", "T_BITS", "TABLE", "PREFIX")}
            params["O_BITS"] = out_type.bits
        inputs = {"s_axis": stream(x.reshape(-1, self.PE), self.BITS)}
        outputs = {"m_axis": stream(out.reshape(-1, self.PE), params["O_BITS"])}
        return Bench(self.name, "fs_sumpool", params, inputs, outputs), files

    def bound(self) -> int:
        return self.reads()


@dataclass(frozen=True)
class Window(Pool):
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, bottom, right

    @property
    def name(self) -> str:
        sign = "s" if self.signed else "u"
        k, s, p = ("_".join(map(str, v)) for v in (self.kernel, self.stride, self.pad))
        return f"window_{self.H}x{self.W}x{self.C}_k{k}_s{s}_p{p}_pe{self.PE}_{sign}{self.BITS}_{self.style}"

    @property
    def out(self) -> tuple[int, int]:
        (kh, kw), (sh, sw), (t, left, b, right) = self.kernel, self.stride, self.pad
        return (self.H + t + b - kh) // sh + 1, (self.W + left + right - kw) // sw + 1

    def bench(self, rng: np.random.Generator) -> tuple[Bench, dict[str, str]]:
        x, (kh, kw), (sh, sw), (t, left, b, right) = self.frames(rng), self.kernel, self.stride, self.pad
        padded = np.pad(x, ((0, 0), (t, b), (left, right), (0, 0)), constant_values=self.dtype.min)
        views = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), (1, 2))
        out = views[:, ::sh, ::sw].max(axis=(4, 5))
        assert out.shape[1:3] == self.out
        params = self.geometry | {"SH": sh, "SW": sw, "PT": t, "PL": left, "PB": b, "PR": right}
        inputs = {"s_axis": stream(x.reshape(-1, self.PE), self.BITS)}
        outputs = {"m_axis": stream(out.reshape(-1, self.PE), self.BITS)}
        return Bench(self.name, "fs_windowpool", params, inputs, outputs), {}

    def bound(self) -> int:
        oh, ow = self.out
        return max(self.reads(), oh * ow * self.kernel[0] * self.kernel[1] * self.C // self.PE)


POOLS = [
    *(Sum(8, 8, c, PE=pe, signed=s) for c, pe in ((1, 1), (4, 1), (4, 2), (4, 4)) for s in (False, True)),
    *(Sum(9, 11, 2, (k, k), PE=pe, BITS=3) for k in (1, 2, 3, 5) for pe in (1, 2)),
    *(Sum(10, 7, 3, k, BITS=8, signed=True) for k in ((1, 3), (3, 1), (2, 3))),
    # whole maps, down to one beat
    *(Sum(h, w, c, (h, w), PE=pe) for h, w in ((4, 4), (1, 5), (5, 1), (1, 1)) for c, pe in ((4, 1), (4, 4))),
    *(Sum(h, w, 6, (h, w), PE=3, steps=7, base=b) for h, w, b in ((4, 4, 0), (1, 1, -4))),
    *(Sum(6, 6, c, PE=pe, steps=15, signed=True, base=-8) for c, pe in ((2, 2), (4, 2))),
    Sum(6, 6, 4, PE=1, steps=15, shared=True, BITS=8),
    *(Sum(6, 16, 8, PE=pe, style=s) for pe in (1, 2, 4, 8) for s in ("block", "distributed")),
    *(
        Window(9, 8, 4, (3, 3), PE=pe, stride=(2, 2), pad=(1, 1, 1, 1), signed=s)
        for pe, s in ((1, True), (4, False))
    ),
    *(Window(7, 7, 2, (3, 3), PE=2, stride=s, pad=(1, 0, 1, 1)) for s in ((1, 1), (3, 3))),
    Window(6, 7, 2, (2, 2), BITS=1),
    Window(8, 8, 2, (2, 2), BITS=8, stride=(3, 3), signed=True),
    Window(5, 6, 3, (1, 2), PE=3, BITS=7, signed=True),
    Window(6, 5, 2, (1, 1), stride=(2, 2)),
    Window(8, 8, 4, (5, 5), PE=2, stride=(2, 2), pad=(2, 2, 2, 2), style="block"),
]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches, files = [], {}
    for index, pool in enumerate(POOLS):
        bench, images = pool.bench(np.random.default_rng(index))
        benches.append(bench)
        files |= images
    return run_benches(benches, tmp_path_factory.mktemp("pools"), files=files)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_steady_state_is_the_bound(results, pool):
    steps = results[pool.name, "none"]["m_axis"].frame_cycles(FRAMES)[1:]
    assert np.all(steps == pool.bound()), f"cycles a frame {steps}, bound {pool.bound()}"
