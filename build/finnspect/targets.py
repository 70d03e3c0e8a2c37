"""What a board lets a core be: resources it may take, cycles a frame that a frame rate asks for."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from finnspect.analysis import TECHNOLOGIES, Resources, shell_resources
from finnspect.board import Board, UartBoard
from finnspect.errors import ConfigError
from finnspect.ir import DataflowGraph

if TYPE_CHECKING:
    from finnspect.folding import Budget

#: Share of the bound's frame rate that is counted on: 1 % for the core's own gaps, 1 % for the shell's.
RATE_MARGIN = 0.98
#: Cells of a family: name in ``board.toml`` -> name in the estimates, and how many of the estimates' one is.
_CELLS = {
    "xc7": {"LUT": ("lut", 1), "FF": ("ff", 1), "BRAM36": ("bram", 2), "DSP48E1": ("dsp", 1)},
    "ecp5": {"LUT4": ("lut", 1), "FF": ("ff", 1), "DP16KD": ("bram", 1), "MULT18X18D": ("dsp", 1)},
}
_AXI_BYTES_A_CYCLE = 8


@dataclass(frozen=True)
class _Interface:
    """What a shell's settings ask of a core, before there is one."""

    frame_bytes: int
    classes: int
    input_elements: int = 1


def _interface(graph: DataflowGraph) -> _Interface:
    return _Interface(graph.tensors[graph.input].size, graph.tensors[graph.output].size)


def device(board: Board) -> dict[str, int]:
    """Return what a board's device has, by the names of :class:`~finnspect.analysis.Resources`."""
    cells = _CELLS[board.part.family]
    return {name: factor * board.resources[cell] for cell, (name, factor) in cells.items()}


def shell_share(board: Board, graph: DataflowGraph) -> Resources:
    """Return what the board's shell is estimated to take; the serial shell's block RAM holds images."""
    from finnspect.shell import BLOCK_RAM_BYTES, buffer_bytes

    found = shell_resources(board.shell, TECHNOLOGIES[board.part.family])
    if not isinstance(board, UartBoard):
        return found
    blocks = ceil(buffer_bytes(_interface(graph).frame_bytes, board) / BLOCK_RAM_BYTES)
    return Resources(lut=found.lut, ff=found.ff, bram=blocks, dsp=found.dsp)


def core_budget(board: Board, graph: DataflowGraph) -> Budget:
    """Return what a core may take on a board: the shares of ``board.toml`` less the shell."""
    from finnspect.folding import Budget

    there, shell, share = device(board), shell_share(board, graph), board.budget
    limits = Resources(
        lut=max(0, int(share.lut * there["lut"]) - shell.lut),
        ff=max(0, int(share.ff * there["ff"]) - shell.ff),
        bram=max(0, int(share.bram * there["bram"]) - shell.bram),
        dsp=board.dsp_budget - shell.dsp,
    )
    return Budget(board.name, TECHNOLOGIES[board.part.family], limits)


def clock_hz(board: Board, clock_mhz: float | None) -> float:
    """Return the core clock that a build runs at."""
    if isinstance(board, UartBoard):
        from finnspect.toolchains.ecp5_pll import solve_pll

        return solve_pll(board.clock, board.clock.default_mhz if clock_mhz is None else clock_mhz).clock_hz
    return board.clock.nearest_hz(clock_mhz)


def link_fps(board: Board, graph: DataflowGraph, clock_mhz: float | None) -> float:
    """Return the frames a second that the board's shell can carry, whatever the core."""
    from finnspect.shell import shell_settings

    interface = _interface(graph)
    if isinstance(board, UartBoard):
        return shell_settings(interface, board, clock_mhz, "0" * 32).link_fps
    return clock_hz(board, clock_mhz) / ceil(interface.frame_bytes / _AXI_BYTES_A_CYCLE)


def target_cycles(board: Board, graph: DataflowGraph, fps: float, clock_mhz: float | None) -> int:
    """Return the cycles a frame that ``fps`` frames a second allow at the board's clock.

    Raises
    ------
    ConfigError
        The shell cannot carry so many frames.
    """
    most = link_fps(board, graph, clock_mhz)
    if fps > most:
        what = "serial line" if isinstance(board, UartBoard) else "memory port"
        raise ConfigError(
            f"{fps:,.10g} frames a second are asked for, the {what} of {board.name} carries at most "
            f"{most:,.1f} of {_interface(graph).frame_bytes} bytes each",
            f"ask for {int(10 * most) / 10:,.10g} or fewer, or choose another board",
        )
    return max(1, int(clock_hz(board, clock_mhz) * RATE_MARGIN / fps))
