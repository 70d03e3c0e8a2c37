"""The benches themselves: each way of breaking a stream is caught and named."""

from __future__ import annotations

import numpy as np
import pytest
from finnspect.errors import ConfigError, ToolError, VerificationError
from finnspect.sim.bench import (
    Bench,
    Output,
    StallMode,
    Stream,
    bench_top,
    build_benches,
    pack,
    run_command,
    run_mode,
    stream,
    unpack,
)

# A register slice with one fault each.
FAULTY = """
`default_nettype none
module faulty #(parameter int unsigned FAULT = 0) (
    input wire clk, input wire rst_n,
    input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [7:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready
);
  logic [7:0] data_q;
  logic [7:0] count_q;
  logic valid_q, early_q;
  assign s_axis_tready = (!valid_q || m_axis_tready) && !(FAULT == 4 && count_q == 8'd5);
  assign m_axis_tdata = FAULT == 2 && !m_axis_tready ? ~data_q : data_q;
  assign m_axis_tvalid = FAULT == 6 ? valid_q && m_axis_tready : FAULT == 7 ? valid_q || early_q : valid_q;
  always_ff @(posedge clk) begin
    if (!rst_n) begin
      valid_q <= 0; count_q <= 0; early_q <= 1;
    end else begin
      early_q <= 0;
      if (s_axis_tready) begin
        valid_q <= s_axis_tvalid;
        data_q <= FAULT == 3 && count_q == 8'd7 ? s_axis_tdata ^ 8'd1 : s_axis_tdata;
        if (s_axis_tvalid) count_q <= count_q + 1;
        if (FAULT == 5 && !s_axis_tvalid && count_q == 8'd20) begin valid_q <= 1; count_q <= 0; end
      end else if (FAULT == 1 || m_axis_tready) valid_q <= 0;
    end
  end
endmodule
`default_nettype wire
"""

FULL = StallMode("none")
STALLED = StallMode("out", sink=128, seed=1)
FAULTS = [
    (1, STALLED, ToolError, "tvalid fell while stalled at beat"),
    (2, STALLED, ToolError, "tdata changed while stalled at beat"),
    (3, FULL, VerificationError, r"faulty\(FAULT=3\).*index \(7,\)"),
    (4, FULL, ToolError, r"faulty\(FAULT=4\) s_axis: input beat .* of 20 was not taken for"),
    (5, FULL, ToolError, "a beat .* too many after 20"),
    (6, StallMode("lazy", lazy=True), ToolError, "no output for .* cycles after beat 0 of 20"),
    (7, FULL, ToolError, "tvalid is high after reset"),
]


def bench(fault: int) -> Bench:
    beats = Stream(8, [(37 * i + 5) % 256 for i in range(20)])
    return Bench(f"f{fault}", "faulty", {"FAULT": fault}, {"s_axis": beats}, {"m_axis": beats})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One executable a fault: the first violation stops a run."""
    folder = tmp_path_factory.mktemp("faulty")
    (folder / "faulty.sv").write_text(FAULTY)
    return {f: build_benches([bench(f)], folder / str(f), sources=[folder / "faulty.sv"]) for f in range(8)}


@pytest.mark.parametrize("mode", [FULL, STALLED, StallMode("lazy", lazy=True)], ids=lambda mode: mode.name)
def test_a_correct_module_passes(built, mode):
    out = run_mode([bench(0)], built[0], mode)["f0", mode.name]["m_axis"]
    assert len(out.beats) == 20
    assert np.all(np.diff(out.cycles) >= 1)


@pytest.mark.parametrize(("fault", "mode", "error", "message"), FAULTS)
def test_a_fault_is_named(built, fault, mode, error, message):
    with pytest.raises(error, match=message):
        run_mode([bench(fault)], built[fault], mode)


def test_stalls_are_repeatable_and_differ_by_seed(built):
    def cycles(seed):
        mode = StallMode("both", source=100, sink=100, seed=seed)
        return run_mode([bench(0)], built[0], mode)["f0", "both"]["m_axis"].cycles.tolist()

    assert cycles(3) == cycles(3)
    assert cycles(3) != cycles(4)


def test_pack_and_unpack():
    values = np.array([[1, -1, 3], [-8, 7, 0]])
    assert pack(values, 4) == [0x3F1, 0x078]
    assert np.array_equal(unpack(pack(values, 4), 3, 4, signed=True), values)
    assert np.array_equal(unpack([0x3F1], 3, 4, signed=False), [[1, 15, 3]])
    assert stream(values, 40).width == 120
    assert np.array_equal(unpack(pack(values, 40), 3, 40, signed=True), values)


def test_frame_cycles():
    out = Output([0] * 6, np.array([1, 4, 6, 9, 11, 15]))
    assert out.frame_cycles(3).tolist() == [5, 6]


def test_commands_and_top_are_data(tmp_path):
    mode = StallMode("x", source=3, sink=4, lazy=True, seed=5)
    command = run_command(tmp_path / "Vtop", mode)
    assert command[1:5] == ["+fs_src_stall=3", "+fs_snk_stall=4", "+fs_snk_lazy=1", "+fs_seed=5"]
    text = bench_top([bench(0), bench(1)])
    assert text.count("faulty #(") == 2
    assert '.FILE("b1_s_axis.hex")' in text


@pytest.mark.parametrize(
    "benches",
    [
        [],
        [bench(0), bench(0)],
        [Bench("a b", "m", {}, {}, {})],
        [Bench("wide", "m", {}, {"s_axis": Stream(4, [16])}, {})],
        [Bench("empty", "m", {}, {"s_axis": Stream(4, [])}, {})],
    ],
)
def test_bad_benches_are_refused(benches, tmp_path):
    with pytest.raises(ConfigError):
        build_benches(benches, tmp_path)
