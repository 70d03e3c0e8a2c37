// Writes a run of 64-bit beats from a stream to memory through an AXI3 (or AXI4) master port.
//
// Contract
//   * `load` (one clock, only while `quiet` and after `clear` or a finished run) starts a run of
//     `load_beats`; `load_half`: of the last beat only the low four bytes are written.
//   * Bursts are those of fs_dma_bursts. One begins when all its beats are in the FIFO; `w.valid` waits for
//     no `aw_ready`, and a burst's data ends before the next one's address. `b_ready` is always high.
//   * `stop` (a level) lets no new burst begin; one that has begun goes on to its end. `quiet`: every
//     burst that began has been answered.
//   * `written`: the whole run was answered. `error`: high for one clock for each burst answered with SLVERR or
//     DECERR.
//   * `clear` empties the FIFO; only while `quiet`.
`default_nettype none

module fs_dma_write #(
    parameter int unsigned FIFO_BEATS = 32  // 64-bit beats, at least 16
) (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire load,
    input wire [28:0] load_address,  // in beats
    input wire [29:0] load_beats,
    input wire load_half,
    input wire stop,
    output wire quiet,
    output wire written,
    output wire error,

    input wire [63:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire fs_axi_pkg::hp_address_t aw,
    input wire aw_ready,
    output wire fs_axi_pkg::hp_write_t w,
    input wire w_ready,
    input wire fs_axi_pkg::hp_written_t b,
    output wire b_ready
);
  if (FIFO_BEATS < 16) begin : g_bad_depth
    $error("fs_dma_write: FIFO_BEATS is at least 16");
  end

  // The FIFO's output registers hold up to two beats more.
  localparam int unsigned COUNT_BITS = $clog2(FIFO_BEATS + 3);
  localparam int unsigned ANSWER_BITS = 6;

  logic [COUNT_BITS-1:0] held_q;  // beats in the FIFO that no burst has claimed
  logic [4:0] left_q;  // beats of the burst under way that have not left
  logic [ANSWER_BITS-1:0] answers_q;  // bursts not answered
  logic half_q;
  logic last_burst_q;
  logic error_q;

  wire plan_valid;
  wire [4:0] plan_beats;
  wire plan_last;
  wire plan_finished;
  wire fifo_valid;
  wire fifo_ready;

  wire ready_for_burst = left_q == '0 && answers_q != '1;
  wire issue = plan_valid && held_q >= COUNT_BITS'(plan_beats) && !stop && ready_for_burst;
  wire enter = s_axis_tvalid && s_axis_tready;
  wire leave = w.valid && w_ready;
  wire answer = b.valid && answers_q != '0;

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
      .m_axi(aw),
      .m_axi_ready(aw_ready)
  );

  fs_fifo #(
      .WIDTH(64),
      .DEPTH(FIFO_BEATS)
  ) u_fifo (
      .clk,
      .rst_n(rst_n && !clear),
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata(w.data),
      .m_axis_tvalid(fifo_valid),
      .m_axis_tready(fifo_ready)
  );

  always_ff @(posedge clk) begin
    if (load) half_q <= load_half;
    if (issue) last_burst_q <= plan_last;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      left_q <= '0;
      answers_q <= '0;
      error_q <= 1'b0;
    end else begin
      if (issue) left_q <= plan_beats;
      else if (leave) left_q <= left_q - 1'b1;
      answers_q <= answers_q + ANSWER_BITS'(issue) - ANSWER_BITS'(answer);
      // SLVERR and DECERR are the responses with the high bit set.
      error_q <= answer && b.resp[1];
    end
    if (!rst_n || clear) held_q <= '0;
    else held_q <= held_q + COUNT_BITS'(enter) - (issue ? COUNT_BITS'(plan_beats) : '0);
  end

  assign fifo_ready = w_ready && left_q != '0;
  assign quiet = answers_q == '0;
  assign written = plan_finished && answers_q == '0 && !error_q;
  assign error = error_q;
  assign w.id = '0;
  assign w.strb = {{4{!(w.last && last_burst_q && half_q)}}, 4'hF};
  assign w.last = left_q == 5'd1;
  assign w.valid = fifo_valid && left_q != '0;
  assign b_ready = 1'b1;

  wire unused = &{1'b0, b.id, b.resp[0]};
endmodule

`default_nettype wire
