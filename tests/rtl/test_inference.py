"""Typical sizes through both synthesis targets: memories become what their style says, logic stays small."""

from __future__ import annotations

import pytest
from finnspect.paths import RTL_DIR
from finnspect.toolchains.yosys import cell_counts, read_slang, run_yosys, stage

SAME = {"KH": 3, "KW": 3, "PT": 1, "PL": 1, "PB": 1, "PR": 1}
DENSE = {"H": 4, "W": 4, "C": 32, "KH": 4, "KW": 4, "SIMD": 4, "BITS": 4, "REPEAT": 6}
# name, module, parameters, block memories, most LUTs (ECP5, two a carry cell; 7-series): a tenth above what
# was seen when this was written
CASES = [
    ("pixels", "fs_swg", {"H": 64, "W": 64, "C": 1, "BITS": 8} | SAME, 1, 105, 72),
    ("late", "fs_swg", {"H": 8, "W": 8, "C": 64, "SIMD": 8, "BITS": 4, "REPEAT": 4} | SAME, 1, 100, 68),
    ("dense", "fs_swg", DENSE, 1, 88, 45),
    ("point", "fs_swg", {"C": 32, "KH": 1, "KW": 1, "SIMD": 4, "BITS": 4, "REPEAT": 8}, 0, 72, 38),
    ("fifo_small", "fs_fifo", {"WIDTH": 16, "DEPTH": 16}, 0, 48, 22),
    ("fifo_large", "fs_fifo", {"WIDTH": 16, "DEPTH": 512}, 1, 55, 24),
    ("pool", "fs_maxpool", {"H": 64, "W": 64, "C": 8}, 1, 65, 38),
    ("window_rows", "fs_swg", {"H": 64, "W": 64, "C": 1, "SIMD": 3, "REPEAT": 4} | SAME, 1, 200, 104),
    ("narrow", "fs_dwc", {"IN_WIDTH": 64, "OUT_WIDTH": 16}, 0, 60, 43),
]
TARGETS = {"ecp5": "synth_ecp5 -nowidelut", "xc7": "synth_xilinx -arch xc7 -flatten"}


@pytest.fixture(scope="module", params=TARGETS)
def counts(request, tmp_path_factory):
    """Cells of every case on one target, from one yosys."""
    folder = tmp_path_factory.mktemp(request.param)
    names = stage(folder, sorted(RTL_DIR.glob("*.sv")))
    script = []
    for name, module, params, *_ in CASES:
        script += [read_slang(names, module, params), f"{TARGETS[request.param]} -top {module}"]
        script += [f"tee -q -o {name}.json stat -json", "design -reset"]
    run_yosys(folder, script)
    return request.param, {name: cell_counts(folder / f"{name}.json") for name, *_ in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_memories_and_size(counts, case):
    target, cells = counts
    name, _, _, blocks, ecp5_luts, xc7_luts = case
    found = cells[name]
    if target == "ecp5":
        assert found.get("DP16KD", 0) == blocks
        assert found.get("LUT4", 0) + 2 * found.get("CCU2C", 0) <= ecp5_luts
        distributed = found.get("TRELLIS_DPR16X4", 0)
    else:
        assert sum(n for cell, n in found.items() if cell.startswith("RAMB")) == blocks
        assert sum(n for cell, n in found.items() if cell.startswith("LUT")) <= xc7_luts
        distributed = sum(n for cell, n in found.items() if cell.startswith(("RAM32", "RAM64")))
    assert (distributed > 0) == (name in {"point", "fifo_small", "window_rows"})
