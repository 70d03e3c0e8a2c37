"""fs_swg: windows, padding, replay and cycles a frame over a grid of shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from finnspect.sim.bench import Bench, run_benches, stream


@dataclass(frozen=True)
class Shape:
    H: int
    W: int
    C: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, bottom, right
    SIMD: int = 1
    BITS: int = 4
    REPEAT: int = 1
    style: str = "auto"
    frames: int = 5
    depthwise: bool = False
    PAD: int = 0

    @property
    def out(self) -> tuple[int, int]:
        (kh, kw), (sh, sw), (t, left, b, right) = self.kernel, self.stride, self.pad
        return (self.H + t + b - kh) // sh + 1, (self.W + left + right - kw) // sw + 1

    @property
    def name(self) -> str:
        k, s, p = ("_".join(map(str, v)) for v in (self.kernel, self.stride, self.pad))
        return (
            f"swg_{self.H}x{self.W}x{self.C}_k{k}_s{s}_p{p}_simd{self.SIMD}_b{self.BITS}_r{self.REPEAT}"
            f"_{self.style}_f{self.frames}{'_dw' * self.depthwise}_{self.PAD & 0xFF}"
        )

    @property
    def params(self) -> dict[str, int | str]:
        (kh, kw), (sh, sw), (t, left, b, right) = self.kernel, self.stride, self.pad
        sizes = {"H": self.H, "W": self.W, "C": self.C, "KH": kh, "KW": kw, "SH": sh, "SW": sw}
        pads = {"PT": t, "PL": left, "PB": b, "PR": right}
        fold = {"SIMD": self.SIMD, "BITS": self.BITS, "REPEAT": self.REPEAT, "RAM_STYLE": self.style}
        return sizes | pads | fold | {"DEPTHWISE": int(self.depthwise), "PAD": self.PAD}

    def reads(self) -> int:
        """Beats out a frame."""
        oh, ow = self.out
        return oh * ow * self.REPEAT * self.kernel[0] * self.kernel[1] * self.C // self.SIMD

    def writes(self) -> int:
        """Beats in a frame."""
        return self.H * self.W * self.C // min(self.C, self.SIMD)

    def bound(self) -> int:
        """Cycles a frame, as the header states them."""
        (kh, kw), (oh, ow), step = self.kernel, self.out, self.stride[1]
        if self.SIMD <= self.C or kw == 1 or self.kernel == (self.H, self.W):
            return max(self.reads(), self.writes())
        beats = kh * kw * self.C // self.SIMD  # a window
        left = self.pad[1]
        over = max(0, (ow - 1) * step + kw - left - self.W)
        row = (
            ow * self.REPEAT + max(0, kw - left - over - self.REPEAT) + (ow - 1) * max(0, step - self.REPEAT)
        )
        return max(self.writes(), oh * beats * row)


def windows(x: np.ndarray, shape: Shape) -> np.ndarray:
    """Every window of one frame x (H, W, C), as its stream: (beats, SIMD), by slicing the padded map."""
    (kh, kw), (sh, sw), (t, left, b, right) = shape.kernel, shape.stride, shape.pad
    padded = np.pad(x, ((t, b), (left, right), (0, 0)), constant_values=shape.PAD)
    beats = []
    for y in range(shape.out[0]):
        for z in range(shape.out[1]):
            window = padded[y * sh : y * sh + kh, z * sw : z * sw + kw]
            if shape.depthwise:
                window = window.reshape(kh * kw, -1, shape.SIMD).swapaxes(0, 1)
            beats += [window.reshape(-1, shape.SIMD)] * shape.REPEAT
    return np.concatenate(beats)


SHAPES = [
    # kernels 1, 2, 3, 5, 7, same padding and none
    *(Shape(9, 8, 2, (k, k), pad=(p, p, p, p)) for k, p in ((2, 0), (2, 1), (3, 0), (3, 1), (5, 0), (5, 2))),
    Shape(9, 8, 2, (7, 7), pad=(3, 3, 3, 3)),
    Shape(7, 7, 1, (7, 7), pad=(3, 3, 3, 3), REPEAT=2),
    # strides 2 and 3, with rows and columns left over
    *(Shape(h, w, 2, (k, k), (s, s)) for k in (1, 2, 3) for s in (2, 3) for h, w in ((9, 8), (8, 7))),
    *(Shape(h, w, 2, (3, 3), (s, s), (1, 1, 1, 1)) for s in (2, 3) for h, w in ((8, 8), (7, 9), (10, 6))),
    Shape(9, 9, 1, (5, 5), (3, 3), (2, 2, 2, 2), REPEAT=2),
    Shape(11, 5, 1, (1, 1), (4, 3)),
    # rectangular kernels, strides and asymmetrical padding
    Shape(6, 9, 3, (1, 3), pad=(0, 1, 0, 1), SIMD=3),
    Shape(9, 6, 3, (3, 1), pad=(1, 0, 1, 0)),
    Shape(7, 10, 4, (2, 5), (1, 2), (1, 0, 0, 3), SIMD=2),
    Shape(8, 5, 2, (5, 2), (3, 1), (0, 1, 4, 0)),
    Shape(5, 5, 1, (3, 3), (2, 1), (2, 0, 0, 2)),
    Shape(8, 8, 2, (3, 3), (1, 2), (0, 0, 1, 1)),
    # padding as large as it may be, on maps smaller than the kernel
    Shape(1, 1, 2, (3, 3), pad=(2, 2, 2, 2), REPEAT=2, frames=9),
    Shape(2, 1, 1, (3, 3), pad=(1, 1, 1, 1), frames=9),
    Shape(1, 5, 1, (3, 3), pad=(1, 1, 1, 1), frames=9),
    Shape(3, 2, 1, (5, 5), pad=(4, 4, 4, 4), frames=9),
    Shape(2, 2, 1, (4, 4), (3, 3), pad=(3, 3, 3, 3), frames=9),
    # folding: one channel a beat, a part, all; odd widths; replays
    *(Shape(6, 5, 6, SIMD=s, BITS=b, pad=(1, 1, 1, 1)) for s, b in ((1, 3), (2, 5), (3, 1), (6, 8), (6, 7))),
    *(Shape(5, 6, 4, pad=(1, 1, 1, 1), SIMD=2, REPEAT=r) for r in (2, 3, 4)),
    # 1x1 and dense
    *(Shape(4, 5, 8, (1, 1), SIMD=s, REPEAT=r) for s in (1, 4, 8) for r in (1, 2, 3, 4)),
    *(Shape(4, 4, 4, (4, 4), (4, 4), SIMD=s, REPEAT=r) for s in (1, 4) for r in (1, 3)),
    *(Shape(3, 2, 4, (3, 2), (3, 2), SIMD=s, REPEAT=r) for s in (1, 4) for r in (1, 3)),
    Shape(1, 1, 1, (1, 1), REPEAT=1),
    Shape(1, 1, 1, (1, 1), REPEAT=4, frames=12),
    Shape(1, 1, 12, (1, 1), SIMD=3, REPEAT=4, frames=12),
    Shape(4, 4, 2, (4, 4), (1, 1), REPEAT=2),
    Shape(4, 4, 2, (4, 4), (1, 1), (1, 1, 1, 1), REPEAT=2),
    Shape(3, 8, 2, (3, 3)),
    Shape(8, 3, 2, (3, 3)),
    # memory styles, with sizes that are no power of two
    *(Shape(7, 6, 2, pad=(1, 1, 1, 1), style=s) for s in ("block", "distributed")),
    *(Shape(6, 6, 4, (2, 2), (2, 2), SIMD=4, style=s) for s in ("block", "distributed")),
    *(Shape(4, 3, 4, (4, 3), (4, 3), SIMD=2, REPEAT=2, style=s) for s in ("block", "distributed")),
    *(Shape(1, 1, 6, (1, 1), SIMD=2, REPEAT=2, style=s, frames=20) for s in ("block", "distributed")),
    Shape(16, 16, 8, pad=(1, 1, 1, 1), SIMD=4, frames=2),
    # depthwise order, other codes for padding
    *(
        Shape(7, 6, 6, k, s, (p, p, p, p), SIMD=simd, PAD=code, BITS=3, depthwise=True)
        for k, s, p, code in (
            ((3, 3), (1, 1), 1, 0),
            ((3, 3), (2, 2), 1, -4),
            ((2, 2), (1, 1), 0, 3),
            ((1, 1), (1, 1), 0, 0),
            ((3, 2), (2, 1), 1, -4),
        )
        for simd in (1, 2, 6)
    ),
    Shape(3, 4, 4, (3, 4), (3, 4), SIMD=2, depthwise=True, frames=9),
    Shape(3, 4, 4, (3, 4), (3, 4), SIMD=4, depthwise=True),
    Shape(3, 3, 4, (3, 3), pad=(2, 2, 2, 2), SIMD=2, depthwise=True, PAD=5),
    Shape(8, 8, 2, (5, 5), (2, 2), (2, 2, 2, 2), depthwise=True, style="block", PAD=-8),
    # whole kernel rows a beat
    *(
        Shape(7, w, c, (3, 3), (s, s), (p, p, p, p), SIMD=3 * m * c, REPEAT=r)
        for w, c in ((8, 1), (7, 3))
        for s, p in ((1, 1), (1, 0), (2, 1), (2, 0))
        for m in (1, 3)
        for r in (1, 2, 4)
    ),
    *(
        Shape(9, 10, 2, (5, 5), (s, s), (2, 2, 2, 2), SIMD=10 * m, REPEAT=r)
        for s in (1, 3)
        for m in (1, 5)
        for r in (1, 3)
    ),
    *(
        Shape(9, 9, 1, (4, 3), (1, 2), p, SIMD=3 * m, REPEAT=2)
        for m in (1, 2, 4)
        for p in ((1, 0, 2, 1), (0, 1, 0, 0))
    ),
    Shape(8, 9, 1, (7, 7), (2, 2), (3, 3, 3, 3), SIMD=49, REPEAT=2),
    Shape(6, 5, 2, (3, 1), pad=(1, 0, 1, 0), SIMD=6, REPEAT=2),
    Shape(6, 5, 1, (1, 3), (1, 1), (0, 1, 0, 1), SIMD=3, REPEAT=2),
    *(
        Shape(4, w, 1, (3, 3), pad=(p, p, p, p), SIMD=s, REPEAT=r)
        for w in (1, 2)
        for p in (1, 2)
        for s in (3, 9)
        for r in (1, 2)
    ),
    Shape(4, 4, 1, (3, 3), (3, 3), (2, 2, 2, 2), SIMD=3, REPEAT=2, frames=9),
    Shape(16, 16, 1, pad=(1, 1, 1, 1), SIMD=9, BITS=8, REPEAT=1, frames=4),
    Shape(16, 16, 1, pad=(1, 1, 1, 1), SIMD=3, BITS=8, REPEAT=1, frames=4),
    # dense, several pixels a beat
    *(Shape(4, 4, 4, (4, 4), (4, 4), SIMD=s, REPEAT=r) for s in (8, 32, 64) for r in (1, 3)),
]  # fmt: skip
# "auto" is distributed at these sizes: every second shape takes block memory and its longer pipeline.
SHAPES = [replace(s, style="block") if s.style == "auto" and i % 2 else s for i, s in enumerate(SHAPES)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches = []
    for index, shape in enumerate(SHAPES):
        rng = np.random.default_rng(index)
        x = rng.integers(0, 1 << shape.BITS, (shape.frames, shape.H, shape.W, shape.C))
        expected = np.concatenate([windows(frame, shape) for frame in x])
        benches.append(
            Bench(
                shape.name,
                "fs_swg",
                shape.params,
                {"s_axis": stream(x.reshape(-1, min(shape.C, shape.SIMD)), shape.BITS)},
                {"m_axis": stream(expected, shape.BITS)},
            )
        )
    return run_benches(benches, tmp_path_factory.mktemp("swg"))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_steady_state_is_the_bound(results, shape):
    out = results[shape.name, "none"]["m_axis"]
    steps = out.frame_cycles(shape.frames)[1:]
    assert np.all(steps == shape.bound()), f"cycles a frame {steps}, bound {shape.bound()}"


READ_BOUND = [
    shape for shape in SHAPES if shape.reads() > 2 * shape.writes() and shape.bound() == shape.reads()
]


@pytest.mark.parametrize("shape", READ_BOUND, ids=lambda shape: shape.name)
def test_no_bubble_once_the_input_is_ahead(results, shape):
    """Where the window side is the slower one, every beat of every later frame follows at once."""
    cycles = results[shape.name, "none"]["m_axis"].cycles[shape.reads() :]
    assert np.all(np.diff(cycles) == 1)
