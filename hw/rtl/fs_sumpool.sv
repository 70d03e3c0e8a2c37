// Streaming sum pool (average and global average pools): KH x KW windows with stride equal to the kernel, rounded down;
// then a staircase, if there is one.
//
// In: the map in order y, x, channel fold; PE channels of BITS bits a beat, the lowest channel in the low bits.
// Out: PE values of O_BITS a beat for the map of H/KH x W/KW pixels: the sum (STEPS = 0, O_BITS = ACC_BITS), or
// O_BASE + number of thresholds t with sum >= t. Rows and columns left over are dropped.
//
// Takes a beat a cycle. Latency from the last beat of a window: 2 cycles (distributed memory) or 3 (block), and that
// of fs_steps. Memory: sums of one output row, (W/KW)*(C/PE) words, see fs_pool.
// SIGNED: 1 for two's complement, input and sum. ACC_BITS holds every sum. SHARED, T_BITS, TABLE and the memory images
// that begin with PREFIX: see fs_steps; SHARED = 0 has C/PE sets.
// Constraints: PE divides C. RAM_STYLE: see fs_ram. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_sumpool #(
    parameter int unsigned H = 8,  // rows
    parameter int unsigned W = 8,  // columns
    parameter int unsigned C = 1,  // channels
    parameter int unsigned KH = 2,  // kernel and stride, rows
    parameter int unsigned KW = 2,  // kernel and stride, columns
    parameter int unsigned PE = 1,  // channels a beat
    parameter int unsigned BITS = 4,  // bits a channel
    parameter int unsigned SIGNED = 0,
    parameter int unsigned ACC_BITS = 8,  // of a sum
    parameter int unsigned O_BITS = 8,
    parameter int O_BASE = 0,  // output below every threshold
    parameter int unsigned STEPS = 0,  // of the staircase, 0: none
    parameter int unsigned SHARED = 0,
    parameter int unsigned T_BITS = 9,
    parameter int unsigned TABLE = 0,
    parameter PREFIX = "steps",
    parameter string RAM_STYLE = "auto",
    localparam int unsigned IN_WIDTH = PE * BITS,
    localparam int unsigned OUT_WIDTH = PE * O_BITS
) (
    input wire clk,
    input wire rst_n,

    input wire [IN_WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [OUT_WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (STEPS == 0 && O_BITS != ACC_BITS) begin : g_bad_out
    $error("fs_sumpool: without a staircase O_BITS equals ACC_BITS");
  end

  wire [PE*ACC_BITS-1:0] sum_tdata;
  wire sum_tvalid;
  wire sum_tready;

  fs_pool #(
      .H(H),
      .W(W),
      .C(C),
      .KH(KH),
      .KW(KW),
      .PE(PE),
      .SUM(1),
      .SIGNED(SIGNED),
      .IN_BITS(BITS),
      .ACC_BITS(ACC_BITS),
      .RAM_STYLE(RAM_STYLE)
  ) u_pool (
      .clk,
      .rst_n,
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata (sum_tdata),
      .m_axis_tvalid(sum_tvalid),
      .m_axis_tready(sum_tready)
  );

  if (STEPS == 0) begin : g_sum
    fs_slice #(
        .WIDTH(OUT_WIDTH),
        .APART(C == PE && KW > 1 ? 2 : 1)
    ) u_slice (
        .clk,
        .rst_n,
        .s_axis_tdata (sum_tdata),
        .s_axis_tvalid(sum_tvalid),
        .s_axis_tready(sum_tready),
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else begin : g_steps
    fs_thresholds #(
        .PE(PE),
        .SETS(SHARED != 0 ? 1 : C / PE),
        .SHARED(SHARED),
        .X_BITS(ACC_BITS),
        .X_SIGNED(SIGNED),
        .T_BITS(T_BITS),
        .STEPS(STEPS),
        .TABLE(TABLE),
        .O_BITS(O_BITS),
        .O_BASE(O_BASE),
        .PREFIX(PREFIX)
    ) u_steps (
        .clk,
        .rst_n,
        .s_axis_tdata (sum_tdata),
        .s_axis_tvalid(sum_tvalid),
        .s_axis_tready(sum_tready),
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end
endmodule

`default_nettype wire
