// Index of the greatest score of C elements, the lowest index at a tie.
//
// A score is the element; with SCORE_BITS other than 0 the element times 2^SHIFT plus the offset of its index, a word
// of OFFSET_FILE (fs_scores), which adds a cycle.
// In: one element a beat, index 0 first. Out: one beat for every C. Takes a beat a cycle; the last element of a vector
// waits while the answer to the one before it has not been taken. Latency from the last element: 1 cycle.
// No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_argmax #(
    parameter int unsigned C = 10,  // elements
    parameter int unsigned BITS = 16,  // bits of an element
    parameter int unsigned SIGNED = 1,
    parameter int unsigned O_BITS = 4,  // bits of the index
    parameter int unsigned SCORE_BITS = 0,  // bits of a score; 0: no offsets
    parameter int unsigned SHIFT = 0,  // bits
    parameter OFFSET_FILE = "offsets.mem"
) (
    input wire clk,
    input wire rst_n,

    input wire [BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [O_BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  localparam int unsigned INDEX_BITS = C > 1 ? $clog2(C) : 1;
  localparam logic [INDEX_BITS-1:0] LAST = INDEX_BITS'(C - 1);

  if (C < 1 || BITS < 1 || SIGNED > 1) begin : g_bad_size
    $error("fs_argmax: C and BITS are at least 1, SIGNED is 0 or 1");
  end
  if (O_BITS < INDEX_BITS) begin : g_bad_out
    $error("fs_argmax: an index needs more than O_BITS bits");
  end

  localparam int unsigned WIDTH = SCORE_BITS != 0 ? SCORE_BITS : BITS;
  wire [WIDTH-1:0] score;
  wire score_valid;
  wire score_ready;
  if (SCORE_BITS != 0) begin : g_scores
    fs_scores #(
        .C(C),
        .BITS(BITS),
        .SIGNED(SIGNED),
        .SHIFT(SHIFT),
        .SCORE_BITS(SCORE_BITS),
        .OFFSET_FILE(OFFSET_FILE)
    ) u_scores (
        .clk(clk),
        .rst_n(rst_n),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .m_axis_tdata(score),
        .m_axis_tvalid(score_valid),
        .m_axis_tready(score_ready)
    );
  end else begin : g_elements
    assign score = s_axis_tdata;
    assign score_valid = s_axis_tvalid;
    assign s_axis_tready = score_ready;
  end

  logic [WIDTH-1:0] best_q;
  logic [INDEX_BITS-1:0] best_index_q;
  logic [INDEX_BITS-1:0] index_q;
  logic [INDEX_BITS-1:0] out_q;
  logic out_valid_q;

  wire first = index_q == '0;
  wire last = index_q == LAST;
  wire greater;
  if (SIGNED != 0) begin : g_signed
    assign greater = $signed(score) > $signed(best_q);
  end else begin : g_unsigned
    assign greater = score > best_q;
  end
  wire wins = first || greater;

  assign score_ready = !last || !out_valid_q;
  wire take = score_valid && score_ready;

  assign m_axis_tdata  = O_BITS'(out_q);
  assign m_axis_tvalid = out_valid_q;

  always_ff @(posedge clk) begin
    if (take && wins) begin
      best_q <= score;
      best_index_q <= index_q;
    end
    if (take && last) out_q <= wins ? index_q : best_index_q;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      index_q <= '0;
      out_valid_q <= 1'b0;
    end else begin
      if (take) index_q <= last ? '0 : index_q + 1'b1;
      if (take && last) out_valid_q <= 1'b1;
      else if (m_axis_tready) out_valid_q <= 1'b0;
    end
  end
endmodule

`default_nettype wire
