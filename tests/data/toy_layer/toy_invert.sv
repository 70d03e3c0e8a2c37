// Every element subtracted from the largest: PE elements of BITS bits a beat. Latency 1 cycle, a beat a cycle.
`default_nettype none

module toy_invert #(
    parameter int unsigned PE   = 1,
    parameter int unsigned BITS = 8
) (
    input wire clk,
    input wire rst_n,
    input wire [PE*BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire [PE*BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  fs_skid #(
      .WIDTH(PE * BITS)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata(~s_axis_tdata),
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
