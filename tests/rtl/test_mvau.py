"""fs_mvau against numpy: foldings, widths, signs, memory and multiplier styles, stalls, exact throughput."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from finnspect.errors import ToolError, VerificationError
from finnspect.paths import RTL_DIR
from finnspect.sim.bench import MODES, build_benches, run_benches, run_mode
from mvau_bench import Case, bench_of, benches_of

MULS = ("lut", "dsp")


def _foldings() -> list[Case]:
    """SIMD and PE of one, odd, full; SF and NF of one; with thresholds and without."""
    cases = []
    for index, (simd, pe) in enumerate([(1, 1), (1, 6), (3, 2), (5, 3), (15, 1), (15, 6), (3, 6)]):
        vectors = 60 if simd == 15 else 8
        for turn, mul in enumerate(MULS):
            steps = 15 * ((index + turn) % 2)
            cases.append(Case(MW=15, MH=6, SIMD=simd, PE=pe, mul=mul, steps=steps, vectors=vectors))
    return cases


def _widths() -> list[Case]:
    """Weights of 2 to 8 bits, activations of 1 to 8 of either sign, at random and at their limits."""
    cases = []
    activations = [(1, False), (2, False), (3, True), (4, False), (8, False), (8, True)]
    for index, (w_bits, (a_bits, a_signed)) in enumerate(itertools.product(range(2, 9), activations)):
        values = ("random", "extreme")[index // 2 % 2]
        case = Case(MW=10, SIMD=5, w_bits=w_bits, a_bits=a_bits, a_signed=a_signed, values=values)
        cases.append(replace(case, mul=MULS[(index + w_bits) % 2], steps=7 * (index % 3 > 0)))
    for mul, a_signed in itertools.product(MULS, (False, True)):
        for w_bits, a_bits in ((4, 4), (2, 2), (3, 3), (8, 8)):
            base = Case(MW=32, MH=4, SIMD=16, PE=4, w_bits=w_bits, a_bits=a_bits, a_signed=a_signed, mul=mul)
            cases.append(replace(base, values="extreme", steps=0))
    # sums of lanes that share a multiplier, three and more of them, an incomplete group at the end
    cases += [
        Case(MW=m, MH=7, SIMD=m, PE=7, w_bits=2, a_bits=a, mul="dsp", values=v, steps=0, vectors=30)
        for m, a, v in itertools.product((1, 2, 4), (1, 2), ("random", "extreme"))
    ]
    # one multiplier, four activations: a different number of lanes for each element count
    cases += [Case(MW=s, MH=2, SIMD=s, PE=2, mul="dsp", values="extreme", vectors=20) for s in (31, 33, 64)]
    return cases


def _memories() -> list[Case]:
    """Block and distributed memories; output codes below zero, wider than their steps; degenerate sizes."""
    cases = [
        Case(weight_style=weight, thresh_style=thresh, mul=mul, PE=pe, MH=6)
        for weight, (thresh, mul, pe) in itertools.product(
            ("block", "distributed", "auto"), (("block", "lut", 1), ("distributed", "dsp", 3))
        )
    ]
    cases += [
        Case(steps=steps, base=base, o_bits=o_bits)
        for steps, base, o_bits in (
            (1, 0, 1), (1, -1, 2), (2, 0, 2), (2, -1, 2), (3, -2, 2), (7, -4, 3), (10, -5, 4),
            (15, -8, 4), (15, -8, 5), (15, 3, 8), (255, -128, 8), (200, 0, 8),
        )
    ]  # fmt: skip
    cases += [
        Case(MW=1, MH=1, SIMD=1, PE=1, w_bits=w, a_bits=a, steps=s, mul=mul, vectors=80)
        for w, a, s, mul in (
            (2, 1, 0, "lut"),
            (2, 8, 15, "dsp"),
            (8, 1, 1, "lut"),
            (8, 8, 0, "dsp"),
            (8, 8, 1, "lut"),
        )
    ]
    # weights in banks: the last one whole, in part, of one word; one beat a vector
    cases += [
        Case(MW=m, MH=8, SIMD=s, PE=2, weight_style="block", bank=bank, mul=mul, steps=steps)
        for m, s, bank, mul, steps in (
            (12, 3, 8, "dsp", 15), (12, 3, 2, "lut", 0), (15, 3, 8, "lut", 15), (15, 3, 4, "dsp", 0),
            (51, 3, 4, "dsp", 7), (4, 4, 2, "dsp", 15), (17, 1, 64, "lut", 3),
        )
    ]  # fmt: skip
    cases += [Case(MW=50, MH=3, SIMD=25, PE=1), Case(MW=9, MH=130, SIMD=9, PE=130, vectors=3)]
    return cases


def _chains() -> list[Case]:
    """Wide multipliers: groups and chains of every length, rows beside them in LUTs."""
    base = Case(mul="dsp", mul_bits=25, vectors=8)
    cases = [
        replace(base, MW=15, MH=6, SIMD=simd, PE=pe, steps=15 * (index % 2), vectors=60 if simd == 15 else 8)
        for index, (simd, pe) in enumerate([(1, 1), (1, 6), (3, 2), (5, 3), (15, 1), (15, 6), (3, 6)])
    ]
    widths = [(2, 2, False), (3, 3, True), (4, 4, False), (4, 4, True), (4, 8, False), (8, 4, True)]
    widths += [(8, 8, False), (8, 8, True), (6, 3, False), (8, 1, False), (2, 8, True)]
    for index, (w_bits, a_bits, a_signed) in enumerate(widths):
        case = replace(base, w_bits=w_bits, a_bits=a_bits, a_signed=a_signed, values="extreme")
        cases.append(replace(case, MW=32, MH=8, SIMD=16, PE=8, steps=0))
        cases.append(replace(case, MW=9, MH=5, SIMD=9, PE=5, steps=7 * (index % 2), vectors=40))
    for soft, (w_bits, simd, pe) in itertools.product((1, 2), ((4, 5, 8), (8, 2, 3), (2, 10, 4), (4, 1, 8))):
        cases.append(
            replace(base, MW=10, MH=8 * pe, SIMD=simd, PE=pe, w_bits=w_bits, soft_rows=soft, vectors=3)
        )
    cases.append(replace(base, MW=12, MH=4, SIMD=6, PE=4, mul_bits=18, soft_rows=1))
    # fields that overlap: a chain, several with a short one, a row alone, one beat a vector
    for index, (simd, pe, sf) in enumerate(
        [(1, 2, 3), (4, 2, 2), (5, 3, 2), (9, 4, 1), (6, 1, 2), (16, 5, 2)]
    ):
        a_bits, a_signed = ((8, False), (8, True), (7, False))[index % 3]
        over = replace(
            base, MW=simd * sf, MH=2 * pe, SIMD=simd, PE=pe, w_bits=8, a_bits=a_bits, a_signed=a_signed
        )
        cases += [replace(over, values="extreme", steps=0, vectors=30), replace(over, steps=3)]
    return cases


def _bipolar() -> list[Case]:
    """Weights of one bit."""
    cases = [
        Case(MW=2 * simd, MH=6, SIMD=simd, PE=3, w_bits=1, a_bits=1, steps=steps, values="extreme")
        for simd, steps in itertools.product((1, 2, 3, 4, 17, 18, 19, 55), (0, 1))
    ]
    for index, (a_bits, a_signed) in enumerate(itertools.product((1, 2, 4, 8), (False, True))):
        case = Case(MW=22, MH=4, SIMD=11, PE=2, w_bits=1, a_bits=a_bits, a_signed=a_signed, values="extreme")
        cases += [replace(case, steps=15 * (index % 2)), replace(case, steps=3, SIMD=22, PE=4, vectors=40)]
    cases.append(Case(MW=12, MH=64, SIMD=1, PE=32, w_bits=1, a_bits=1, steps=1, weight_style="block", bank=4))
    return cases


def _turns() -> list[Case]:
    """Thresholds of every row at once, and in turn: all rows, uneven shares, as long as the vector allows."""
    cases = [
        Case(MW=sf, MH=2 * pe, SIMD=1, PE=pe, steps=steps, thresh_style=style, turns=turns)
        for (sf, pe, steps), style, turns in itertools.product(
            ((12, 3, 15), (36, 7, 15), (5, 4, 1), (16, 5, 7)), ("distributed", "block"), (True, False)
        )
    ]
    return [*cases, Case(MW=3, MH=6, SIMD=1, PE=6, steps=1), Case(MW=40, MH=9, SIMD=1, PE=9)]


CASES = _foldings() + _widths() + _memories() + _chains() + _bipolar() + _turns()


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    benches, files = benches_of(CASES)
    return run_benches(benches, tmp_path_factory.mktemp("mvau"), files=files, optimize="-O0")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_vector_takes_nf_times_sf_cycles(results, case):
    """Outputs were compared while the fixture ran; here the rate, exactly."""
    cycles = results[case.name, "none"]["m_axis"].frame_cycles(case.vectors)
    # the first result comes out of an empty pipeline as the others do: no bubble from the start
    np.testing.assert_array_equal(cycles, case.NF * case.SF)


@pytest.mark.parametrize("case", [case for case in CASES if case.SF > 1][:8], ids=lambda case: case.name)
def test_results_come_every_sf_cycles(results, case):
    cycles = results[case.name, "none"]["m_axis"].cycles
    np.testing.assert_array_equal(np.diff(cycles), case.SF)


@pytest.mark.parametrize("part", ["weights", "thresholds"])
def test_flipped_bit_is_seen(tmp_path, part):
    """The comparison is alive: one bit of one memory word changes an output."""
    case = Case(MW=4, SIMD=1, PE=1, vectors=40)
    bench, files = bench_of(case, 1)
    name = next(n for n in files if part in n)
    lines = files[name].split()
    word = 5
    top = 1 << (4 * len(lines[word]) - 1) if part == "weights" else 1 << 5
    files[name] = "".join(
        f"{int(line, 16) ^ (top if i == word else 0):0{len(line)}x}\n" for i, line in enumerate(lines)
    )
    executable = build_benches([bench], tmp_path, files=files)
    with pytest.raises(VerificationError, match=case.name):
        run_mode([bench], executable, MODES[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"SIMD": 5}, "SIMD divides MW"),
        ({"PE": 3}, "PE divides MH"),
        ({"W_BITS": 9}, "W_BITS is 1 to 8"),
        ({"THRESH_ROWS": 2}, "no time for THRESH_ROWS"),
        ({"MUL_BITS": 17}, "MUL_BITS is 18"),
        ({"A_BITS": 9}, "A_BITS 1 to 8"),
        ({"THRESHOLDS": 0}, "O_BITS equals ACC_BITS"),
        ({"O_BITS": 3}, "O_BITS holds"),
        ({"MUL_STYLE": "fast"}, "MUL_STYLE is"),
        ({"THRESH_STYLE": "auto"}, "THRESH_STYLE is"),
        ({"WEIGHT_STYLE": "ultra"}, "STYLE is"),
        ({"WEIGHT_BANK": 3}, "BANK is a power of two"),
        ({"WEIGHT_BANK": 8}, "BANK is a power of two"),
    ],
)
def test_bad_parameters_stop_elaboration(tmp_path, change, message):
    bench, files = bench_of(Case(MW=12, MH=4), 0)
    bench.params.update(change)
    with pytest.raises(ToolError, match=message):
        build_benches([bench], tmp_path, files=files, library_dirs=(RTL_DIR, RTL_DIR.parent / "sim"))
