"""The interface that all shells share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from finnspect_driver.errors import ImageError


class HardwareInfo:
    """What the hardware says of itself; None where it says nothing.

    Attributes
    ----------
    shell : str
    device : str
        Where it runs.
    interface_version : int or None
    build_id : str or None
        32 hexadecimal digits that were read from the hardware.
    clock_hz : int or None
        Clock of the core.
    has_counters : bool
    note : str
        What a user should know of this shell's limits; may be empty.
    """

    def __init__(
        self,
        shell: str,
        device: str,
        interface_version: int | None = None,
        build_id: str | None = None,
        clock_hz: int | None = None,
        has_counters: bool = False,
        note: str = "",
    ) -> None:
        self.shell = shell
        self.device = device
        self.interface_version = interface_version
        self.build_id = build_id
        self.clock_hz = clock_hz
        self.has_counters = has_counters
        self.note = note

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a JSON-able dictionary."""
        return dict(vars(self))


class Counters:
    """Counters of the hardware since its reset, in clocks of the core and frames.

    Attributes
    ----------
    frames : int
        Images whose last logit has left the core.
    busy_cycles, starved_cycles, stalled_cycles : int
        Clocks of runs; of those, clocks in which the core waited for pixels, or for its logits to be taken.
    """

    def __init__(self, frames: int, busy_cycles: int, starved_cycles: int, stalled_cycles: int) -> None:
        self.frames = frames
        self.busy_cycles = busy_cycles
        self.starved_cycles = starved_cycles
        self.stalled_cycles = stalled_cycles

    def __sub__(self, before: Counters) -> Counters:
        return Counters(
            (self.frames - before.frames) & 0xFFFFFFFF,  # this one wraps
            self.busy_cycles - before.busy_cycles,
            self.starved_cycles - before.starved_cycles,
            self.stalled_cycles - before.stalled_cycles,
        )

    def to_dict(self) -> dict[str, int]:
        """Return the counters as a JSON-able dictionary."""
        return dict(vars(self))


class Timings:
    """Where the processor's time went, in seconds; added up over runs.

    Attributes
    ----------
    transfer_s : float
        Copies into and out of shared memory, flushes and invalidates.
    wait_s : float
        Waiting for the hardware.
    """

    def __init__(self) -> None:
        self.transfer_s = 0.0
        self.wait_s = 0.0


class Backend(ABC):
    """Runs batches of images. At most :attr:`depth` batches may be under way at a time.

    Attributes
    ----------
    batch : int
        Largest number of images in one submission.
    depth : int
        Submissions that may wait for their result.
    timings : Timings
    """

    batch = 1
    depth = 2

    def __init__(self) -> None:
        self.timings = Timings()

    @abstractmethod
    def info(self) -> HardwareInfo:
        """Return what the hardware says of itself."""

    @abstractmethod
    def submit(self, images: np.ndarray) -> Any:
        """Start a batch, or have it start when the one before ends; return without waiting for it.

        Parameters
        ----------
        images
            uint8, shape (N, H, W, C), 1 to :attr:`batch` images.

        Returns
        -------
        object
            A handle for :meth:`result`.
        """

    @abstractmethod
    def result(self, handle: Any) -> np.ndarray:
        """Wait for a batch and return its logits, int32, shape (N, classes). Oldest handle first."""

    @abstractmethod
    def close(self) -> None:
        """Stop what runs and free everything; once is enough, twice does no harm."""

    def poll(self) -> None:  # noqa: B027 - a back end that needs no push has nothing to do
        """Start the next batch if the one before has ended; called often, never waits."""

    def abort(self) -> None:  # noqa: B027 - a back end without state of its own has nothing to do
        """Give up every batch that is under way; the next :meth:`submit` starts afresh."""

    def counters(self) -> Counters | None:
        """Return the hardware's counters, None where it has none."""
        return None

    def infer(self, images: np.ndarray) -> np.ndarray:
        """Return the logits of one batch, int32, shape (N, classes)."""
        return self.result(self.submit(images))

    def check_batch(self, images: np.ndarray, shape: tuple[int, int, int]) -> None:
        """Refuse a batch of another type or shape, an empty one, and one that is too large."""
        if images.dtype != np.uint8 or images.shape[1:] != shape or not 1 <= len(images) <= self.batch:
            raise ImageError(
                f"a batch is uint8 (1 to {self.batch}, {', '.join(map(str, shape))}), "
                f"got {images.dtype} {images.shape}",
                "let DefectClassifier.predict preprocess and divide the images",
            )
