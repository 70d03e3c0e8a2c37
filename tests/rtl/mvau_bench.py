"""Random layers for benches of fs_mvau; expected outputs are plain numpy integer arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from finnspect.analysis.styles import rows_in_turn
from finnspect.emit import memory
from finnspect.ir import IntType, MatVec, Staircase
from finnspect.sim.bench import Bench, stream


@dataclass(frozen=True)
class Case:
    """One fs_mvau and its input; ``values`` is "random" or "extreme" (weights and inputs at their limits).

    ``w_bits`` 1: weights of -1 and +1. ``turns``: rows search their thresholds in turn where there
    is time to.
    """

    MW: int = 12
    MH: int = 4
    SIMD: int = 3
    PE: int = 2
    w_bits: int = 4
    a_bits: int = 4
    a_signed: bool = False
    steps: int = 15
    o_bits: int = 0  # 0: as many as the steps need
    base: int = 0
    weight_style: str = "auto"
    bank: int = 0
    thresh_style: str = "distributed"
    turns: bool = True
    mul: str = "lut"
    mul_bits: int = 18
    soft_rows: int = 0
    vectors: int = 6
    values: str = "random"
    tag: str = field(default="", compare=False)

    @property
    def NF(self) -> int:  # noqa: N802
        return self.MH // self.PE

    @property
    def SF(self) -> int:  # noqa: N802
        return self.MW // self.SIMD

    @property
    def rows(self) -> int:
        """``THRESH_ROWS``."""
        if not self.turns or not self.steps:
            return 0
        return rows_in_turn(self.steps, self.SF, self.PE, self.thresh_style)

    @property
    def name(self) -> str:
        sign = "s" if self.a_signed else "u"
        return (
            f"m{self.MW}x{self.MH}_f{self.SIMD}x{self.PE}_w{self.w_bits}a{self.a_bits}{sign}_t{self.steps}"
            f"o{self.o_bits}_{'m' if self.base < 0 else 'p'}{abs(self.base)}_{self.weight_style[0]}"
            f"{self.bank or ''}{self.thresh_style[0]}{self.rows}_{self.mul}{self.mul_bits}_{self.soft_rows}"
            f"_{self.values[0]}{self.tag}"
        )


def _operands(case: Case, rng: np.random.Generator, w_type: IntType, a_type: IntType):
    shape_w, shape_x = (case.MH, case.MW), (case.vectors, case.MW)
    if case.w_bits == 1:
        weights = rng.choice([-1, 1], shape_w)
        weights[0], weights[-1] = (1, -1) if case.values == "extreme" else (weights[0], weights[-1])
        inputs = rng.integers(a_type.min, a_type.max + 1, shape_x)
        inputs[0], inputs[-1] = a_type.min, a_type.max
        return weights, inputs
    if case.values == "extreme":
        weights = rng.choice([w_type.min, w_type.max], shape_w)
        inputs = rng.choice([a_type.min, a_type.max], shape_x)
        # whole rows and vectors at one limit: the largest accumulators of either sign
        weights[0], weights[-1] = w_type.max, w_type.min
        inputs[0], inputs[-1] = a_type.min, a_type.max
        return weights, inputs
    return (
        rng.integers(w_type.min, w_type.max + 1, shape_w),
        rng.integers(a_type.min, a_type.max + 1, shape_x),
    )


def _thresholds(case: Case, rng: np.random.Generator, y: np.ndarray, acc: IntType) -> np.ndarray:
    """Draw thresholds at and just above accumulators that occur, and between; a few never, a few always."""
    rows = []
    for row in range(case.MH):
        near = rng.choice(y[:, row], case.steps) + rng.integers(0, 2, case.steps)
        spread = rng.integers(y.min() - 2, y.max() + 3, case.steps)
        steps = np.where(rng.random(case.steps) < 0.6, near, spread)
        steps[rng.random(case.steps) < 0.05] = acc.max
        steps[rng.random(case.steps) < 0.05] = acc.min
        rows.append(np.sort(np.clip(steps, acc.min, acc.max)))
    return np.array(rows, dtype=np.int64)


def layer_of(case: Case, seed: int) -> tuple[MatVec, np.ndarray, np.ndarray]:
    """Return the layer, its input vectors and its expected outputs, int64 (vectors, MH)."""
    rng = np.random.default_rng(seed)
    w_type, a_type = IntType(max(case.w_bits, 2), True), IntType(case.a_bits, case.a_signed)
    weights, inputs = _operands(case, rng, w_type, a_type)
    accumulators = inputs @ weights.T
    products = np.stack([weights * a_type.min, weights * a_type.max])
    low, high = products.min(axis=0).sum(axis=1).min(), products.max(axis=0).sum(axis=1).max()
    acc = IntType.spanning(int(low), int(high) + 1, signed=True)
    activation, expected = None, accumulators
    if case.steps:
        thresholds = _thresholds(case, rng, accumulators, acc)
        activation = Staircase(thresholds, case.base)
        expected = case.base + (accumulators[:, :, None] >= thresholds[None]).sum(axis=2)
    return MatVec(case.name, ("x",), ("y",), weights, w_type, acc, activation), inputs, expected


def bench_of(case: Case, seed: int) -> tuple[Bench, dict[str, str]]:
    """Return the bench of ``case`` and its memory images."""
    layer, inputs, expected = layer_of(case, seed)
    weight_file, thresh_file, files = memory.mvau_images(
        layer,
        case.name,
        case.PE,
        case.SIMD,
        case.thresh_style,
        case.bank,
        case.rows,
        IntType(case.a_bits, case.a_signed),
    )
    o_bits = case.o_bits or (case.steps.bit_length() if case.steps else layer.acc_dtype.bits)
    params = {
        "MW": case.MW,
        "MH": case.MH,
        "SIMD": case.SIMD,
        "PE": case.PE,
        "W_BITS": 1 if layer.bipolar else case.w_bits,
        "A_BITS": case.a_bits,
        "A_SIGNED": int(case.a_signed),
        "ACC_BITS": layer.acc_dtype.bits,
        "O_BITS": o_bits,
        "O_BASE": case.base,
        "THRESHOLDS": case.steps,
        "WEIGHT_FILE": weight_file,
        "THRESH_FILE": thresh_file,
        "WEIGHT_STYLE": case.weight_style,
        "WEIGHT_BANK": case.bank,
        "THRESH_STYLE": case.thresh_style,
        "THRESH_ROWS": case.rows,
        "MUL_STYLE": case.mul,
        "MUL_BITS": case.mul_bits,
        "SOFT_ROWS": case.soft_rows,
    }
    beats = np.repeat(inputs.reshape(case.vectors, 1, case.SF, case.SIMD), case.NF, axis=1)
    bench = Bench(
        case.name,
        "fs_mvau",
        params,
        {"s_axis": stream(beats.reshape(-1, case.SIMD), case.a_bits)},
        {"m_axis": stream(expected.reshape(-1, case.PE), o_bits)},
    )
    return bench, files


def benches_of(cases: list[Case]) -> tuple[list[Bench], dict[str, str]]:
    """Return all benches and all their images."""
    benches, files = [], {}
    for seed, case in enumerate(cases):
        bench, images = bench_of(case, seed)
        benches.append(bench)
        files |= images
    return benches, files
