"""What a back end needs of a device: registers, and memory that the hardware sees.

An implementation has nothing to know of shells or models. The module
``finnspect_driver.devices.virtual`` provides ``open_device(deploy: DeployZip) -> Device`` for
``device="virtual"``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Bitstream:
    """A bitstream and what the board must be set to before it works.

    Parameters
    ----------
    name
        File name, ending in ``.bit``.
    data
        The bit file; empty where the zip has none, which only the virtual board takes.
    hwh
        The hardware handoff file; None where there is none.
    board, part
        What it was built for.
    base_address, span_bytes
        Window of the registers on the processor's bus; offsets of :meth:`Device.read` count from its start.
    fclk_mhz
        Clock that the processor must supply (FCLK0).
    hp_bits
        Width of the memory port HP0 that the design expects.
    build_id
        32 hexadecimal digits.
    """

    def __init__(
        self,
        name: str,
        data: bytes | None,
        hwh: bytes | None,
        board: str,
        part: str,
        base_address: int,
        span_bytes: int,
        fclk_mhz: float,
        hp_bits: int,
        build_id: str,
    ) -> None:
        self.name = name
        self.data = data
        self.hwh = hwh
        self.board = board
        self.part = part
        self.base_address = base_address
        self.span_bytes = span_bytes
        self.fclk_mhz = fclk_mhz
        self.hp_bits = hp_bits
        self.build_id = build_id


class Buffer(ABC):
    """Memory that processor and hardware share, contiguous for the hardware.

    Attributes
    ----------
    array : numpy.ndarray
        The processor's view. Not to be touched after :meth:`free`.
    device_address : int
        Where the hardware finds its first byte.
    """

    array: np.ndarray
    device_address: int

    @abstractmethod
    def flush(self) -> None:
        """Make what the processor wrote visible to the hardware."""

    @abstractmethod
    def invalidate(self) -> None:
        """Make what the hardware wrote visible to the processor."""

    @abstractmethod
    def free(self) -> None:
        """Give the memory back; once is enough, twice does no harm."""


class Device(ABC):
    """Registers and memory of one board. All times are in seconds."""

    #: What it is, for messages and reports.
    name = "device"

    @abstractmethod
    def download(self, bitstream: Bitstream, program: bool = True) -> None:
        """Load a bitstream, set clocks and ports, and map its registers.

        Parameters
        ----------
        bitstream
            The bitstream.
        program
            False takes the logic as it is loaded, and only sets clocks and ports and maps.

        Raises
        ------
        WrongBoardError, BusyError, SetupError
            It cannot be loaded.
        """

    @abstractmethod
    def read(self, offset: int) -> int:
        """Return the 32-bit register at ``offset`` from the bitstream's base address."""

    @abstractmethod
    def write(self, offset: int, value: int) -> None:
        """Write the 32-bit register at ``offset`` from the bitstream's base address."""

    @abstractmethod
    def allocate(self, shape: tuple[int, ...], dtype: Any) -> Buffer:
        """Return a buffer; 8-byte aligned, below 4 GiB.

        Raises
        ------
        MemoryExhaustedError
            There is not enough contiguous memory.
        """

    def wait(self, seconds: float) -> None:
        """Let the hardware work for about ``seconds``. A simulated device runs its clock instead."""
        time.sleep(seconds)

    def close(self) -> None:  # noqa: B027 - a device that holds nothing has nothing to do
        """Give back what the device holds."""
