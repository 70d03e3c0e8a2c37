// Maximum over windows that overlap or are padded: behind fs_swg with DEPTHWISE = 1 and PAD the least code.
//
// In: PE channels of BITS bits a beat, the lowest channel in the low bits; K beats, the positions of a window, a
// result. Out: a beat of PE maxima a window. Takes a beat a cycle; latency from the last beat of a window 1 cycle.
// SIGNED: 1 for two's complement. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_windowmax #(
    parameter int unsigned K = 9,  // positions of a window
    parameter int unsigned PE = 1,  // channels a beat
    parameter int unsigned BITS = 4,  // bits a channel
    parameter int unsigned SIGNED = 0,
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
  if (K < 1 || PE < 1 || BITS < 1 || SIGNED > 1) begin : g_bad
    $error("fs_windowmax: K, PE and BITS are at least 1, SIGNED is 0 or 1");
  end

  localparam bit [BITS-1:0] FLIP = SIGNED != 0 ? {1'b1, {(BITS - 1) {1'b0}}} : '0;
  localparam int unsigned LEFT_BITS = $clog2(K) + 1;

  logic [LEFT_BITS-1:0] left_q;  // beats to come less two: its sign is the last one
  logic [WIDTH-1:0] max_q;  // the least code before a window
  wire [WIDTH-1:0] max;
  wire last = left_q[LEFT_BITS-1];
  wire slice_ready;
  wire take = s_axis_tvalid && s_axis_tready;

  assign s_axis_tready = !last || slice_ready;

  for (genvar p = 0; p < PE; p++) begin : g_channel
    wire [BITS-1:0] x = s_axis_tdata[p*BITS+:BITS];
    wire [BITS-1:0] old = max_q[p*BITS+:BITS];
    assign max[p*BITS+:BITS] = (x ^ FLIP) > (old ^ FLIP) ? x : old;
  end

  always_ff @(posedge clk) begin
    if (!rst_n || (take && last)) max_q <= {PE{FLIP}};
    else if (take) max_q <= max;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) left_q <= LEFT_BITS'(int'(K) - 2);
    else if (take) left_q <= last ? LEFT_BITS'(int'(K) - 2) : left_q - 1'b1;
  end

  fs_slice #(
      .WIDTH(WIDTH),
      .APART(K)
  ) u_slice (
      .clk,
      .rst_n,
      .s_axis_tdata (max),
      .s_axis_tvalid(s_axis_tvalid && last),
      .s_axis_tready(slice_ready),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
