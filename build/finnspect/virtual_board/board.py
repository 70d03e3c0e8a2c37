"""A running virtual board: the simulation as a subprocess, commands over its pipes.

Clocks pass only while a command needs them (``hw/sim/virtual_board_main.cpp`` has the commands).
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from finnspect.errors import ConfigError, ToolError

READ_REGISTER, WRITE_REGISTER, MAP, UNMAP, READ_MEMORY, WRITE_MEMORY, RUN, STATISTICS, RESET, QUIT = range(
    1, 11
)
#: Clocks of one command: it is answered within seconds, so a time-out is not far behind.
RUN_CLOCKS = 100_000
#: Bytes of one command that reads or writes memory.
_CHUNK = 1 << 24
#: Longest wait for an answer. The slowest command runs RUN_CLOCKS clocks.
_TIMEOUT_S = 120.0
_RESPONSES = ("OKAY", "EXOKAY", "SLVERR", "DECERR")
_CAUSES = {
    2: "a request was broken",
    3: "a register access hung",
    4: "the design broke the AXI3 protocol",
}


class BoardError(ToolError):
    """The virtual board refused an access, broke its protocol, or its process is gone."""


@dataclass(frozen=True)
class Timing:
    """How quick the memory is; probabilities are of 256, a clock.

    Parameters
    ----------
    read_latency, write_latency
        Clocks from an address to its first beat, or from the last beat to its response.
    jitter
        Up to so many clocks more, at random.
    stall_address, stall_data
        Addresses are not taken; data is not taken, or not given.
    outstanding
        Bursts that may be under way, reads and writes apart.
    """

    read_latency: int = 30
    write_latency: int = 10
    jitter: int = 0
    stall_address: int = 0
    stall_data: int = 0
    outstanding: int = 8


#: Names for ``timing``: a quiet memory port, and one that others share.
TIMINGS = {
    "fast": Timing(),
    "random": Timing(jitter=100, stall_address=96, stall_data=64),
}


@dataclass(frozen=True)
class Statistics:
    """What a board did so far.

    Parameters
    ----------
    clocks
        In all, after reset.
    run_clocks, run_ns
        Clocks that :meth:`VirtualBoard.run` ran, and the time that they took.
    read_bursts, read_beats, write_bursts, write_beats
        On the memory port.
    errors
        Accesses where there is no memory.
    """

    clocks: int
    run_clocks: int
    run_ns: int
    read_bursts: int
    read_beats: int
    write_bursts: int
    write_beats: int
    errors: int

    @property
    def clocks_per_second(self) -> float:
        """Speed of the simulation; 0 before it ran."""
        return 1e9 * self.run_clocks / self.run_ns if self.run_ns else 0.0


class VirtualBoard:
    """A board in simulation. Use it as a context manager, or close it.

    Its methods may be called from several threads; one command runs at a time.

    Parameters
    ----------
    executable
        What :func:`finnspect.virtual_board.build_board_model` made; in its folder lie the memory images.
    timing
        One of :data:`TIMINGS`, or a :class:`Timing`.
    seed
        Of the timing, of registers before reset, and of what fresh memory holds.
    timeout_s
        Longest wait for the answer to one command.

    Attributes
    ----------
    closed : bool
        Whether :meth:`close` was called.

    Raises
    ------
    ConfigError
        The timing is unknown.
    BoardError
        The program does not run.
    """

    def __init__(
        self, executable: Path, timing: str | Timing = "fast", seed: int = 1, timeout_s: float = _TIMEOUT_S
    ) -> None:
        if isinstance(timing, str):
            if timing not in TIMINGS:
                raise ConfigError(f"unknown timing {timing!r}", f"known: {', '.join(TIMINGS)}")
            timing = TIMINGS[timing]
        self._timeout_s = timeout_s
        self._seed = seed
        self._maps = 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        arguments = [f"+{name}={value}" for name, value in asdict(timing).items()]
        arguments += [f"+seed={seed}", "+verilator+rand+reset+2", f"+verilator+seed+{seed & 0x7FFFFFFF or 1}"]
        try:
            self._process = subprocess.Popen(
                [str(executable.resolve()), *arguments],
                cwd=executable.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is the host's: it still has memory to give back
            )
        except OSError as error:
            self._errors.close()
            raise BoardError(
                f"the virtual board {executable} does not run: {error}", "build it again"
            ) from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        self._worker = ThreadPoolExecutor(1, "virtual-board")
        self.closed = False

    def __enter__(self) -> VirtualBoard:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether it can still be commanded: not closed, and its process has not ended."""
        return not self.closed and self._process.poll() is None

    def close(self) -> None:
        """End the simulation; twice does no harm."""
        if self.closed:
            return
        self.closed = True
        # An interrupted command may still be under way: it ends with the program.
        self._process.terminate()
        self._process.wait()
        self._worker.shutdown()
        self._stdin.close()
        self._stdout.close()
        self._errors.close()

    # -- commands --------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Reset the logic as at power-up; memory stays."""
        self._request(RESET)

    def read_register(self, address: int) -> int:
        """Return a 32-bit register.

        Raises
        ------
        BoardError
            The shell answered with an error: there is no such register.
        """
        value, response = struct.unpack("<IB", self._request(READ_REGISTER, struct.pack("<I", address)))
        self._check(response, "read of", address)
        return value

    def write_register(self, address: int, value: int) -> None:
        """Write a 32-bit register.

        Raises
        ------
        BoardError
            The shell answered with an error: there is no such register.
        """
        reply = self._request(WRITE_REGISTER, struct.pack("<II", address, value & 0xFFFFFFFF))
        self._check(reply[0], "write to", address)

    @staticmethod
    def _check(response: int, what: str, address: int) -> None:
        if response:
            raise BoardError(
                f"the {what} the register at 0x{address:X} was answered with {_RESPONSES[response & 3]}"
            )

    def map(self, address: int, size: int) -> None:
        """Let there be memory at ``address``, filled with garbage.

        Raises
        ------
        BoardError
            There is some already, or the range is empty or ends beyond 4 GiB.
        """
        self._maps += 1
        self._request(MAP, struct.pack("<IIQ", address, size, self._seed << 32 | self._maps))

    def unmap(self, address: int) -> None:
        """Take the memory at ``address`` away."""
        self._request(UNMAP, struct.pack("<I", address))

    def read_memory(self, address: int, size: int) -> bytes:
        """Return bytes of mapped memory, as the logic sees them."""
        parts = []
        for offset in range(0, size, _CHUNK):
            part = struct.pack("<II", address + offset, min(_CHUNK, size - offset))
            parts.append(self._request(READ_MEMORY, part))
        return b"".join(parts)

    def write_memory(self, address: int, data: bytes) -> None:
        """Write bytes of mapped memory."""
        for offset in range(0, len(data), _CHUNK):
            part = data[offset : offset + _CHUNK]
            self._request(WRITE_MEMORY, struct.pack("<I", address + offset) + part)

    def run(self, clocks: int, *, until_interrupt: bool = True) -> tuple[int, bool]:
        """Let clocks pass.

        Parameters
        ----------
        clocks
            At most so many.
        until_interrupt
            Stop as soon as the interrupt line is high (at once if it is).

        Returns
        -------
        passed, interrupt
            Clocks that passed; whether the line is high.
        """
        passed = 0
        interrupt = False
        while True:
            wanted = max(0, min(RUN_CLOCKS, clocks - passed))
            reply = self._request(RUN, struct.pack("<QB", wanted, until_interrupt))
            done, interrupt = struct.unpack("<Q?", reply)
            passed += done
            if passed >= clocks or (until_interrupt and interrupt):
                return passed, interrupt

    def statistics(self) -> Statistics:
        """Return what the board did so far."""
        return Statistics(*struct.unpack("<8Q", self._request(STATISTICS)))

    # -- pipes -----------------------------------------------------------------------------------------

    def _request(self, code: int, payload: bytes = b"") -> bytes:
        if self.closed:
            raise BoardError("the virtual board is closed", "open it again")
        # A thread of its own does the exchange: what Ctrl-C interrupts is the wait for it, never the
        # exchange itself, so the next command finds the pipes in order.
        return self._worker.submit(self._exchange, code, payload).result()

    def _exchange(self, code: int, payload: bytes) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        self._send(memoryview(struct.pack("<BI", code, len(payload)) + payload), deadline)
        refused, size = struct.unpack("<BI", self._receive(5, deadline))
        reply = self._receive(size, deadline)
        if refused:
            raise BoardError(f"the virtual board refused: {reply.decode(errors='replace')}")
        return reply

    def _send(self, data: memoryview, deadline: float) -> None:
        while data:
            if not select.select([], [self._stdin], [], max(0.0, deadline - time.monotonic()))[1]:
                raise self._silent()
            try:
                data = data[os.write(self._stdin.fileno(), data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._died() from None

    def _receive(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not select.select([self._stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise self._silent()
            data = os.read(self._stdout.fileno(), size - len(parts))
            if not data:
                raise self._died()
            parts += data
        return bytes(parts)

    def _silent(self) -> BoardError:
        self._process.kill()  # whatever it would still answer belongs to no command
        return BoardError(
            f"the virtual board did not answer within {self._timeout_s:g} s", "is the machine overloaded?"
        )

    def _died(self) -> BoardError:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()[-8:]
        cause = _CAUSES.get(code, f"killed by signal {-code}" if code < 0 else "unexpectedly")
        said = "".join(f"\n  {line}" for line in lines) or " without a message"
        return BoardError(f"the virtual board ended (exit {code}, {cause}):{said}")
