"""Pairs of buffers for batches under way: one is filled or read while the hardware works on the other."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable

import numpy as np

from finnspect_driver.backends.base import Timings
from finnspect_driver.devices.base import Buffer, Device
from finnspect_driver.errors import DriverError, HardwareError

_LOG = logging.getLogger(__name__)


class Run:
    """A batch under way: the handle that ``submit`` returns."""

    def __init__(self, slot: int, count: int, source: Buffer, target: Buffer) -> None:
        self.slot = slot
        self.count = count
        self.source = source
        self.target = target
        self.finished = False
        self.dropped = False


class Slots:
    """Buffers for ``depth`` batches under way.

    A slot has buffers for a whole batch and, made at its first use, for a single image, whose flush and
    invalidate are short.

    Parameters
    ----------
    device
        Allocates.
    batch, depth
        Images in a whole batch, number of slots.
    frame_bytes
        Bytes of one image; images lie without gaps.
    output_shape, output_dtype
        Shape and type of one image's answer.
    timings
        Gets the time of copies, flushes and invalidates.
    """

    def __init__(
        self,
        device: Device,
        batch: int,
        depth: int,
        frame_bytes: int,
        output_shape: tuple[int, ...],
        output_dtype: Any,
        timings: Timings,
    ) -> None:
        self._device = device
        self._batch = batch
        self._frame_bytes = frame_bytes
        self._output_shape = output_shape
        self._output_dtype = np.dtype(output_dtype)
        self._timings = timings
        self._buffers: list[Buffer] = []
        self._pairs: list[dict[int, tuple[Buffer, Buffer]]] = [{} for _ in range(depth)]
        self._live: list[Run | None] = [None] * depth
        try:
            for slot in range(depth):
                self._pair(slot, batch)
        except BaseException:
            self.close()
            raise

    def _allocate(self, shape: tuple[int, ...], dtype: Any) -> Buffer:
        buffer = self._device.allocate(shape, dtype)
        self._buffers.append(buffer)
        address, size = buffer.device_address, buffer.array.nbytes
        if address % 8 or address + size > 1 << 32:
            raise HardwareError(
                f"the board gave a buffer of {size} bytes at {address:#x}; the accelerator needs a multiple "
                "of 8 below 4 GiB",
                "restart the board to have its contiguous memory in one piece",
            )
        buffer.array[...] = 0
        buffer.flush()
        return buffer

    def _pair(self, slot: int, capacity: int) -> tuple[Buffer, Buffer]:
        pair = self._pairs[slot].get(capacity)
        if pair is None:
            # The hardware may read whole 64-bit words: up to 7 bytes behind the last image.
            size = -(-capacity * self._frame_bytes // 8) * 8
            pair = (
                self._allocate((size,), np.uint8),
                self._allocate((capacity, *self._output_shape), self._output_dtype),
            )
            self._pairs[slot][capacity] = pair
        return pair

    def fill(self, images: np.ndarray) -> Run:
        """Copy a batch into a free slot and make it visible to the hardware."""
        if None not in self._live:
            raise DriverError(
                f"{len(self._live)} batches are under way already", "take the oldest one's result first"
            )
        begun = time.perf_counter()
        slot, count = self._live.index(None), len(images)
        source, target = self._pair(slot, 1 if count == 1 else self._batch)
        source.array[: images.size] = images.reshape(-1)
        source.flush()
        run = self._live[slot] = Run(slot, count, source, target)
        self._timings.transfer_s += time.perf_counter() - begun
        return run

    def read(self, run: Run, decode: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Return the decoded copy of a finished run's answers, and free its slot."""
        begun = time.perf_counter()
        run.target.invalidate()
        answers = decode(run.target.array[: run.count])
        self.release(run)
        self._timings.transfer_s += time.perf_counter() - begun
        return answers

    def release(self, run: Run) -> None:
        """Make a run's slot free; its handle is void."""
        run.dropped = True
        if self._live[run.slot] is run:
            self._live[run.slot] = None

    def release_all(self) -> None:
        """Make every slot free. The hardware must have stopped."""
        for run in self._live:
            if run is not None:
                self.release(run)

    def close(self) -> None:
        """Free every buffer, also when freeing one fails."""
        while self._buffers:
            buffer = self._buffers.pop()
            try:
                buffer.free()
            except Exception:  # the others must be freed all the same
                _LOG.exception("a buffer could not be freed")
        self._pairs = [{} for _ in self._pairs]
