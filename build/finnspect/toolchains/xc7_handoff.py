"""The hardware handoff file beside a PYNQ bit file: without a block design no tool writes one."""

from __future__ import annotations

from pathlib import Path

from finnspect.board import AxiBoard
from finnspect.hwh import make_hwh
from finnspect.stages import write_whole


def write_hwh(board: AxiBoard, clock_mhz: float, bitstream: Path) -> Path:
    """Write the handoff file of a bit file, of the same name and beside it as PYNQ wants it; return it."""
    clock = board.clock
    text = make_hwh(board.part.name, board.axi.base_address, clock_mhz, clock.pll_mhz, clock.divider_max)
    return write_whole(bitstream.with_suffix(".hwh"), text)
