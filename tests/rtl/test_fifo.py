"""fs_fifo: order, throughput and capacity over widths, depths and memory styles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from finnspect.sim.bench import Bench, StallMode, Stream, build_benches, run_benches, run_mode

GRID = [
    *itertools.product((1, 4, 33), (2, 3, 4, 5, 16, 17), ("auto", "distributed")),
    *itertools.product((1, 18, 72), (3, 64, 100), ("block",)),
    (16, 64, "auto"),
]


def name(width, depth, style):
    return f"fifo_w{width}_d{depth}_{style}"


@pytest.fixture(scope="module")
def results(tmp_path_factory, random_beats):
    benches = []
    for width, depth, style in GRID:
        beats = Stream(width, random_beats(width, 3 * depth + 200, depth))
        params = {"WIDTH": width, "DEPTH": depth, "RAM_STYLE": style}
        benches.append(
            Bench(name(width, depth, style), "fs_fifo", params, {"s_axis": beats}, {"m_axis": beats})
        )
    return run_benches(benches, tmp_path_factory.mktemp("fifo"))


@pytest.mark.parametrize(("width", "depth", "style"), GRID)
def test_full_throughput_and_latency(results, width, depth, style):
    cycles = results[name(width, depth, style), "none"]["m_axis"].cycles
    assert np.all(np.diff(cycles) == 1)
    block = style == "block" or (style == "auto" and depth >= 64 and width * depth >= 1024)
    assert cycles[0] - 1 == (1 if depth == 2 else 3 if block else 2)


HOLD = """
// Takes nothing out of a FIFO for 500 cycles, then sends how many beats went in meanwhile and drains it.
module hold #(
    parameter int unsigned DEPTH = 16,
    parameter string STYLE = "auto"
) (
    input wire clk, input wire rst_n,
    input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [15:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready
);
  logic [15:0] cycle_q, taken_q;
  logic told_q;
  wire waiting = cycle_q != 16'd500;
  wire [7:0] data;
  wire valid;
  fs_fifo #(.WIDTH(8), .DEPTH(DEPTH), .RAM_STYLE(STYLE)) u_fifo (
      .clk(clk), .rst_n(rst_n),
      .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
      .m_axis_tdata(data), .m_axis_tvalid(valid), .m_axis_tready(told_q));
  assign m_axis_tdata = taken_q;
  assign m_axis_tvalid = !waiting && !told_q;
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      cycle_q <= 0;
      taken_q <= 0;
      told_q <= 0;
    end else begin
      if (waiting) cycle_q <= cycle_q + 1;
      if (waiting && s_axis_tvalid && s_axis_tready) taken_q <= taken_q + 1;
      if (m_axis_tvalid && m_axis_tready) told_q <= 1;
    end
  end
endmodule
"""


def test_holds_at_least_its_depth(tmp_path, random_beats):
    (tmp_path / "hold.sv").write_text(HOLD)
    benches = []
    for depth, style, extra in ((2, "auto", 0), (3, "auto", 1), (16, "distributed", 1), (100, "block", 2)):
        params = {"DEPTH": depth, "STYLE": style}
        sent = Stream(8, random_beats(8, 300, depth))
        benches.append(
            Bench(f"hold{depth}", "hold", params, {"s_axis": sent}, {"m_axis": Stream(16, [depth + extra])})
        )
    executable = build_benches(benches, tmp_path / "run", sources=[tmp_path / "hold.sv"])
    run_mode(benches, executable, StallMode("none"))
