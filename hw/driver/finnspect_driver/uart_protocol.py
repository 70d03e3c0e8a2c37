"""The frames of the serial shell: codes, check sums, what the hardware says of itself. See ``docs/uart.md``.

Keeps to Python 3.8.
"""

from __future__ import annotations

import struct
import zlib

SYNC_A = 0xA5
SYNC_B = 0x5A
REQUEST_SYNC = bytes([SYNC_A, SYNC_B])
REPLY_SYNC = bytes([SYNC_B, SYNC_A])
MAGIC = b"FNSP"
INTERFACE_VERSION = 1

COMMAND_INFO = 0x01
COMMAND_INFER = 0x02
REPLY_INFO = 0x81
REPLY_INFER = 0x82
REPLY_ERROR = 0xFF

#: Error code -> what the hardware met.
ERRORS = {
    1: "the request's check sum is wrong",
    2: "the request's length is not the one of its command",
    3: "the command is unknown",
    4: "there is no room for the image: earlier ones are still waiting",
    5: "the request stopped in the middle",
    6: "a byte of the request had no stop bit",
    7: "the core gave no, too few or too many logits and was reset",
}
ERROR_CRC = 1
ERROR_LENGTH = 2
ERROR_COMMAND = 3
ERROR_BUSY = 4
ERROR_TRUNCATED = 5
ERROR_FRAMING = 6
ERROR_CORE = 7
#: Errors that a damaged line can cause: asking again may help.
LINE_ERRORS = (ERROR_CRC, ERROR_LENGTH, ERROR_TRUNCATED, ERROR_FRAMING)

HEADER = struct.Struct("<BBI")  # code, tag, length
INFO = struct.Struct("<4sHH16sIIII")
#: No reply is longer, so a length beyond it is a corrupted header.
MAX_PAYLOAD = 1 << 20


class LinkError(Exception):
    """The serial link does not work: no answer in time, garbage, a wrong check sum."""


class LinkTimeoutError(LinkError):
    """No (complete) answer came in time."""


class DeviceError(LinkError):
    """The hardware answered with an error.

    Attributes
    ----------
    code : int
        One of ``ERRORS``.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the hardware answered with error {code}: {ERRORS.get(code, 'unknown code')}")
        self.code = code


class IdentityError(Exception):
    """The hardware is not the one that is expected: other magic, interface version, build id or shape."""


class DeviceInfo:
    """What the hardware says of itself.

    Attributes
    ----------
    interface_version : int
    build_id : str
        32 hexadecimal digits.
    frame_bytes : int
        Bytes of one image.
    classes : int
        Logits of one answer.
    clock_hz : int
        Clock of the core.
    buffer_bytes : int
        Bytes of images that the hardware holds while it computes.
    """

    def __init__(
        self,
        interface_version: int,
        build_id: str,
        frame_bytes: int,
        classes: int,
        clock_hz: int,
        buffer_bytes: int,
    ) -> None:
        self.interface_version = interface_version
        self.build_id = build_id
        self.frame_bytes = frame_bytes
        self.classes = classes
        self.clock_hz = clock_hz
        self.buffer_bytes = buffer_bytes

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in sorted(vars(self).items()))
        return f"DeviceInfo({fields})"


def crc(data: bytes) -> bytes:
    """Return the four check bytes of ``data``: CRC-32 as in zlib, lowest byte first."""
    return struct.pack("<I", zlib.crc32(data) & 0xFFFFFFFF)


def encode_request(command: int, tag: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a request."""
    body = HEADER.pack(command, tag, len(payload)) + payload
    return REQUEST_SYNC + body + crc(body)


def encode_reply(code: int, tag: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a reply: what the hardware sends; a model of it needs this."""
    body = HEADER.pack(code, tag, len(payload)) + payload
    return REPLY_SYNC + body + crc(body)


def decode_info(payload: bytes) -> DeviceInfo:
    """Return the :class:`DeviceInfo` in the payload of an information reply.

    Raises
    ------
    IdentityError
        It is not a finnspect device, or one of another interface version.
    """
    if len(payload) < 6 or payload[:4] != MAGIC:
        raise IdentityError("the device on this port is not a finnspect accelerator")
    version = struct.unpack_from("<H", payload, 4)[0]
    if version != INTERFACE_VERSION:
        raise IdentityError(
            f"the hardware speaks interface version {version}, this driver version {INTERFACE_VERSION}: "
            "use the driver that came with the bitstream"
        )
    if len(payload) != INFO.size:
        raise IdentityError(f"the hardware's information has {len(payload)} bytes, expected {INFO.size}")
    _, version, _, build_id, frame_bytes, classes, clock_hz, buffer_bytes = INFO.unpack(payload)
    return DeviceInfo(version, build_id[::-1].hex(), frame_bytes, classes, clock_hz, buffer_bytes)
