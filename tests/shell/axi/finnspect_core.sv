// Stand-in for a generated core, to test the AXI shell around it: the answer depends on every byte and its place.
//
// Logit 0 is the sum over beats j and their bytes k of (byte * (j + 1) * (2 k + 1)), every next one adds that sum and
// 1000, modulo 2^32.
// Frames overlap: one is taken while the answers to up to four others wait. Left alone, a frame takes as
// many clocks as it has beats or logits, whichever are more.
// The bench sets `slow_in`, `slow_out` (chance in 256 of not being ready or valid) and `fault`:
//   1 takes nothing   2 gives nothing   3 marks the last logit of no frame   4 gives one logit too many
`default_nettype none

module finnspect_core (
    input wire clk,
    input wire rst_n,
    input wire [finnspect_axi_build::IN_WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire [31:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire m_axis_tlast
);
  localparam int unsigned BEAT_BYTES = finnspect_axi_build::IN_WIDTH / 8;
  localparam int unsigned BEATS = finnspect_axi_build::FRAME_BYTES / BEAT_BYTES;
  localparam int unsigned CLASSES = finnspect_axi_build::CLASSES;

  logic [7:0] slow_in;
  logic [7:0] slow_out;
  logic [2:0] fault;
  initial begin
    slow_in = 0;
    slow_out = 0;
    fault = 0;
  end

  logic [31:0] lfsr_q;
  logic [31:0] sum_q;
  logic [31:0] beat_q;
  logic [31:0] sums_q[4];
  logic [2:0] wr_q;
  logic [2:0] rd_q;
  logic [31:0] add_q;
  logic [31:0] index_q;
  logic go_in_q;
  logic go_out_q;
  logic held_q;  // valid was up and not taken: it must stay

  wire full = wr_q == (rd_q ^ 3'b100);
  wire empty = wr_q == rd_q;
  wire take = s_axis_tvalid && s_axis_tready;
  wire give = m_axis_tvalid && m_axis_tready;
  logic [31:0] weighted;
  always_comb begin
    weighted = 0;
    for (int unsigned k = 0; k < BEAT_BYTES; k++) weighted += 32'(s_axis_tdata[8*k+:8]) * (2 * k + 1);
  end
  wire [31:0] next = sum_q + weighted * (beat_q + 1);
  wire last = index_q == (fault == 4 ? CLASSES : CLASSES - 1);

  assign s_axis_tready = !full && go_in_q && fault != 1;
  assign m_axis_tvalid = !empty && (go_out_q || held_q) && fault != 2;
  assign m_axis_tdata = sums_q[rd_q[1:0]] + add_q;
  assign m_axis_tlast = last && fault != 3;

  always_ff @(posedge clk) begin
    lfsr_q <= {lfsr_q[30:0], lfsr_q[31] ^ lfsr_q[21] ^ lfsr_q[1] ^ lfsr_q[0]};
    go_in_q <= lfsr_q[7:0] >= slow_in;
    go_out_q <= lfsr_q[19:12] >= slow_out;
    held_q <= m_axis_tvalid && !m_axis_tready;
    if (take) begin
      sum_q  <= beat_q == BEATS - 1 ? 0 : next;
      beat_q <= beat_q == BEATS - 1 ? 0 : beat_q + 1;
      if (beat_q == BEATS - 1) begin
        sums_q[wr_q[1:0]] <= next;
        wr_q <= wr_q + 1;
      end
    end
    if (give) begin
      add_q   <= last ? 0 : add_q + sums_q[rd_q[1:0]] + 1000;
      index_q <= last ? 0 : index_q + 1;
      if (last) rd_q <= rd_q + 1;
    end
    if (!rst_n) begin
      lfsr_q <= 32'h1234_5678;
      sum_q <= 0;
      beat_q <= 0;
      wr_q <= 0;
      rd_q <= 0;
      add_q <= 0;
      index_q <= 0;
      held_q <= 0;
    end
  end
endmodule

`default_nettype wire
