"""The Vivado road: golden scripts, builds with a stand-in that runs them strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from finnspect.board import load_board
from finnspect.errors import ResourceError, TimingError, ToolError
from finnspect.toolchains import vivado
from finnspect.toolchains.openxc7_bitfile import parse_bit
from finnspect.toolchains.result import BitstreamResult
from finnspect.toolchains.vivado import VivadoOptions, build_bitstream, find_vivado
from xc7_tools import DATA, install_vivado, load, program, small_core

BOARD = load_board("pynq-z2")
BUILD_ID = "0123456789abcdef" * 2
VIVADO = DATA / "vivado"
SOURCES = ["finnspect_axi_build.sv", "fs_skid.sv", "top.sv"]


def build(tmp_path: Path, options: VivadoOptions | None = None, clock_mhz=None, lines=None, **config):
    found = find_vivado({"VIVADO": str(install_vivado(tmp_path / "vivado", **config))})
    progress = (lambda line: None) if lines is None else lines.append
    core = small_core(tmp_path / "core")
    return build_bitstream(core, BOARD, clock_mhz, BUILD_ID, tmp_path / "out", progress, options, found)


# -- scripts and commands ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("build.tcl", VivadoOptions(threads=4)),
        ("build_ooc.tcl", VivadoOptions(out_of_context=True, threads=4, seed=3)),
    ],
)
def test_the_script_is_the_golden_one(name, options):
    assert vivado.script(BOARD, SOURCES, options) == (VIVADO / name).read_text()


def test_constraints():
    assert vivado.constraints(BOARD, 100_000_000).splitlines()[1:] == [
        "create_clock -name fclk0 -period 10.000 [get_pins {u_ps7/FCLKCLK[0]}]",
        "# Without pins, nothing else holds the design together.",
        "set_property DONT_TOUCH true [get_cells {u_ps7}]",
        "# The reset is asynchronous, and synchronised in the design.",
        "set_false_path -through [get_pins {u_ps7/FCLKRESETN[0]}]",
    ]
    # rounded towards the harder period
    assert "-period 7.999 " in vivado.constraints(BOARD, 125_000_001)
    assert "[get_ports clk]" in vivado.constraints(BOARD, 100_000_000, out_of_context=True)


def test_the_constraints_name_the_processor_of_the_boards():
    for name in ("pynq-z1", "pynq-z2"):
        board = load_board(name)
        assert f"PS7 {vivado._PROCESSOR} (" in (board.folder / "top.sv").read_text()


def test_the_command():
    assert vivado.command(Path("/opt/vivado")).argv == (
        *("/opt/vivado", "-mode", "batch", "-nojournal", "-notrace"),
        *("-log", "vivado.log", "-source", "build.tcl"),
    )


@pytest.mark.parametrize("slack", ["0.5", "-0.1"])
def test_the_stand_in_reads_the_script_as_real_tcl_does(slack):
    """Where Python has Tcl: the same commands with the same words, in the same order."""
    tkinter = pytest.importorskip("tkinter")
    try:
        real = tkinter.Tcl()
    except tkinter.TclError:
        pytest.skip("this Python's Tcl does not start")
    script = vivado.script(BOARD, SOURCES, VivadoOptions())
    assert real.eval(f"info complete {{{script}}}") == "1"
    answers = {"get_timing_paths": "a_path", "get_property": slack}
    names = list(load(VIVADO / "vivado.py").COMMANDS)

    def runs(define, evaluate):
        calls = []

        def command(name):
            def called(*words):
                calls.append((name, *(" ".join(str(word).split()) for word in words)))
                if name == "exit":
                    raise StopIteration
                return answers.get(name, "")

            return called

        define({name: command(name) for name in names})
        with pytest.raises(Exception):  # noqa: B017 - whatever ends the script at its exit
            evaluate(script)
        return calls

    def define_real(commands):
        for name, call in commands.items():
            real.createcommand(name, call)

    ours = load(VIVADO / "tcl.py").Tcl({})
    expected = runs(define_real, real.eval)
    assert runs(ours.commands.update, ours.run) == expected
    assert expected[-1] == ("exit", "0" if slack == "0.5" else "3")
    assert [call[0] for call in expected].count("get_property") == (2 if slack == "0.5" else 1)


# -- finding it ----------------------------------------------------------------------------------------


def test_it_is_found_by_environment_and_path(tmp_path):
    root = install_vivado(tmp_path / "2022.1")
    binary = root / "bin" / "vivado"
    for environ in (
        {"VIVADO": str(root)},
        {"VIVADO": str(binary)},
        {"XILINX_VIVADO": str(root)},
        {"PATH": str(root / "bin")},
    ):
        found = find_vivado(environ)
        assert (found.program, found.version) == (binary, "2022.1")


@pytest.mark.parametrize("version", ["2020.1", "2021.2", "2024.1.2", "2025.1"])
def test_versions(tmp_path, version):
    assert find_vivado({"VIVADO": str(install_vivado(tmp_path, version=version))}).version == version


def test_an_old_one_and_none_at_all_say_what_to_do(tmp_path):
    with pytest.raises(ToolError, match=r"Vivado 2019\.2, too old") as caught:
        find_vivado({"VIVADO": str(install_vivado(tmp_path / "old", version="2019.2"))})
    assert "2020.1 or later" in caught.value.remedy
    with pytest.raises(ToolError, match="no program 'vivado'"):
        find_vivado({"PATH": str(tmp_path)})
    broken = program(tmp_path / "bin" / "vivado", "echo", "libtinfo.so.5: cannot open shared object file")
    with pytest.raises(ToolError, match=r"libtinfo\.so\.5"):
        find_vivado({"VIVADO": str(broken)})


# -- building ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2020.1", "2025.1"])
def test_a_bitstream(tmp_path, version):
    lines: list[str] = []
    result = build(tmp_path, lines=lines, version=version)
    out = tmp_path / "out"
    assert BitstreamResult.load(out) == result
    assert parse_bit(result.bitstream.read_bytes()).part == "7z020clg400"
    assert (result.toolchain, result.clock_mhz) == ("vivado", 100.0)
    assert result.fmax_mhz == pytest.approx(1000 / (10 - 0.812))
    assert result.resources == {
        "LUT": 5213,
        "LUTRAM": 160,
        "FF": 6674,
        "BRAM36": 28,
        "RAMB36E1": 13,
        "RAMB18E1": 29,
        "DSP48E1": 88,
    }
    assert result.available["DSP48E1"] == 220
    assert result.power_w == 1.693
    assert result.critical_path.startswith("u_accelerator/u_core/u_conv1/")
    assert lines[0] == f"Vivado {version}"
    assert result.hwh == out / "pynq-z2.hwh"
    assert "0x43C00000" in result.hwh.read_text()
    assert result.versions == {"vivado": version}
    # The processor is Vivado's own, and every image is where its reader is.
    script = (out / "build.tcl").read_text()
    assert "PS7.sv" not in script
    assert (out / "finnspect_core.sv").is_file()
    assert BUILD_ID in (out / "finnspect_axi_build.sv").read_text()


def test_the_core_alone(tmp_path):
    result = build(tmp_path, VivadoOptions(out_of_context=True))
    assert (result.toolchain, result.bitstream) == ("vivado-ooc", None)
    assert result.fmax_mhz > 100
    assert any("out of context" in note for note in result.notes)
    assert "top.sv" not in (tmp_path / "out" / "build.tcl").read_text()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"setup": -0.4},
            r"reaches 96\.15 MHz, 100\.00 MHz wanted \(17 endpoints\); slowest path u_acc.*D: ",
        ),
        ({"hold": -0.02}, r"hold slack -0\.020 ns"),
        ({"pulse": -0.125}, r"pulse width slack -0\.125 ns.*\(2 endpoints\)"),
        ({"unclocked": 3}, r"3 registers have no clock"),
    ],
)
def test_a_missed_clock_is_an_error_and_leaves_no_bit_file(tmp_path, config, message):
    with pytest.raises(TimingError, match=message):
        build(tmp_path, **config)
    assert not (tmp_path / "out" / "bitstream.json").exists()
    assert not (tmp_path / "out" / "pynq-z2.bit").exists()


@pytest.mark.parametrize(
    ("fail", "kind", "words", "remedy"),
    [
        (
            {"synth_design": "ERROR: [Synth 8-439] module 'fs_x' not found [top.sv:9]"},
            ToolError,
            "module 'fs_x' not found",
            "vivado.log",
        ),
        (
            {"synth_design": "ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis'"},
            ToolError,
            "valid license",
            "free edition",
        ),
        (
            {"place_design": "ERROR: [Place 30-640] Place Check : More RAMB36/FIFO cells are needed"},
            ResourceError,
            "does not fit pynq-z2",
            "fold more",
        ),
    ],
)
def test_a_failure_shows_vivados_own_line_and_the_remedy(tmp_path, fail, kind, words, remedy):
    with pytest.raises(kind) as caught:
        build(tmp_path, fail=fail)
    assert words in caught.value.message
    assert remedy in caught.value.remedy
    assert not (tmp_path / "out" / "pynq-z2.bit").exists()


def test_a_design_that_is_too_large_says_by_how_much(tmp_path):
    with pytest.raises(ResourceError, match=r"LUT: 60000 needed, 53200 there, 6800 too many"):
        build(tmp_path, lut=60_000)


def test_a_part_that_is_not_installed_says_so(tmp_path):
    with pytest.raises(ToolError) as caught:
        build(tmp_path, fail={"synth_design": "ERROR: [Common 17-69] Command failed: Part 'x' not found"})
    assert "add Zynq-7000" in caught.value.remedy


def test_a_missing_memory_image_is_no_warning(tmp_path, monkeypatch):
    core = small_core(tmp_path / "core")
    monkeypatch.setattr(type(core), "images", ())
    found = find_vivado({"VIVADO": str(install_vivado(tmp_path / "vivado"))})
    with pytest.raises(ToolError, match=r"could not open \$readmem data file 'mem/scale\.mem'"):
        build_bitstream(core, BOARD, None, BUILD_ID, tmp_path / "out", vivado=found)


def test_a_bit_file_for_another_device_is_refused_and_goes(tmp_path):
    with pytest.raises(ToolError, match="device code 0x13722093"):
        build(tmp_path, idcode="13722093")
    assert not (tmp_path / "out" / "pynq-z2.bit").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("opt_design", "optimise_design", 'invalid command name "optimise_design"'),
        ("-max_paths 1", "-max_path 1", "Unknown option '-max_path'"),
        ("get_property SLACK", "get_property SLAK", "Unknown object property 'SLAK'"),
        ("  top.sv", "  tap.sv", "File or Directory 'tap.sv' does not exist"),
        ("-part xc7z020clg400-1", "-part xc7z020", "Part 'xc7z020' not found"),
        ("place_design -directive Default", "puts", "'puts' expects 1 arguments"),
        ("opt_design\n", "\n", "No open design"),
        ("general.maxThreads", "general.maxThread", "does not exist"),
        ("$slack", "$slak", 'can\'t read "slak"'),
        ("$paths] == 0}", "$paths] == 0", "missing close-brace"),
    ],
)
def test_the_stand_in_refuses_what_vivado_refuses(tmp_path, monkeypatch, old, new, message):
    """Else the builds above would prove nothing."""
    right = vivado.script
    monkeypatch.setattr(vivado, "script", lambda *args: right(*args).replace(old, new))
    with pytest.raises(ToolError) as caught:
        build(tmp_path)
    log = (tmp_path / "out" / "vivado.log").read_text()
    assert message in log
    assert "failed (exit 1)" in caught.value.message
