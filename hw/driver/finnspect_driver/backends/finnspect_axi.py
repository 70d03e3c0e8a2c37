"""The shell ``finnspect-axi``: registers and a DMA on a processor's bus.

Two batches may be under way: the accelerator runs one while the processor copies the next in, or reads
the one before. The hardware itself runs one at a time; the next is started the moment the one before is
seen to have ended, before its answers are read.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from pathlib import PurePosixPath

import numpy as np

from finnspect_driver import registers as regs
from finnspect_driver.backends.base import Backend, Counters, HardwareInfo
from finnspect_driver.backends.slots import Run, Slots
from finnspect_driver.deployzip import DeployZip
from finnspect_driver.devices.base import Bitstream, Device
from finnspect_driver.errors import (
    BusyError,
    DeployError,
    DeviceTimeoutError,
    DriverError,
    HardwareError,
    IdentityError,
)

_LOG = logging.getLogger(__name__)
#: The window that the shell answers in.
SPAN_BYTES = 0x1000
#: Shortest and longest pause between looks at the status.
_SHORT_S, _LONG_S = 20e-6, 5e-3
_RELOAD = "load the bitstream again: open the classifier anew with download=True"
_REMEDIES = {
    regs.STATUS_READ_SLVERR_DECERR: "check that the bitstream fits the board's memory map; " + _RELOAD,
    regs.STATUS_WRITE_SLVERR_DECERR: "check that the bitstream fits the board's memory map; " + _RELOAD,
    regs.STATUS_START_WHILE_BUSY: "make sure that only one program uses the accelerator",
    regs.STATUS_CORE_TIMEOUT: "check the clock that `finnspect-board info` shows; " + _RELOAD,
    regs.STATUS_CORE_FAULT: "check the clock that `finnspect-board info` shows; " + _RELOAD,
}
_REPORT = "this is a bug of the driver: please report it with the whole message"


class FinnspectAxi(Backend):
    """An accelerator with finnspect's own shell.

    Parameters
    ----------
    device
        The board.
    deploy
        The deploy zip.
    batch
        Largest number of images in a run.
    timeout_s
        Longest time without one finished image.
    program
        False takes the bitstream that is loaded already; it must be the zip's all the same.

    Raises
    ------
    DriverError
        The bitstream cannot be loaded, something else answers, or there is no memory.
    """

    def __init__(
        self, device: Device, deploy: DeployZip, batch: int, timeout_s: float = 10.0, program: bool = True
    ) -> None:
        super().__init__()
        self.batch = min(batch, regs.FRAMES_MAX)
        self.timeout_s = timeout_s
        self._device = device
        self._deploy = deploy
        self._slots: Slots | None = None
        self._running: Run | None = None
        self._queue: deque[Run] = deque()
        self._stuck = False
        self._verified = False
        try:
            device.download(bitstream_of(deploy), program)
            self._check_identity()
            if device.read(regs.STATUS) & regs.STATUS_BUSY:
                raise BusyError(
                    f"the accelerator on {device.name} is busy: another program uses it",
                    "end the other program or notebook, or load the bitstream again (download=True)",
                )
            self._verified = True
            self._reset()
            self._slots = Slots(
                device,
                self.batch,
                self.depth,
                deploy.frame_bytes,
                (len(deploy.classes),),
                np.int32,
                self.timings,
            )
        except BaseException:
            self.close()
            raise

    # -- identity ----------------------------------------------------------------------------------

    def _check_identity(self) -> None:
        read = self._device.read
        where = f"{self._device.name}, address {self._base:#x}"
        identity = read(regs.ID)
        if identity != regs.ID_VALUE:
            raise IdentityError(
                f"no finnspect accelerator answers on {where}: identity {identity:#010x}, "
                f"expected {regs.ID_VALUE:#010x}",
                _RELOAD,
            )
        version = read(regs.INTERFACE_VERSION)
        expected = self._deploy.accelerator["interface_version"]
        if not version == expected == regs.INTERFACE_VERSION_VALUE:
            raise IdentityError(
                f"the hardware on {where} speaks interface version {version}, the zip {expected}, "
                f"this driver {regs.INTERFACE_VERSION_VALUE}",
                "install the driver wheel that is inside the zip (driver/*.whl)",
            )
        build_id = self._read_build_id()
        if build_id != self._deploy.build_id:
            raise IdentityError(
                f"the hardware on {where} runs build {build_id}, {self._deploy.path} is build "
                f"{self._deploy.build_id}",
                "use the zip of the loaded bitstream, or load the zip's own with download=True",
            )
        sizes = read(regs.FRAME_BYTES), read(regs.OUTPUT_BYTES)
        wanted = self._deploy.frame_bytes, 4 * len(self._deploy.classes)
        if sizes != wanted:
            raise IdentityError(
                f"the hardware takes {sizes[0]} bytes and gives {sizes[1]} an image, "
                f"the zip says {wanted[0]} and {wanted[1]}",
                "build the zip again",
            )

    @property
    def _base(self) -> int:
        return self._deploy.accelerator["axi"]["base_address"]

    def _read_build_id(self) -> str:
        words = (regs.BUILD_ID0, regs.BUILD_ID1, regs.BUILD_ID2, regs.BUILD_ID3)
        return "".join(f"{self._device.read(word):08x}" for word in words)

    def info(self) -> HardwareInfo:
        """Return what the hardware says of itself."""
        return HardwareInfo(
            "finnspect-axi",
            self._device.name,
            self._device.read(regs.INTERFACE_VERSION),
            self._read_build_id(),
            self._device.read(regs.CLOCK_HZ),
            has_counters=True,
        )

    def counters(self) -> Counters:
        """Return the hardware's counters."""
        return Counters(
            self._device.read(regs.COUNT_FRAMES),
            self._read_64(regs.COUNT_CYCLES_BUSY_LO, regs.COUNT_CYCLES_BUSY_HI),
            self._read_64(regs.COUNT_STARVED_LO, regs.COUNT_STARVED_HI),
            self._read_64(regs.COUNT_STALLED_LO, regs.COUNT_STALLED_HI),
        )

    def _read_64(self, low: int, high: int) -> int:
        while True:  # ends: the high word changes once in 2^32 clocks
            above = self._device.read(high)
            value = self._device.read(low)
            if self._device.read(high) == above:
                return above << 32 | value

    # -- runs --------------------------------------------------------------------------------------

    def submit(self, images: np.ndarray) -> Run:
        """Copy a batch in and start it, or have it start when the one before ends."""
        if self._slots is None:
            raise DriverError("the accelerator is closed", "open a new DefectClassifier")
        self._check_stuck()
        self.check_batch(images, self._deploy.input_shape)
        run = self._slots.fill(images)
        self._queue.append(run)
        self._start_next()
        return run

    def _start_next(self) -> None:
        if self._running is not None or not self._queue:
            return
        run = self._running = self._queue.popleft()
        self._device.write(regs.INPUT_ADDR, run.source.device_address)
        self._device.write(regs.OUTPUT_ADDR, run.target.device_address)
        self._device.write(regs.FRAMES, run.count)
        self._device.write(regs.CONTROL, regs.CONTROL_CLEAR | regs.CONTROL_START)

    def poll(self) -> None:
        """Start the next batch if the one before has ended; errors are left to :meth:`result`."""
        if self._running is not None and self._queue:
            status = self._device.read(regs.STATUS)
            if status & regs.STATUS_DONE and not status & regs.STATUS_ERROR:
                self._running.finished = True
                self._running = None
                self._start_next()

    def result(self, handle: Run) -> np.ndarray:
        """Wait for a batch and return its logits, int32, shape (N, classes)."""
        if handle.dropped or self._slots is None:
            raise DriverError("this batch was given up or read before", "submit it again")
        while not handle.finished:
            self._finish_running()
        return self._slots.read(handle, np.array)

    def _finish_running(self) -> None:
        """Wait for the running batch, then start the next one."""
        run = self._running
        assert run is not None
        begun = time.perf_counter()
        try:
            self._wait(run)
        except DriverError:
            self.abort()
            raise
        finally:
            self.timings.wait_s += time.perf_counter() - begun
        run.finished = True
        self._running = None
        self._start_next()

    def _wait(self, run: Run) -> None:
        done, moved = -1, time.monotonic()
        while True:
            status = self._device.read(regs.STATUS)
            if status & regs.STATUS_ERROR:
                raise self._error_of(status)
            if status & regs.STATUS_DONE:
                return
            now, newest = time.monotonic(), self._device.read(regs.FRAMES_DONE)
            if newest != done:
                done, moved = newest, now
            elif now - moved > self.timeout_s:
                raise DeviceTimeoutError(
                    f"the accelerator finished no image in {self.timeout_s:g} s ({done} of {run.count} done, "
                    f"status {status:#010x})",
                    _RELOAD,
                )
            left = max(0, run.count - done) * self._deploy.seconds_per_frame
            self._device.wait(min(max(left, _SHORT_S), _LONG_S))

    def _error_of(self, status: int) -> HardwareError:
        causes = [mask for mask in regs.ERROR_CAUSES if status & mask]
        names = tuple(regs.ERROR_CAUSES[mask][0] for mask in causes)
        what = " ".join(f"{regs.ERROR_CAUSES[mask][0]}: {regs.ERROR_CAUSES[mask][1]}" for mask in causes)
        remedy = next((_REMEDIES[mask] for mask in causes if mask in _REMEDIES), _REPORT)
        return HardwareError(
            f"the accelerator reported an error (status {status:#010x}): {what or 'no cause given'}",
            remedy,
            names,
        )

    # -- end ---------------------------------------------------------------------------------------

    def _reset(self) -> None:
        """Reset DMA and core; the hardware touches no memory once this returns."""
        self._device.write(regs.CONTROL, regs.CONTROL_SOFT_RESET)
        deadline = time.monotonic() + self.timeout_s
        while not self._device.read(regs.STATUS) & regs.STATUS_IDLE:
            if time.monotonic() > deadline:
                self._stuck = True
                raise DeviceTimeoutError(
                    f"the accelerator did not end its reset in {self.timeout_s:g} s", "restart the board"
                )
            self._device.wait(_SHORT_S)

    def _check_stuck(self) -> None:
        if self._stuck:
            raise HardwareError("the accelerator did not end its last reset", "restart the board")

    def abort(self) -> None:
        """Give up every batch that is under way."""
        if self._stuck:
            return  # it was said before, and the buffers must stay
        if self._running is not None:
            self._reset()
        self._running = None
        self._queue.clear()
        if self._slots is not None:
            self._slots.release_all()

    def close(self) -> None:
        """Stop what runs, free the buffers, close the device."""
        try:
            if self._verified and not self._stuck and self._running is not None:
                self._reset()
        except DriverError:
            _LOG.exception("the accelerator cannot be stopped")
        self._running = None
        self._queue.clear()
        slots, self._slots = self._slots, None
        if slots is not None and self._stuck:
            # It may still write there: memory that is lost is better than memory that is overwritten.
            _LOG.error("buffers are kept, for the accelerator did not stop; restart the board")
        elif slots is not None:
            slots.close()
        self._device.close()


def bitstream_of(deploy: DeployZip) -> Bitstream:
    """Return the bitstream of a zip with the shell ``finnspect-axi``.

    Raises
    ------
    DeployError
        ``accelerator.json`` does not say where the registers are.
    """
    axi = deploy.accelerator.get("axi")
    if not axi:
        raise DeployError(
            "incomplete", f"{deploy.path}: accelerator.json has no axi section", "build it again"
        )
    name = deploy.accelerator["bitstream"]
    return Bitstream(
        name="none.bit" if name is None else PurePosixPath(name).name,
        data=b"" if name is None else deploy.bitstream,
        hwh=deploy.hwh,
        board=deploy.board,
        part=deploy.accelerator["part"],
        base_address=axi["base_address"],
        span_bytes=SPAN_BYTES,
        fclk_mhz=axi["fclk_mhz"],
        hp_bits=64,
        build_id=deploy.build_id,
    )
