"""fs_fork, fs_add, fs_concat, fs_thresholds, fs_argmax: every form, at one beat a cycle, under stalls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from finnspect.emit.memory import readmemh
from finnspect.emit.steps import Steps, add_params, thresholds_params
from finnspect.ir import Add, ArgMax, IntType, Staircase
from finnspect.reference import apply_staircase
from finnspect.sim.bench import Bench, Stream, run_benches, stream

FRAMES = 4
PIXELS = 12


def draw(rng: np.random.Generator, dtype: IntType, *shape: int) -> np.ndarray:
    return rng.integers(dtype.min, dtype.max + 1, shape)


def staircase(rng: np.random.Generator, occurring: np.ndarray, rows: int, steps: int, base: int) -> Staircase:
    """Thresholds at values that occur."""
    return Staircase(np.sort(rng.choice(occurring.reshape(-1), (rows, steps)), axis=1).astype(np.int64), base)


@dataclass(frozen=True)
class Sum:
    """One fs_add. ``rows`` of thresholds: 0 no staircase, 1 shared, else a channel each."""

    a: str
    b: str
    multipliers: tuple[int, int] = (1, 1)
    pe: int = 1
    channels: int = 4
    out: str = "UINT4"
    shared: bool = True
    steps: int | None = None
    form: str | None = None

    @property
    def name(self) -> str:
        first, second = (str(m).replace("-", "m") for m in self.multipliers)
        shared = "shared" if self.shared else "own"
        parts = [self.a, self.b, first, second, f"pe{self.pe}", f"c{self.channels}", self.out, shared]
        return "_".join(map(str, [*parts, self.steps, self.form]))

    def bench(self, files: dict[str, str]) -> Bench:
        seed = SUMS.index(self)
        rng = np.random.default_rng(seed)
        types = IntType.parse(self.a), IntType.parse(self.b)
        a, b = (draw(rng, t, FRAMES * PIXELS, self.channels) for t in types)
        ends = [sorted((m * t.min, m * t.max)) for m, t in zip(self.multipliers, types, strict=True)]
        acc = IntType.spanning(ends[0][0] + ends[1][0], ends[0][1] + ends[1][1] + 1, signed=True)
        sums = self.multipliers[0] * a + self.multipliers[1] * b
        params: dict[str, int | str] = {"PE": self.pe, "A_BITS": types[0].bits, "B_BITS": types[1].bits}
        params |= {"A_SIGNED": int(types[0].signed), "B_SIGNED": int(types[1].signed)}
        params |= {"MUL_A": self.multipliers[0], "MUL_B": self.multipliers[1], "ACC_BITS": acc.bits}
        out = acc
        if self.form == "plain":
            params["O_BITS"] = acc.bits
        else:
            out = IntType.parse(self.out)
            steps = self.steps or (1 << out.bits) - 1
            rows = 1 if self.shared else self.channels
            activation = staircase(rng, sums, rows, steps, out.min)
            layer = Add("add", ("a", "b"), ("o",), self.multipliers, acc, activation)
            made = Steps.of(activation, self.channels, acc, out, self.pe)
            more, images = add_params(layer, made, types, f"add{seed}", self.form)
            params, sums = params | more, apply_staircase(activation, sums)
            files |= images
        inputs = {
            f"s_axis.{i}": stream(x.reshape(-1, self.pe), t.bits)
            for i, (x, t) in enumerate(zip((a, b), types, strict=True))
        }
        outputs = {"m_axis": stream(sums.reshape(-1, self.pe), out.bits)}
        return Bench(f"add_{self.name}", "fs_add", params, inputs, outputs)


SUMS = [
    Sum("UINT4", "UINT4", form="plain"),
    Sum("INT3", "UINT5", (3, -2), pe=2, form="plain"),
    Sum("UINT1", "INT1", (-7, 45), pe=4, form="plain"),
    Sum("INT8", "INT8", (-517, 1021), form="plain"),
    *(Sum("UINT4", "UINT4", (3, -2), pe=pe, form=f) for pe in (1, 4) for f in ("pair", "table", "search")),
    *(Sum("INT3", "UINT2", shared=False, pe=p, form=f) for p in (1, 2) for f in ("pair", "table", "search")),
    Sum("INT4", "INT4", (5, 9), out="INT4", pe=2, steps=6),
    Sum("UINT1", "UINT1", out="UINT1", pe=4),
    Sum("UINT8", "UINT8", out="UINT8", pe=2, channels=2),
    Sum("UINT8", "INT8", (129, 77), out="INT8", form="search"),
    Sum("UINT8", "UINT4", (1, 3), out="UINT6", channels=64, shared=False, form="search"),
    Sum("UINT4", "UINT4", (1, 3), out="UINT4", channels=16, shared=False, pe=1, form="pair"),
]  # fmt: skip


@dataclass(frozen=True)
class Climb:
    """One fs_thresholds."""

    x: str
    out: str
    pe: int = 1
    channels: int = 4
    shared: bool = False
    steps: int | None = None

    @property
    def name(self) -> str:
        return f"{self.x}_{self.out}_pe{self.pe}_c{self.channels}_{int(self.shared)}_{self.steps}"

    def bench(self, files: dict[str, str]) -> Bench:
        seed = CLIMBS.index(self)
        rng = np.random.default_rng(seed)
        x_type, out = IntType.parse(self.x), IntType.parse(self.out)
        x = draw(rng, x_type, FRAMES * PIXELS, self.channels)
        steps = self.steps or (1 << out.bits) - 1
        activation = staircase(rng, x, 1 if self.shared else self.channels, steps, out.min)
        activation.thresholds[-1, -1] = x_type.max + 1  # never reached
        made = Steps.of(activation, self.channels, x_type, out, self.pe)
        params, images = thresholds_params(made, f"climb{seed}")
        files |= images
        inputs = {"s_axis": stream(x.reshape(-1, self.pe), x_type.bits)}
        outputs = {"m_axis": stream(apply_staircase(activation, x).reshape(-1, self.pe), out.bits)}
        return Bench(f"climb_{self.name}", "fs_thresholds", params, inputs, outputs)


CLIMBS = [
    Climb("UINT8", "UINT4", pe=2),
    Climb("UINT8", "UINT4", pe=4, shared=True),
    Climb("INT8", "INT3", pe=1, channels=3),
    Climb("INT5", "UINT1"),
    Climb("UINT16", "UINT4", pe=2, steps=9),
    Climb("UINT16", "INT8", pe=1, channels=2),
    Climb("INT20", "UINT2", pe=1, channels=96),
    Climb("UINT12", "UINT6", pe=2, shared=True, steps=40),
]

#: (inputs' channels, PE, bits)
CONCATS = [((1, 1), 1, 3), ((4, 2), 2, 4), ((2, 8, 4, 6), 2, 5), ((3, 12), 3, 1), ((40, 8), 1, 8)]
FORKS = [(1, 2), (8, 2), (33, 3), (5, 5)]
SCORES = [(5, 6, True, 2), (12, 9, False, 0), (70, 4, True, 3)]
ARGMAXES = [(1, 4, True), (2, 1, False), (10, 16, True), (7, 3, True), (33, 8, False)]


def concat_bench(channels: tuple[int, ...], pe: int, bits: int) -> Bench:
    rng = np.random.default_rng(sum(channels))
    parts = [rng.integers(0, 1 << bits, (FRAMES * PIXELS, c)) for c in channels]
    folds = sum(c // pe << 16 * i for i, c in enumerate(channels))
    params = {"N": len(channels), "WIDTH": pe * bits, "FOLDS": f"{16 * len(channels)}'h{folds:x}"}
    inputs = {f"s_axis.{i}": stream(part.reshape(-1, pe), bits) for i, part in enumerate(parts)}
    joined = np.concatenate(parts, axis=1).reshape(-1, pe)
    name = f"concat_{'_'.join(map(str, channels))}_pe{pe}"
    return Bench(name, "fs_concat", params, inputs, {"m_axis": stream(joined, bits)})


def argmax_bench(channels: int, bits: int, signed: bool) -> Bench:
    rng = np.random.default_rng(channels)
    dtype = IntType(bits, signed)
    x = draw(rng, dtype, 40, channels)
    x[3], x[4] = dtype.max, dtype.min  # ties
    params = {"C": channels, "BITS": bits, "SIGNED": int(signed), "O_BITS": 7}
    outputs = {"m_axis": stream(x.argmax(axis=1).reshape(-1, 1), 7)}
    return Bench(
        f"argmax{channels}", "fs_argmax", params, {"s_axis": stream(x.reshape(-1, 1), bits)}, outputs
    )


def scores_bench(files: dict[str, str], channels: int, bits: int, signed: bool, shift: int) -> Bench:
    """An argmax of elements with an offset for each class."""
    rng = np.random.default_rng(channels)
    dtype = IntType(bits, signed)
    layer = ArgMax("a", ("x",), ("y",), shift, tuple(rng.integers(0, 3 << shift, channels).tolist()))
    x = draw(rng, dtype, 40, channels) >> max(bits - 2, 0)  # few values: offsets decide
    x[3], x[4] = dtype.max, dtype.min
    score, file = layer.score_dtype(dtype).bits, f"offsets{channels}.mem"
    files[file] = readmemh(np.array(layer.offsets)[:, None], score)
    params = {"C": channels, "BITS": bits, "SIGNED": int(signed), "O_BITS": 7, "SHIFT": shift}
    params |= {"SCORE_BITS": score, "OFFSET_FILE": file}
    best = layer.scores(x).argmax(axis=1)
    assert np.any(best != x.argmax(axis=1))
    inputs = {"s_axis": stream(x.reshape(-1, 1), bits)}
    return Bench(f"scores{channels}", "fs_argmax", params, inputs, {"m_axis": stream(best.reshape(-1, 1), 7)})


@pytest.fixture(scope="module")
def results(tmp_path_factory, random_beats):
    files: dict[str, str] = {}
    benches = [each.bench(files) for each in (*SUMS, *CLIMBS)]
    benches += [concat_bench(*each) for each in CONCATS]
    benches += [argmax_bench(*each) for each in ARGMAXES]
    benches += [scores_bench(files, *each) for each in SCORES]
    for width, count in FORKS:
        beats = Stream(width, random_beats(width, 200, width))
        outputs = {f"m_axis.{i}": beats for i in range(count)}
        params = {"WIDTH": width, "N": count}
        benches.append(Bench(f"fork{width}", "fs_fork", params, {"s_axis": beats}, outputs))
    return run_benches(benches, tmp_path_factory.mktemp("join"), files=files)


@pytest.mark.parametrize(
    "name",
    [
        *(f"add_{each.name}" for each in SUMS),
        *(f"climb_{each.name}" for each in CLIMBS),
        *(f"concat_{'_'.join(map(str, channels))}_pe{pe}" for channels, pe, _ in CONCATS),
    ],
)
def test_a_beat_a_cycle(results, name):
    assert np.all(np.diff(results[name, "none"]["m_axis"].cycles) == 1)


@pytest.mark.parametrize(("width", "count"), FORKS)
def test_fork_has_no_bubbles(results, width, count):
    for port in range(count):
        cycles = results[f"fork{width}", "none"][f"m_axis.{port}"].cycles
        assert np.all(np.diff(cycles) == 1)
        assert cycles[0] == 2  # the source's first beat stands in cycle 1


@pytest.mark.parametrize(
    ("kind", "channels"),
    [*(("argmax", each[0]) for each in ARGMAXES), *(("scores", each[0]) for each in SCORES)],
)
def test_argmax_takes_an_element_a_cycle(results, kind, channels):
    # with one element an answer leaves every other cycle: the next waits for its place
    steps = np.diff(results[f"{kind}{channels}", "none"]["m_axis"].cycles)
    assert np.all(steps == max(channels, 2))


def test_every_form_is_there():
    files: dict[str, str] = {}
    params = [each.bench(files).params for each in SUMS if each.form != "plain"]
    assert {(p["PAIR"], p["TABLE"], p["SHARED"]) for p in params} == {
        (pair, table, shared) for pair, table in ((1, 1), (0, 1), (0, 0)) for shared in (0, 1)
    }
    params = [each.bench(files).params for each in CLIMBS]
    assert {(p["TABLE"], p["SHARED"]) for p in params} == {(0, 0), (0, 1), (1, 0), (1, 1)}
