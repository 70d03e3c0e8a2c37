"""Simulated tests of the AXI shell's registers: an AXI4 master of cocotbext-axi, and an AXI3 one of ours."""

from __future__ import annotations

import random

import cocotb
from axi_model import CLOCK_NS, System
from cocotb.triggers import RisingEdge, with_timeout
from finnspect_driver import registers as regs

OKAY, SLVERR = 0, 2
FIXED, INCR, WRAP = 0, 1, 2
BUILD_ID = 0x00112233445566778899AABBCCDDEEFF


class Axi3Master:
    """Raw AXI3 transfers, legal or not, with random delays on every handshake."""

    def __init__(self, dut, seed: int) -> None:
        self.dut = dut
        self.rng = random.Random(seed)
        self.slow = 0.0
        for name in ("awvalid", "wvalid", "bready", "arvalid", "rready"):
            getattr(dut, f"raw_{name}").value = 0
        dut.raw.value = 1

    async def _pause(self):
        while self.rng.random() < self.slow:
            await RisingEdge(self.dut.clk)

    async def _send(self, channel: str, **fields):
        await self._pause()
        for name, value in fields.items():
            getattr(self.dut, f"raw_{channel}{name}").value = value
        valid, ready = getattr(self.dut, f"raw_{channel}valid"), getattr(self.dut, f"raw_{channel}ready")
        valid.value = 1
        while True:
            await RisingEdge(self.dut.clk)
            if ready.value:
                break
        valid.value = 0

    async def _receive(self, channel: str, *fields: str) -> list[int]:
        await self._pause()
        valid, ready = getattr(self.dut, f"raw_{channel}valid"), getattr(self.dut, f"raw_{channel}ready")
        ready.value = 1
        while True:
            await RisingEdge(self.dut.clk)
            if valid.value:
                values = [int(getattr(self.dut, f"raw_{channel}{name}").value) for name in fields]
                break
        ready.value = 0
        return values

    async def write(self, addr, words, *, size=2, burst=INCR, lock=0, strobes=None, wids=None, last_at=None):
        """Write a burst, return the response."""
        ident = self.rng.randrange(1 << 12)
        await self._send("aw", id=ident, addr=addr, len=len(words) - 1, size=size, burst=burst, lock=lock)
        last_at = len(words) - 1 if last_at is None else last_at
        for number, word in enumerate(words[: last_at + 1]):
            wid = ident if wids is None else ident ^ wids[number]
            strobe = 15 if strobes is None else strobes[number]
            await self._send("w", id=wid, data=word, strb=strobe, last=int(number == last_at))
        back, response = await self._receive("b", "id", "resp")
        assert back == ident
        return response

    async def read(self, addr, beats=1, *, size=2, burst=INCR, lock=0):
        """Read a burst, return data and responses."""
        ident = self.rng.randrange(1 << 12)
        await self._send("ar", id=ident, addr=addr, len=beats - 1, size=size, burst=burst, lock=lock)
        data, responses = [], []
        for number in range(beats):
            back, word, response, last = await self._receive("r", "id", "data", "resp", "last")
            assert back == ident
            assert last == (number == beats - 1)
            data.append(word)
            responses.append(response)
        return data, responses


async def bounded(coroutine):
    """An answer comes within 2,000 clocks."""
    return await with_timeout(coroutine, 2000 * CLOCK_NS, "ns")


def identity(system):
    build = BUILD_ID.to_bytes(16, "big")
    words = {regs.ID: regs.ID_VALUE, regs.INTERFACE_VERSION: regs.INTERFACE_VERSION_VALUE}
    words |= {regs.BUILD_ID0 + 4 * i: int.from_bytes(build[4 * i : 4 * i + 4], "big") for i in range(4)}
    words |= {regs.CONTROL: 0, regs.CLOCK_HZ: 100_000_000, regs.FRAME_BYTES: system.frame_bytes}
    words |= {regs.OUTPUT_BYTES: 4 * system.classes, regs.STATUS: regs.STATUS_IDLE}
    return words


@cocotb.test()
async def an_independent_master_reads_and_writes(dut):
    system = await System(dut).begin()
    for percent in (0, 50):
        system.stall(percent, seed=percent)
        for offset, value in identity(system).items():
            assert await system.read(offset) == value, hex(offset)
        # A burst over many registers at once.
        block = await system.master.read(0, regs.INPUT_ADDR)
        assert block.resp == OKAY
        assert block.data[:4] == regs.ID_VALUE.to_bytes(4, "little")
        result = await system.master.write(regs.INPUT_ADDR, bytes(range(percent, percent + 12)))
        assert result.resp == OKAY
        got = await system.master.read(regs.INPUT_ADDR, 12)
        assert got.data == bytes(range(percent, percent + 12))
        # Bytes and halves, by strobes.
        await system.master.write(regs.INPUT_ADDR + 1, b"\xee\xff")
        got = await system.master.read(regs.INPUT_ADDR, 4)
        assert got.data == bytes([percent, 0xEE, 0xFF, percent + 3])
        # Nothing there.
        assert (await system.master.read(regs.SIZE + 64, 4)).resp == SLVERR
        assert (await system.master.write(0xFF0, bytes(4))).resp == SLVERR
        # A register that can only be read keeps its value.
        assert (await system.master.write(regs.ID, b"\0\0\0\0")).resp == OKAY
        assert await system.read(regs.ID) == regs.ID_VALUE
    await system.end()


@cocotb.test()
async def every_kind_of_read_is_answered(dut):
    system = await System(dut, seed=2).begin()
    words = identity(system)
    master = Axi3Master(dut, seed=2)
    for slow in (0.0, 0.6):
        master.slow = slow
        for beats in range(1, 17):
            data, responses = await bounded(master.read(0x40000000, beats))
            for number in range(min(beats, 6)):
                assert data[number] == words[4 * number]
            # Offset 0x3C is a gap in the map.
            assert responses == [SLVERR if 4 * i == 0x3C else OKAY for i in range(beats)]
        assert await bounded(master.read(0, 1, burst=FIXED)) == ([regs.ID_VALUE], [OKAY])
        for burst in (FIXED, WRAP):
            data, responses = await bounded(master.read(0, 4, burst=burst))
            assert (data, responses) == ([0] * 4, [SLVERR] * 4)
        for lock in (1, 2):
            assert await bounded(master.read(4, 1, lock=lock)) == ([1], [OKAY])
        # Narrow: every beat carries the word that its bytes are in.
        data, responses = await bounded(master.read(2, 6, size=0))
        assert data == [regs.ID_VALUE] * 2 + [1] * 4
        assert responses == [OKAY] * 6
        data, _ = await bounded(master.read(2, 3, size=1))
        assert data == [regs.ID_VALUE, 1, 1]
        # Unaligned: only the first beat is.
        data, _ = await bounded(master.read(1, 2))
        assert data == [regs.ID_VALUE, 1]
        assert await bounded(master.read(0x1004, 1)) == ([1], [OKAY]), "higher address bits do not count"
    await system.end()


@cocotb.test()
async def every_kind_of_write_is_answered(dut):
    system = await System(dut, seed=3).begin()
    master = Axi3Master(dut, seed=3)
    trio = [regs.INPUT_ADDR, regs.OUTPUT_ADDR, regs.FRAMES]

    async def values():
        return (await master.read(regs.INPUT_ADDR, 3))[0]

    for slow in (0.0, 0.6):
        master.slow = slow
        await bounded(master.write(trio[0], [1, 2, 3]))
        assert await values() == [1, 2, 3]
        for beats in range(1, 17):
            words = list(range(beats))
            got = await bounded(master.write(regs.COUNT_CYCLES_BUSY_LO, words))
            # Seven registers that ignore writes, then nothing.
            assert got == (OKAY if beats <= 7 else SLVERR)
        for burst in (FIXED, WRAP):
            assert await bounded(master.write(trio[0], [7] * 4, burst=burst)) == SLVERR
            assert await values() == [1, 2, 3]
            assert await bounded(master.write(trio[2], [9], lock=1 + burst // 2)) == OKAY
            assert await values() == [1, 2, 9]
            assert await bounded(master.write(trio[2], [3], burst=FIXED)) == OKAY
        assert await bounded(master.write(trio[0], [0xAABBCCDD] * 4, size=0, strobes=[1, 2, 4, 8])) == OKAY
        assert await values() == [0xAABBCCDD, 2, 3]
        assert await bounded(master.write(trio[0], [0] * 2, strobes=[0, 0])) == OKAY
        assert await values() == [0xAABBCCDD, 2, 3]
    await system.end()


@cocotb.test()
async def illegal_writes_are_answered_too(dut):
    """What no AXI3 master may do still gets its answer, and an error; later accesses work."""
    await System(dut, seed=4).begin()
    master = Axi3Master(dut, seed=4)
    for slow in (0.0, 0.5):
        master.slow = slow
        await bounded(master.write(regs.INPUT_ADDR, [1, 2, 3]))
        assert await bounded(master.write(regs.INPUT_ADDR, [8, 9], wids=[0, 1])) == SLVERR
        assert (await bounded(master.read(regs.INPUT_ADDR, 3)))[0] == [8, 2, 3]
        assert await bounded(master.write(regs.INPUT_ADDR, [4, 5, 6], last_at=1)) == SLVERR
        assert await bounded(master.write(regs.INPUT_ADDR, [5] * 2, size=3)) == SLVERR
        assert (await bounded(master.read(regs.ID, 1, burst=WRAP))) == ([regs.ID_VALUE], [OKAY])
        assert (await bounded(master.read(regs.ID, 2, size=3))) == ([0, 0], [SLVERR] * 2)
        assert (await bounded(master.read(regs.ID)))[0] == [regs.ID_VALUE]
    # The checker has seen the master's faults, and none of the shell's.
    assert int(dut.gp_violations.value) > 0


@cocotb.test()
async def reads_and_writes_at_once(dut):
    system = await System(dut, seed=5).begin()
    master = Axi3Master(dut, seed=5)
    master.slow = 0.3

    async def writer():
        for value in range(100):
            assert await master.write(regs.INPUT_ADDR, [value, value, value]) == OKAY

    async def reader():
        for _ in range(100):
            data, responses = await master.read(regs.ID, 2)
            assert (data, responses) == ([regs.ID_VALUE, 1], [OKAY] * 2)

    tasks = [cocotb.start_soon(writer()), cocotb.start_soon(reader())]
    for task in tasks:
        await with_timeout(task, 50_000 * CLOCK_NS, "ns")
    assert (await master.read(regs.INPUT_ADDR, 3))[0] == [99] * 3
    await system.end()
