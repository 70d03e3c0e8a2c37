"""Simulated test of the AXI shell around a generated core: every logit, and the rate."""

from __future__ import annotations

import os

import cocotb
import numpy as np
from axi_model import System
from finnspect_driver import registers as regs


class RealSystem(System):
    """A system whose answers come from the integer reference."""

    def __init__(self, dut) -> None:
        super().__init__(dut)
        with np.load(os.environ["FRAMES_FILE"]) as file:
            self.images, self.expected = file["images"], file["logits"]

    def logits(self, images: np.ndarray) -> np.ndarray:
        return self.expected[: len(images)].astype("<i4")

    def place_images(self, frames: int):
        run = self.place(frames, source=4096 - 24)
        data = self.images[:frames].tobytes()
        self.memory[run.source : run.source + len(data)] = data
        return run


@cocotb.test()
async def a_generated_core_is_exact_and_as_fast_as_bare(dut):
    system = await RealSystem(dut).begin()
    dut.ar_delay.value = 30
    frames = len(system.images)
    run = system.place_images(frames)
    await system.start(run)
    await system.finish(run)
    busy = await system.read64(regs.COUNT_CYCLES_BUSY_LO)
    bare = int(os.environ["BARE_CYCLES"])
    dut._log.info(f"throughput {100 * bare / busy:.2f} % of the bare core ({busy} clocks, bare {bare})")
    assert bare / busy >= 0.98
    # With stalls everywhere the answers are the same.
    system.stall(30)
    for count in (1, 7):
        run = system.place_images(count)
        await system.start(run)
        await system.finish(run)
    await system.end()
