"""The checker itself: legal traffic passes, every planted fault is counted."""

from __future__ import annotations

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

IDLE = dict.fromkeys(("awvalid", "wvalid", "bvalid", "arvalid", "rvalid"), 0)
READY = dict.fromkeys(("awready", "wready", "bready", "arready", "rready"), 1)
FREE = {
    f"{c}{name}": value
    for c in ("aw", "ar")
    for name, value in {"id": 5, "addr": 0x1000, "len": 1, "size": 3, "burst": 1, "lock": 0}.items()
}
FREE |= {"wid": 5, "wdata": 1, "wstrb": 255, "wlast": 0, "bid": 5, "bresp": 0}
FREE |= {"rid": 5, "rdata": 2, "rresp": 0, "rlast": 0}

AW, AR = {"awvalid": 1}, {"arvalid": 1}
W, W_LAST = {"wvalid": 1}, {"wvalid": 1, "wlast": 1}
R, R_LAST = {"rvalid": 1}, {"rvalid": 1, "rlast": 1}
B = {"bvalid": 1}

#: What happens, clock by clock.
LEGAL = {
    "a write and a read": [AW | AR, W | R, W_LAST | R_LAST, B],
    "data before its address": [W, W_LAST, AW, B],
    "stalls": [
        AW | {"awready": 0},
        AW,
        W | {"wready": 0},
        W | {"wready": 0},
        W,
        W_LAST,
        B | {"bready": 0},
        B,
        AR | {"arready": 0},
        AR,
        R | {"rready": 0},
        R,
        R_LAST,
    ],
    "two reads under way": [AR | {"arlen": 0}, AR | {"arid": 6}, R_LAST, R | {"rid": 6}, R_LAST | {"rid": 6}],
    "up to 4 KiB": [AR | {"araddr": 0x1FF0}, R, R_LAST],
}
ILLEGAL = {
    "17 beats": [AR | {"arlen": 16}],
    "across 4 KiB": [AW | {"awaddr": 0x1FF8}],
    "reserved burst": [AR | {"arburst": 3}],
    "reserved lock": [AW | {"awlock": 3}],
    "locked": [AW | {"awlock": 1}],
    "narrow": [AR | {"arsize": 2}],
    "wider than the bus": [AR | {"arsize": 4}],
    "unaligned": [AR | {"araddr": 0x1004}],
    "address changes": [AW | {"awready": 0}, AW | {"awaddr": 0x2000}],
    "length changes": [AR | {"arready": 0}, AR | {"arlen": 0}],
    "request is taken back": [AR | {"arready": 0}, {}],
    "data changes": [AW, W | {"wready": 0}, W | {"wdata": 3}],
    "strobe changes": [AW, W | {"wready": 0}, W | {"wstrb": 15}],
    "last too early": [AW, W_LAST],
    "last too late": [AW, W, W, W_LAST],
    "another WID": [AW, W | {"wid": 6}, W_LAST | {"wid": 6}],
    "WID changes": [AW, W, W_LAST | {"wid": 6}],
    "answer too early": [AW, W, B],
    "answer before the address": [W, W_LAST, B],
    "another BID": [AW, W, W_LAST, B | {"bid": 4}],
    "answer is taken back": [AW, W, W_LAST, B | {"bready": 0}, {}],
    "answer changes": [AW, W, W_LAST, B | {"bready": 0}, B | {"bresp": 2}],
    "two answers": [AW, W, W_LAST, B, B],
    "read data unasked": [R],
    "another RID": [AR, R | {"rid": 1}],
    "read ends too early": [AR, R_LAST],
    "read ends too late": [AR, R, R],
    "read data changes": [AR, R | {"rready": 0}, R | {"rdata": 9}],
}


async def play(dut, script) -> int:
    """Reset, play the script, return how many violations it counts."""
    for name, value in (FREE | IDLE | READY).items():
        getattr(dut, name).value = value
    dut.rst_n.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst_n.value = 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    before = int(dut.violations.value)
    for step in script:
        for name, value in (FREE | IDLE | READY | step).items():
            getattr(dut, name).value = value
        await RisingEdge(dut.clk)
    for name, value in IDLE.items():
        getattr(dut, name).value = value
    for _ in range(2):
        await RisingEdge(dut.clk)
    return int(dut.violations.value) - before


@cocotb.test()
@cocotb.parametrize(name=list(LEGAL))
async def legal(dut, name):
    Clock(dut.clk, 10, "ns").start()
    assert await play(dut, LEGAL[name]) == 0
    assert int(dut.outstanding.value) == 0


@cocotb.test()
@cocotb.parametrize(name=list(ILLEGAL))
async def illegal(dut, name):
    Clock(dut.clk, 10, "ns").start()
    assert await play(dut, ILLEGAL[name]) > 0


@cocotb.test()
async def unanswered_bursts_are_counted(dut):
    Clock(dut.clk, 10, "ns").start()
    assert await play(dut, [AW | AR, AR, W, W_LAST]) == 0
    assert int(dut.outstanding.value) == 3


@cocotb.test()
async def a_request_in_reset(dut):
    Clock(dut.clk, 10, "ns").start()
    assert await play(dut, []) == 0
    dut.rst_n.value = 0
    dut.arvalid.value = 1
    before = int(dut.violations.value)
    for _ in range(5):
        await RisingEdge(dut.clk)
    assert int(dut.violations.value) > before
