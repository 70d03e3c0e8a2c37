// Fork: every beat goes to each of N readers, which take it at their own pace.
//
// The beat shows at all outputs that have not taken it yet; the next one follows when the last reader has taken this
// one. With all readers ready, one beat a cycle. Latency 1 cycle. A reader that is to run ahead of another needs a
// FIFO behind its output.
// Outputs share m_axis_tdata; tvalid and tready have one bit an output. tvalid of one output does not depend on
// tready of another, s_axis_tready is a register.
`default_nettype none

module fs_fork #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned N = 2  // outputs
) (
    input wire clk,
    input wire rst_n,

    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [N-1:0][WIDTH-1:0] m_axis_tdata,
    output wire [N-1:0] m_axis_tvalid,
    input wire [N-1:0] m_axis_tready
);
  if (N < 2) begin : g_bad_count
    $error("fs_fork: N is at least 2");
  end

  wire [WIDTH-1:0] beat;
  wire valid;
  logic [N-1:0] taken_q;  // readers that have the beat already

  wire [N-1:0] taken = taken_q | m_axis_tready;
  wire all_taken = &taken;

  assign m_axis_tdata  = {N{beat}};
  assign m_axis_tvalid = {N{valid}} & ~taken_q;

  always_ff @(posedge clk) begin
    if (!rst_n) taken_q <= '0;
    else if (valid) taken_q <= all_taken ? '0 : taken;
  end

  fs_skid #(
      .WIDTH(WIDTH)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata (beat),
      .m_axis_tvalid(valid),
      .m_axis_tready(all_taken)
  );
endmodule

`default_nettype wire
