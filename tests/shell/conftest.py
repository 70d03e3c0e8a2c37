"""A whole board around a stand-in core, built once a test session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from finnspect.board import load_board
from finnspect.sim.uart import build_uart_model, simulation_settings
from shell_board import BUILD_ID, CORE_TIMEOUT_CYCLES, Board, stand_in


@pytest.fixture(scope="session")
def make_board(tmp_path_factory) -> Callable[..., Board]:
    built: dict[tuple[int, int, int], Board] = {}

    def make(frame_bytes: int, classes: int, elements: int) -> Board:
        key = (frame_bytes, classes, elements)
        if key not in built:
            folder = tmp_path_factory.mktemp("board")
            accelerator = stand_in(folder / "core", *key)
            board = load_board("ulx3s-85f")
            settings = simulation_settings(accelerator, board, BUILD_ID)
            settings = replace(settings, core_timeout_cycles=CORE_TIMEOUT_CYCLES)
            model = build_uart_model(
                accelerator, board, folder / "sim", BUILD_ID, settings=settings, optimize="-O1"
            )
            built[key] = Board(model, elements)
        return built[key]

    return make


@pytest.fixture(scope="session")
def grey(make_board) -> Board:
    """A 12-byte image, one byte a beat, 6 classes."""
    return make_board(12, 6, 1)
