"""The shell ``uart``: a serial line, one image at a time; a thread keeps the line busy."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from finnspect_driver import uart, uart_protocol
from finnspect_driver.backends.base import Backend, HardwareInfo
from finnspect_driver.deployzip import DeployZip
from finnspect_driver.errors import (
    BusyError,
    DriverError,
    HardwareError,
    IdentityError,
    SetupError,
)
from finnspect_driver.errors import DeviceTimeoutError as TimedOutError

_NOTE = "a serial line: its rate, not the accelerator's, bounds the frames a second"


def translate(error: Exception) -> DriverError:
    """Return the driver's error for one of the serial client's."""
    if isinstance(error, uart_protocol.LinkTimeoutError):
        return TimedOutError(str(error), "check the cable, load the bitstream, name the right port")
    if isinstance(error, uart_protocol.DeviceError):
        if error.code == uart_protocol.ERROR_BUSY:
            return BusyError(str(error), "make sure that only one program uses the port")
        return HardwareError(str(error), "press the board's reset, or load the bitstream again")
    if isinstance(error, uart_protocol.IdentityError):
        return IdentityError(str(error), "load the bitstream that is inside the zip")
    if isinstance(error, ImportError):
        return SetupError(f"a serial port needs pyserial: {error}", "pip install pyserial")
    return HardwareError(
        str(error), "check that the board is plugged in and that this user may open the port"
    )


class UartBackend(Backend):
    """An accelerator behind a serial line.

    Parameters
    ----------
    port
        Name of a serial port, or an object with ``read(size)`` and ``write(data)`` as
        :class:`finnspect_driver.uart.UartAccelerator` wants it.
    deploy
        The deploy zip; its bitstream must be loaded already.
    batch
        Largest number of images in a submission.
    timeout_s
        Longest wait for an image, beside the time of its bytes on the line.
    own_port
        Close a port that is an object at the end; one given by name is always closed.

    Raises
    ------
    DriverError
        The port cannot be opened, or something else answers.
    """

    def __init__(
        self, port: Any, deploy: DeployZip, batch: int, timeout_s: float = 10.0, own_port: bool = False
    ) -> None:
        super().__init__()
        self.batch = batch
        self._deploy = deploy
        self._port = port if isinstance(port, str) else getattr(port, "name", type(port).__name__)
        self._close_port = port.close if own_port and not isinstance(port, str) else None
        baud = deploy.accelerator["uart"]["baud"]
        self._cycles = self._frames = 0
        self._link: uart.UartAccelerator | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._pending: list[Future] = []
        try:
            self._link = uart.UartAccelerator(port, deploy.build_id, timeout_s, baud)
            self._info = self._link.info()
        except (uart_protocol.LinkError, uart_protocol.IdentityError, ImportError) as error:
            self.close()
            raise translate(error) from error
        if (self._info.frame_bytes, self._info.classes) != (deploy.frame_bytes, len(deploy.classes)):
            self.close()
            raise IdentityError(
                f"the hardware takes {self._info.frame_bytes} bytes an image and gives {self._info.classes} "
                f"logits, the zip says {deploy.frame_bytes} and {len(deploy.classes)}",
                "build the zip again",
            )
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="finnspect-uart")

    def info(self) -> HardwareInfo:
        """Return what the hardware says of itself."""
        return HardwareInfo(
            "uart",
            self._port,
            self._info.interface_version,
            self._info.build_id,
            self._info.clock_hz,
            note=_NOTE,
        )

    @property
    def cycles_per_frame(self) -> float | None:
        """Clocks that an image took, as the hardware reported them; None before the first."""
        return self._cycles / self._frames if self._frames else None

    def submit(self, images: np.ndarray) -> Future:
        """Queue a batch for the line."""
        if self._worker is None:
            raise DriverError("the accelerator is closed", "open a new DefectClassifier")
        self.check_batch(images, self._deploy.input_shape)
        future = self._worker.submit(self._run, images.copy())
        self._pending.append(future)
        return future

    def _run(self, images: np.ndarray) -> np.ndarray:
        assert self._link is not None
        logits = np.empty((len(images), self._info.classes), np.int32)
        for row, image in zip(logits, images):
            row[:] = self._link.infer(image)
            self._cycles += self._link.last_cycles or 0
            self._frames += 1
        return logits

    def result(self, handle: Future) -> np.ndarray:
        """Wait for a batch and return its logits, int32, shape (N, classes)."""
        begun = time.perf_counter()
        try:
            return handle.result()
        except (uart_protocol.LinkError, uart_protocol.IdentityError) as error:
            raise translate(error) from error
        finally:
            self.timings.wait_s += time.perf_counter() - begun
            if handle in self._pending:
                self._pending.remove(handle)

    def abort(self) -> None:
        """Give up every batch that is queued; the one on the line ends first."""
        for future in self._pending:
            future.cancel()
        for future in self._pending:
            if not future.cancelled():
                future.exception()
        self._pending.clear()

    def close(self) -> None:
        """Give up what is queued and close the port."""
        worker, self._worker = self._worker, None
        if worker is not None:
            self.abort()
            worker.shutdown(wait=True)
        link, self._link = self._link, None
        if link is not None:
            link.close()
        close, self._close_port = self._close_port, None
        if close is not None:
            close()
