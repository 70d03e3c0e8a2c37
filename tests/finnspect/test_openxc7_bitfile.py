"""Bit files, made here in the real ones' form, read back; and damaged ones."""

from __future__ import annotations

import importlib.util

import pytest
from finnspect.errors import ToolError
from finnspect.toolchains.openxc7_bitfile import FRAME_WORDS, WHOLE_WORDS, BitFile, check_bit, parse_bit
from xc7_tools import DATA, PART

_SPEC = importlib.util.spec_from_file_location("openxc7_tools_stand_in", DATA / "openxc7" / "tools.py")
stand_in = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(stand_in)


@pytest.fixture(scope="module")
def bits() -> bytes:
    return stand_in.bit_file()


def test_fields(bits):
    assert parse_bit(bits) == BitFile(
        design="design.frames;Generator=xc7frames2bit",
        part=PART,
        date="2026/11/23",
        time="18:00:00",
        words=1_011_379,
        idcode=0x03727093,
        frame_words=10_008 * FRAME_WORDS,
        ended=True,
    )
    assert 4_045_600 <= len(bits) < 4_045_700  # as long as the real tools' are
    assert check_bit(bits, "xc7z020", PART, whole=True).words == WHOLE_WORDS["xc7z020"]


def test_a_revision_of_the_device_and_another_writer_of_parts_do_not_matter():
    other = stand_in.bit_file(part="7z020clg400", idcode=0x23727093, total=1_011_400)
    assert check_bit(other, "xc7z020", PART, whole=False).part == "7z020clg400"
    with pytest.raises(ToolError, match=r"1,011,400 words, expected 1,011,379"):
        check_bit(other, "xc7z020", PART, whole=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"part": "xc7z010clg400-1"}, "part 'xc7z010clg400-1', expected xc7z020clg400-1"),
        ({"part": ""}, "part ''"),
        ({"idcode": 0x13722093}, "device code 0x13722093, expected 0x03727093"),
    ],
)
def test_another_device_is_refused(change, message):
    with pytest.raises(ToolError, match=message):
        check_bit(stand_in.bit_file(**change), "xc7z020", PART, whole=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "does not begin"),
        (lambda data: data[:20], "header"),
        (lambda data: data[:-4], "announces 4045516 bytes of configuration, 4045512 follow"),
        (lambda data: data.replace(b"\xaa\x99\x55\x66", b"\0\0\0\0"), "no sync word"),
        (lambda data: data.replace(b"c\0\x0b", b"x\0\x0b", 1), "header field 'c' is missing"),
        (lambda data: data[:-8] + b"\xff" * 8, "is no packet"),
        (lambda data: data[:-4] + b"\x30\x00\x40\x05", "needs 5 words, 0 follow"),
        (lambda data: data[:-4] + b"\x28\x00\x40\x00", "reads in a bit file"),
    ],
)
def test_a_damaged_file_is_refused(bits, damage, message):
    with pytest.raises(ToolError, match=message):
        parse_bit(damage(bits))


def test_a_file_that_configures_nothing_is_refused(bits):
    desync = bytes.fromhex("300080010000000d")
    assert desync in bits
    with pytest.raises(ToolError, match="no command that ends"):
        check_bit(bits.replace(desync, b"\x20\0\0\0" * 2), "xc7z020", PART, whole=True)
    frames = bytes.fromhex("30004000")
    count = (10_008 * FRAME_WORDS | 0x50000000).to_bytes(4, "big")
    assert frames + count in bits
    hidden = bits.replace(frames + count, bytes.fromhex("30006000") + count)  # another register
    with pytest.raises(ToolError, match="no configuration frames"):
        check_bit(hidden, "xc7z020", PART, whole=True)
