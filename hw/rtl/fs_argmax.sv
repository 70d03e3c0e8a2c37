// Index of the greatest of C elements, the lowest index at a tie.
//
// In: one element a beat, index 0 first. Out: one beat for every C. Takes a beat a cycle; the last element of a vector
// waits while the answer to the one before it has not been taken. Latency from the last element: 1 cycle.
// No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_argmax #(
    parameter int unsigned C = 10,  // elements
    parameter int unsigned BITS = 16,  // bits of an element
    parameter int unsigned SIGNED = 1,
    parameter int unsigned O_BITS = 4  // bits of the index
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

  logic [BITS-1:0] best_q;
  logic [INDEX_BITS-1:0] best_index_q;
  logic [INDEX_BITS-1:0] index_q;
  logic [INDEX_BITS-1:0] out_q;
  logic out_valid_q;

  wire first = index_q == '0;
  wire last = index_q == LAST;
  wire greater;
  if (SIGNED != 0) begin : g_signed
    assign greater = $signed(s_axis_tdata) > $signed(best_q);
  end else begin : g_unsigned
    assign greater = s_axis_tdata > best_q;
  end
  wire wins = first || greater;

  assign s_axis_tready = !last || !out_valid_q;
  wire take = s_axis_tvalid && s_axis_tready;

  assign m_axis_tdata  = O_BITS'(out_q);
  assign m_axis_tvalid = out_valid_q;

  always_ff @(posedge clk) begin
    if (take && wins) begin
      best_q <= s_axis_tdata;
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
