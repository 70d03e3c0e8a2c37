"""Read a Xilinx 7-series bit file back: its header, and the configuration packets behind the sync word.

Sources: the fields of the header are those of every ``.bit`` file; the packets are described in the 7 Series
FPGAs Configuration User Guide (UG470).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from finnspect.errors import ToolError

MAGIC = bytes.fromhex("00090ff00ff00ff00ff0000001")
SYNC = 0xAA995566
#: Of an XC7Z020; the four bits of the revision are not compared.
IDCODES = {"xc7z020": 0x03727093}
_REVISION = 0xF0000000
#: Words of one configuration frame of the 7 series.
FRAME_WORDS = 101
#: Words of a whole bit file that xc7frames2bit writes, by device.
WHOLE_WORDS = {"xc7z020": 1_011_379}

_NOP, _WRITE = 0, 2
_FDRI, _CMD, _IDCODE = 0x02, 0x04, 0x0C
_DESYNC = 0x0D
_REMEDY = "build again; if it stays, the tools' versions do not fit together"


@dataclass(frozen=True)
class BitFile:
    """What a bit file says.

    Parameters
    ----------
    design, part, date, time
        Fields ``a`` to ``d`` of the header.
    words
        Configuration words behind the header.
    idcode
        Device that it is for; None where no packet writes it.
    frame_words
        Words of frame data.
    ended
        A command takes the device out of configuration at the end.
    """

    design: str
    part: str
    date: str
    time: str
    words: int
    idcode: int | None
    frame_words: int
    ended: bool


def _header(data: bytes) -> tuple[dict[str, str], bytes]:
    if not data.startswith(MAGIC):
        raise ValueError("it does not begin as a bit file does")
    fields, at = {}, len(MAGIC)
    for key in "abcd":
        name, length = struct.unpack_from(">cH", data, at)
        if name != key.encode():
            raise ValueError(f"header field {key!r} is missing")
        text = data[at + 3 : at + 3 + length]
        if len(text) != length or not text.endswith(b"\0"):
            raise ValueError(f"header field {key!r} does not end")
        fields[key] = text[:-1].decode("ascii")
        at += 3 + length
    name, length = struct.unpack_from(">cI", data, at)
    body = data[at + 5 :]
    if name != b"e" or length != len(body):
        raise ValueError(f"the header announces {length} bytes of configuration, {len(body)} follow")
    if length % 4:
        raise ValueError(f"{length} bytes of configuration are not whole words")
    return fields, body


def _packets(words: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Give (register, data) for each packet that writes, after the sync word."""
    at = words.index(SYNC) + 1
    register = None
    while at < len(words):
        head = words[at]
        kind, operation = head >> 29, head >> 27 & 3
        if kind == 1:
            register, count = head >> 13 & 0x1F, head & 0x7FF
        elif kind == 2 and register is not None:
            count = head & 0x7FFFFFF
        else:
            raise ValueError(f"word {at} (0x{head:08X}) is no packet")
        if at + 1 + count > len(words):
            raise ValueError(f"the packet at word {at} needs {count} words, {len(words) - at - 1} follow")
        if operation == _WRITE:
            yield register, words[at + 1 : at + 1 + count]
        elif operation != _NOP or count:
            raise ValueError(f"word {at} (0x{head:08X}) reads in a bit file")
        at += 1 + count


def parse_bit(data: bytes) -> BitFile:
    """Decode a bit file.

    Raises
    ------
    ToolError
        It is none, or it is damaged: says where.
    """
    try:
        fields, body = _header(data)
        words = struct.unpack(f">{len(body) // 4}I", body)
        if SYNC not in words:
            raise ValueError("there is no sync word")
        idcode, frame_words, ended = None, 0, False
        for register, content in _packets(words):
            if register == _IDCODE and content:
                idcode = content[0]
            elif register == _FDRI:
                frame_words += len(content)
            elif register == _CMD and content:
                ended = content[0] == _DESYNC
    except (ValueError, struct.error) as error:
        raise ToolError(f"this is no sound bit file: {error}", _REMEDY) from error
    return BitFile(
        design=fields["a"],
        part=fields["b"],
        date=fields["c"],
        time=fields["d"],
        words=len(words),
        idcode=idcode,
        frame_words=frame_words,
        ended=ended,
    )


def check_bit(data: bytes, device: str, part: str, *, whole: bool) -> BitFile:
    """Decode a bit file and compare it with what it was made for.

    Parameters
    ----------
    device, part
        As ``xc7z020`` and ``xc7z020clg400-1``.
    whole
        It was written by xc7frames2bit, uncompressed: it has exactly the device's words.

    Raises
    ------
    ToolError
        Something differs: says what, found and expected.
    """
    found = parse_bit(data)
    wanted_id = IDCODES.get(device)
    wrong = []
    # Vivado leaves the family's prefix out of the part: 7z020clg400.
    named = found.part.lower().removeprefix("xc")
    if not part.removeprefix("xc").startswith(named.split("-")[0]) or not named:
        wrong.append(f"part {found.part!r}, expected {part}")
    if found.idcode is None:
        wrong.append("no device code")
    elif wanted_id is not None and (found.idcode ^ wanted_id) & ~_REVISION:
        wrong.append(f"device code 0x{found.idcode:08X}, expected 0x{wanted_id:08X}")
    if found.frame_words == 0:
        wrong.append("no configuration frames")
    if not found.ended:
        wrong.append("no command that ends the configuration")
    if whole:
        if found.frame_words % FRAME_WORDS:
            wrong.append(f"{found.frame_words} words of frames are not frames of {FRAME_WORDS}")
        expected = WHOLE_WORDS.get(device)
        if expected is not None and found.words != expected:
            wrong.append(f"{found.words:,} words, expected {expected:,}")
    if wrong:
        raise ToolError(f"the bit file is not one for {part}: {'; '.join(wrong)}", _REMEDY)
    return found
