// Writes a run of 64-bit beats from a stream to memory through an AXI3 (or AXI4) master port.
//
// Contract
//   * `load` (one clock, only while `quiet` and after `clear` or a finished run) starts a run of
//     `load_beats`; `load_half`: of the last beat only the low four bytes are written.
//   * Bursts: INCR, 8 bytes a beat, at most 16 beats, none across 4 KiB, all with ID 0. A burst begins
//     when all its beats are in the FIFO; WVALID waits for no AWREADY, and a burst's data ends
//     before the next one's address. BREADY is always high.
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

    output wire [31:0] m_axi_awaddr,
    output wire [3:0] m_axi_awlen,
    output wire m_axi_awvalid,
    input wire m_axi_awready,
    output wire [63:0] m_axi_wdata,
    output wire [7:0] m_axi_wstrb,
    output wire m_axi_wlast,
    output wire m_axi_wvalid,
    input wire m_axi_wready,
    input wire [1:0] m_axi_bresp,
    input wire m_axi_bvalid,
    output wire m_axi_bready
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
  logic [31:0] aw_addr_q;
  logic [3:0] aw_len_q;
  logic aw_valid_q;
  logic half_q;
  logic last_burst_q;
  logic error_q;

  wire plan_valid;
  wire [28:0] plan_address;
  wire [4:0] plan_beats;
  wire plan_last;
  wire plan_finished;
  wire fifo_valid;
  wire fifo_ready;

  wire ready_for_burst = !aw_valid_q && left_q == '0 && answers_q != '1;
  wire issue = plan_valid && held_q >= COUNT_BITS'(plan_beats) && !stop && ready_for_burst;
  wire enter = s_axis_tvalid && s_axis_tready;
  wire leave = m_axi_wvalid && m_axi_wready;
  wire answer = m_axi_bvalid && answers_q != '0;

  fs_dma_bursts u_bursts (
      .clk,
      .rst_n,
      .clear,
      .load,
      .load_address,
      .load_beats,
      .valid(plan_valid),
      .address(plan_address),
      .beats(plan_beats),
      .last(plan_last),
      .take(issue),
      .finished(plan_finished)
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
      .m_axis_tdata(m_axi_wdata),
      .m_axis_tvalid(fifo_valid),
      .m_axis_tready(fifo_ready)
  );

  always_ff @(posedge clk) begin
    if (load) half_q <= load_half;
    if (issue) begin
      aw_addr_q <= {plan_address, 3'd0};
      aw_len_q  <= 4'(plan_beats - 5'd1);
      last_burst_q <= plan_last;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      aw_valid_q <= 1'b0;
      left_q <= '0;
      answers_q <= '0;
      error_q <= 1'b0;
    end else begin
      if (issue) aw_valid_q <= 1'b1;
      else if (m_axi_awready) aw_valid_q <= 1'b0;
      if (issue) left_q <= plan_beats;
      else if (leave) left_q <= left_q - 1'b1;
      answers_q <= answers_q + ANSWER_BITS'(issue) - ANSWER_BITS'(answer);
      // SLVERR and DECERR are the responses with the high bit set.
      error_q <= answer && m_axi_bresp[1];
    end
    if (!rst_n || clear) held_q <= '0;
    else held_q <= held_q + COUNT_BITS'(enter) - (issue ? COUNT_BITS'(plan_beats) : '0);
  end

  assign fifo_ready = m_axi_wready && left_q != '0;
  assign quiet = answers_q == '0;
  assign written = plan_finished && answers_q == '0 && !error_q;
  assign error = error_q;
  assign m_axi_awaddr = aw_addr_q;
  assign m_axi_awlen = aw_len_q;
  assign m_axi_awvalid = aw_valid_q;
  assign m_axi_wstrb = {{4{!(m_axi_wlast && last_burst_q && half_q)}}, 4'hF};
  assign m_axi_wlast = left_q == 5'd1;
  assign m_axi_wvalid = fifo_valid && left_q != '0;
  assign m_axi_bready = 1'b1;

  wire unused = m_axi_bresp[0];
endmodule

`default_nettype wire
