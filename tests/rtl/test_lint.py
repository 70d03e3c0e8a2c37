"""Every file of the RTL library through three strict readers, at default and at varied parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from finnspect.errors import ToolError
from finnspect.paths import RTL_DIR, SIM_DIR
from finnspect.sim.verilator import VerilatorJob, lint
from finnspect.toolchains.yosys import read_slang, run_yosys, stage

LIBRARY = sorted(RTL_DIR.glob("*.sv"))
BENCH = sorted(SIM_DIR.glob("fs_tb_*.sv"))

SWG = {"H": 9, "W": 7, "C": 6, "SIMD": 3, "BITS": 5, "KH": 3, "KW": 2, "SH": 2, "SW": 1, "PT": 1, "PR": 1}
POOL = {"H": 9, "W": 7, "C": 6, "KH": 2, "KW": 3, "BITS": 5, "SIGNED": 1}
VVAU = {"C": 6, "PE": 3, "W_BITS": 3, "A_BITS": 4, "ACC_BITS": 12, "O_BITS": 4}
MVAU = {"MW": 12, "MH": 6, "SIMD": 4, "PE": 3, "W_BITS": 3, "A_BITS": 4, "ACC_BITS": 12, "O_BITS": 4}

#: (module, parameters) besides the defaults of every module: each branch of each generate.
VARIANTS: list[tuple[str, Mapping[str, int | str]]] = [
    ("fs_skid", {"WIDTH": 1}),
    ("fs_ram", {"WIDTH": 5, "DEPTH": 1}),
    ("fs_ram", {"WIDTH": 18, "DEPTH": 100, "RAM_STYLE": "block"}),
    ("fs_ram", {"WIDTH": 18, "DEPTH": 100, "RAM_STYLE": "distributed"}),
    ("fs_fifo", {"WIDTH": 3, "DEPTH": 2}),
    ("fs_fifo", {"WIDTH": 3, "DEPTH": 3}),
    ("fs_fifo", {"WIDTH": 32, "DEPTH": 512, "RAM_STYLE": "block"}),
    ("fs_dwc", {"IN_WIDTH": 5, "OUT_WIDTH": 5}),
    ("fs_dwc", {"IN_WIDTH": 15, "OUT_WIDTH": 5}),
    ("fs_dwc", {"IN_WIDTH": 1, "OUT_WIDTH": 2}),
    ("fs_swg", SWG),
    ("fs_swg", SWG | {"REPEAT": 3, "RAM_STYLE": "block"}),
    ("fs_swg", {"H": 4, "W": 3, "KH": 4, "KW": 3, "C": 4, "SIMD": 2, "REPEAT": 2}),
    ("fs_swg", {"H": 4, "W": 3, "KH": 1, "KW": 1, "C": 4, "SIMD": 4, "REPEAT": 2}),
    ("fs_swg", {"H": 4, "W": 3, "KH": 1, "KW": 1, "C": 4, "SIMD": 2}),
    ("fs_swg", SWG | {"DEPTHWISE": 1, "PAD": -16}),
    ("fs_swg", SWG | {"SIMD": 12, "REPEAT": 2}),
    ("fs_swg", SWG | {"SIMD": 36, "SW": 2}),
    ("fs_swg", SWG | {"SIMD": 36, "REPEAT": 3, "W": 8}),
    ("fs_swg", {"H": 8, "W": 8, "C": 1, "SIMD": 3}),
    ("fs_swg", {"H": 8, "W": 8, "C": 2, "KW": 1, "SIMD": 6}),
    ("fs_swg", {"H": 4, "W": 3, "KH": 4, "KW": 3, "C": 4, "SIMD": 8, "REPEAT": 2}),
    ("fs_swg", {"H": 1, "W": 1, "KH": 3, "KW": 3, "PT": 2, "PL": 2, "PB": 2, "PR": 2, "C": 1}),
    ("fs_maxpool", POOL),
    ("fs_maxpool", POOL | {"PE": 3, "W": 16, "RAM_STYLE": "block"}),
    ("fs_maxpool", POOL | {"KH": 1, "KW": 1, "C": 1}),
    ("fs_maxpool", {"H": 4, "W": 4, "C": 1, "PE": 1}),
    ("fs_maxpool", {"H": 4, "W": 2, "C": 1, "PE": 1}),
    ("fs_maxpool", {"H": 4, "W": 16, "C": 1, "PE": 1, "RAM_STYLE": "block"}),
    ("fs_sumpool", POOL | {"PE": 3, "ACC_BITS": 8}),
    ("fs_sumpool", POOL | {"PE": 6, "ACC_BITS": 8, "STEPS": 7, "O_BITS": 3, "SHARED": 1}),
    ("fs_windowpool", POOL | {"PE": 2, "KH": 3}),
    ("fs_windowmax", {"K": 1}),
    ("fs_slice", {"APART": 2}),
    *(("fs_mac", {"W_BITS": w, "A_SIGNED": w % 2}) for w in range(1, 9)),
    ("fs_mac", {"USE_DSP": 1, "K": 1}),
    ("fs_vvau", VVAU | {"O_BITS": 12}),
    ("fs_vvau", VVAU | {"W_BITS": 1, "K": 1, "O_BITS": 12}),
    ("fs_vvau", VVAU | {"THRESHOLDS": 15, "MUL_STYLE": "dsp", "THRESH_STYLE": "block"}),
    ("fs_mvau", MVAU | {"O_BITS": 12}),
    ("fs_mvau", MVAU | {"THRESHOLDS": 15, "A_SIGNED": 1}),
    ("fs_mvau", MVAU | {"THRESHOLDS": 15, "MUL_STYLE": "dsp", "WEIGHT_STYLE": "block"}),
    ("fs_mvau", MVAU | {"O_BITS": 12, "WEIGHT_BANK": 4, "WEIGHT_FILE": "weights"}),
    ("fs_mvau", MVAU | {"THRESHOLDS": 7, "O_BITS": 3, "MW": 4, "MH": 3, "WEIGHT_STYLE": "distributed"}),
    ("fs_mvau", MVAU | {"THRESHOLDS": 15, "MUL_STYLE": "dsp", "MUL_BITS": 25, "SOFT_ROWS": 1}),
    ("fs_mvau", MVAU | {"O_BITS": 12, "MUL_STYLE": "dsp", "MUL_BITS": 25, "MW": 4, "A_SIGNED": 1}),
    ("fs_mvau", MVAU | {"THRESHOLDS": 1, "W_BITS": 1, "A_BITS": 1, "THRESH_ROWS": 3}),
    ("fs_mvau", MVAU | {"THRESHOLDS": 15, "W_BITS": 1, "A_SIGNED": 1, "MW": 60, "THRESH_ROWS": 2}),
    ("fs_mvau", MVAU | {"O_BITS": 12, "W_BITS": 1}),
    ("fs_popcount", {"N": 41}),
    ("fs_threshold_rows", {"PE": 7, "ROWS": 3, "NF": 3, "READ_LATENCY": 2, "STYLE": "block"}),
]

STEPS = {"PE": 2, "SETS": 2, "X_BITS": 5}
SUM = {"PE": 2, "STEPS": 7, "O_BITS": 3, "A_SIGNED": 1, "MUL_A": -3, "ACC_BITS": 9}
VARIANTS += [
    ("fs_fork", {"WIDTH": 1, "N": 3}),
    ("fs_concat", {"N": 3, "WIDTH": 1}),
    ("fs_argmax", {"C": 1, "BITS": 1, "SIGNED": 0, "O_BITS": 1}),
    ("fs_argmax", {"SCORE_BITS": 19, "SHIFT": 3}),
    ("fs_argmax", {"SCORE_BITS": 16, "SIGNED": 0}),
    ("fs_thresholds", STEPS),
    ("fs_thresholds", STEPS | {"TABLE": 1}),
    ("fs_thresholds", STEPS | {"SETS": 1, "SHARED": 1, "TABLE": 1, "X_SIGNED": 0}),
    ("fs_thresholds", STEPS | {"SETS": 1, "SHARED": 1, "X_SIGNED": 0, "O_BASE": -8}),
    ("fs_thresholds", STEPS | {"SETS": 48, "STEPS": 7, "TABLE": 0}),
    ("fs_thresholds", STEPS | {"SETS": 16, "TABLE": 1}),
    ("fs_add", SUM),
    ("fs_add", SUM | {"SHARED": 0, "SETS": 2, "TABLE": 1}),
    ("fs_add", SUM | {"PAIR": 1, "TABLE": 1}),
]

CASES = [(path.stem, {}) for path in LIBRARY] + VARIANTS


def case_id(case: tuple[str, Mapping[str, int | str]]) -> str:
    name, params = case
    return "-".join([name, *(f"{k}{v}" for k, v in params.items())])


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_verilator_has_no_warning(case, tmp_path):
    module, params = case
    lint(VerilatorJob(module, (RTL_DIR / f"{module}.sv",), tmp_path, params=params, library_dirs=(RTL_DIR,)))


@pytest.mark.parametrize("path", BENCH, ids=lambda path: path.stem)
def test_bench_modules_have_no_verilator_warning(path, tmp_path):
    lint(VerilatorJob(path.stem, (path,), tmp_path))


@pytest.fixture(scope="module")
def yosys_folder(tmp_path_factory):
    """A folder with the library and a memory image for every name that the cases read."""
    folder = tmp_path_factory.mktemp("read_slang")
    stage(folder, LIBRARY)
    names = ["rom.mem", "weights.mem", "offsets.mem"]
    names += [f"{prefix}_b{b:02}.mem" for prefix in ("rom", "weights") for b in range(2)]
    names += [
        f"{prefix}_p{p:03}_s{s}.mem"
        for prefix in ("thresh", "thresholds")
        for p in range(3)
        for s in range(8)
    ]
    names += [f"{prefix}_u{u:03}.mem" for prefix in ("thresh", "thresholds") for u in range(3)]
    rows = ("", "_p000", "_p001")
    names += [f"steps{row}{level}.mem" for row in rows for level in ("", *(f"_l{i}" for i in range(4)))]
    for name in names:
        (folder / name).write_text("0\n")
    return folder


def test_yosys_reads_every_case(yosys_folder):
    """One yosys for all: elaboration by slang, then no undriven, multiply driven or looping net."""
    names = [path.name for path in LIBRARY]
    script = []
    for module, params in CASES:
        script += [f'log "{case_id((module, params))}"', read_slang(names, module, params)]
        script += ["proc -noopt", "opt_clean", "check -assert", "select -assert-any t:*", "design -reset"]
    log = run_yosys(yosys_folder, script, name="lint", what="yosys on hw/rtl")
    assert log.count("Top level design units") == len(CASES)


#: A cast or a generate block that does nothing at one size is needed at another.
SLANG_WARNINGS = ("-Wextra", "-Wno-useless-cast", "-Wno-shadow-value")


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_slang_has_no_warning(case):
    """A second strict parser, complete with its analysis of drivers."""
    from pyslang import driver

    module, params = case
    slang = driver.Driver()
    slang.addStandardArgs()
    words = ["slang", *SLANG_WARNINGS, "--top", module, str(RTL_DIR / f"{module}.sv"), "-y", str(RTL_DIR)]
    for name, value in params.items():
        words += ["-G", f'"{name}=\\"{value}\\""' if isinstance(value, str) else f"{name}={value}"]
    assert slang.parseCommandLine(" ".join(words))
    assert slang.processOptions()
    assert slang.parseAllSources()
    compilation = slang.createCompilation()
    slang.reportCompilation(compilation, True)
    slang.runAnalysis(compilation)
    assert (slang.diagEngine.numErrors, slang.diagEngine.numWarnings) == (0, 0), "see the captured output"


# Vivado cannot be run here: what it is known to refuse or to treat differently stays out.
AVOID = {
    "an interface": r"\binterface\b|\bmodport\b",
    "a class or a queue": r"\bclass\b|\[\$\]",
    "an unpacked port": r"\b(input|output)\b[^;,)]*\b\w+\s*\[[^\]]*\]\s*(,|$)",
    "a vendor primitive": r"\b(DP16KD|MULT18X18D|EHXPLLL|DSP48E1|RAMB\w+|LUT[46]|BUFG)\b",
    "a delay": r"(^|\s)#\d",
    "a lint waiver": r"verilator\s+lint_off",
    "an initial value of a register": r"^\s*logic\b[^;=]*=",
}


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*", "", text)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_style(path: Path):
    text = path.read_text()
    code = without_comments(text)
    assert text.startswith("// "), "begins with its contract"
    assert "`default_nettype none\n" in code
    assert code.rstrip().endswith("`default_nettype wire")
    assert re.findall(r"^module (\w+)", code, re.MULTILINE) == [path.stem], "one module, named as its file"
    for what, pattern in AVOID.items():
        assert not re.search(pattern, code, re.MULTILINE), f"{path.name} holds {what}"
    assert max(map(len, text.splitlines())) <= 120
    in_generate = r"^  (if|for)\b.*\bbegin : g_.*\n(?:(?!  end).*\n)*?\s+function\b"
    assert not re.search(in_generate, code, re.MULTILINE), "a function inside a generate block"


BAD_PARAMETERS = [
    ("fs_skid", {"WIDTH": 0}, "WIDTH"),
    ("fs_fifo", {"DEPTH": 1}, "DEPTH is at least 2"),
    ("fs_ram", {"RAM_STYLE": "blok"}, "RAM_STYLE is auto, block or distributed"),
    ("fs_dwc", {"IN_WIDTH": 6, "OUT_WIDTH": 4}, "divides the other"),
    ("fs_swg", {"C": 4, "SIMD": 3}, "SIMD divides C"),
    ("fs_swg", {"C": 4, "SIMD": 8}, "whole kernel rows"),
    ("fs_swg", {"DEPTHWISE": 1, "REPEAT": 2}, "with REPEAT 1"),
    ("fs_swg", {"H": 2}, "larger than the padded map"),
    ("fs_swg", {"PT": 3}, "padding is less than the kernel"),
    ("fs_maxpool", {"C": 4, "PE": 3}, "PE divides C"),
    ("fs_maxpool", {"H": 1}, "larger than the map"),
    ("fs_fork", {"N": 1}, "N is at least 2"),
    ("fs_concat", {"N": 1}, "N is at least 2"),
    ("fs_argmax", {"C": 20, "O_BITS": 4}, "needs more than O_BITS"),
    ("fs_add", {"MUL_A": 0}, "multipliers are not zero"),
    ("fs_thresholds", {"SETS": 2, "SHARED": 1}, "shared staircase is one set"),
]


@pytest.mark.parametrize(("module", "params", "message"), BAD_PARAMETERS)
def test_bad_parameters_are_refused(module, params, message, tmp_path):
    job = VerilatorJob(module, (RTL_DIR / f"{module}.sv",), tmp_path, params=params, library_dirs=(RTL_DIR,))
    with pytest.raises(ToolError, match=message):
        lint(job)
