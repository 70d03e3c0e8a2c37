"""fs_ram: requests with gaps against stalled outputs, both styles; rows written while others are read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from finnspect.sim.bench import Bench, Stream, run_benches

FILLED = """
`default_nettype none
// A memory that fills itself with 7*address + 3 and then answers requests {zero, address}.
module filled #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned DEPTH = 16,
    parameter string STYLE = "auto",
    localparam int unsigned ADDR_BITS = $clog2(DEPTH)
) (
    input wire clk, input wire rst_n,
    input wire [ADDR_BITS:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [WIDTH-1:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready
);
  logic [ADDR_BITS:0] fill_q;
  wire full = fill_q == (ADDR_BITS + 1)'(DEPTH);
  wire ready;
  assign s_axis_tready = full && ready;
  always_ff @(posedge clk) begin
    if (!rst_n) fill_q <= '0;
    else if (!full) fill_q <= fill_q + 1'b1;
  end
  fs_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH), .RAM_STYLE(STYLE)) u_ram (
      .clk(clk), .rst_n(rst_n),
      .wr_en(!full), .wr_addr(fill_q[ADDR_BITS-1:0]), .wr_data(WIDTH'(7 * 32'(fill_q) + 3)),
      .s_req_addr(s_axis_tdata[ADDR_BITS-1:0]), .s_req_pad(s_axis_tdata[ADDR_BITS]),
      .s_req_tvalid(s_axis_tvalid && full), .s_req_tready(ready),
      .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready));
endmodule
`default_nettype wire
"""

GRID = list(itertools.product((5, 18), (6, 64, 100), ("auto", "block", "distributed")))


def name(width, depth, style):
    return f"ram_w{width}_d{depth}_{style}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ram")
    (folder / "filled.sv").write_text(FILLED)
    benches = []
    for width, depth, style in GRID:
        rng = np.random.default_rng(depth)
        addresses = rng.integers(0, depth, 500)
        zeros = rng.integers(0, 2, 500)
        bits = (depth - 1).bit_length()
        requests = (addresses | zeros << bits).tolist()
        words = np.where(zeros, 0, (7 * addresses + 3) % (1 << width)).tolist()
        params = {"WIDTH": width, "DEPTH": depth, "STYLE": style}
        inputs = {"s_axis": Stream(bits + 1, requests)}
        benches.append(
            Bench(name(width, depth, style), "filled", params, inputs, {"m_axis": Stream(width, words)})
        )
    return run_benches(benches, folder / "run", sources=[folder / "filled.sv"])


@pytest.mark.parametrize(("width", "depth", "style"), GRID)
def test_a_word_a_cycle(results, width, depth, style):
    cycles = results[name(width, depth, style), "none"]["m_axis"].cycles
    assert np.all(np.diff(cycles) == 1)
