"""fs_mvau through yosys: the netlist computes the same integers, and takes no more than a MAC may cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from finnspect.paths import RTL_DIR
from finnspect.sim.bench import Bench, StallMode, run_benches
from finnspect.toolchains.core_synth import COUNT, SYNTH
from finnspect.toolchains.yosys import cell_counts, read_slang, run_yosys, stage
from mvau_bench import Case, bench_of

# block memories, of which test_netlist has no models
SMALL = Case(MW=6, MH=4, SIMD=3, PE=2, mul="dsp", thresh_style="block", weight_style="block", vectors=30)


def test_netlist_computes_the_same(tmp_path):
    """What yosys reads (widths, signs, memory contents) is what Verilator simulates."""
    bench, files = bench_of(SMALL, 3)
    names = stage(tmp_path, sorted(RTL_DIR.glob("*.sv")))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    netlist = tmp_path / "netlist" / "fs_netlist.v"
    netlist.parent.mkdir()
    run_yosys(
        tmp_path,
        [
            read_slang(names, "fs_mvau", bench.params),
            "synth -flatten -top fs_mvau",
            "rename fs_mvau fs_netlist",
            "write_verilog -noattr netlist/fs_netlist.v",
        ],
    )
    text = netlist.read_text()
    assert "$readmem" not in text
    # a vector whose bits follow one another looks like a loop
    netlist.write_text(f"/* verilator lint_off UNOPTFLAT */\n{text}")
    gates = Bench("gates", "fs_netlist", {}, bench.inputs, bench.outputs)
    modes = (StallMode("none"), StallMode("both", source=90, sink=90, seed=1))
    results = run_benches([gates], tmp_path / "sim", modes=modes, sources=[netlist], optimize="-O0")
    cycles = results["gates", "none"]["m_axis"].frame_cycles(SMALL.vectors)
    np.testing.assert_array_equal(cycles, SMALL.NF * SMALL.SF)


# parallel MACs with everything that belongs to them, thresholds included
WIDE = Case(MW=288, MH=64, SIMD=8, PE=8, weight_style="block", thresh_style="block", vectors=2)
CHAIN = replace(WIDE, mul="dsp", mul_bits=25)
SIZES = [
    # name, case, target, LUTs a MAC at most (a tenth above what was seen), multipliers
    ("w4a4_lut", WIDE, "xc7", 26, 0),
    (
        "w2a2_lut",
        replace(WIDE, SIMD=16, w_bits=2, a_bits=2, steps=3, thresh_style="distributed"),
        "xc7",
        9.2,
        0,
    ),
    ("w1a1_lut", replace(WIDE, SIMD=32, PE=4, w_bits=1, a_bits=1, steps=1), "xc7", 2.7, 0),
    ("w4a4_dsp", replace(CHAIN, MH=60, PE=12), "xc7", 6, 32),
    ("w8a8_dsp", replace(CHAIN, PE=4, w_bits=8, a_bits=8), "xc7", 12, 16),
    ("w4a4_dsp", replace(WIDE, PE=4, SIMD=16, mul="dsp"), "ecp5", 12, 32),
]


@pytest.mark.parametrize(("name", "case", "target", "luts", "muls"), SIZES)
def test_a_mac_costs_no_more(name, case, target, luts, muls, tmp_path):
    bench, files = bench_of(case, 0)
    names = stage(tmp_path, sorted(RTL_DIR.glob("*.sv")))
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    read = read_slang(names, "fs_mvau", bench.params)
    run_yosys(tmp_path, [read, f"{SYNTH[target]} -top fs_mvau", "tee -q -o cells.json stat -json"])
    used = COUNT[target](cell_counts(tmp_path / "cells.json"))
    assert used.dsp == muls
    assert used.lut / (case.PE * case.SIMD) <= luts, (name, used)
