"""The virtual board: an accelerator's shell and core, simulated, behind the driver's own interface.

``finnspect_driver.devices.virtual`` opens it for ``DefectClassifier(zip, device="virtual")``.
"""

from finnspect.virtual_board.board import TIMINGS, BoardError, Statistics, Timing, VirtualBoard
from finnspect.virtual_board.memory import MemoryPool, OutOfMemoryError
from finnspect.virtual_board.model import BoardModel, build_board_model, open_board_model, open_uart_model

__all__ = [
    "TIMINGS",
    "BoardError",
    "BoardModel",
    "MemoryPool",
    "OutOfMemoryError",
    "Statistics",
    "Timing",
    "VirtualBoard",
    "build_board_model",
    "open_board_model",
    "open_uart_model",
]
