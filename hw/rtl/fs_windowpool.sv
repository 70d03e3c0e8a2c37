// Max pool whose windows overlap, leave gaps or are padded: fs_swg in depthwise order, then fs_windowmax.
//
// In: the map in order y, x, channel fold; PE channels of BITS bits a beat, the lowest channel in the low bits.
// Out: the same for the map of OH x OW pixels, OH = (H + PT + PB - KH)/SH + 1 and OW likewise, rounded down. Padding
// never wins: it has the least code.
//
// Takes the longer of H*W*C/PE and OH*OW*KH*KW*C/PE cycles a frame. Memory and latency: see fs_swg.
// Constraints: PE divides C, padding is less than the kernel. SIGNED: 1 for two's complement.
// RAM_STYLE: see fs_ram. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_windowpool #(
    parameter int unsigned H = 8,  // rows
    parameter int unsigned W = 8,  // columns
    parameter int unsigned C = 1,  // channels
    parameter int unsigned KH = 3,  // kernel rows
    parameter int unsigned KW = 3,  // kernel columns
    parameter int unsigned SH = 2,  // stride, rows
    parameter int unsigned SW = 2,  // stride, columns
    parameter int unsigned PT = 1,  // padding rows, top
    parameter int unsigned PL = 1,  // padding columns, left
    parameter int unsigned PB = 1,  // padding rows, bottom
    parameter int unsigned PR = 1,  // padding columns, right
    parameter int unsigned PE = 1,  // channels a beat
    parameter int unsigned BITS = 4,  // bits a channel
    parameter int unsigned SIGNED = 0,
    parameter string RAM_STYLE = "auto",
    localparam int unsigned WIDTH = PE * BITS
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
  wire [WIDTH-1:0] window_tdata;
  wire window_tvalid;
  wire window_tready;

  fs_swg #(
      .H(H),
      .W(W),
      .C(C),
      .KH(KH),
      .KW(KW),
      .SH(SH),
      .SW(SW),
      .PT(PT),
      .PL(PL),
      .PB(PB),
      .PR(PR),
      .SIMD(PE),
      .BITS(BITS),
      .DEPTHWISE(1),
      .PAD(SIGNED != 0 ? -(2 ** (int'(BITS) - 1)) : 0),
      .RAM_STYLE(RAM_STYLE)
  ) u_window (
      .clk,
      .rst_n,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata (window_tdata),
      .m_axis_tvalid(window_tvalid),
      .m_axis_tready(window_tready)
  );

  fs_windowmax #(
      .K(KH * KW),
      .PE(PE),
      .BITS(BITS),
      .SIGNED(SIGNED)
  ) u_max (
      .clk,
      .rst_n,
      .s_axis_tdata (window_tdata),
      .s_axis_tvalid(window_tvalid),
      .s_axis_tready(window_tready),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
