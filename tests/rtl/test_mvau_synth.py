"""fs_mvau through yosys: the netlist computes the same integers, and takes no more than a MAC may cost."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.paths import RTL_DIR
from finnspect.sim.bench import Bench, StallMode, run_benches
from finnspect.toolchains.yosys import cell_counts, read_slang, run_yosys, stage
from mvau_bench import Case, bench_of

SMALL = {
    "lut": Case(MW=6, MH=4, SIMD=3, PE=2, a_signed=True, base=-8, vectors=30),
    "elems": Case(
        MW=6, MH=4, SIMD=3, PE=2, mul="dsp", thresh_style="block", weight_style="block", vectors=30
    ),
    "lanes": Case(MW=3, MH=6, SIMD=1, PE=3, w_bits=3, mul="dsp", steps=7, vectors=30),
}


@pytest.mark.parametrize("kind", SMALL)
def test_netlist_computes_the_same(kind, tmp_path):
    """What yosys reads (widths, signs, memory contents) is what Verilator simulates."""
    bench, files = bench_of(SMALL[kind], 3)
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
    cycles = results["gates", "none"]["m_axis"].frame_cycles(SMALL[kind].vectors)
    np.testing.assert_array_equal(cycles, SMALL[kind].NF * SMALL[kind].SF)


# 32 parallel MACs with everything that belongs to them, thresholds included
WIDE = {"MW": 288, "MH": 64, "SIMD": 8, "PE": 4, "weight_style": "block", "vectors": 2}
SIZES = [
    # name, case, target, LUTs a MAC at most (a tenth above what was seen), multipliers
    ("w4a4_lut", Case(**WIDE), "xc7", 36, 0),
    ("w2a2_lut", Case(**WIDE, w_bits=2, a_bits=2, steps=3), "xc7", 12.5, 0),
    ("w4a4_dsp", Case(**WIDE, mul="dsp", thresh_style="block"), "ecp5", 15, 16),
    ("w8a8_dsp", Case(**WIDE, w_bits=8, a_bits=8, mul="dsp", thresh_style="block"), "ecp5", 40, 32),
]
SYNTH = {"ecp5": "synth_ecp5", "xc7": "synth_xilinx -arch xc7 -flatten"}


@pytest.mark.parametrize(("name", "case", "target", "luts", "muls"), SIZES)
def test_a_mac_costs_no_more(name, case, target, luts, muls, tmp_path):
    bench, files = bench_of(case, 0)
    names = stage(tmp_path, sorted(RTL_DIR.glob("*.sv")))
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    read = read_slang(names, "fs_mvau", bench.params)
    run_yosys(tmp_path, [read, f"{SYNTH[target]} -top fs_mvau", "tee -q -o cells.json stat -json"])
    cells = cell_counts(tmp_path / "cells.json")
    if target == "ecp5":
        used = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 4 * cells.get("TRELLIS_DPR16X4", 0)
        assert cells.get("MULT18X18D", 0) == muls
    else:
        used = sum(n for cell, n in cells.items() if cell.startswith(("LUT", "SRL", "INV")))
        used += 4 * sum(n for cell, n in cells.items() if cell.startswith("RAM32M"))
        assert cells.get("DSP48E1", 0) == muls
    assert used / (case.PE * case.SIMD) <= luts, (name, used, cells)
