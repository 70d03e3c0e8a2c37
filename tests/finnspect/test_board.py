"""board.toml: the shipped one, and every way of getting one wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from finnspect.board import list_boards, load_board
from finnspect.errors import ConfigError
from finnspect.paths import BOARDS_DIR

ULX3S = "ulx3s-85f"


@pytest.fixture
def boards(tmp_path):
    shutil.copytree(BOARDS_DIR / ULX3S, tmp_path / ULX3S)
    return tmp_path


def edit(boards, old, new):
    path = boards / ULX3S / "board.toml"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def test_every_board_in_the_repository_loads():
    assert ULX3S in list_boards()
    for name in list_boards():
        assert load_board(name).name == name


def test_ulx3s():
    board = load_board(ULX3S)
    assert board.part.name == "LFE5U-85F-6BG381C"
    assert board.resources == {"LUT4": 83640, "FF": 83640, "DP16KD": 208, "MULT18X18D": 156}
    assert board.toolchain == "ecp5"
    assert board.ports["ftdi_rxd"].pins == ["L4"]
    assert board.ports["led"].pins[7] == "H3"
    names = [path.name for path in board.source_paths()]
    assert names == ["EHXPLLL.sv", "ecp5_pll.sv", "top.sv"]
    twins = board.source_paths(simulation=True)
    assert [path.relative_to(board.folder).as_posix() for path in twins] == ["sim/ecp5_pll.sv", "top.sv"]


def test_every_port_of_the_top_has_a_pin_and_no_other():
    board = load_board(ULX3S)
    text = (board.folder / "top.sv").read_text()
    header = text[text.index("module top (") : text.index(");")]
    declared = [
        line.split("//")[0].rstrip(", ").split()[-1] for line in header.splitlines()[1:] if line.strip()
    ]
    assert sorted(declared) == sorted(board.ports)


def test_a_twin_has_the_ports_and_parameters_of_its_original():
    board = load_board(ULX3S)
    for name in board.simulation_sources:
        twin, original = board.folder / name, board.folder / Path(name).name
        headers = []
        for path in (twin, original):
            text = re.sub(r"//[^\n]*", "", path.read_text())
            headers.append(re.search(r"^module .*?\);", text, re.DOTALL | re.MULTILINE)[0].split())
        assert headers[0] == headers[1]


def test_unknown_board_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown board 'ulx3s-85g'") as caught:
        load_board("ulx3s-85g")
    assert ULX3S in caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LUT4 = 83640", 'LUT4 = "many"', "resources.LUT4"),
        ("input_mhz = 25.0", "input_mhz = -1.0", "clock.input_mhz"),
        ("vco_mhz = [400.0, 800.0]", "vco_mhz = [800.0, 400.0]", "smallest, largest"),
        ('pins = ["M1"]', 'pins = ["L4"]', "pins are used twice: L4"),
        ('port = "clk_25mhz"', 'port = "clk"', "'clk' is not one of the ports"),
        ('reset_port = "btn_fire1"', 'reset_port = "btn"', "'btn' is not one of the ports"),
        ('transmit_port = "ftdi_rxd"', 'transmit_port = "tx"', "'tx' is not one of the ports"),
        ('sources = ["top.sv"]', 'sources = ["missing.sv"]', "has no missing.sv"),
        ('title = "', 'colour = "red"\ntitle = "', "colour"),
        ('name = "ulx3s-85f"', 'name = "other"', "its folder is 'ulx3s-85f'"),
        ('pull = "NONE"', 'pull = "SIDEWAYS"', "ports.clk_25mhz.pull"),
        ("[part]", "[part", "cannot read"),
    ],
)
def test_a_wrong_field_is_named(boards, old, new, message):
    edit(boards, old, new)
    with pytest.raises(ConfigError, match=r"board\.toml") as caught:
        load_board(ULX3S, boards)
    assert message in str(caught.value)
