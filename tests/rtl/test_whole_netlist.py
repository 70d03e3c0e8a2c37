"""What yosys maps a whole accelerator to keeps to what docs/rtl.md says of the open 7-series tools."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from dags import dag_folding, residual_graph
from finnspect.emit import emit_accelerator
from finnspect.emit.accelerator import TOP
from finnspect.toolchains.openxc7_reports import initialised_lut_ram, netlist_cells
from finnspect.toolchains.yosys import read_slang, run_yosys

CLOCKS = ("C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK")
WIDTHS = ("READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A", "WRITE_WIDTH_B")
PARITY = ("DOPADOP", "DOPBDOP", "DIPADIP", "DIPBDIP")
CLOCKED = ("FD", "SRL", "RAM", "DSP48")


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    """Every kind of layer, shift registers allowed: as Vivado, or a user's own script, would map it."""
    folder = tmp_path_factory.mktemp("whole")
    graph = residual_graph("argmax")
    folding = dag_folding(graph, lambda values: max(v for v in values if v <= 4))
    accelerator = emit_accelerator(graph, folding, folder)
    script = [read_slang(list(accelerator.sources), TOP), f"synth_xilinx -flatten -arch xc7 -top {TOP}"]
    run_yosys(folder, [*script, "write_json netlist.json"])
    return json.loads((folder / "netlist.json").read_text())


@pytest.fixture(scope="module")
def cells(netlist):
    return list(netlist["modules"][TOP]["cells"].values())


def readers(cells):
    """Return how many cells read each net."""
    return Counter(
        bit
        for cell in cells
        for port, bits in cell["connections"].items()
        if cell["port_directions"].get(port) == "input"
        for bit in bits
        if isinstance(bit, int)
    )


def test_the_design_has_what_is_looked_at(cells):
    kinds = {cell["type"] for cell in cells}
    assert {"FDRE", "DSP48E1", "RAMB18E1", "RAM32M"} <= kinds


def test_no_shift_register_is_deeper_than_32(cells):
    """A deeper one goes on at the pin Q31 of the first."""
    read = readers(cells)
    cascades = [bit for cell in cells for bit in cell["connections"].get("Q31", []) if read[bit]]
    assert not cascades


def test_no_lut_memory_of_64_words_starts_with_contents(netlist):
    assert initialised_lut_ram(netlist_cells(netlist, TOP)) == 0


def test_block_memories_with_narrow_ports_use_no_parity_bits(cells):
    """Ports of 18, 36 or 72 bits, or fewer than nine data bits: the ninth of a 9-bit port is left alone."""
    read = readers(cells)
    for cell in cells:
        if not cell["type"].startswith("RAMB"):
            continue
        widths = {int(cell["parameters"][name], 2) for name in WIDTHS} - {0}
        if widths <= {18, 36, 72}:
            continue
        assert widths <= {1, 2, 4, 9}, widths
        for port in PARITY:
            bits = [bit for bit in cell["connections"].get(port, []) if isinstance(bit, int)]
            assert cell["port_directions"][port] == "output" or not bits
            assert not any(read[bit] for bit in bits)


def test_one_clock_drives_everything(netlist, cells):
    clocks = {
        bit
        for cell in cells
        if cell["type"].startswith(CLOCKED)
        for port in CLOCKS
        for bit in cell["connections"].get(port, [])
        if isinstance(bit, int) and not (port == "C" and cell["type"].startswith("DSP"))
    }
    (clock,) = clocks
    (buffer,) = [cell for cell in cells if clock in cell["connections"].get("O", [])]
    assert buffer["type"] == "BUFG"
