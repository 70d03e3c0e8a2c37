"""fs_mvau as yosys maps it to a device computes what its sources do: every form of its multipliers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from finnspect.sim.bench import StallMode, run_benches
from finnspect.toolchains.yosys import cell_counts
from mvau_bench import Case, bench_of
from netlists import netlist_of

#: A whole row and vector at the limits of their types; block RAM has no model of what it does.
BASE = Case(steps=0, weight_style="distributed", values="extreme", vectors=30)
CHAIN = replace(BASE, mul="dsp", mul_bits=25)


def _case(base: Case, simd: int, pe: int, w_bits: int, a_bits: int, sf: int = 2, **changes) -> Case:
    shape = {"MW": sf * simd, "MH": pe, "SIMD": simd, "PE": pe}
    return replace(base, **shape, w_bits=w_bits, a_bits=a_bits, **changes)


# technology, hard multipliers, case
CASES = [
    # a row alone: elements share, or nothing does
    ("xc7", 3, _case(CHAIN, 5, 1, 4, 4)),
    ("xc7", 2, _case(CHAIN, 2, 1, 8, 8, a_signed=True)),
    # chains of three rows, of uneven groups, of two rows, with a short chain at the end
    ("xc7", 5, _case(CHAIN, 5, 3, 4, 4)),
    ("xc7", 18, _case(CHAIN, 9, 4, 4, 4, a_signed=True)),
    ("xc7", 6, _case(CHAIN, 3, 5, 4, 4, steps=15, values="random")),
    ("xc7", 2, _case(CHAIN, 2, 2, 4, 4, sf=1)),
    # rows in twos, one left over; fields that overlap
    ("xc7", 3, _case(CHAIN, 3, 3, 8, 8)),
    ("xc7", 10, _case(CHAIN, 5, 4, 8, 8, a_signed=True, sf=1)),
    ("xc7", 6, _case(CHAIN, 6, 3, 4, 8)),
    # many rows a multiplier, and rows in LUTs beside them
    ("xc7", 6, _case(CHAIN, 3, 7, 2, 2, a_signed=True)),
    ("xc7", 8, _case(CHAIN, 4, 8, 4, 4, soft_rows=2)),
    # LUTs
    ("xc7", 0, _case(BASE, 3, 2, 4, 4, a_signed=True, steps=15, values="random")),
    ("xc7", 0, _case(BASE, 19, 2, 1, 1, steps=1)),
    # elements, or rows, share a MULT18X18D
    ("ecp5", 3, _case(BASE, 5, 1, 4, 4, mul="dsp")),
    ("ecp5", 1, _case(BASE, 1, 3, 3, 3, mul="dsp", a_signed=True)),
    ("ecp5", 2, _case(BASE, 1, 2, 8, 8, mul="dsp")),
]


@pytest.fixture(scope="module")
def netlists(tmp_path_factory):
    """Synthesise two at a time: yosys is a process of its own."""
    folder = tmp_path_factory.mktemp("netlists")

    def make(index: int):
        tech, _, case = CASES[index]
        bench, files = bench_of(replace(case, tag=f"_{tech}"), index)
        made = netlist_of(bench, files, tech, folder / str(index))
        return made, cell_counts(folder / str(index) / "cells.json")

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(make, range(len(CASES))))


def test_netlists_compute_the_same(netlists, tmp_path):
    benches, sources = zip(*(made for made, _ in netlists), strict=True)
    modes = (StallMode("both", source=90, sink=90, seed=1),)
    results = run_benches(benches, tmp_path, modes=modes, sources=sources, optimize="-O0")
    assert len(results) == len(CASES)


@pytest.mark.parametrize(
    ("index", "tech", "count"), [(i, tech, count) for i, (tech, count, _) in enumerate(CASES)]
)
def test_netlist_uses_hard_multipliers(netlists, index, tech, count):
    _, cells = netlists[index]
    assert cells.get({"xc7": "DSP48E1", "ecp5": "MULT18X18D"}[tech], 0) == count
