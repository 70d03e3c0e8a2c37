// Streaming max pool: KH x KW windows with stride equal to the kernel, rounded down.
//
// In: the map in order y, x, channel fold; PE channels of BITS bits a beat, the lowest channel in the low bits.
// Out: the same for the map of H/KH x W/KW pixels. Rows and columns left over are dropped.
//
// Takes a beat a cycle. Latency from the last beat of a window: 2 cycles (distributed memory) or 3 (block).
// Memory: running maxima of one output row, (W/KW)*(C/PE) words; block memory only where a value is written
// before it is read again, see fs_pool.
// Constraints: PE divides C. SIGNED: 1 for two's complement.
//
// RAM_STYLE: see fs_ram. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_maxpool #(
    parameter int unsigned H = 8,  // rows
    parameter int unsigned W = 8,  // columns
    parameter int unsigned C = 1,  // channels
    parameter int unsigned KH = 2,  // kernel and stride, rows
    parameter int unsigned KW = 2,  // kernel and stride, columns
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
  wire [WIDTH-1:0] max_tdata;
  wire max_tvalid;
  wire max_tready;

  fs_pool #(
      .H(H),
      .W(W),
      .C(C),
      .KH(KH),
      .KW(KW),
      .PE(PE),
      .SUM(0),
      .SIGNED(SIGNED),
      .IN_BITS(BITS),
      .ACC_BITS(BITS),
      .RAM_STYLE(RAM_STYLE)
  ) u_pool (
      .clk,
      .rst_n,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata (max_tdata),
      .m_axis_tvalid(max_tvalid),
      .m_axis_tready(max_tready)
  );

  fs_slice #(
      .WIDTH(WIDTH),
      .APART(C == PE && KW > 1 ? 2 : 1)
  ) u_slice (
      .clk,
      .rst_n,
      .s_axis_tdata (max_tdata),
      .s_axis_tvalid(max_tvalid),
      .s_axis_tready(max_tready),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
