"""The AXI shell's sources through three parsers, the boards that carry it, the numbers of a build."""

from __future__ import annotations

import re

import pytest
from finnspect import registers
from finnspect.board import AxiBoard, load_board
from finnspect.emit import Accelerator
from finnspect.errors import ConfigError, ToolError
from finnspect.paths import RTL_DIR, SHELL_DIR, SIM_DIR
from finnspect.shell import AXI_TOP, axi_settings, shell_sources, stage_design
from finnspect.sim.verilator import VerilatorJob, lint
from finnspect.toolchains.yosys import cell_counts, read_slang, run_yosys, stage

BUILD_ID = "00112233445566778899aabbccddeeff"
LIBRARY = (RTL_DIR, SHELL_DIR)
OWN = shell_sources("finnspect-axi")
PACKAGE = SHELL_DIR / "fs_axi_pkg.sv"

#: (module, parameters): every hand-written module as it stands, and every branch of each generate.
CASES = [
    ("fs_axi_slave_write", {}),
    ("fs_axi_slave_write", {"ADDR_BITS": 8}),
    ("fs_axi_slave_read", {}),
    ("fs_axi_slave_burst", {}),
    ("fs_axi_slave_burst", {"ADDR_BITS": 8}),
    ("fs_axi_counters", {}),
    ("fs_dma_bursts", {}),
    ("fs_dma_read", {}),
    ("fs_dma_read", {"FIFO_BEATS": 48}),
    ("fs_dma_write", {}),
    ("fs_dma_write", {"FIFO_BEATS": 64}),
    ("fs_dma_control", {}),
    ("fs_dma_control", {"FRAME_BYTES": 1, "CLASSES": 1, "TIMEOUT_CYCLES": 16}),
    ("fs_dma_pack", {}),
    ("fs_dma_pack", {"CLASSES": 1}),
    ("fs_dma_unpack", {}),
    ("fs_dma_unpack", {"IN_WIDTH": 24, "FRAME_BYTES": 12}),
    ("fs_dma_unpack", {"IN_WIDTH": 64}),
    ("fs_dma_unpack", {"IN_WIDTH": 96, "FRAME_BYTES": 48}),
    ("fs_dma_unpack", {"IN_WIDTH": 128}),
    ("fs_dma_unpack", {"IN_WIDTH": 8, "FRAME_BYTES": 1}),
]
#: The same for the modules that hold the generated register block.
AROUND_REGISTERS = [
    ("fs_axi_registers", {}),
    ("fs_axi_shell", {}),
    ("fs_axi_shell", {"IN_WIDTH": 24, "FRAME_BYTES": 12288, "CLASSES": 1}),
]


def case_id(case) -> str:
    module, params = case
    return "-".join([module, *(f"{name}{value}" for name, value in params.items())])


def test_every_module_is_among_the_cases():
    assert OWN[0] == PACKAGE
    assert {path.stem for path in OWN[1:]} == {name for name, _ in [*CASES, *AROUND_REGISTERS]} | {AXI_TOP}


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_verilator_has_no_warning(case, tmp_path):
    module, params = case
    sources = (PACKAGE, SHELL_DIR / f"{module}.sv")
    lint(VerilatorJob(module, sources, tmp_path, params=params, library_dirs=LIBRARY))


@pytest.mark.parametrize("case", AROUND_REGISTERS, ids=case_id)
def test_the_shell_has_no_warning_but_the_generated_block_s(case, tmp_path):
    module, params = case
    generated = (SHELL_DIR / "fs_axi_regs.vlt", *registers.write_rtl(tmp_path))
    sources = (*generated, PACKAGE, SHELL_DIR / f"{module}.sv")
    lint(VerilatorJob(module, sources, tmp_path, params=params, library_dirs=LIBRARY))


def test_only_the_generated_block_is_waived():
    text = (SHELL_DIR / "fs_axi_regs.vlt").read_text()
    for line in re.findall(r"^lint_off.*", text, re.MULTILINE):
        assert re.search(r'-file "\*/fs_axi_regs(_pkg)?\.sv"$', line), line
    assert not any("verilator" in path.read_text() for path in OWN)


def test_yosys_reads_every_module(tmp_path):
    """One yosys for all: elaboration by slang, then no undriven, multiply driven or looping net."""
    names = stage(tmp_path, [*registers.write_rtl(tmp_path), *sorted(RTL_DIR.glob("*.sv")), *OWN])
    names.remove(f"{AXI_TOP}.sv")
    cases = [*CASES, *AROUND_REGISTERS]
    script = []
    for module, params in cases:
        script += [read_slang(names, module, params), "proc -noopt", "opt_clean", "check -assert"]
        script += ["select -assert-any t:*", "design -reset"]
    log = run_yosys(tmp_path, script, name="lint", what="yosys on hw/shell")
    assert log.count("Top level design units") == len(cases)


@pytest.mark.parametrize("case", [*CASES, *AROUND_REGISTERS], ids=case_id)
def test_slang_has_no_warning(case, tmp_path):
    from pyslang import driver

    module, params = case
    generated = registers.write_rtl(tmp_path) if case in AROUND_REGISTERS else []
    slang = driver.Driver()
    slang.addStandardArgs()
    words = ["slang", "-Wextra", "-Wno-useless-cast", "-Wno-shadow-value", "--top", module]
    words += [f"--suppress-warnings {path}" for path in generated]
    words += map(str, [*generated, PACKAGE, SHELL_DIR / f"{module}.sv"])
    words += ["-y", str(RTL_DIR), "-y", str(SHELL_DIR)]
    for name, value in params.items():
        words += ["-G", f"{name}={value}"]
    assert slang.parseCommandLine(" ".join(words))
    assert slang.processOptions()
    assert slang.parseAllSources()
    compilation = slang.createCompilation()
    slang.reportCompilation(compilation, True)
    slang.runAnalysis(compilation)
    assert (slang.diagEngine.numErrors, slang.diagEngine.numWarnings) == (0, 0), "see the captured output"


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_style(path):
    text = path.read_text()
    code = re.sub(r"//[^\n]*", "", text)
    assert text.startswith("// "), "begins with its contract"
    assert "`default_nettype none\n" in code
    assert code.rstrip().endswith("`default_nettype wire")
    assert re.findall(r"^(?:module|package) (\w+)", code, re.MULTILINE) == [path.stem]
    assert not re.search(r"\binterface\b|\bmodport\b|\b(BUFG|PS7|RAMB\w+|DSP48E1)\b", code)
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("module", "params", "message"),
    [
        ("fs_dma_unpack", {"IN_WIDTH": 24, "FRAME_BYTES": 10}, "divide FRAME_BYTES"),
        ("fs_dma_unpack", {"IN_WIDTH": 12}, "whole bytes"),
        ("fs_dma_read", {"FIFO_BEATS": 16}, "FIFO_BEATS is at least 32"),
        ("fs_dma_write", {"FIFO_BEATS": 8}, "FIFO_BEATS is at least 16"),
        ("fs_dma_control", {"TIMEOUT_CYCLES": 3}, "TIMEOUT_CYCLES must be at least 16"),
        ("fs_dma_control", {"FRAME_BYTES": 1 << 30}, "FRAME_BYTES must be 1 to"),
        ("fs_dma_pack", {"CLASSES": 0}, "CLASSES is at least 1"),
    ],
)
def test_wrong_parameters_stop_elaboration(tmp_path, module, params, message):
    sources = (PACKAGE, SHELL_DIR / f"{module}.sv")
    job = VerilatorJob(module, sources, tmp_path, params=params, library_dirs=LIBRARY)
    with pytest.raises(ToolError, match=message):
        lint(job)


# -- boards ----------------------------------------------------------------------------------------


def accelerator(folder, elements=3) -> Accelerator:
    """A folder with a core that does nothing."""
    folder.mkdir()
    (folder / "finnspect_core.sv").write_text(
        "module finnspect_core (input wire clk, input wire rst_n,\n"
        f"  input wire [{8 * elements - 1}:0] s_axis_tdata, input wire s_axis_tvalid,\n"
        "  output wire s_axis_tready, output wire [31:0] m_axis_tdata, output wire m_axis_tvalid,\n"
        "  input wire m_axis_tready, output wire m_axis_tlast);\n"
        "  assign s_axis_tready = 1'b1;\n  assign m_axis_tdata = 32'(s_axis_tdata);\n"
        "  assign m_axis_tvalid = s_axis_tvalid;\n  assign m_axis_tlast = 1'b1;\n"
        "  wire unused = &{1'b0, clk, rst_n, m_axis_tready};\nendmodule\n"
    )
    manifest = {
        "sources": ["finnspect_core.sv"],
        "images": [],
        "input": {"elements": elements, "beats": 64},
        "output": {"classes": 6},
    }
    return Accelerator(folder, manifest)


@pytest.fixture(params=["pynq-z2", "pynq-z1"])
def board(request) -> AxiBoard:
    return load_board(request.param)


def test_pynq_boards(board):
    assert (board.part.name, board.part.family) == ("xc7z020clg400-1", "xc7")
    assert board.resources == {"LUT": 53200, "FF": 106400, "BRAM36": 140, "DSP48E1": 220}
    assert board.shell == "finnspect-axi"
    assert board.axi.base_address == 0x43C00000
    assert board.axi.memory_port_bits == 64
    assert [path.name for path in board.source_paths()] == ["PS7.sv", "BUFG.sv", "top.sv"]


def test_both_boards_have_the_same_design():
    for first, second in zip(
        load_board("pynq-z2").source_paths(), load_board("pynq-z1").source_paths(), strict=True
    ):
        assert first.read_text() == second.read_text()


@pytest.mark.parametrize(
    ("wanted", "hz"),
    [(None, 100_000_000), (100.0, 100_000_000), (142.0, 142_857_143), (130.0, 125_000_000), (0.1, 251_953)],
)
def test_the_clock_is_the_nearest_that_the_processor_makes(wanted, hz):
    assert load_board("pynq-z2").clock.nearest_hz(wanted) == hz


def test_a_clock_below_zero():
    with pytest.raises(ConfigError, match="-1 MHz"):
        load_board("pynq-z2").clock.nearest_hz(-1)


def test_settings_and_the_package_that_carries_them(board, tmp_path):
    settings = axi_settings(accelerator(tmp_path / "core"), board, 125.0, BUILD_ID)
    values = dict(re.findall(r"localparam int unsigned (\w+) = (\d+);", settings.package()))
    assert {name: int(value) for name, value in values.items()} == {
        "CLOCK_HZ": 125_000_000,
        "CORE_TIMEOUT_CYCLES": 1 << 26,
        "FRAME_BYTES": 192,
        "CLASSES": 6,
        "IN_WIDTH": 24,
    }
    assert f"BUILD_ID = 128'h{BUILD_ID};" in settings.package()
    assert "package finnspect_axi_build;" in settings.package()
    with pytest.raises(ConfigError, match="32 hexadecimal digits"):
        axi_settings(accelerator(tmp_path / "other"), board, None, "xyz")


def staged(board, folder, **options) -> list[str]:
    core = accelerator(folder / "core")
    return stage_design(core, board, axi_settings(core, board, None, BUILD_ID), folder / "out", **options)


def test_the_whole_board_lints(board, tmp_path):
    """With a processor that is only declared: every port of the shell is connected, by its width."""
    names = staged(board, tmp_path)
    out = tmp_path / "out"
    assert names[-1] == "top.sv"
    assert not any(name.startswith("fs_uart") or name.endswith(".vlt") for name in names)
    waivers = out / "primitives.vlt"
    waivers.write_text(
        (SHELL_DIR / "fs_axi_regs.vlt").read_text()
        + "".join(
            f'lint_off -rule {rule} -file "*/{name}.sv"\n'
            for name in ("PS7", "BUFG", "finnspect_core")
            for rule in ("UNUSEDSIGNAL", "UNDRIVEN", "DECLFILENAME")
        )
    )
    sources = (waivers, *(out / name for name in names))
    lint(VerilatorJob(top="top", sources=sources, build_dir=out, library_dirs=()))


def test_yosys_synthesises_the_board(tmp_path):
    """Clock and reset come from the one processor; a block RAM, no multiplier, little logic."""
    names = staged(load_board("pynq-z2"), tmp_path)
    log = run_yosys(
        tmp_path / "out",
        [
            read_slang(names, "top"),
            "hierarchy -check -top top",
            "check -assert",
            "synth_xilinx -arch xc7 -flatten -noiopad -top top",
            "tee -q -o stat.json stat -json",
        ],
    )
    assert "0 errors, 0 warnings" in log
    cells = cell_counts(tmp_path / "out" / "stat.json")
    assert cells["PS7"] == 1
    assert cells["BUFG"] == 1
    assert cells["RAMB36E1"] == 1
    assert "DSP48E1" not in cells
    luts = sum(count for name, count in cells.items() if name.startswith("LUT"))
    flops = sum(count for name, count in cells.items() if name.startswith("FD"))
    assert 500 < luts < 2000
    assert 500 < flops < 3000


def test_a_simulated_design_has_no_board(board, tmp_path):
    names = staged(board, tmp_path, simulation=True)
    assert "top.sv" not in names
    assert "fs_axi_regs.vlt" in names
    assert f"{AXI_TOP}.sv" in names
    out = tmp_path / "out"
    waivers = out / "core.vlt"
    waivers.write_text('`verilator_config\nlint_off -rule DECLFILENAME -file "*/finnspect_core.sv"\n')
    flat = SIM_DIR / "virtual_board_top.sv"  # each of its ports is connected, by its width
    sources = (waivers, *(out / name for name in names), flat)
    lint(VerilatorJob(top=flat.stem, sources=sources, build_dir=out, library_dirs=()))
