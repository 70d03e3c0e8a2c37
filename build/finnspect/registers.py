"""What is made from ``hw/shell/registers.rdl``: RTL, the driver's constants, the documentation page.

``python -m finnspect.registers`` writes the constants and the page, which are kept in the repository;
a build writes the RTL for itself with :func:`write_rtl`.
"""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from finnspect.errors import ConfigError
from finnspect.paths import ROOT, SHELL_DIR
from finnspect.stages import write_whole

log = logging.getLogger(__name__)

SOURCE = SHELL_DIR / "registers.rdl"
CONSTANTS = ROOT / "hw" / "driver" / "finnspect_driver" / "registers.py"
PAGE = ROOT / "docs" / "registers.md"
#: Module of the generated RTL; its package adds ``_pkg``.
MODULE = "fs_axi_regs"
#: Bytes of address that the block decodes: an access to an offset without a register is an error.
WINDOW_BITS = 12
_NOTICE = "Generated from hw/shell/registers.rdl by `python -m finnspect.registers`; do not edit."
#: First bit of STATUS that is a cause of an error.
_FIRST_CAUSE = 8


@dataclass(frozen=True)
class Field:
    """Bits of a register.

    Parameters
    ----------
    reset
        Value after reset; None where the hardware gives it.
    largest
        Largest value that may be written, where that is less than the bits hold.
    """

    name: str
    low: int
    width: int
    access: str
    reset: int | None
    constant: bool
    largest: int | None
    description: str

    @property
    def mask(self) -> int:
        """The field's bits, set."""
        return ((1 << self.width) - 1) << self.low

    @property
    def bits(self) -> str:
        """The bits as written in a table."""
        return str(self.low) if self.width == 1 else f"{self.low + self.width - 1}:{self.low}"


@dataclass(frozen=True)
class Register:
    """One 32-bit register."""

    name: str
    title: str
    description: str
    offset: int
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class RegisterMap:
    """Every register, in the order of the offsets."""

    title: str
    description: str
    registers: tuple[Register, ...]

    def __getitem__(self, name: str) -> Register:
        return next(register for register in self.registers if register.name == name)


def _compile(source: Path):
    from peakrdl_regblock.udps import ALL_UDPS
    from systemrdl import RDLCompileError, RDLCompiler

    compiler = RDLCompiler()
    for udp in ALL_UDPS:
        compiler.register_udp(udp)
    try:
        compiler.compile_file(str(source))
        return compiler.elaborate()
    except RDLCompileError as error:
        raise ConfigError(f"{source} is no valid SystemRDL: {error}", "see the lines above") from error


def _text(node, name: str) -> str:
    return " ".join((node.get_property(name) or "").split())


def _field(node) -> Field:
    sw = node.get_property("sw").name
    return Field(
        name=node.inst_name,
        low=node.low,
        width=node.width,
        access={"r": "read", "w": "write", "rw": "read, write"}[sw],
        reset=node.get_property("reset"),
        constant=sw == "r" and node.get_property("hw").name == "na",
        largest=node.get_property("largest", default=None),
        description=_text(node, "desc"),
    )


def read_registers(source: Path = SOURCE) -> RegisterMap:
    """Return the register map that a SystemRDL file describes.

    Raises
    ------
    ConfigError
        The file is not valid.
    """
    top = _compile(source).top
    registers = [
        Register(
            name=node.inst_name,
            title=_text(node, "name"),
            description=_text(node, "desc"),
            offset=node.absolute_address,
            fields=tuple(_field(field) for field in node.fields()),
        )
        for node in top.registers()
    ]
    registers.sort(key=lambda register: register.offset)
    return RegisterMap(_text(top, "name"), _text(top, "desc"), tuple(registers))


def write_rtl(folder: Path, source: Path = SOURCE) -> list[Path]:
    """Write the register block into ``folder``: a package and a module with an AXI4-Lite port.

    Returns
    -------
    list of Path
        Package, module.

    Raises
    ------
    ConfigError
        The file is not valid SystemRDL.
    """
    from peakrdl_regblock import RegblockExporter
    from peakrdl_regblock.cpuif.axi4lite import AXI4Lite_Cpuif_flattened

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        RegblockExporter().export(
            _compile(source),
            scratch,
            cpuif_cls=AXI4Lite_Cpuif_flattened,
            module_name=MODULE,
            package_name=f"{MODULE}_pkg",
            address_width=WINDOW_BITS,
            default_reset_activelow=True,
            err_if_bad_addr=True,
        )
        written = []
        for name in (f"{MODULE}_pkg.sv", f"{MODULE}.sv"):
            shutil.copyfile(Path(scratch) / name, folder / name)
            written.append(folder / name)
    return written


def _constant_names(register: Register) -> list[tuple[str, int]]:
    names = [(register.name, register.offset)]
    whole = len(register.fields) == 1 and register.fields[0].width == 32
    for field in register.fields:
        if not whole:
            names.append((f"{register.name}_{field.name.upper()}", field.mask))
        if field.constant:
            names.append((f"{register.name}_VALUE", field.reset or 0))
        if field.largest is not None:
            names.append((f"{register.name}_MAX", field.largest))
    return names


def constants(registers: RegisterMap) -> str:
    """Return the driver's module: offsets, masks of fields, values of constant registers."""
    size = max(register.offset for register in registers.registers) + 4
    lines = [f'"""{registers.title}.', "", _NOTICE, '"""', ""]
    lines += ["#: Bytes from the first register to behind the last.", f"SIZE = 0x{size:02X}"]
    for register in registers.registers:
        lines += ["", f"#: {register.title}."]
        for name, value in _constant_names(register):
            lines.append(f"{name} = 0x{value:08X}" if name != register.name else f"{name} = 0x{value:02X}")
    causes = [field for field in registers["STATUS"].fields if field.low >= _FIRST_CAUSE]
    lines += ["", "#: Mask in STATUS -> name and meaning of an error.", "ERROR_CAUSES = {"]
    for cause in causes:
        lines += [f"    STATUS_{cause.name.upper()}: (", f'        "{cause.name}",']
        lines += [f'        "{cause.description}",', "    ),"]
    return "\n".join([*lines, "}", ""])


def page(registers: RegisterMap) -> str:
    """Return the documentation page, in Markdown."""
    lines = [f"<!-- {_NOTICE} -->", f"# {registers.title}", "", registers.description, ""]
    lines += [
        "An access to another offset within 4 KiB is answered with SLVERR; a write to a register that "
        "can only be read is ignored. How the shell behaves on its buses: `docs/axi_shell.md`.",
        "",
        "| offset | register | |",
        "| --- | --- | --- |",
    ]
    for register in registers.registers:
        anchor = re.sub(r"[^a-z0-9_-]", "", register.name.lower())
        lines.append(f"| 0x{register.offset:02X} | [{register.name}](#{anchor}) | {register.title} |")
    for register in registers.registers:
        lines += ["", f"## {register.name}", "", f"Offset 0x{register.offset:02X}. {register.title}."]
        if register.description:
            lines += ["", register.description]
        lines += ["", "| bits | field | access | after reset | meaning |", "| --- | --- | --- | --- | --- |"]
        for field in register.fields:
            reset = "" if field.reset is None else f"0x{field.reset:X}"
            lines.append(f"| {field.bits} | {field.name} | {field.access} | {reset} | {field.description} |")
    return "\n".join([*lines, ""])


def write_all() -> list[Path]:
    """Write the constants and the page into the repository, return their paths."""
    registers = read_registers()
    return [write_whole(CONSTANTS, constants(registers)), write_whole(PAGE, page(registers))]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for path in write_all():
        log.info("%s", path)
