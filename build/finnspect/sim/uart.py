"""A whole board top in simulation, reached at its UART pins as a host reaches the board.

:class:`UartSimulation` is a transport for :class:`finnspect_driver.uart.UartAccelerator`: what the driver
writes becomes levels on the device's input pin, what the device's output pin does becomes bytes again.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from finnspect.board import Board
from finnspect.emit import Accelerator
from finnspect.errors import ToolError
from finnspect.paths import SIM_DIR
from finnspect.process import relevant_lines
from finnspect.shell import BaudRate, ShellSettings, shell_settings, stage_design
from finnspect.sim.verilator import CACHE_DIR, VerilatorJob, build

MAIN = SIM_DIR / "fs_uart_main.cpp"
#: Core clocks a bit: few, because each one is simulated.
CLOCKS_A_BIT = 8
#: Silence that ends a frame, in byte times.
TIMEOUT_BYTES = 64
_READ_WAIT_S = 0.02


@dataclass(frozen=True)
class UartModel:
    """A built simulation.

    Parameters
    ----------
    executable
        What to run; in its folder lie the memory images.
    settings
        Numbers that it was built with.
    """

    executable: Path
    settings: ShellSettings


def simulation_settings(
    accelerator: Accelerator, board: Board, build_id: str, clock_mhz: float | None = None
) -> ShellSettings:
    """Return the board's settings with a serial line as fast as the simulation can take.

    Parameters
    ----------
    clock_mhz
        Core clock; the board's default if None.
    """
    settings = shell_settings(accelerator, board, clock_mhz, build_id)
    clock_hz = settings.clock_hz
    return replace(
        settings,
        baud=BaudRate(clock_hz // CLOCKS_A_BIT, CLOCKS_A_BIT, clock_hz),
        timeout_cycles=TIMEOUT_BYTES * 10 * CLOCKS_A_BIT,
    )


def build_uart_model(
    accelerator: Accelerator,
    board: Board,
    build_dir: Path,
    build_id: str,
    *,
    settings: ShellSettings | None = None,
    optimize: str = "-O2",
    cache: Path = CACHE_DIR,
    progress: Callable[[str], None] | None = None,
) -> UartModel:
    """Build the simulation of a board's whole top around an accelerator.

    Parameters
    ----------
    build_dir
        Folder for everything generated.
    build_id
        32 hexadecimal digits that the design reports.
    settings
        Instead of :func:`simulation_settings`.

    Raises
    ------
    ToolError
        Verilator or the compiler is missing or failed.
    """
    settings = settings or simulation_settings(accelerator, board, build_id)
    sources = stage_design(accelerator, board, settings, build_dir, simulation=True)
    job = VerilatorJob(
        top=board.top,
        sources=tuple(build_dir / name for name in sources),
        build_dir=build_dir,
        main=(MAIN,),
        library_dirs=(),
        optimize=optimize,
        cflags=(
            f"-DPIN_CLK={board.clock.port}",
            f"-DPIN_RX={board.uart.receive_port}",
            f"-DPIN_TX={board.uart.transmit_port}",
            f"-DPIN_RESET={board.reset_port}",
        ),
    )
    return UartModel(build(job, cache=cache, progress=progress), settings)


class UartSimulation:
    """A running simulation with ``read`` and ``write``, like a serial port.

    Parameters
    ----------
    model
        What :func:`build_uart_model` made.
    gap_bits
        Largest random pause before each byte sent to the device, in bits.
    baud_error_percent
        How much faster the host's bits are than the device's.
    seed
        Of the pauses.
    idle_cycles
        Time stands still after so many clocks without activity on the pins; it must be more than the core
        takes for an image.
    """

    def __init__(
        self,
        model: UartModel,
        *,
        gap_bits: int = 0,
        baud_error_percent: float = 0.0,
        seed: int = 1,
        idle_cycles: int = 1_000_000,
    ) -> None:
        bit_clocks = model.settings.baud.divider / (1 + baud_error_percent / 100)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [
                str(model.executable),
                f"+bit={bit_clocks:.6f}",
                f"+gap={gap_bits}",
                f"+seed={seed}",
                f"+idle={idle_cycles}",
            ],
            cwd=model.executable.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )

    def __enter__(self) -> UartSimulation:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the simulation."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes that the device sent; none after a short wait."""
        pipe = self._process.stdout
        assert pipe is not None
        if not select.select([pipe], [], [], _READ_WAIT_S)[0]:
            return b""
        data = os.read(pipe.fileno(), size)
        if not data:
            self._died()
        return data

    def write(self, data: bytes) -> int:
        """Send bytes to the device."""
        self._operations(bytes(part for byte in data for part in (0, byte)))
        return len(data)

    def write_without_stop_bit(self, byte: int) -> None:
        """Send one byte whose stop bit is low."""
        self._operations(bytes([1, byte]))

    def pause(self, byte_times: float, *, reset: bool = False) -> None:
        """Leave the line idle before the next byte, for at least this long; ``reset`` holds the button."""
        left = -(-int(10 * byte_times) // 16)
        while left > 0:
            self._operations(bytes([3 if reset else 2, min(left, 255)]))
            left -= 255

    def _operations(self, data: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        view = memoryview(data)
        try:
            while view:
                view = view[pipe.write(view) :]
        except BrokenPipeError:
            self._died()

    def _died(self) -> None:
        code = self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        raise ToolError(f"the simulation ended (exit {code}):\n{relevant_lines(text)}")
