// Scores of classes: each element times 2^SHIFT, plus the offset of its class.
//
// In: one element a beat, class 0 first, C beats a vector. Out: the same, SCORE_BITS wide.
// Latency 1 cycle, a beat a cycle. s_axis_tready follows m_axis_tready within the cycle: what reads it has no path from
// an output's tready to its own (fs_argmax).
// OFFSET_FILE: a $readmemh image of C words of SCORE_BITS, name relative to the folder the tool runs in.
// Sums are taken modulo 2^SCORE_BITS: the type of the scores holds all of them.
`default_nettype none

module fs_scores #(
    parameter int unsigned C = 10,  // classes
    parameter int unsigned BITS = 16,  // bits of an element
    parameter int unsigned SIGNED = 1,
    parameter int unsigned SHIFT = 0,  // bits
    parameter int unsigned SCORE_BITS = 20,  // bits of a score
    parameter OFFSET_FILE = "offsets.mem"
) (
    input wire clk,
    input wire rst_n,

    input wire [BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [SCORE_BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  localparam int unsigned INDEX_BITS = C > 1 ? $clog2(C) : 1;
  localparam logic [INDEX_BITS-1:0] LAST = INDEX_BITS'(C - 1);

  if (C < 1 || BITS < 1 || SIGNED > 1) begin : g_bad_size
    $error("fs_scores: C and BITS are at least 1, SIGNED is 0 or 1");
  end
  if (SCORE_BITS < BITS + SHIFT) begin : g_bad_score
    $error("fs_scores: a score has at least BITS + SHIFT bits");
  end

  logic [INDEX_BITS-1:0] index_q;
  logic [SCORE_BITS-1:0] score_q;
  logic valid_q;

  assign s_axis_tready = !valid_q || m_axis_tready;
  wire take = s_axis_tvalid && s_axis_tready;
  wire [INDEX_BITS-1:0] next = index_q == LAST ? '0 : index_q + 1'b1;
  wire [INDEX_BITS-1:0] index_d = !rst_n ? '0 : take ? next : index_q;

  wire [SCORE_BITS-1:0] offset;
  fs_rom #(
      .WIDTH(SCORE_BITS),
      .DEPTH(C),
      .LATENCY(1),
      .STYLE("distributed"),
      .FILE(OFFSET_FILE)
  ) u_offsets (
      .clk(clk),
      .addr(index_d),
      .rdata(offset)
  );

  wire [SCORE_BITS-1:0] element;
  if (SIGNED != 0) begin : g_signed
    assign element = SCORE_BITS'($signed(s_axis_tdata));
  end else begin : g_unsigned
    assign element = SCORE_BITS'(s_axis_tdata);
  end

  assign m_axis_tdata  = score_q;
  assign m_axis_tvalid = valid_q;

  always_ff @(posedge clk) begin
    if (take) score_q <= (element << SHIFT) + offset;
    index_q <= index_d;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) valid_q <= 1'b0;
    else valid_q <= take || (valid_q && !m_axis_tready);
  end
endmodule

`default_nettype wire
