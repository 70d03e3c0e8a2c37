"""A board around a stand-in core."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from finnspect.emit import Accelerator
from finnspect.sim.uart import UartModel

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
    shutil.copy(Path(__file__).parent / "shell" / "finnspect_core.sv", folder)
    manifest = {
        "sources": ["finnspect_core.sv"],
        "images": [],
        "input": {"elements": elements, "beats": frame_bytes // elements},
        "output": {"classes": classes},
    }
    return Accelerator(folder, manifest)
