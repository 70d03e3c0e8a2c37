"""The handoff file; PYNQ's own parsers read the kept copy in the driver's tests."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from finnspect.board import load_board
from finnspect.errors import ConfigError
from finnspect.hwh import clock_dividers, make_hwh

KEPT = Path(__file__).parents[1] / "data" / "pynq-z2.hwh"


def test_the_kept_file_that_pynq_reads_is_what_is_written():
    board = load_board("pynq-z2")
    clock = board.clock
    made = make_hwh(
        board.part.name, board.axi.base_address, clock.default_mhz, clock.pll_mhz, clock.divider_max
    )
    assert made == KEPT.read_text()


@pytest.mark.parametrize(
    ("clock_mhz", "product"), [(100, 10), (125, 8), (142.857143, 7), (66.6666667, 15), (1000, 1)]
)
def test_dividers(clock_mhz, product):
    first, second = clock_dividers(clock_mhz)
    assert first * second == product
    assert first >= second


@pytest.mark.parametrize("clock_mhz", [90, 133, 2000])
def test_a_clock_that_cannot_be_made_is_refused(clock_mhz):
    with pytest.raises(ConfigError, match=f"FCLK0 cannot be {clock_mhz} MHz: the nearest"):
        make_hwh("xc7z020clg400-1", 0x43C00000, clock_mhz)


def test_another_part_and_address():
    root = ElementTree.fromstring(make_hwh("xc7z010clg225-3", 0x40010000, 50).encode())
    info = root.find("SYSTEMINFO")
    assert (info.get("DEVICE"), info.get("PACKAGE"), info.get("SPEEDGRADE")) == ("7z010", "clg225", "-3")
    window = root.find(".//MEMRANGE")
    assert (window.get("BASEVALUE"), window.get("HIGHVALUE")) == ("0x40010000", "0x4001FFFF")
    with pytest.raises(ConfigError, match="is not the name of a Zynq-7000 part"):
        make_hwh("LFE5U-85F", 0, 100)
