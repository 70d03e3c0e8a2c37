"""The virtual board: the accelerator's own RTL in simulation, behind the same interface as a real board.

It needs the package ``finnspect`` on this computer, with its simulator; the first use of a zip builds
the simulation (some ten seconds), later ones find it in a cache. Clocks pass only while the driver
waits or touches a register, so times that are measured here say nothing of a real board; the hardware's
counters do.

Each buffer has two copies of its data, the processor's and the hardware's, and only :meth:`flush` and
:meth:`invalidate` carry data from one to the other. Both begin as garbage: what works here has
forgotten neither.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from finnspect_driver.deployzip import DeployZip
from finnspect_driver.devices.base import Bitstream, Buffer, Device
from finnspect_driver.errors import (
    DeployError,
    DriverError,
    HardwareError,
    MemoryExhaustedError,
    SetupError,
    WrongBoardError,
)

_INSTALL = "install finnspect on this computer: the virtual board needs its simulator (`make bootstrap`)"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn finnspect's errors into the driver's."""
    from finnspect.errors import FlowError, PackageError
    from finnspect.virtual_board import BoardError, OutOfMemoryError

    try:
        yield
    except OutOfMemoryError as error:
        raise MemoryExhaustedError(error.message, error.remedy) from error
    except BoardError as error:
        raise HardwareError(error.message, error.remedy) from error
    except PackageError as error:
        raise DeployError("incomplete", error.message, error.remedy) from error
    except FlowError as error:
        raise SetupError(error.message, error.remedy) from error


def _need_finnspect() -> None:
    try:
        import finnspect.virtual_board  # noqa: F401
    except ImportError as error:
        raise SetupError(f"the virtual board is not on this computer: {error}", _INSTALL) from error


class VirtualBuffer(Buffer):
    """Memory of the virtual board; the processor's view and the hardware's are two copies."""

    def __init__(self, device: VirtualDevice, shape: tuple[int, ...], dtype: Any, garbage: Any) -> None:
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.array = np.frombuffer(bytearray(garbage.bytes(size)), dtype).reshape(shape)
        self.device_address = device.take_memory(size)
        self._device: VirtualDevice | None = device

    def _owner(self) -> VirtualDevice:
        if self._device is None:
            raise DriverError("this buffer was freed", "allocate a new one")
        return self._device

    def flush(self) -> None:
        """Copy the processor's view to the hardware's."""
        self._owner().write_memory(self.device_address, self.array.tobytes())

    def invalidate(self) -> None:
        """Copy the hardware's view to the processor's."""
        data = self._owner().read_memory(self.device_address, self.array.nbytes)
        self.array[...] = np.frombuffer(data, self.array.dtype).reshape(self.array.shape)

    def free(self) -> None:
        """Give the memory back; an access of the hardware then meets an error."""
        device, self._device = self._device, None
        if device is not None:
            device.give_memory_back(self.device_address)


class VirtualDevice(Device):
    """A simulated board with the shell ``finnspect-axi``.

    Parameters
    ----------
    deploy
        The deploy zip; it holds the core's RTL.
    timing
        How memory answers: ``fast`` (30 clocks, no jitter), ``random``, or an object of the class
        ``finnspect.virtual_board.Timing``.
    seed
        Of that, and of the garbage in fresh memory.
    memory_bytes
        Contiguous memory that the board has.
    progress
        Called with one line a step of the simulation's build.

    Raises
    ------
    SetupError
        finnspect or its simulator is not on this computer.
    DeployError
        The zip cannot be simulated.
    """

    def __init__(
        self,
        deploy: DeployZip,
        timing: Any = "fast",
        seed: int = 1,
        memory_bytes: int | None = None,
        progress: Any = None,
    ) -> None:
        _need_finnspect()
        from finnspect.virtual_board import MemoryPool, VirtualBoard, open_board_model

        self.name = f"virtual {deploy.board}"
        self._deploy = deploy
        self._base: int | None = None
        self._span = 0
        with _translated():
            model = open_board_model(deploy.path, progress=progress)
            self._pool = MemoryPool() if memory_bytes is None else MemoryPool(size=memory_bytes)
            self._clock_hz = model.settings.clock_hz
            self._garbage = np.random.RandomState(seed & 0xFFFFFFFF)
            self._board = VirtualBoard(model.executable, timing, seed)

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._board.closed

    @property
    def taken_bytes(self) -> int:
        """Contiguous memory in use."""
        return self._pool.taken_bytes

    def statistics(self) -> Any:
        """Return a ``finnspect.virtual_board.Statistics``: clocks, speed, transfers on the memory port."""
        with _translated():
            return self._board.statistics()

    # -- what a back end uses ----------------------------------------------------------------------

    def download(self, bitstream: Bitstream, program: bool = True) -> None:
        """Reset the logic as a fresh bitstream does, and map its registers.

        Raises
        ------
        WrongBoardError
            The bitstream is not that of the zip that is simulated.
        """
        if bitstream.build_id != self._deploy.build_id:
            raise WrongBoardError(
                f"{self.name} simulates build {self._deploy.build_id}, the bitstream is {bitstream.build_id}",
                "open the virtual board with the zip of this bitstream",
            )
        if program:
            with _translated():
                self._board.reset()
        self._base, self._span = bitstream.base_address, bitstream.span_bytes

    def _address(self, offset: int) -> int:
        if self._base is None:
            raise SetupError(f"no bitstream is loaded on {self.name}", "call download first")
        if offset % 4 or not 0 <= offset <= self._span - 4:
            raise HardwareError(
                f"offset {offset:#x} is no register: the window has {self._span:#x} bytes, "
                "a register begins at a multiple of 4"
            )
        return self._base + offset

    def read(self, offset: int) -> int:
        """Return a register; some clocks pass."""
        with _translated():
            return self._board.read_register(self._address(offset))

    def write(self, offset: int, value: int) -> None:
        """Write a register; some clocks pass."""
        with _translated():
            self._board.write_register(self._address(offset), value)

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> VirtualBuffer:
        """Return a buffer, both views of it full of garbage."""
        return VirtualBuffer(self, shape, dtype, self._garbage)

    def wait(self, seconds: float) -> None:
        """Run the clock for the time, or until the accelerator's interrupt line is high."""
        with _translated():
            self._board.run(max(1, round(seconds * self._clock_hz)))

    def close(self) -> None:
        """End the simulation; twice does no harm."""
        self._board.close()

    # -- memory, for the buffers -------------------------------------------------------------------

    def take_memory(self, size: int) -> int:
        """Return the address of ``size`` bytes that are now mapped."""
        with _translated():
            address, length = self._pool.take(size)
            try:
                self._board.map(address, length)
            except BaseException:
                self._pool.give_back(address)
                raise
        return address

    def give_memory_back(self, address: int) -> None:
        """Unmap memory and let others have its addresses."""
        self._pool.give_back(address)
        if self._board.alive:  # or the memory went with it
            with _translated():
                self._board.unmap(address)

    def read_memory(self, address: int, size: int) -> bytes:
        """Return the hardware's view of some memory."""
        with _translated():
            return self._board.read_memory(address, size)

    def write_memory(self, address: int, data: bytes) -> None:
        """Change the hardware's view of some memory."""
        with _translated():
            self._board.write_memory(address, data)


def open_device(deploy: DeployZip, **options: Any) -> VirtualDevice:
    """Return the simulated board of a zip with the shell ``finnspect-axi``.

    Parameters
    ----------
    options
        Those of :class:`VirtualDevice`.

    Raises
    ------
    SetupError
        finnspect or its simulator is not on this computer, or cannot simulate this shell.
    DeployError
        The zip cannot be simulated.
    """
    if deploy.shell != "finnspect-axi":
        raise SetupError(
            f"there is no simulated device for the shell {deploy.shell}",
            "build the package with finnspect's own shell: finnspect build --board pynq-z2 --toolchain none",
        )
    return VirtualDevice(deploy, **options)


def open_port(deploy: DeployZip, **options: Any) -> Any:
    """Return the serial port of a simulated board, for a zip with the shell ``uart``.

    The whole top of the board is simulated and reached at its UART pins; the line runs at 8 clocks a bit,
    as each one is simulated.

    Parameters
    ----------
    options
        Those of ``finnspect.sim.uart.UartSimulation``.

    Returns
    -------
    object
        With ``read``, ``write`` and ``close``, as :class:`finnspect_driver.uart.UartAccelerator` wants it.
    """
    _need_finnspect()
    from finnspect.sim.uart import UartSimulation
    from finnspect.virtual_board import open_uart_model

    with _translated():
        port = UartSimulation(open_uart_model(deploy.path), **options)
    port.name = f"virtual {deploy.board}"
    return port
