"""A whole board around a stand-in core, built once a test session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from finnspect.board import load_board
from finnspect.emit import Accelerator
from finnspect.sim.uart import UartModel, build_uart_model, simulation_settings

BUILD_ID = "00112233445566778899aabbccddeeff"
CORE_TIMEOUT_CYCLES = 70_000


@dataclass(frozen=True)
class Board:
    """A built board and what its core answers."""

    model: UartModel
    beat_bytes: int

    @property
    def frame_bytes(self) -> int:
        return self.model.settings.frame_bytes

    def image(self, seed: int, *, kind: int = 0, delay: int = 0) -> np.ndarray:
        """Return a random image; ``kind`` and ``delay`` are the stand-in core's first two bytes."""
        image = np.random.default_rng(seed).integers(0, 256, self.frame_bytes, dtype=np.uint8)
        image[:2] = kind, delay
        return image

    def logits(self, image: np.ndarray) -> np.ndarray:
        """Return what the stand-in core answers."""
        beats = [
            int.from_bytes(image[i : i + self.beat_bytes].tobytes(), "little")
            for i in range(0, image.size, self.beat_bytes)
        ]
        total = sum(beat * (j + 1) for j, beat in enumerate(beats))
        values = [total + k * (total + 1000) for k in range(self.model.settings.classes)]
        return np.array(values, object).astype(np.uint64).astype(np.uint32).view(np.int32)


def stand_in(folder: Path, frame_bytes: int, classes: int, elements: int) -> Accelerator:
    """Return an accelerator folder that holds the stand-in core."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(__file__).parent / "finnspect_core.sv", folder)
    manifest = {
        "sources": ["finnspect_core.sv"],
        "images": [],
        "input": {"elements": elements, "beats": frame_bytes // elements},
        "output": {"classes": classes},
    }
    return Accelerator(folder, manifest)


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
