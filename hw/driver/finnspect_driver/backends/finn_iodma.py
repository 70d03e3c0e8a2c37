"""The shell ``finn-iodma``: what FINN's own builder puts around an accelerator.

Two DMAs that HLS made, one for images and one for answers, each with its own registers; the answers' DMA is
started first. The logits come in words of PE elements, each word padded to whole bytes. The shell has no
identity register, no build id, no counters and no reset: all that says what runs is the hash of the bit file
that was loaded.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from finnspect_driver.backends.base import Backend, HardwareInfo
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

#: Registers of a DMA, as HLS lays them out for FINN's IODMA.
CONTROL = 0x00
ADDRESS_LOW = 0x10
ADDRESS_HIGH = 0x14
REPETITIONS = 0x1C
START, DONE, IDLE = 1, 2, 4  # DONE is cleared by reading it
_DMA_SPAN = 0x10000
_SHORT_S, _LONG_S = 20e-6, 5e-3
#: A run may take so many times its simulated length.
_SLACK = 4
_RELOAD = "load the bitstream again: open the classifier anew with download=True"
NOTE = (
    "FINN's shell has no build id, no counters and no reset: its identity is the SHA-256 of the bit file "
    "that was loaded, and there are no figures from the hardware"
)


def word_bytes(bits: int, pe: int) -> int:
    """Return the bytes of one output word: PE elements of ``bits`` bits, padded to whole bytes."""
    return -(-bits * pe // 8)


def unpack(packed: np.ndarray, bits: int, pe: int, signed: bool) -> np.ndarray:
    """Return the integers in output words.

    Parameters
    ----------
    packed
        uint8, shape (N, words, :func:`word_bytes`); element 0 of a word sits in the lowest bits, bytes
        are little-endian.
    bits, pe, signed
        Type of an element, elements of a word.

    Returns
    -------
    numpy.ndarray
        int32, shape (N, words * pe).
    """
    count, words = packed.shape[:2]
    flat = np.unpackbits(np.ascontiguousarray(packed), axis=2, bitorder="little")
    elements = flat[:, :, : bits * pe].reshape(count, words * pe, bits)
    weights = np.left_shift(np.int64(1), np.arange(bits, dtype=np.int64))
    if signed:
        weights[-1] = -weights[-1]
    return (elements.astype(np.int64) @ weights).astype(np.int32)


class FinnIodma(Backend):
    """An accelerator in FINN's shell.

    Parameters
    ----------
    device
        The board.
    deploy
        The deploy zip.
    batch
        Largest number of images in a run.
    timeout_s
        Longest wait for a run, beside four times its simulated length.
    program
        Must be True: a bitstream that is loaded already cannot be told from another one.

    Raises
    ------
    DriverError
        The bitstream cannot be loaded, or is not the zip's, or there is no memory.
    """

    def __init__(
        self, device: Device, deploy: DeployZip, batch: int, timeout_s: float = 10.0, program: bool = True
    ) -> None:
        super().__init__()
        self.batch = batch
        self.timeout_s = timeout_s
        self._device = device
        self._deploy = deploy
        self._slots: Slots | None = None
        self._running: Run | None = None
        self._queue: deque[Run] = deque()
        self._stuck = False
        try:
            if not program:
                raise IdentityError(
                    "FINN's shell has no build id: what is loaded cannot be told from another bitstream",
                    "open the classifier with download=True",
                )
            bits = bitstream_of(deploy)
            link = _link(deploy)
            self._bits, self._pe, self._signed = link["output_bits"], link["output_pe"], link["output_signed"]
            self._idma = link["idma_address"] - bits.base_address
            self._odma = link["odma_address"] - bits.base_address
            device.download(bits)
            self._check_idle()
            words = len(deploy.classes) // self._pe
            shape = (words, word_bytes(self._bits, self._pe))
            self._slots = Slots(device, batch, self.depth, deploy.frame_bytes, shape, np.uint8, self.timings)
        except BaseException:
            self.close()
            raise

    def _check_idle(self) -> None:
        for name, dma in (("input", self._idma), ("output", self._odma)):
            if not self._device.read(dma + CONTROL) & IDLE:
                raise BusyError(
                    f"the {name} DMA on {self._device.name} is not idle: another program uses the "
                    "accelerator, or the bitstream is another one",
                    _RELOAD,
                )

    def info(self) -> HardwareInfo:
        """Return what is known of the hardware; it says nothing of itself."""
        return HardwareInfo("finn-iodma", self._device.name, note=NOTE)

    def submit(self, images: np.ndarray) -> Run:
        """Copy a batch in and start it, or have it start when the one before ends."""
        if self._slots is None:
            raise DriverError("the accelerator is closed", "open a new DefectClassifier")
        if self._stuck:
            raise HardwareError(
                "the accelerator did not end an earlier run, and FINN's shell has no reset", _RELOAD
            )
        self.check_batch(images, self._deploy.input_shape)
        run = self._slots.fill(images)
        self._queue.append(run)
        self._start_next()
        return run

    def _start_next(self) -> None:
        if self._running is not None or not self._queue:
            return
        run = self._running = self._queue.popleft()
        # The answers' DMA first: no answer may come before something takes it.
        for dma, address in (
            (self._odma, run.target.device_address),
            (self._idma, run.source.device_address),
        ):
            self._device.write(dma + ADDRESS_LOW, address & 0xFFFFFFFF)
            self._device.write(dma + ADDRESS_HIGH, address >> 32)
            self._device.write(dma + REPETITIONS, run.count)
            self._device.write(dma + CONTROL, START)

    def result(self, handle: Run) -> np.ndarray:
        """Wait for a batch and return its logits, int32, shape (N, classes)."""
        if handle.dropped or self._slots is None:
            raise DriverError("this batch was given up or read before", "submit it again")
        while not handle.finished:
            self._finish_running()
        return self._slots.read(handle, lambda packed: unpack(packed, self._bits, self._pe, self._signed))

    def _finish_running(self) -> None:
        run = self._running
        assert run is not None
        begun = time.perf_counter()
        try:
            self._wait(run)
        finally:
            self.timings.wait_s += time.perf_counter() - begun
        run.finished = True
        self._running = None
        self._start_next()

    def _wait(self, run: Run) -> None:
        length = run.count * self._deploy.seconds_per_frame
        deadline = time.monotonic() + self.timeout_s + _SLACK * length
        # Idle says the same as done, and stays when an interrupted wait has read, and so cleared, done.
        while not self._device.read(self._odma + CONTROL) & (DONE | IDLE):
            if time.monotonic() > deadline:
                self._stuck = True
                raise DeviceTimeoutError(
                    f"the accelerator did not finish {run.count} images in "
                    f"{self.timeout_s + _SLACK * length:.3g} s",
                    _RELOAD,
                )
            self._device.wait(min(max(length / 8, _SHORT_S), _LONG_S))

    def abort(self) -> None:
        """Give up every batch; the one that runs must end first, for the shell cannot stop it."""
        self._queue.clear()
        if self._running is not None and not self._stuck:
            self._finish_running()
        if self._slots is not None and not self._stuck:
            self._slots.release_all()

    def close(self) -> None:
        """Let what runs end, free the buffers, close the device."""
        try:
            self.abort()
        except DriverError:
            _LOG.exception("the accelerator cannot be stopped")
        slots, self._slots = self._slots, None
        if slots is not None and self._stuck:
            # It may still write there: memory that is lost is better than memory that is overwritten.
            _LOG.error("buffers are kept, for the accelerator did not stop; restart the board")
        elif slots is not None:
            slots.close()
        self._device.close()


def _link(deploy: DeployZip) -> dict[str, Any]:
    link = deploy.accelerator.get("finn")
    if not link:
        raise DeployError(
            "incomplete", f"{deploy.path}: accelerator.json has no finn section", "build it again"
        )
    if len(deploy.classes) % link["output_pe"]:
        raise DeployError(
            "altered",
            f"{deploy.path}: {link['output_pe']} PE do not divide {len(deploy.classes)} classes",
            "build it again",
        )
    return link


def bitstream_of(deploy: DeployZip) -> Bitstream:
    """Return the bitstream of a zip with the shell ``finn-iodma``; its hash is its identity.

    Raises
    ------
    IdentityError
        The bit file's SHA-256 does not begin with the build id.
    """
    link = _link(deploy)
    digest = hashlib.sha256(deploy.bitstream).hexdigest()[:32]
    if digest != deploy.build_id:
        raise IdentityError(
            f"{deploy.path}: the bit file's SHA-256 begins with {digest}, its build id is {deploy.build_id}",
            "build the zip again",
        )
    base = min(link["idma_address"], link["odma_address"])
    return Bitstream(
        name=PurePosixPath(deploy.accelerator["bitstream"]).name,
        data=deploy.bitstream,
        hwh=deploy.hwh,
        board=deploy.board,
        part=deploy.accelerator["part"],
        base_address=base,
        span_bytes=max(link["idma_address"], link["odma_address"]) - base + _DMA_SPAN,
        fclk_mhz=link["fclk_mhz"],
        hp_bits=64,
        build_id=deploy.build_id,
    )
