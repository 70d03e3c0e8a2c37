"""fs_vvau: depthwise products of every width and fold against numpy, with no bubble."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from finnspect.emit.window_layers import depthwise_images
from finnspect.ir import Depthwise, IntType, Staircase
from finnspect.sim.bench import Bench, run_benches, stream


@dataclass(frozen=True)
class Case:
    """One fs_vvau; ``w_bits`` 1 is bipolar; "extreme" values are the limits of their types."""

    C: int = 4
    K: int = 9
    PE: int = 2
    w_bits: int = 4
    a_bits: int = 4
    a_signed: bool = False
    steps: int = 15
    base: int = 0
    mul: str = "lut"
    weight_style: str = "auto"
    thresh_style: str = "distributed"
    pixels: int = 6
    values: str = "random"

    @property
    def name(self) -> str:
        return (
            f"vvau_{self.C}_k{self.K}_pe{self.PE}_w{self.w_bits}a{self.a_bits}{'us'[self.a_signed]}"
            f"_t{self.steps}_{'pm'[self.base < 0]}{abs(self.base)}_{self.mul}_{self.weight_style[0]}"
            f"{self.thresh_style[0]}_{self.values[0]}"
        )


CASES = [
    *(
        Case(w_bits=w, a_bits=a, a_signed=s, mul=m, values=v)
        for w, a in ((1, 1), (1, 4), (2, 2), (3, 3), (4, 4), (5, 8), (6, 1), (7, 5), (8, 8))
        for s, m, v in ((False, "lut", "extreme"), (True, "lut", "random"), (True, "dsp", "extreme"))
    ),
    *(Case(C=c, PE=pe, K=k, pixels=12) for c, pe in ((1, 1), (6, 1), (6, 3), (6, 6)) for k in (1, 2, 3, 25)),
    *(Case(C=6, PE=pe, w_bits=w, steps=0, a_signed=True) for pe in (1, 3) for w in (1, 4)),
    Case(steps=7, base=-4, mul="dsp", K=4),
    Case(steps=1, w_bits=1, a_bits=1, K=4),
    Case(steps=200, a_bits=8, w_bits=8, thresh_style="block", weight_style="block"),
    Case(C=16, PE=1, steps=3, weight_style="block", thresh_style="block"),
    Case(C=16, PE=2, K=49, weight_style="block", w_bits=1),
]


def layer_of(case: Case, seed: int) -> tuple[Depthwise, np.ndarray, np.ndarray]:
    """Return the layer, its windows (pixels, K, C) and its outputs (pixels, C)."""
    rng = np.random.default_rng(seed)
    w_type, a_type = IntType(max(2, case.w_bits), True), IntType(case.a_bits, case.a_signed)
    choices = [-1, 1] if case.w_bits == 1 else [w_type.min, w_type.max]
    if case.w_bits == 1 or case.values == "extreme":
        weights = rng.choice(choices, (case.C, case.K))
        weights[0] = choices[0]
    else:
        weights = rng.integers(w_type.min, w_type.max + 1, (case.C, case.K))
        weights[0, 0] = 0  # not bipolar, whatever was drawn
    x = rng.integers(a_type.min, a_type.max + 1, (case.pixels, case.K, case.C))
    if case.values == "extreme":
        x = rng.choice([a_type.min, a_type.max], x.shape)
        x[0] = a_type.min
        x[-1] = a_type.max
    sums = np.einsum("ck,pkc->pc", weights, x)
    products = np.stack([weights * a_type.min, weights * a_type.max])
    low, high = products.min(axis=0).sum(axis=1).min(), products.max(axis=0).sum(axis=1).max()
    acc = IntType.spanning(int(low), int(high) + 1, signed=True)
    activation, expected = None, sums
    if case.steps:
        near = np.stack([rng.choice(sums[:, c], case.steps) for c in range(case.C)])
        near += rng.integers(-1, 3, near.shape)
        near[:, -1] = np.where(rng.random(case.C) < 0.3, acc.max, near[:, -1])
        thresholds = np.sort(np.clip(near, acc.min, acc.max), axis=1)
        activation = Staircase(thresholds, case.base)
        expected = case.base + (sums[:, :, None] >= thresholds[None]).sum(axis=2)
    return Depthwise(case.name, ("x",), ("y",), weights, w_type, acc, activation), x, expected


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches, files = [], {}
    for seed, case in enumerate(CASES):
        layer, x, expected = layer_of(case, seed)
        weight_file, prefix, images = depthwise_images(layer, case.name, case.PE, case.thresh_style)
        o_bits = case.steps.bit_length() if case.steps else layer.acc_dtype.bits
        params = {
            "C": case.C,
            "K": case.K,
            "PE": case.PE,
            "W_BITS": case.w_bits,
            "A_BITS": case.a_bits,
            "A_SIGNED": int(case.a_signed),
            "ACC_BITS": layer.acc_dtype.bits,
            "O_BITS": o_bits,
            "O_BASE": case.base,
            "THRESHOLDS": case.steps,
            "WEIGHT_FILE": weight_file,
            "THRESH_FILE": prefix,
            "WEIGHT_STYLE": case.weight_style,
            "THRESH_STYLE": case.thresh_style,
            "MUL_STYLE": case.mul,
        }
        # (pixels, folds, K, PE)
        beats = x.reshape(case.pixels, case.K, -1, case.PE).swapaxes(1, 2)
        inputs = {"s_axis": stream(beats.reshape(-1, case.PE), case.a_bits)}
        outputs = {"m_axis": stream(expected.reshape(-1, case.PE), o_bits)}
        benches.append(Bench(case.name, "fs_vvau", params, inputs, outputs))
        files |= images
    return run_benches(benches, tmp_path_factory.mktemp("vvau"), files=files)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_takes_a_beat_a_cycle(results, case):
    cycles = results[case.name, "none"]["m_axis"].cycles
    assert np.all(np.diff(cycles) == case.K)
