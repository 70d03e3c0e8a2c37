"""Host side of the serial shell: images out, logits back, every byte checked.

Needs numpy, and pyserial where a port is opened by name; keeps to Python 3.8. Protocol: ``docs/uart.md``; its
frames are those of ``uart_protocol``.
"""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from finnspect_driver.uart_protocol import (
    COMMAND_INFER,
    COMMAND_INFO,
    HEADER,
    INFO,
    LINE_ERRORS,
    MAX_PAYLOAD,
    REPLY_ERROR,
    REPLY_INFER,
    REPLY_INFO,
    REPLY_SYNC,
    DeviceError,
    DeviceInfo,
    IdentityError,
    LinkError,
    LinkTimeoutError,
    crc,
    decode_info,
    encode_request,
)

_DEFAULT_BAUD = 3000000


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
                if error.code not in LINE_ERRORS:
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
        line_s = 10.0 * 2 * (len(request) + INFO.size + 12) / self._baud
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
            code, tag, length = HEADER.unpack(self._peek(8, deadline, skipped)[2:])
            if length <= MAX_PAYLOAD:
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
