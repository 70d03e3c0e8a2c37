"""Logs of nextpnr: samples of real runs, and the whole transcripts where they are at hand."""

from __future__ import annotations

import pytest
from finnspect.board import load_board
from finnspect.errors import ResourceError, TimingError, ToolError
from finnspect.paths import ROOT
from finnspect.toolchains import openxc7_reports as reports
from xc7_tools import DATA

BOARD = load_board("pynq-z2")
TRANSCRIPTS = ROOT.parent / "shared" / "openxc7"
SAMPLES = ("xilinx", "himbaechel", "himbaechel_missed")


def sample(name: str) -> reports.Xc7Report:
    return reports.parse_pnr_log((DATA / "openxc7" / f"{name}.log").read_text())


@pytest.mark.parametrize(
    ("name", "clocks", "path"),
    [
        ("xilinx", {"FCLK_CLK_buffered[0]": (256.61, 100.0)}, "3.90 ns (0.60 logic, 3.30 routing)"),
        ("himbaechel", {"FCLK_CLK_buffered[0]": (278.09, 100.0)}, "3.60 ns (0.85 logic, 2.75 routing)"),
        ("himbaechel_missed", {"clk": (87.07, 100.0)}, "11.49 ns (3.50 logic, 7.99 routing)"),
    ],
)
def test_clocks_are_those_after_routing(name, clocks, path):
    report = sample(name)
    assert report.clocks == clocks
    assert report.path.endswith(path)
    assert report.path.startswith("$auto$ff.cc:337:slice$")


def test_cells():
    xilinx, himbaechel = sample("xilinx"), sample("himbaechel")
    assert xilinx.resources == himbaechel.resources
    assert xilinx.available == himbaechel.available
    assert xilinx.resources == {
        "SLICE_LUTX": 621,
        "FF": 337,
        "CARRY4": 28,
        "RAMB18E1": 0,
        "RAMB36E1": 16,
        "DSP48E1": 16,
    }
    assert xilinx.available["DSP48E1"] == 220


def test_timing_is_judged():
    assert sample("xilinx").met
    reports.check_timing(sample("himbaechel"))
    with pytest.raises(TimingError, match=r"clock clk reaches 87\.07 MHz, 100\.00 MHz wanted"):
        reports.check_timing(sample("himbaechel_missed"))


def test_the_worst_of_several_clocks_counts():
    log = (DATA / "openxc7" / "xilinx.log").read_text()
    log += "Warning: Max frequency for clock 'slow': 40.00 MHz (FAIL at 50.00 MHz)\n"
    report = reports.parse_pnr_log(log)
    assert (report.clock, report.fmax_mhz, report.met) == ("slow", 40.0, False)


@pytest.mark.parametrize("log", ["", "Info: Max frequency for clock 'x': 1.00 MHz (PASS at 1.00 MHz)\n"])
def test_another_text_is_no_log(log):
    with pytest.raises(ToolError, match="no clock or no cells"):
        reports.parse_pnr_log(log)


@pytest.mark.skipif(not TRANSCRIPTS.is_dir(), reason="the transcripts are not here")
@pytest.mark.parametrize(("name", "whole"), zip(SAMPLES, ("t5_t5.np", "t5_t5.h", "t4_top.h"), strict=True))
def test_a_sample_reads_as_the_whole_log(name, whole):
    assert sample(name) == reports.parse_pnr_log((TRANSCRIPTS / f"{whole}.log").read_text())


def test_a_design_that_is_too_large_says_by_how_much():
    log = (DATA / "openxc7" / "himbaechel.log").read_text().replace("16/    220     7%", "301/    220   136%")
    log += "ERROR: Unable to find legal placement for all cells, design is probably at utilisation limit.\n"
    error = reports.tool_failure("place and route", 255, log, BOARD, "pnr.log")
    assert isinstance(error, ResourceError)
    assert "DSP48E1_DSP48E1: 301 needed, 220 there, 81 too many" in error.message


def netlist(*cells):
    return {"modules": {"top": {"cells": {str(index): cell for index, cell in enumerate(cells)}}}}


def test_memories_that_go_wrong_are_counted():
    nine = f"{9:032b}"
    cells = reports.netlist_cells(
        netlist(
            {"type": "RAM64X1D", "parameters": {"INIT": "0" * 63 + "1"}},
            {"type": "RAM64M", "parameters": {"INIT_A": "0" * 64, "INIT_B": "x" * 64}},
            {"type": "RAM32M", "parameters": {"INIT_A": "1" * 64}},
            {"type": "RAMB18E1", "parameters": {"READ_WIDTH_A": f"{18:032b}", "READ_WIDTH_B": nine}},
            {"type": "RAMB36E1", "parameters": {"READ_WIDTH_A": f"{72:032b}", "READ_WIDTH_B": 0}},
            {"type": "LUT6", "parameters": {"INIT": "1"}},
        ),
        "top",
    )
    assert reports.initialised_lut_ram(cells) == 1
    assert reports.nine_bit_block_ram(cells) == 1
