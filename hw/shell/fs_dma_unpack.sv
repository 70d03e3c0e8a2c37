// Turns 64-bit beats from memory into the beats of the core, and counts them.
//
// Contract
//   * The first byte in memory is the low byte of the 64-bit beat and of the core's beat. IN_WIDTH is whole
//     bytes that divide FRAME_BYTES; it need neither divide 64 nor be divided by it.
//   * `load` (one clock) takes the number of frames; exactly their beats leave, then `fed` is high.
//     What is left of the last 64-bit beat is thrown away. `clear` (at least one clock before `load`)
//     forgets it all.
//   * `drained`: no more 64-bit beats will come. A width that does not divide 64 leaves in groups, and
//     the last group is then filled with zeros, none of which leaves.
//   * One core beat a clock where IN_WIDTH is at most 64, else one 64-bit beat a clock.
`default_nettype none

module fs_dma_unpack #(
    parameter int unsigned IN_WIDTH = 8,  // bits of a core beat
    parameter int unsigned FRAME_BYTES = 4096  // bytes of one image
) (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire load,
    input wire [20:0] load_frames,
    input wire drained,
    output wire fed,

    input wire [63:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [IN_WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (IN_WIDTH < 8 || IN_WIDTH % 8 != 0 || FRAME_BYTES % (IN_WIDTH / 8) != 0) begin : g_bad_width
    $error("fs_dma_unpack: IN_WIDTH must be whole bytes that divide FRAME_BYTES");
  end

  localparam int unsigned BYTES = IN_WIDTH / 8;
  localparam int unsigned SHARED = BYTES % 8 == 0 ? 8 : BYTES % 4 == 0 ? 4 : BYTES % 2 == 0 ? 2 : 1;
  localparam int unsigned GROUP = 64 * BYTES / SHARED;  // bits of whole beats on both sides
  localparam int unsigned BEATS = FRAME_BYTES / BYTES;
  localparam int unsigned BEAT_BITS = BEATS > 1 ? $clog2(BEATS) : 1;

  logic [BEAT_BITS-1:0] beat_q;
  logic [20:0] frames_q;  // frames whose last beat has not left
  logic fed_q;

  wire beats_rst_n = rst_n && !clear;
  wire fill_valid = s_axis_tvalid || (drained && !fed_q);
  wire [GROUP-1:0] group_tdata;
  wire group_tvalid;
  wire group_tready;
  wire out_valid;
  wire leave = m_axis_tvalid && m_axis_tready;

  if (GROUP == 64) begin : g_no_widen
    assign group_tdata = s_axis_tdata;
    assign group_tvalid = s_axis_tvalid;
    assign s_axis_tready = group_tready;
    wire unused = fill_valid;
  end else begin : g_widen
    fs_dwc #(
        .IN_WIDTH (64),
        .OUT_WIDTH(GROUP)
    ) u_widen (
        .clk,
        .rst_n(beats_rst_n),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tvalid(fill_valid),
        .s_axis_tready,
        .m_axis_tdata(group_tdata),
        .m_axis_tvalid(group_tvalid),
        .m_axis_tready(group_tready)
    );
  end

  if (GROUP == IN_WIDTH && GROUP != 64) begin : g_no_narrow
    assign m_axis_tdata = group_tdata;
    assign out_valid = group_tvalid;
    assign group_tready = leave;
  end else begin : g_narrow
    fs_dwc #(
        .IN_WIDTH (GROUP),
        .OUT_WIDTH(IN_WIDTH)
    ) u_narrow (
        .clk,
        .rst_n(beats_rst_n),
        .s_axis_tdata(group_tdata),
        .s_axis_tvalid(group_tvalid),
        .s_axis_tready(group_tready),
        .m_axis_tdata,
        .m_axis_tvalid(out_valid),
        .m_axis_tready(leave)
    );
  end

  always_ff @(posedge clk) begin
    if (!rst_n || clear) begin
      beat_q <= '0;
      frames_q <= '0;
      fed_q <= 1'b1;
    end else if (load) begin
      frames_q <= load_frames;
      fed_q <= 1'b0;
    end else if (leave) begin
      beat_q <= beat_q == BEAT_BITS'(BEATS - 1) ? '0 : beat_q + 1'b1;
      if (beat_q == BEAT_BITS'(BEATS - 1)) begin
        frames_q <= frames_q - 1'b1;
        fed_q <= frames_q == 21'd1;
      end
    end
  end

  assign fed = fed_q;
  assign m_axis_tvalid = out_valid && !fed_q;
endmodule

`default_nettype wire
