"""No toolchain at all: the design's numbers and its build id, for a deploy zip that is only simulated."""

from __future__ import annotations

from pathlib import Path

from finnspect.board import AxiBoard, Board, UartBoard
from finnspect.emit import Accelerator
from finnspect.errors import ConfigError
from finnspect.shell import axi_settings, shell_settings
from finnspect.toolchains.result import BitstreamResult

NAME = "none"
NOTE = "no bitstream was made: the deploy zip serves the virtual board (device='virtual')"


def build_nothing(
    accelerator: Accelerator, board: Board, clock_mhz: float | None, build_id: str, out_dir: Path
) -> BitstreamResult:
    """Write the result of a build that ends before synthesis.

    Parameters
    ----------
    clock_mhz
        Core clock that the design reports; the board's default if None.
    build_id
        32 hexadecimal digits that the design reports.
    out_dir
        Folder of the result.

    Raises
    ------
    ConfigError
        The clock cannot be made.
    """
    link = {}
    if isinstance(board, UartBoard):
        settings = shell_settings(accelerator, board, clock_mhz, build_id)
        link = {
            "baud": settings.baud.nominal,
            "baud_error_percent": settings.baud.error_percent,
            "link_fps": settings.link_fps,
            "buffer_bytes": settings.buffer_bytes,
        }
    elif isinstance(board, AxiBoard):
        settings = axi_settings(accelerator, board, clock_mhz, build_id)
    else:
        raise ConfigError(
            f"{board.name} has the shell {board.shell}, which cannot be simulated", "another board"
        )
    out_dir.mkdir(parents=True, exist_ok=True)
    result = BitstreamResult(
        toolchain=NAME,
        bitstream=None,
        clock_mhz=settings.clock_mhz,
        fmax_mhz=None,
        build_id=build_id,
        post_synthesis={},
        versions={},
        seconds={},
        notes=(NOTE,),
        **link,
    )
    result.save(out_dir)
    return result
