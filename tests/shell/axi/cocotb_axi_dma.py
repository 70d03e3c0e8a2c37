"""Simulated tests of the AXI shell's DMA around a stand-in core."""

from __future__ import annotations

import os
import random

import cocotb
from axi_model import CLOCK_NS, MEMORY_BYTES, System, pauses
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from finnspect_driver import registers as regs


@cocotb.test()
async def runs_of_every_small_size(dut):
    """1 to 9 frames back to back: every alignment of the end, of bursts and of 4 KiB."""
    system = await System(dut).begin()
    for frames in range(1, 10):
        run = system.place(frames)
        await system.start(run)
        await system.finish(run)
    edge = 4096 * 5 - 8 * 3
    run = system.place(40, source=edge, target=MEMORY_BYTES // 2 + edge)
    await system.start(run)
    await system.finish(run)
    assert await system.read(regs.COUNT_FRAMES) == sum(range(1, 10)) + 40
    await system.end()


@cocotb.test()
async def random_stalls(dut):
    """Every channel and both sides of the core stall at random; results and protocol stay right."""
    system = await System(dut, seed=2).begin()
    for percent, slow_in, slow_out, delay in (
        (20, 0, 0, 5),
        (60, 60, 0, 30),
        (85, 0, 230, 0),
        (0, 230, 60, 1),
        (5, 0, 0, 100),
    ):
        system.stall(percent, seed=percent)
        dut.ar_delay.value = delay
        dut.ar_slots.value = 1 if percent == 60 else 14
        system.core.slow_in.value = slow_in
        system.core.slow_out.value = slow_out
        for frames in (2, 13, 24):
            run = system.place(frames)
            await system.start(run)
            await system.finish(run)
    await system.end()


@cocotb.test()
async def thousands_of_frames(dut):
    system = await System(dut, seed=3).begin()
    frames = min(2000, (MEMORY_BYTES // 2 - 1024) // max(system.frame_bytes, 4 * system.classes))
    dut.ar_delay.value = 30
    run = system.place(frames)
    await system.start(run)
    await system.finish(run, clocks=400_000)
    assert int(dut.hp_longest.value) == 16
    assert int(dut.hp_most_reads.value) > 1, "several reads are under way at a time"
    await system.end()


@cocotb.test()
async def a_job_can_be_prepared_during_a_run(dut):
    """Addresses written while busy are for the next start."""
    system = await System(dut, seed=4).begin()
    first, second = system.place(30), system.place(5, source=0, target=MEMORY_BYTES - 4096)
    await system.start(first)
    await system.write(regs.INPUT_ADDR, second.source)
    await system.write(regs.OUTPUT_ADDR, second.target)
    await system.write(regs.FRAMES, 5)
    assert "busy" in await system.status()
    await system.finish(first)
    await system.write(regs.CONTROL, regs.CONTROL_START)
    await with_timeout(RisingEdge(dut.irq), 10_000 * CLOCK_NS, "ns")
    await system.finish(second)
    await system.end()


@cocotb.test()
async def starts_that_are_refused(dut):
    """Each cause is told, alone, and can be cleared; memory is not touched."""
    system = await System(dut, seed=5).begin()
    good = system.place(2)
    reads = int(dut.hp_read_bursts.value)
    half = 1 << 31
    cases = [
        ({"frames": 0}, {"zero_length"}),
        ({"source": good.source + 4}, {"unaligned"}),
        ({"target": good.target + 1}, {"unaligned"}),
        ({"frames": 0, "target": 2}, {"unaligned", "zero_length"}),
        ({"frames": (1 << 20) + 1}, {"out_of_range"}),
        ({"frames": half}, {"out_of_range"}),
        ({"source": (1 << 32) - 8, "frames": 8}, {"out_of_range"}),
        ({"target": (1 << 32) - 8, "frames": 3 if system.classes == 1 else 1}, {"out_of_range"}),
    ]
    if system.classes * 4 <= 8:
        cases.pop()
    for change, causes in cases:
        values = {"source": good.source, "target": good.target, "frames": 2} | change
        await system.write(regs.INPUT_ADDR, values["source"])
        await system.write(regs.OUTPUT_ADDR, values["target"])
        await system.write(regs.FRAMES, values["frames"])
        await system.write(regs.CONTROL, regs.CONTROL_START)
        assert await system.until_idle() == {"idle", "error"} | causes, change
        assert dut.irq.value
        await system.write(regs.CONTROL, regs.CONTROL_CLEAR)
        assert await system.status() == {"idle"}
        await ClockCycles(dut.clk, 2)
        assert not dut.irq.value
    assert int(dut.hp_read_bursts.value) == reads
    await system.start(good)
    await system.finish(good)
    await system.end()


@cocotb.test()
async def a_start_while_busy_does_not_disturb(dut):
    system = await System(dut, seed=6).begin()
    run = system.place(50)
    await system.start(run)
    await system.write(regs.FRAMES, 3)
    await system.write(regs.CONTROL, regs.CONTROL_START)
    assert {"busy", "error", "start_while_busy"} <= await system.status()
    flags = await system.until_idle()
    assert flags == {"idle", "done", "error", "start_while_busy"}
    system.check(run)
    # clear and start in one write: cleared first.
    run = system.place(4)
    await system.start(run, regs.CONTROL_CLEAR | regs.CONTROL_START)
    await ClockCycles(dut.clk, 3)
    await system.finish(run)
    await system.end()


async def _fails(system, run, cause):
    await system.start(run)
    flags = await system.until_idle()
    assert flags == {"idle", "error", cause}, flags
    assert await system.read(regs.FRAMES_DONE) <= len(run.images)
    await system.write(regs.CONTROL, regs.CONTROL_CLEAR)


@cocotb.test()
async def memory_errors(dut):
    """The status says which side failed; the next run is right."""
    system = await System(dut, seed=7).begin()
    dut.ar_delay.value = 20
    for turn, percent in enumerate((0, 40, 0, 40, 0, 0)):
        system.stall(percent, seed=turn)
        dut.decerr.value = turn % 2
        run = system.place(40)
        middle = run.source + (turn * 7 * system.frame_bytes) // 8 * 8
        system.memory.bad_read = range(middle, middle + 8)
        await _fails(system, run, "read_slverr_decerr")
        system.memory.bad_read = range(0)
        run = system.place(40)
        out_bytes = 40 * 4 * system.classes
        at = run.target + (0, out_bytes // 2, out_bytes - 8)[turn % 3] // 8 * 8
        system.memory.bad_write = range(at, at + 8)
        await _fails(system, run, "write_slverr_decerr")
        system.memory.bad_write = range(0)
        run = system.place(11)
        await system.start(run)
        await system.finish(run)
    await system.end()


@cocotb.test()
async def soft_reset_at_any_time(dut):
    """Transfers under way end as the protocol wants; everything is as new; the next run is right."""
    system = await System(dut, seed=8).begin()
    rng = random.Random(8)
    for turn in range(24):
        system.stall(rng.choice((0, 30, 80)), seed=turn)
        dut.ar_delay.value = rng.choice((0, 10, 40))
        dut.ar_slots.value = rng.choice((1, 2, 14))
        system.core.slow_in.value = rng.choice((0, 200))
        system.core.slow_out.value = rng.choice((0, 200))
        run = system.place(60)
        await system.start(run)
        await ClockCycles(dut.clk, rng.randrange(0, 250))
        await system.write(regs.CONTROL, regs.CONTROL_SOFT_RESET)
        assert await system.until_idle() == {"idle"}
        assert int(dut.hp_outstanding.value) == 0
        for offset in (regs.FRAMES_DONE, regs.COUNT_FRAMES, regs.COUNT_CYCLES_BUSY_LO):
            assert await system.read(offset) == 0
        for offset in (regs.COUNT_STARVED_LO, regs.COUNT_STALLED_LO):
            assert await system.read(offset) == 0
        assert await system.read(regs.FRAMES) == 60, "address registers keep their values"
        run = system.place(rng.randrange(1, 6))
        await system.start(run)
        await system.finish(run)
    await system.end()


@cocotb.test()
async def device_reset_in_the_middle(dut):
    """The device's own reset: nothing is asked for during it, everything works after it."""
    system = await System(dut, seed=9).begin()
    for clocks in (40, 57, 90, 133):
        await system.start(system.place(60))
        await ClockCycles(dut.clk, clocks)
        dut.rst_n.value = 0
        await ClockCycles(dut.clk, 6)
        dut.rst_n.value = 1
        await ClockCycles(dut.clk, 3)
        assert await system.until_idle() == {"idle"}
        assert await system.read(regs.FRAMES) == 0
        run = system.place(3)
        await system.start(run)
        await system.finish(run)
    await system.end()


@cocotb.test()
async def a_core_that_fails(dut):
    """A core that hangs or miscounts ends the run; the reset core works again."""
    system = await System(dut, seed=10).begin()
    cases = [(1, "core_timeout"), (2, "core_timeout"), (3, "core_fault"), (4, "core_fault")]
    for fault, cause in cases:
        system.core.fault.value = fault
        await _fails(system, system.place(9), cause)
        system.core.fault.value = 0
        run = system.place(3)
        await system.start(run)
        await system.finish(run)
    # Memory that is slower than the core's time-out is not the core's fault.
    dut.ar_delay.value = 255
    system.stall(97, seed=1)
    run = system.place(2)
    await system.start(run)
    await system.finish(run)
    await system.end()


@cocotb.test()
async def counters(dut):
    """Starved when memory is slow, stalled when it takes no logits; a run's clocks are all there."""
    system = await System(dut, seed=11).begin()

    async def read_all():
        offsets = (regs.COUNT_CYCLES_BUSY_LO, regs.COUNT_STARVED_LO, regs.COUNT_STALLED_LO)
        return [await system.read64(offset) for offset in offsets]

    async def measure():
        await system.write(regs.CONTROL, regs.CONTROL_SOFT_RESET)
        await system.until_idle()
        run = system.place(60)
        await system.start(run)
        await system.finish(run)
        first = await read_all()
        await ClockCycles(dut.clk, 50)
        assert await read_all() == first, "counters stand still while idle"
        return first

    beats = system.frame_bytes // system.beat_bytes
    ideal = 60 * max(beats, system.classes, system.frame_bytes // 8)
    busy, starved, stalled = await measure()
    assert ideal <= busy < 1.2 * ideal + 150
    assert starved < 100 + 60 * max(0, system.frame_bytes // 8 - beats)
    assert stalled < 30
    # A core that is slow at its input is never starved for long.
    system.core.slow_in.value = 230
    slow_busy, slow_starved, _ = await measure()
    assert slow_busy > 5 * 60 * beats
    assert slow_starved < 100 + slow_busy // 10
    system.core.slow_in.value = 0
    # Waiting for the last answers, with all pixels delivered, is not being starved either.
    system.core.slow_out.value = 240
    _, starved_end, _ = await measure()
    assert starved_end <= starved + 20
    system.core.slow_out.value = 0
    channel = system.slave.read_if.r_channel
    channel.set_pause_generator(pauses(1, 99))
    busy_slow, starved_slow, _ = await measure()
    assert busy_slow - busy - 100 < starved_slow + 60 * system.classes
    assert starved_slow > 0.5 * busy_slow
    channel.clear_pause_generator()
    channel.pause = False
    system.slave.write_if.w_channel.set_pause_generator(pauses(1, 99))
    busy_slow, _, stalled_slow = await measure()
    if 60 * system.classes // 2 > 64:  # more than the FIFO holds
        assert stalled_slow > 0.2 * busy_slow
    await system.end()


@cocotb.test(skip="THROUGHPUT" not in os.environ)
async def throughput(dut):
    """At least 98 % of the core's own rate, with 30 clocks of memory latency."""
    system = await System(dut, seed=12).begin()
    dut.ar_delay.value = 30
    frames = int(os.environ["THROUGHPUT"])
    run = system.place(frames)
    await system.start(run)
    await system.finish(run)
    busy = await system.read64(regs.COUNT_CYCLES_BUSY_LO)
    bare = frames * max(system.frame_bytes // system.beat_bytes, system.classes)
    dut._log.info(f"throughput {100 * bare / busy:.2f} % of the bare core ({busy} clocks, bare {bare})")
    assert bare / busy >= 0.98
    await system.end()
