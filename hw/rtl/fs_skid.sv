// Register slice: breaks every combinational path of a stream.
//
// Latency 1 cycle, one beat a cycle, room for two beats. s_axis_tready is a register.
`default_nettype none

module fs_skid #(
    parameter int unsigned WIDTH = 8  // bits
) (
    input wire clk,
    input wire rst_n,

    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (WIDTH < 1) begin : g_bad_width
    $error("fs_skid: WIDTH is at least 1");
  end

  logic [WIDTH-1:0] out_q;
  logic [WIDTH-1:0] skid_q;
  logic out_valid_q;
  logic ready_q;  // low while skid_q holds a beat

  assign s_axis_tready = ready_q;
  assign m_axis_tdata  = out_q;
  assign m_axis_tvalid = out_valid_q;

  wire out_free = m_axis_tready || !out_valid_q;

  always_ff @(posedge clk) begin
    if (ready_q) skid_q <= s_axis_tdata;
    if (out_free) out_q <= ready_q ? s_axis_tdata : skid_q;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      out_valid_q <= 1'b0;
      ready_q <= 1'b1;
    end else begin
      if (out_free) begin
        out_valid_q <= s_axis_tvalid || !ready_q;
        ready_q <= 1'b1;
      end else if (s_axis_tvalid) begin
        ready_q <= 1'b0;
      end
    end
  end
endmodule

`default_nettype wire
