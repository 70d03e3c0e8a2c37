// Concatenation along the channels: the beats of N maps, pixel by pixel, input 0 first.
//
// For each pixel, FOLDS[16*i +: 16] beats of input i, i = 0 to N - 1; beats are PE elements wide throughout, so an
// input of C channels has C/PE folds. One beat a cycle. Latency 1 cycle. No path from m_axis_tready to s_axis_tready.
// Inputs side by side, input 0 in the low bits.
`default_nettype none

module fs_concat #(
    parameter int unsigned N = 2,  // inputs
    parameter int unsigned WIDTH = 8,  // bits of a beat
    parameter logic [16*N-1:0] FOLDS = {N{16'd1}}  // beats a pixel of each input
) (
    input wire clk,
    input wire rst_n,

    input wire [N-1:0][WIDTH-1:0] s_axis_tdata,
    input wire [N-1:0] s_axis_tvalid,
    output wire [N-1:0] s_axis_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (N < 2 || WIDTH < 1) begin : g_bad_size
    $error("fs_concat: N is at least 2, WIDTH at least 1");
  end
  for (genvar i = 0; i < N; i++) begin : g_check
    if (FOLDS[16*i+:16] == 16'd0) begin : g_bad_folds
      $error("fs_concat: every input has at least one fold");
    end
  end

  logic [N-1:0] turn_q;  // one bit high: the input whose beats pass
  logic [N-1:0][WIDTH-1:0] mine;
  logic [WIDTH-1:0] beat;
  logic [15:0] folds;  // of the input whose turn is next
  logic [15:0] left_q;  // beats of this turn after the one that waits
  wire ready;

  wire [N-1:0] next = {turn_q[N-2:0], turn_q[N-1]};
  wire valid = |(turn_q & s_axis_tvalid);
  wire take = valid && ready;

  assign s_axis_tready = turn_q & {N{ready}};

  for (genvar i = 0; i < N; i++) begin : g_mine
    assign mine[i] = turn_q[i] ? s_axis_tdata[i] : '0;
  end

  always_comb begin
    beat  = '0;
    folds = '0;
    for (int unsigned i = 0; i < N; i++) begin
      beat = beat | mine[i];
      if (next[i]) folds = folds | FOLDS[16*i+:16];
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      turn_q <= N'(1);
      left_q <= FOLDS[15:0] - 16'd1;
    end else if (take) begin
      if (left_q == '0) begin
        turn_q <= next;
        left_q <= folds - 16'd1;
      end else begin
        left_q <= left_q - 16'd1;
      end
    end
  end

  fs_skid #(
      .WIDTH(WIDTH)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata (beat),
      .s_axis_tvalid(valid),
      .s_axis_tready(ready),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
