"""A minimal hardware handoff file (``.hwh``) for toolchains that make none.

PYNQ reads such a file beside a bit file to learn the clocks, the memory ports and the addresses of a
design. This one says as much of the shell ``finnspect-axi`` as ``pynq.Overlay`` needs, so that the overlay's
``finnspect_0`` is there as with a file made by Vivado.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from finnspect.errors import ConfigError

#: Names of the two modules in the file, and so of the attribute of ``pynq.Overlay``.
ACCELERATOR = "finnspect_0"
PROCESSOR = "ps7"
#: Bytes of the accelerator's window on the bus.
SPAN_BYTES = 0x1_0000
_AXI = "xilinx.com:interface:aximm:1.0"


def clock_dividers(clock_mhz: float, pll_mhz: float = 1000.0, divider_max: int = 63) -> tuple[int, int]:
    """Return the two dividers that make FCLK0 from the processor's I/O PLL.

    Raises
    ------
    ConfigError
        No pair makes the clock to within 0.01 %.
    """
    pairs = [(a, b) for a in range(1, divider_max + 1) for b in range(1, divider_max + 1) if a >= b]
    best = min(pairs, key=lambda pair: abs(pll_mhz / (pair[0] * pair[1]) - clock_mhz))
    made = pll_mhz / (best[0] * best[1])
    if abs(made - clock_mhz) > 1e-4 * clock_mhz:
        raise ConfigError(
            f"FCLK0 cannot be {clock_mhz:g} MHz: the nearest that {pll_mhz:g} MHz divides to is {made:g} MHz",
            f"set the clock to {made:g} MHz",
        )
    return best


def _part(name: str) -> dict[str, str]:
    """Split a part's name: xc7z020clg400-1 is device 7z020, package clg400, speed grade -1."""
    match = re.fullmatch(r"xc(7z\d+)([a-z]+\d+)(-\d)", name)
    if match is None:
        raise ConfigError(f"{name!r} is not the name of a Zynq-7000 part", "as in xc7z020clg400-1")
    return dict(zip(("DEVICE", "PACKAGE", "SPEEDGRADE"), match.groups(), strict=True))


def _module(parent: ElementTree.Element, name: str, vlnv: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        parent,
        "MODULE",
        {"FULLNAME": f"/{name}", "INSTANCE": name, "MODTYPE": vlnv.split(":")[2], "VLNV": vlnv, **attributes},
    )


def _parameters(module: ElementTree.Element, values: dict[str, object]) -> None:
    group = ElementTree.SubElement(module, "PARAMETERS")
    for name, value in values.items():
        ElementTree.SubElement(group, "PARAMETER", {"NAME": name, "VALUE": str(value)})


def _buses(module: ElementTree.Element, buses: dict[str, str], data_bits: dict[str, int]) -> None:
    ElementTree.SubElement(module, "PORTS")
    group = ElementTree.SubElement(module, "BUSINTERFACES")
    for name, kind in buses.items():
        bus = ElementTree.SubElement(group, "BUSINTERFACE", {"NAME": name, "TYPE": kind, "VLNV": _AXI})
        ElementTree.SubElement(bus, "PARAMETER", {"NAME": "DATA_WIDTH", "VALUE": str(data_bits[name])})
        ElementTree.SubElement(bus, "PORTMAPS")


def make_hwh(
    part: str, base_address: int, clock_mhz: float, pll_mhz: float = 1000.0, divider_max: int = 63
) -> str:
    """Return the handoff file of a design with the shell ``finnspect-axi``.

    Parameters
    ----------
    part
        Name of the Zynq-7000 part, as ordered.
    base_address
        Of the registers.
    clock_mhz
        FCLK0; must be what ``pll_mhz`` divides to.
    pll_mhz, divider_max
        The processor's I/O PLL and the largest value of either divider.

    Raises
    ------
    ConfigError
        The clock cannot be made, or the part is none.
    """
    first, second = clock_dividers(clock_mhz, pll_mhz, divider_max)
    root = ElementTree.Element("EDKSYSTEM", {"EDWVERSION": "1.2"})
    ElementTree.SubElement(root, "SYSTEMINFO", {"ARCH": "zynq", "NAME": "finnspect", **_part(part)})
    ElementTree.SubElement(root, "EXTERNALPORTS")
    ElementTree.SubElement(root, "EXTERNALINTERFACES")
    modules = ElementTree.SubElement(root, "MODULES")

    processor = _module(modules, PROCESSOR, "xilinx.com:ip:processing_system7:5.5", IS_PL="FALSE")
    clocks: dict[str, object] = {}
    for index in range(4):
        used = index == 0
        clocks[f"PCW_FPGA_FCLK{index}_ENABLE"] = int(used)
        clocks[f"PCW_FCLK{index}_PERIPHERAL_CLKSRC"] = "IO PLL"
        clocks[f"PCW_FCLK{index}_PERIPHERAL_DIVISOR0"] = first if used else 1
        clocks[f"PCW_FCLK{index}_PERIPHERAL_DIVISOR1"] = second if used else 1
        clocks[f"PCW_ACT_FPGA{index}_PERIPHERAL_FREQMHZ"] = clock_mhz if used else 10
        # PYNQ 4.0.0 looks for the frequency by its name on the larger family, also on a Zynq-7000.
        clocks[f"PSU__CRL_APB__PL{index}_REF_CTRL__ACT_FREQMHZ"] = clock_mhz if used else 10
    ports = {"PCW_USE_M_AXI_GP0": 1, "PCW_USE_S_AXI_HP0": 1, "PCW_S_AXI_HP0_DATA_WIDTH": 64}
    _parameters(processor, {**clocks, **ports})
    _buses(processor, {"M_AXI_GP0": "MASTER", "S_AXI_HP0": "SLAVE"}, {"M_AXI_GP0": 32, "S_AXI_HP0": 64})
    memory = ElementTree.SubElement(processor, "MEMORYMAP")
    window = {
        "ADDRESSBLOCK": "reg0",
        "BASENAME": "C_BASEADDR",
        "BASEVALUE": f"0x{base_address:08X}",
        "HIGHNAME": "C_HIGHADDR",
        "HIGHVALUE": f"0x{base_address + SPAN_BYTES - 1:08X}",
        "INSTANCE": ACCELERATOR,
        "IS_DATA": "TRUE",
        "IS_INSTRUCTION": "TRUE",
        "MASTERBUSINTERFACE": "M_AXI_GP0",
        "MEMTYPE": "REGISTER",
        "SLAVEBUSINTERFACE": "s_axi_gp",
    }
    ElementTree.SubElement(memory, "MEMRANGE", window)

    accelerator = _module(modules, ACCELERATOR, "finnspect:ip:fs_axi_accelerator:1.0", IS_PL="TRUE")
    _parameters(accelerator, {"C_BASEADDR": window["BASEVALUE"], "C_HIGHADDR": window["HIGHVALUE"]})
    _buses(accelerator, {"s_axi_gp": "SLAVE", "m_axi_hp": "MASTER"}, {"s_axi_gp": 32, "m_axi_hp": 64})
    ElementTree.SubElement(accelerator, "MEMORYMAP")
    ElementTree.indent(root)
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n{ElementTree.tostring(root, "unicode")}\n'
    )
