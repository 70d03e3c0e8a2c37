// Reads a run of 64-bit beats from memory through an AXI3 (or AXI4) master port into a stream.
//
// Contract
//   * `load` (one clock, only while `quiet` and after `clear` or a finished run) starts reading.
//   * Bursts are those of fs_dma_bursts. One is asked for only when the FIFO has room for all of it and
//     all before it: `r_ready` is always high. Up to FIFO_BEATS / 16 bursts are under way.
//   * `stop` (a level) lets no new burst begin; one whose address is up stays. `quiet`: every beat that
//     was asked for has come.
//   * `error`: high for one clock for each beat that came with SLVERR or DECERR. It is on the stream all
//     the same.
//   * `drained`: all beats of the run have left on `m_axis` (one clock late).
//   * `clear` empties the FIFO; only while `quiet`.
`default_nettype none

module fs_dma_read #(
    parameter int unsigned FIFO_BEATS = 256  // 64-bit beats, at least 32
) (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire load,
    input wire [28:0] load_address,  // in beats
    input wire [29:0] load_beats,
    input wire stop,
    output wire quiet,
    output wire error,
    output wire drained,

    output wire fs_axi_pkg::hp_address_t ar,
    input wire ar_ready,
    input wire fs_axi_pkg::hp_read_t r,
    output wire r_ready,

    output wire [63:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (FIFO_BEATS < 32) begin : g_bad_depth
    $error("fs_dma_read: FIFO_BEATS is at least 32");
  end

  localparam int unsigned COUNT_BITS = $clog2(FIFO_BEATS + 1);

  logic [COUNT_BITS-1:0] room_q;  // beats of FIFO that no burst has claimed
  logic [COUNT_BITS-1:0] coming_q;  // beats asked for that have not come
  logic error_q;
  logic drained_q;

  wire plan_valid;
  wire [4:0] plan_beats;
  wire plan_last;
  wire plan_finished;
  wire fifo_ready;

  wire fits = room_q >= COUNT_BITS'(plan_beats);
  wire issue = plan_valid && fits && !stop;
  wire take = r.valid && coming_q != '0;
  wire leave = m_axis_tvalid && m_axis_tready;

  fs_dma_bursts u_bursts (
      .clk,
      .rst_n,
      .clear,
      .load,
      .load_address,
      .load_beats,
      .valid(plan_valid),
      .beats(plan_beats),
      .last(plan_last),
      .take(issue),
      .finished(plan_finished),
      .m_axi(ar),
      .m_axi_ready(ar_ready)
  );

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      coming_q <= '0;
      error_q <= 1'b0;
    end else begin
      coming_q <= coming_q + (issue ? COUNT_BITS'(plan_beats) : '0) - COUNT_BITS'(take);
      // SLVERR and DECERR are the responses with the high bit set.
      error_q <= take && r.resp[1];
    end
    if (!rst_n || clear) room_q <= COUNT_BITS'(FIFO_BEATS);
    else room_q <= room_q - (issue ? COUNT_BITS'(plan_beats) : '0) + COUNT_BITS'(leave);
    drained_q <= rst_n && !clear && !load && plan_finished && room_q == COUNT_BITS'(FIFO_BEATS);
  end

  fs_fifo #(
      .WIDTH(64),
      .DEPTH(FIFO_BEATS)
  ) u_fifo (
      .clk,
      .rst_n(rst_n && !clear),
      .s_axis_tdata(r.data),
      .s_axis_tvalid(take),
      .s_axis_tready(fifo_ready),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );

  assign quiet = coming_q == '0;
  assign error = error_q;
  assign drained = drained_q;
  assign r_ready = 1'b1;

  // The FIFO has room for every beat that was asked for; beats come in order, as there is one ID, and are
  // counted; and a response's low bit says nothing here.
  wire unused = &{1'b0, plan_last, fifo_ready, r.id, r.last, r.resp[0]};
endmodule

`default_nettype wire
