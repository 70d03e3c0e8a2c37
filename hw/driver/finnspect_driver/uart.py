"""Host side of the serial shell: images out, logits back, every byte checked.

Needs numpy, and pyserial where a port is opened by name; keeps to Python 3.8. Protocol: ``docs/uart.md``.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

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
_LINE_ERRORS = (ERROR_CRC, ERROR_LENGTH, ERROR_TRUNCATED, ERROR_FRAMING)

_HEADER = struct.Struct("<BBI")  # code, tag, length
_INFO = struct.Struct("<4sHH16sIIII")
#: No reply is longer, so a length beyond it is a corrupted header.
_MAX_PAYLOAD = 1 << 20
_DEFAULT_BAUD = 3000000


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
    body = _HEADER.pack(command, tag, len(payload)) + payload
    return REQUEST_SYNC + body + crc(body)


def encode_reply(code: int, tag: int, payload: bytes = b"") -> bytes:
    """Return the bytes of a reply: what the hardware sends; a model of it needs this."""
    body = _HEADER.pack(code, tag, len(payload)) + payload
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
    if len(payload) != _INFO.size:
        raise IdentityError(f"the hardware's information has {len(payload)} bytes, expected {_INFO.size}")
    _, version, _, build_id, frame_bytes, classes, clock_hz, buffer_bytes = _INFO.unpack(payload)
    return DeviceInfo(version, build_id[::-1].hex(), frame_bytes, classes, clock_hz, buffer_bytes)


class UartAccelerator:
    """An accelerator behind a serial port.

    Parameters
    ----------
    port
        Name of a serial port (``/dev/ttyUSB0``, ``COM3``), or an object with ``read(size)``, which returns up
        to ``size`` bytes and gives up after a short time of its own with fewer or none, and ``write(data)``.
    build_id
        32 hexadecimal digits that the hardware must report; None accepts any.
    timeout_s
        Longest wait for an answer, beside the time that the bytes take on the line.
    baud
        Rate of the port; the transport's own business if ``port`` is an object.
    retries
        How often a request is sent again after an error of the line.

    Raises
    ------
    LinkError
        The port cannot be opened, or nothing sensible answers.
    IdentityError
        Something else answers.
    """

    def __init__(
        self,
        port: Any,
        build_id: str | None = None,
        timeout_s: float = 2.0,
        baud: int = _DEFAULT_BAUD,
        retries: int = 1,
    ) -> None:
        self.timeout_s = timeout_s
        self.retries = retries
        self._baud = baud
        self._own = isinstance(port, str)
        self._port = _open(port, baud) if self._own else port
        self._tag = 0
        self._pending = bytearray()
        self._stale = False  # answers may come that nobody waits for
        #: Clocks that the core took for the last image.
        self.last_cycles: int | None = None
        try:
            self._info = self.info()
            if build_id is not None and build_id.lower() != self._info.build_id:
                raise IdentityError(
                    f"the hardware runs build {self._info.build_id}, expected {build_id.lower()}: "
                    "load the bitstream of this model"
                )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> UartAccelerator:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port if it was opened here."""
        if self._own:
            self._port.close()

    # -- requests ----------------------------------------------------------------------------------

    def info(self) -> DeviceInfo:
        """Ask the hardware what it is.

        Returns
        -------
        DeviceInfo
        """
        return decode_info(self._request(COMMAND_INFO, b"", REPLY_INFO))

    def infer(self, image: np.ndarray) -> np.ndarray:
        """Send one image, return its logits.

        Parameters
        ----------
        image : numpy.ndarray
            uint8, (height, width, channels) or any shape of as many bytes, in C order.

        Returns
        -------
        numpy.ndarray
            int32, shape (classes,).
        """
        return self._logits(self._request(COMMAND_INFER, self._pixels(image), REPLY_INFER))

    def infer_batch(self, images: np.ndarray) -> np.ndarray:
        """Send images, return their logits of shape (N, classes), int32.

        Where the hardware has room for two images, the next one travels while one is computed and answered.
        """
        images = np.asarray(images)
        logits = np.empty((len(images), self._info.classes), np.int32)
        ahead = 1 if self._info.buffer_bytes >= 2 * self._info.frame_bytes else 0
        done = 0
        while done < len(images):
            try:
                for row in self._stream(images[done:], ahead):
                    logits[done] = row
                    done += 1
            except LinkError:
                # The first image without an answer is asked for alone, with its own retries.
                logits[done] = self.infer(images[done])
                done += 1
        return logits

    def _stream(self, images: np.ndarray, ahead: int) -> Iterator[np.ndarray]:
        """Yield logits in order, with ``ahead`` requests under way beside the one that is waited for."""
        waiting: deque[tuple[int, float]] = deque()
        try:
            for image in images:
                waiting.append(self._send(COMMAND_INFER, self._pixels(image)))
                if len(waiting) > ahead:
                    yield self._logits(self._receive(*waiting[0], REPLY_INFER))
                    waiting.popleft()
            while waiting:
                yield self._logits(self._receive(*waiting[0], REPLY_INFER))
                waiting.popleft()
        finally:
            self._stale = self._stale or bool(waiting)

    def _pixels(self, image: np.ndarray) -> bytes:
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.size != self._info.frame_bytes:
            raise ValueError(
                f"an image is {self._info.frame_bytes} bytes of uint8, got {image.size} of {image.dtype}"
            )
        return image.tobytes()

    def _logits(self, payload: bytes) -> np.ndarray:
        size = 4 * self._info.classes
        if len(payload) != size + 4:
            raise LinkError(f"an answer of {len(payload)} bytes for {self._info.classes} classes")
        self.last_cycles = struct.unpack_from("<I", payload, size)[0]
        return np.frombuffer(payload, "<i4", self._info.classes).astype(np.int32)

    def _request(self, command: int, payload: bytes, wanted: int) -> bytes:
        """Send a request, return the payload of its reply; again after an error of the line."""
        for _ in range(self.retries):
            try:
                return self._receive(*self._send(command, payload), wanted)
            except DeviceError as error:
                if error.code not in _LINE_ERRORS:
                    raise
            except LinkError:
                pass
        return self._receive(*self._send(command, payload), wanted)

    def _send(self, command: int, payload: bytes) -> tuple[int, float]:
        """Send a request, return its tag and the time by which it must be answered."""
        if self._stale:
            self._drain()
            self._stale = False
        self._tag = self._tag % 255 + 1  # 0 is what the hardware says when it read no tag
        request = encode_request(command, self._tag, payload)
        # Another request may travel before this one.
        line_s = 10.0 * 2 * (len(request) + _INFO.size + 12) / self._baud
        deadline = time.monotonic() + self.timeout_s + line_s
        self._write(request)
        return self._tag, deadline

    def _receive(self, wanted_tag: int, deadline: float, wanted: int) -> bytes:
        """Return the payload of the reply to the oldest request that is not answered yet."""
        try:
            while True:
                code, tag, payload = self._read_reply(deadline)
                if code == REPLY_ERROR:
                    # Whatever its tag: a request that was damaged, or taken for the rest of another one,
                    # is answered with a tag that is not its own.
                    raise DeviceError(payload[0] if payload else 0)
                if (tag, code) == (wanted_tag, wanted):
                    return payload
                # Else the late answer to a request that was given up.
        except BaseException:
            self._stale = True  # more answers may come, which nobody waits for
            raise

    # -- bytes -------------------------------------------------------------------------------------

    def _read_reply(self, deadline: float) -> tuple[int, int, bytes]:
        """Return (code, tag, payload) of the next reply; skip what is no reply."""
        skipped = 0
        while True:
            while self._peek(2, deadline, skipped) != REPLY_SYNC:
                del self._pending[0]
                skipped += 1
            code, tag, length = _HEADER.unpack(self._peek(8, deadline, skipped)[2:])
            if length <= _MAX_PAYLOAD:
                frame = self._peek(12 + length, deadline, skipped)
                if crc(frame[2:-4]) == frame[-4:]:
                    del self._pending[: 12 + length]
                    return code, tag, frame[8:-4]
            # Not a frame, or a damaged one: look for the next sync right behind this one.
            del self._pending[:2]
            skipped += 2

    def _peek(self, size: int, deadline: float, skipped: int) -> bytes:
        while len(self._pending) < size:
            if time.monotonic() > deadline:
                got = len(self._pending)
                raise LinkTimeoutError(
                    f"no answer within {self.timeout_s:g} s ({got} bytes of one, {skipped} other bytes): "
                    f"is the bitstream loaded, the port right, the baud rate {self._baud}?"
                )
            self._pending += self._read(size - len(self._pending))
        return bytes(self._pending[:size])

    def _read(self, size: int) -> bytes:
        try:
            return self._port.read(size)
        except OSError as error:
            raise LinkError(f"reading from the port failed: {error}") from error

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise LinkError(f"writing to the port failed: {error}") from error

    def _drain(self) -> None:
        """Read until the line is quiet, forget what came; bounded by the time-out."""
        deadline = time.monotonic() + self.timeout_s
        while self._read(4096) and time.monotonic() < deadline:
            pass
        del self._pending[:]


def _open(port: str, baud: int) -> Any:
    import serial

    try:
        # The read gives up soon: the deadline is kept by the caller.
        return serial.Serial(port, baud, timeout=0.05, write_timeout=5.0)
    except (serial.SerialException, ValueError) as error:
        raise LinkError(
            f"cannot open {port} at {baud} baud: {error} (is the board plugged in, may this user open it?)"
        ) from error
