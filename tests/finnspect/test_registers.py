"""The register description and what is made from it."""

from __future__ import annotations

import ast
import functools
import importlib.util
import operator

import pytest
from finnspect import registers
from finnspect.deploy import INTERFACE_VERSION
from finnspect.errors import ConfigError
from finnspect.toolchains.yosys import read_slang, run_yosys

MAP = registers.read_registers()


def load_constants(text: str, folder):
    path = folder / "registers_under_test.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("registers_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_constants_are_current():
    assert registers.CONSTANTS.read_text() == registers.constants(MAP), "run `python -m finnspect.registers`"


def test_the_committed_page_is_current():
    assert registers.PAGE.read_text() == registers.page(MAP), "run `python -m finnspect.registers`"


def test_registers_are_words_side_by_side():
    offsets = [register.offset for register in MAP.registers]
    assert offsets == sorted(set(offsets))
    assert all(offset % 4 == 0 for offset in offsets)
    for register in MAP.registers:
        masks = [field.mask for field in register.fields]
        assert sum(masks) < 1 << 32
        assert sum(masks) == functools.reduce(operator.or_, masks), f"fields of {register.name} overlap"
        assert register.title
        assert all(field.description for field in register.fields)


def test_identity_spells_fins(tmp_path):
    module = load_constants(registers.constants(MAP), tmp_path)
    assert module.ID_VALUE.to_bytes(4, "big") == b"FINS"
    assert module.INTERFACE_VERSION_VALUE == INTERFACE_VERSION
    assert (module.ID, module.CONTROL, module.STATUS, module.FRAMES) == (0x00, 0x18, 0x1C, 0x28)
    assert module.FRAMES_MAX == 1 << 20
    assert module.CONTROL_START | module.CONTROL_SOFT_RESET | module.CONTROL_CLEAR == 7
    assert module.SIZE == 0x5C


def test_every_cause_is_a_bit_of_status(tmp_path):
    module = load_constants(registers.constants(MAP), tmp_path)
    flags = module.STATUS_IDLE | module.STATUS_BUSY | module.STATUS_DONE | module.STATUS_ERROR
    assert not any(mask & flags for mask in module.ERROR_CAUSES)
    names = [name for name, _ in module.ERROR_CAUSES.values()]
    assert "read_slverr_decerr" in names
    assert "core_timeout" in names
    assert len(set(names)) == len(names) == 8


def test_the_driver_s_constants_are_old_python():
    ast.parse(registers.CONSTANTS.read_text(), feature_version=(3, 8))


def test_the_page_names_every_register_and_field():
    text = registers.PAGE.read_text()
    for register in MAP.registers:
        assert f"| 0x{register.offset:02X} | [{register.name}]" in text
        assert all(f" {field.name} |" in text for field in register.fields)


def test_a_changed_description_changes_what_is_made(tmp_path):
    changed = tmp_path / "registers.rdl"
    changed.write_text(registers.SOURCE.read_text().replace("} FRAMES @ 0x28", "} FRAMES @ 0x3C"))
    other = registers.read_registers(changed)
    assert registers.constants(other) != registers.CONSTANTS.read_text()
    assert registers.page(other) != registers.PAGE.read_text()


def test_a_broken_description_names_the_file(tmp_path):
    broken = tmp_path / "registers.rdl"
    broken.write_text("addrmap x { reg { field {} a[8] = 0; } R @ 0x0; reg { field {} a; } S @ 0x2; };")
    with pytest.raises(ConfigError, match=r"registers\.rdl is no valid SystemRDL"):
        registers.read_registers(broken)


def test_yosys_reads_the_rtl(tmp_path):
    names = [path.name for path in registers.write_rtl(tmp_path)]
    assert names == ["fs_axi_regs_pkg.sv", "fs_axi_regs.sv"]
    log = run_yosys(tmp_path, [read_slang(names, registers.MODULE), "proc", "check -assert"])
    assert "0 errors" in log
