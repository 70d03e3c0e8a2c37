"""A Zynq-7000 board under PYNQ.

The bitstream goes in through ``pynq.Overlay`` when a ``.hwh`` is there, and through ``pynq.Bitstream``
when not; registers are reached by ``pynq.MMIO`` and memory comes from ``pynq.allocate`` in both cases.
Whichever way, this sets FCLK0 and checks the width of the memory port, which a design without Vivado's
handoff file would find as the boot code left them.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finnspect_driver.devices.base import Bitstream, Buffer, Device
from finnspect_driver.errors import (
    BusyError,
    DeployError,
    HardwareError,
    MemoryExhaustedError,
    SetupError,
    WrongBoardError,
)

_LOG = logging.getLogger(__name__)

#: Where a PYNQ image says what board it is on.
BOARD_FILE = Path("/proc/device-tree/chosen/pynq_board")
#: Registers of the AXI FIFO interface behind HP0, and what they hold (Zynq-7000 manual UG585, axi_hp).
AFI0 = 0xF8008000
AFI_RDCHAN_CTRL, AFI_WRCHAN_CTRL = 0x00, 0x14
AFI_32_BIT = 1  # 1: the port is 32 bits wide, 0: 64
_AFI_SPAN = 0x1000
#: How much slower and faster than asked for FCLK0 may be.
_SLOWER, _FASTER = 0.05, 0.001


class PynqBuffer(Buffer):
    """Memory from ``pynq.allocate``."""

    def __init__(self, memory: Any) -> None:
        self.array = memory
        self.device_address = int(memory.device_address)
        self._memory = memory

    def flush(self) -> None:
        """Write the processor's caches back to memory."""
        self._memory.flush()

    def invalidate(self) -> None:
        """Drop what the processor's caches hold of it."""
        self._memory.invalidate()

    def free(self) -> None:
        """Give the memory back."""
        memory, self._memory = self._memory, None
        if memory is not None:
            del self.array  # a view of freed memory must not be reachable
            memory.freebuffer()


class PynqDevice(Device):
    """The board that this program runs on.

    Parameters
    ----------
    device
        A ``pynq.Device``; None takes the active one.
    board_file
        Where the board's name is written.
    lock_file
        Held while the logic is in use, so that two programs do not share it; None takes one in the
        folder for temporary files.

    Raises
    ------
    SetupError
        pynq is not installed, or finds no device.
    BusyError
        Another program holds the logic.
    """

    def __init__(
        self, device: Any = None, board_file: Path = BOARD_FILE, lock_file: Path | None = None
    ) -> None:
        try:
            import pynq
        except ImportError as error:
            raise SetupError(
                f"pynq is not installed: {error}",
                "run this on a PYNQ board, in its own Python; on a PC take device='virtual'",
            ) from error
        self._pynq = pynq
        if device is None:
            try:
                device = pynq.Device.active_device
            except RuntimeError as error:
                raise SetupError(
                    f"pynq finds no device: {error}",
                    "run this as root on a PYNQ board; on a PC take device='virtual'",
                ) from error
        self._device = device
        self._board_file = board_file
        self._overlay: Any = None
        self._mmio: Any = None
        self._lock: Any = None
        self._take_lock(lock_file or Path(tempfile.gettempdir()) / "finnspect-pl.lock")

    def _take_lock(self, path: Path) -> None:
        self._lock = path.open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise BusyError(
                f"another program uses the board's logic (it holds {path})",
                "end the other program, or shut the other notebook's kernel down",
            ) from error

    @property
    def name(self) -> str:
        """Name of the board."""
        try:
            return self._board_file.read_text().strip("\0\n ") or "a PYNQ board"
        except OSError:
            return "a PYNQ board"

    # -- bitstream ---------------------------------------------------------------------------------

    def download(self, bitstream: Bitstream, program: bool = True) -> None:
        """Load a bitstream, set FCLK0 and the width of HP0, and map the registers."""
        self._check_board(bitstream)
        if program:
            self._program(bitstream)
        self._set_clock(bitstream.fclk_mhz)
        self._set_port_width(bitstream.hp_bits)
        self._mmio = self._pynq.MMIO(bitstream.base_address, bitstream.span_bytes, device=self._device)

    def _check_board(self, bitstream: Bitstream) -> None:
        arch = getattr(self._device, "arch", None)
        found = self.name.lower() if self._board_file.exists() else None
        if (found is not None and found != bitstream.board) or (arch is not None and arch != "armv7l"):
            raise WrongBoardError(
                f"{bitstream.name} was built for {bitstream.board}, this is {found or arch}",
                f"build for this board: make hw BOARD={found or '<board>'}",
            )
        if bitstream.data is None:
            raise DeployError(
                "incomplete",
                "the deploy zip holds no bitstream: it was built for the virtual board only",
                f"build it with a toolchain for {bitstream.board}",
            )
        part = _part_of(bitstream.data)
        if part and part not in bitstream.part:
            raise WrongBoardError(
                f"{bitstream.name} is a bit file for {part}, expected {bitstream.part}", "build it again"
            )

    def _program(self, bitstream: Bitstream) -> None:
        assert bitstream.data is not None
        # PYNQ wants files, side by side; it has read them when download returns.
        with tempfile.TemporaryDirectory(prefix="finnspect-") as folder, self._explained(bitstream.name):
            path = Path(folder) / bitstream.name
            path.write_bytes(bitstream.data)
            if bitstream.hwh is not None:
                path.with_suffix(".hwh").write_bytes(bitstream.hwh)
                try:
                    self._overlay = self._pynq.Overlay(str(path), device=self._device)
                    return
                except (TypeError, ValueError, LookupError, AttributeError) as error:
                    # PYNQ 4.0.0 stumbles over the clocks in Vivado's own files for a Zynq-7000. Nothing is
                    # lost: this class sets clock and port itself, and knows the address.
                    _LOG.warning("PYNQ cannot use the .hwh (%s); going on without it", error)
            self._overlay = self._pynq.Bitstream(str(path), device=self._device)
            self._overlay.download()

    @contextlib.contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except PermissionError as error:
            raise SetupError(
                f"loading {name} is not allowed: {error}", "run as root, as PYNQ's notebooks do"
            ) from error
        except (OSError, RuntimeError) as error:
            text = str(error)
            if "in use" in text or "busy" in text.lower():
                raise BusyError(
                    f"the board's logic is in use: {text}", "shut the other notebooks' kernels down"
                ) from error
            raise SetupError(f"PYNQ cannot load {name}: {text}", "restart the board and try again") from error

    # -- clock and port ----------------------------------------------------------------------------

    def _set_clock(self, wanted_mhz: float) -> None:
        """Set FCLK0 to the nearest clock that is not faster than the design allows."""
        clocks = self._clocks()
        ask = wanted_mhz
        for _ in range(64):
            clocks.fclk0_mhz = ask
            got = float(clocks.fclk0_mhz)
            if got <= wanted_mhz * (1 + _FASTER):
                break
            ask *= 0.995  # PYNQ takes the nearest clock, which may be too fast
        if not wanted_mhz * (1 - _SLOWER) <= got <= wanted_mhz * (1 + _FASTER):
            raise HardwareError(
                f"FCLK0 is {got:g} MHz and cannot be set to {wanted_mhz:g} MHz", "build for another clock"
            )
        if abs(got - wanted_mhz) > wanted_mhz * _FASTER:
            _LOG.warning("FCLK0 is %g MHz, the design is built for %g MHz", got, wanted_mhz)

    def _clocks(self) -> Any:
        from pynq.ps import Clocks

        if hasattr(Clocks, "set_device"):  # PYNQ 3.1 and later
            Clocks.set_device(self._device)
        return Clocks

    def _set_port_width(self, bits: int) -> None:
        """Make HP0 as wide as the design's; it is what the boot code left it."""
        afi = self._pynq.MMIO(AFI0, _AFI_SPAN, device=self._device)
        narrow = AFI_32_BIT if bits == 32 else 0
        for channel, offset in (("read", AFI_RDCHAN_CTRL), ("write", AFI_WRCHAN_CTRL)):
            value = afi.read(offset)
            if value & AFI_32_BIT == narrow:
                continue
            _LOG.info("HP0's %s channel is set to %d bits", channel, bits)
            afi.write(offset, value & ~AFI_32_BIT | narrow)
            if afi.read(offset) & AFI_32_BIT != narrow:
                raise HardwareError(
                    f"the memory port HP0 is not {bits} bits wide and cannot be set (its {channel} channel's "
                    f"control at {AFI0 + offset:#x} stays {afi.read(offset):#x})",
                    "use a PYNQ image whose boot code leaves HP0 at 64 bits",
                )

    # -- registers and memory ----------------------------------------------------------------------

    def read(self, offset: int) -> int:
        """Return a register."""
        return int(self._mapped().read(offset))

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        self._mapped().write(offset, int(value))

    def _mapped(self) -> Any:
        if self._mmio is None:
            raise SetupError("no bitstream is loaded", "call download first")
        return self._mmio

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> PynqBuffer:
        """Return contiguous, cached memory."""
        try:
            memory = self._pynq.allocate(shape, dtype, target=self._device, cacheable=1)
        except (RuntimeError, MemoryError, OSError) as error:
            raise MemoryExhaustedError(
                f"there is no contiguous memory for {shape} of {dtype}: {error}",
                "take a smaller batch, shut other notebooks' kernels down, or restart the board",
            ) from error
        return PynqBuffer(memory)

    def close(self) -> None:
        """Unmap the registers and let others use the logic; what is loaded stays."""
        self._mmio = self._overlay = None
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()


def _part_of(data: bytes) -> str | None:
    """Return the part that a bit file's header names, as ``7z020clg400``; None where it has no header."""
    offset = int.from_bytes(data[:2], "big") + 4
    while offset + 3 <= len(data) and data[offset : offset + 1] in (b"a", b"b", b"c", b"d"):
        key, size = data[offset : offset + 1], int.from_bytes(data[offset + 1 : offset + 3], "big")
        if key == b"b":
            return data[offset + 3 : offset + 3 + size].rstrip(b"\0").decode("ascii", "replace")
        offset += 3 + size
    return None
