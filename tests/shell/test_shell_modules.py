"""The shell's own modules, each on its bench, and all of them through two parsers."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from finnspect.board import load_board
from finnspect.errors import ToolError
from finnspect.paths import RTL_DIR, SHELL_DIR, SIM_DIR
from finnspect.shell import ShellSettings, shell_settings, stage_design
from finnspect.sim.bench import Bench, Stream, run_benches
from finnspect.sim.verilator import VerilatorJob, lint
from finnspect.toolchains.yosys import read_slang, run_yosys
from shell_board import stand_in

BUILD_ID = "0" * 32
LIBRARY = (RTL_DIR, SHELL_DIR, SIM_DIR)
DIVIDERS = (4, 5, 7, 8, 25, 26)

UART_LOOP = """
// What goes in leaves the transmitter, crosses a wire and comes out of the receiver.
module uart_loop #(parameter int unsigned DIVIDER = 8) (
    input wire clk, input wire rst_n,
    input wire [7:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [8:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready
);
  wire line, valid, framing_error, room;
  wire [7:0] data;
  fs_uart_tx #(.DIVIDER(DIVIDER)) u_tx (.clk, .rst_n,
      .s_axis_tdata, .s_axis_tvalid, .s_axis_tready, .txd(line));
  fs_uart_rx #(.DIVIDER(DIVIDER)) u_rx (.clk, .rst_n, .rxd(line), .data, .valid, .framing_error);
  fs_fifo #(.WIDTH(9), .DEPTH(512)) u_fifo (.clk, .rst_n, .s_axis_tdata({framing_error, data}),
      .s_axis_tvalid(valid || framing_error), .s_axis_tready(room),
      .m_axis_tdata, .m_axis_tvalid, .m_axis_tready);
  always_ff @(posedge clk) if (rst_n && valid && !room) $fatal(1, "the bench's FIFO is full");
endmodule
"""

CRC_BENCH = """
// A beat with bit 8 set starts anew and is answered with the check value so far; others are taken in.
module crc_bench (
    input wire clk, input wire rst_n,
    input wire [8:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [32:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready
);
  wire ask = s_axis_tvalid && s_axis_tdata[8];
  wire [31:0] crc;
  wire residue_ok;
  logic begun_q;
  assign s_axis_tready = !ask || !begun_q || m_axis_tready;
  assign m_axis_tvalid = ask && begun_q;
  assign m_axis_tdata = {residue_ok, crc};
  always_ff @(posedge clk) begin
    if (!rst_n) begun_q <= 1'b0;
    else if (ask && s_axis_tready) begun_q <= 1'b1;
  end
  fs_crc32 u_crc (.clk, .clear(ask && s_axis_tready), .valid(s_axis_tvalid && !ask),
      .data(s_axis_tdata[7:0]), .crc, .residue_ok);
endmodule
"""

BUFFER_BENCH = """
// Beats are operations: 0 write the byte, 1 commit, 2 roll back. A write waits for room.
module buffer_bench #(parameter int unsigned DEPTH = 16) (
    input wire clk, input wire rst_n,
    input wire [9:0] s_axis_tdata, input wire s_axis_tvalid, output wire s_axis_tready,
    output wire [7:0] m_axis_tdata, output wire m_axis_tvalid, input wire m_axis_tready
);
  wire [$clog2(DEPTH):0] free_bytes;
  logic [1:0] rest_q;  // the count is a clock behind a write
  wire take = s_axis_tvalid && s_axis_tready;
  assign s_axis_tready = rest_q == 2'd0 && (s_axis_tdata[9:8] != 2'd0 || free_bytes != '0);
  always_ff @(posedge clk) begin
    if (!rst_n) rest_q <= 2'd2;
    else if (take) rest_q <= 2'd2;
    else if (rest_q != 2'd0) rest_q <= rest_q - 2'd1;
  end
  fs_frame_buffer #(.DEPTH(DEPTH)) u_buffer (.clk, .rst_n,
      .wr_valid(take && s_axis_tdata[9:8] == 2'd0), .wr_data(s_axis_tdata[7:0]),
      .commit(take && s_axis_tdata[9:8] == 2'd1), .rollback(take && s_axis_tdata[9:8] == 2'd2),
      .free_bytes, .m_axis_tdata, .m_axis_tvalid, .m_axis_tready);
endmodule
"""


def buffer_script(depth: int, seed: int) -> tuple[list[int], list[int]]:
    """Return operations that never wait for a commit that cannot come, and the bytes that they let out."""
    rng = np.random.default_rng(seed)
    operations, out = [], []
    for _ in range(60):
        frame = rng.integers(0, 256, int(rng.integers(1, depth + 1))).tolist()
        operations += frame
        if rng.random() < 0.6:
            operations.append(1 << 8)
            out += frame
        else:
            operations.append(2 << 8)
    return operations, out


def crc_messages(seed: int) -> tuple[list[int], list[int]]:
    """Return operations and answers; every second message ends in its own check value."""
    rng = np.random.default_rng(seed)
    operations, answers = [1 << 8], []
    for index in range(40):
        message = rng.integers(0, 256, int(rng.integers(0, 30)), dtype=np.uint8).tobytes()
        if index % 2:
            message += zlib.crc32(message).to_bytes(4, "little")
        operations += [*message, 1 << 8]
        answers.append((index % 2) << 32 | zlib.crc32(message))
    return operations, answers


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shell")
    sources = []
    for name, text in (("uart_loop", UART_LOOP), ("crc_bench", CRC_BENCH), ("buffer_bench", BUFFER_BENCH)):
        path = folder / f"{name}.sv"
        path.write_text(f"`default_nettype none\n{text}`default_nettype wire\n")
        sources.append(path)
    data = np.random.default_rng(3).integers(0, 256, 200).tolist()
    benches = [
        Bench(
            f"uart_{divider}",
            "uart_loop",
            {"DIVIDER": divider},
            {"s_axis": Stream(8, data)},
            {"m_axis": Stream(9, data)},
        )
        for divider in DIVIDERS
    ]
    operations, answers = crc_messages(5)
    benches.append(
        Bench("crc", "crc_bench", {}, {"s_axis": Stream(9, operations)}, {"m_axis": Stream(33, answers)})
    )
    for depth in (4, 16, 64):
        operations, out = buffer_script(depth, depth)
        benches.append(
            Bench(
                f"buffer_{depth}",
                "buffer_bench",
                {"DEPTH": depth},
                {"s_axis": Stream(10, operations)},
                {"m_axis": Stream(8, out)},
            )
        )
    return run_benches(benches, folder, sources=sources, library_dirs=LIBRARY)


@pytest.mark.parametrize("divider", DIVIDERS)
def test_bytes_follow_each_other_without_a_gap(results, divider):
    cycles = results[f"uart_{divider}", "none"]["m_axis"].cycles
    assert set(np.diff(cycles)) == {10 * divider + 1}


def test_crc_and_buffer_agree_with_their_models(results):
    # Every beat was compared by the bench; here only that there was something to compare.
    assert len(results["crc", "none"]["m_axis"].beats) == 40
    for depth in (4, 16, 64):
        assert len(results[f"buffer_{depth}", "none"]["m_axis"].beats) > 5 * depth


def test_the_buffer_gives_a_byte_a_clock(results):
    cycles = np.diff(results["buffer_64", "none"]["m_axis"].cycles)
    # Writes of the bench take three clocks each, so a burst is what a commit frees at once.
    assert np.mean(cycles == 1) > 0.8


@pytest.fixture(params=[(4096, 6, 1), (12_288, 7, 3), (1, 1, 1)], ids=str)
def design(request, tmp_path):
    frame, classes, elements = request.param
    core = stand_in(tmp_path / "core", frame, classes, elements)
    settings = shell_settings(core, load_board("ulx3s-85f"), None, BUILD_ID)
    assert isinstance(settings, ShellSettings)
    return core, settings, tmp_path / "out"


def test_the_whole_board_lints(design):
    core, settings, out = design
    names = stage_design(core, load_board("ulx3s-85f"), settings, out, simulation=True)
    lint(VerilatorJob(top="top", sources=tuple(out / name for name in names), build_dir=out, library_dirs=()))


def test_yosys_reads_the_whole_board(design):
    core, settings, out = design
    names = stage_design(core, load_board("ulx3s-85f"), settings, out)
    log = run_yosys(out, [read_slang(names, "top"), "hierarchy -check -top top", "check -assert"])
    assert "0 errors, 0 warnings" in log


@pytest.mark.parametrize(
    ("module", "params", "message"),
    [
        ("fs_uart_rx", {"DIVIDER": 3}, "DIVIDER must be at least 4"),
        ("fs_uart_tx", {"DIVIDER": 2}, "DIVIDER must be at least 4"),
        ("fs_frame_buffer", {"DEPTH": 24}, "a power of two"),
        ("fs_core_runner", {"FRAME_BYTES": 10, "IN_WIDTH": 24}, "divide FRAME_BYTES"),
        ("fs_core_runner", {"TIMEOUT_CYCLES": 3}, "TIMEOUT_CYCLES must be at least 16"),
        ("fs_uart_shell", {"FRAME_BYTES": 9000, "BUFFER_BYTES": 8192}, "1 to BUFFER_BYTES"),
    ],
)
def test_wrong_parameters_stop_elaboration(tmp_path, module, params, message):
    sources = (SHELL_DIR / "fs_uart_pkg.sv", SHELL_DIR / f"{module}.sv")
    job = VerilatorJob(top=module, sources=sources, build_dir=tmp_path, library_dirs=LIBRARY, params=params)
    with pytest.raises(ToolError, match=message):
        lint(job)
