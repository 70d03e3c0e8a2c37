"""The protocol's constants are written twice, in SystemVerilog and in the driver: they must agree."""

from __future__ import annotations

import re
import zlib

import pytest
from finnspect.paths import SHELL_DIR
from finnspect_driver import uart_protocol as protocol


def constants() -> dict[str, int]:
    text = (SHELL_DIR / "fs_uart_pkg.sv").read_text()
    found = re.findall(r"localparam [^=]*?(\w+) = (?:\d+'([dh]))?([0-9A-Fa-f_]+);", text)
    return {name: int(value.replace("_", ""), 16 if base == "h" else 10) for name, base, value in found}


def test_every_constant_is_the_driver_s():
    hardware = constants()
    assert hardware.pop("ERROR_NONE") == 0
    assert max(protocol.ERRORS) < 1 << hardware.pop("ERROR_BITS")
    names = [name for name in hardware if name.startswith(("SYNC", "COMMAND", "REPLY", "ERROR_"))]
    assert len(names) == 14
    for name in names:
        assert getattr(protocol, name) == hardware[name], name
    assert hardware["INTERFACE_VERSION"] == protocol.INTERFACE_VERSION
    assert hardware["MAGIC"].to_bytes(4, "little") == protocol.MAGIC
    assert hardware["INFO_BYTES"] == protocol.INFO.size
    assert set(protocol.ERRORS) == {value for name, value in hardware.items() if name.startswith("ERROR_")}


def test_the_check_sum_is_the_usual_crc_32():
    assert protocol.crc(b"123456789") == (0xCBF43926).to_bytes(4, "little")


@pytest.mark.parametrize("size", [0, 1, 300])
def test_a_request_byte_for_byte(size):
    payload = bytes(range(256)) * 2
    request = protocol.encode_request(0x02, 7, payload[:size])
    body = bytes([0x02, 7, size & 255, size >> 8, 0, 0]) + payload[:size]
    assert request == b"\xa5\x5a" + body + zlib.crc32(body).to_bytes(4, "little")
