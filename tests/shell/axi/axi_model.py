"""What the simulated tests of the AXI shell share: memory with faults, registers, expected answers."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiMaster, AxiSlave, MemoryRegion
from finnspect_driver import registers as regs

CLOCK_NS = 10
MEMORY_BYTES = 1 << 20


class FaultyMemory(MemoryRegion):
    """Memory that fails where it is told to."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.bad_read = range(0)
        self.bad_write = range(0)

    async def _read(self, address, length, **kwargs):
        if address in self.bad_read:
            raise OSError("bad read")
        return await super()._read(address, length, **kwargs)

    async def _write(self, address, data, **kwargs):
        if address in self.bad_write:
            raise OSError("bad write")
        await super()._write(address, data, **kwargs)


def pauses(seed: int, percent: float):
    """Return an endless random sequence of pauses."""
    rng = random.Random(seed)
    return iter(lambda: rng.random() * 100 < percent, None)


@dataclass
class Run:
    """One start."""

    images: np.ndarray
    source: int
    target: int


class System:
    """The bench, its memory model and a processor."""

    def __init__(self, dut, seed: int = 1) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        self.beat_bytes = len(dut.u_dut.pixel_tdata) // 8
        self.core = dut.u_dut.u_core
        self.memory = FaultyMemory(MEMORY_BYTES)

    async def begin(self) -> System:
        dut = self.dut
        dut.rst_n.value = 0
        dut.raw.value = 0
        dut.decerr.value = 0
        dut.ar_delay.value = 0
        dut.ar_slots.value = 14
        dut.clk.value = 0
        Clock(dut.clk, CLOCK_NS, "ns").start()
        self.master = AxiMaster(
            AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst_n, reset_active_level=False, max_burst_len=16
        )
        self.slave = AxiSlave(
            AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst_n, target=self.memory, reset_active_level=False
        )
        for log in (
            self.master.write_if.log,
            self.master.read_if.log,
            self.slave.write_if.log,
            self.slave.read_if.log,
        ):
            log.setLevel("ERROR")
        await ClockCycles(dut.clk, 5)
        dut.rst_n.value = 1
        await ClockCycles(dut.clk, 2)
        # The counts go on from test to test of one simulation.
        self.before = {port: int(getattr(dut, f"{port}_violations").value) for port in ("gp", "hp")}
        self.frame_bytes = await self.read(regs.FRAME_BYTES)
        self.classes = await self.read(regs.OUTPUT_BYTES) // 4
        await self.until_idle()
        return self

    def stall(self, percent: float, seed: int = 7) -> None:
        """Pause every channel of the memory, and of the processor, at random."""
        write, read = self.slave.write_if, self.slave.read_if
        master = (self.master.write_if, self.master.read_if)
        channels = (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel)
        channels += (master[0].aw_channel, master[0].w_channel, master[0].b_channel)
        channels += (master[1].ar_channel, master[1].r_channel)
        for number, channel in enumerate(channels):
            channel.set_pause_generator(pauses(seed + number, percent))

    async def read(self, offset: int) -> int:
        return await self.master.read_dword(offset)

    async def write(self, offset: int, value: int) -> None:
        await self.master.write_dword(offset, value)

    async def read64(self, low: int) -> int:
        return await self.read(low) | await self.read(low + 4) << 32

    async def status(self) -> set[str]:
        """Return the names of the flags that are set."""
        value = await self.read(regs.STATUS)
        names = {name[7:].lower(): mask for name, mask in vars(regs).items() if name.startswith("STATUS_")}
        assert value & ~sum(names.values()) == 0
        return {name for name, mask in names.items() if value & mask}

    async def until_idle(self, clocks: int = 200_000) -> set[str]:
        async def poll():
            while "idle" not in (flags := await self.status()):
                assert "busy" in flags
                await ClockCycles(self.dut.clk, 20)
            assert "busy" not in flags
            return flags

        return await with_timeout(poll(), clocks * CLOCK_NS, "ns")

    def place(self, frames: int, source: int | None = None, target: int | None = None) -> Run:
        """Put random images into memory, surrounded by garbage, and dirt where the logits go."""
        in_bytes, out_bytes = frames * self.frame_bytes, frames * self.classes * 4
        if source is None:
            source = self.rng.randrange(0, (MEMORY_BYTES // 2 - in_bytes - 64) // 8) * 8
        if target is None:
            target = MEMORY_BYTES // 2 + self.rng.randrange(8, (MEMORY_BYTES // 2 - out_bytes - 64) // 8) * 8
        self.memory[source : source + in_bytes + 16] = self.rng.randbytes(in_bytes + 16)
        self.memory[target - 16 : target + out_bytes + 64] = b"\xa5" * (out_bytes + 80)
        images = np.frombuffer(self.memory[source : source + in_bytes], np.uint8)
        return Run(images.reshape(frames, self.frame_bytes), source, target)

    async def start(self, run: Run, control: int = regs.CONTROL_START) -> None:
        await self.write(regs.INPUT_ADDR, run.source)
        await self.write(regs.OUTPUT_ADDR, run.target)
        await self.write(regs.FRAMES, len(run.images))
        await self.write(regs.CONTROL, control)
        await ClockCycles(self.dut.clk, 3)  # until the interrupt of the run before is gone

    async def finish(self, run: Run, clocks: int = 200_000) -> None:
        """Wait for the interrupt and check flags, counts and every byte."""
        if not self.dut.irq.value:
            await with_timeout(RisingEdge(self.dut.irq), clocks * CLOCK_NS, "ns")
        assert await self.status() == {"idle", "done"}
        assert await self.read(regs.FRAMES_DONE) == len(run.images)
        self.check(run)

    def check(self, run: Run) -> None:
        expected = self.logits(run.images).tobytes()
        got = self.memory[run.target : run.target + len(expected)]
        assert got == expected, "logits differ"
        assert self.memory[run.target - 16 : run.target] == b"\xa5" * 16, "written before the logits"
        end = run.target + len(expected)
        assert self.memory[end : end + 64] == b"\xa5" * 64, "written behind the logits"

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return what the stand-in core answers."""
        beats = images.reshape(len(images), -1, self.beat_bytes).astype(np.uint32)
        by_byte = 2 * np.arange(self.beat_bytes, dtype=np.uint32) + 1
        by_beat = np.arange(beats.shape[1], dtype=np.uint32) + 1
        total = ((beats * by_byte).sum(2, dtype=np.uint32) * by_beat).sum(1, dtype=np.uint32)
        steps = np.arange(self.classes, dtype=np.uint32)
        return (total[:, None] + steps * (total[:, None] + np.uint32(1000))).astype("<u4")

    async def end(self) -> None:
        """Nothing is under way any more, and nothing illegal was seen."""
        await ClockCycles(self.dut.clk, 30)
        for port, before in self.before.items():
            assert int(getattr(self.dut, f"{port}_violations").value) == before, "see the simulation's log"
            assert int(getattr(self.dut, f"{port}_outstanding").value) == 0
        assert int(self.dut.hp_longest.value) <= 16
