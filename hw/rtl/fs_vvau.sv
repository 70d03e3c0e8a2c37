// Vector-vector-activation unit of a depthwise convolution: y[c] = staircase(sum over k of W[c][k] * x[c][k]).
//
// Input: PE channels of one window position a beat, the lowest channel in the low bits: for each pixel NF = C/PE
// channel folds of K beats each, the positions in order kh, kw (fs_swg with DEPTHWISE = 1).
// Output: NF beats a pixel; beat nf holds channels nf*PE (low bits) to nf*PE + PE - 1, each O_BITS: O_BASE + number
// of thresholds reached (x >= t), modulo 2^O_BITS; with THRESHOLDS = 0 the accumulator itself, O_BITS = ACC_BITS.
// A beat is taken every cycle, with no bubbles, for any K and NF. The pipeline never stops: a beat that completes a
// result is taken only when the FIFO at the end has a place for it (DEPTH places, as many as cover the latency).
//
// Accumulators wrap modulo 2^ACC_BITS: the type must hold every final value, not the partial sums.
// W_BITS 1: bipolar weights, bit 1 is +1, bit 0 is -1; in LUTs whatever MUL_STYLE is.
// MUL_STYLE "lut", or "dsp": one hard multiplier a channel.
//
// Files, all $readmemh:
//   WEIGHT_FILE   NF*K words of PE*W_BITS, address nf*K + k; channel nf*PE + p, position k at bits
//                 [p*W_BITS +: W_BITS]. WEIGHT_STYLE "block", "distributed" or "auto"; read latency 2.
//   THRESH_FILE   a prefix, as of an fs_mvau with MH = C, MW = K and SIMD = 1; see there for the words and
//                 THRESH_STYLE.
`default_nettype none

module fs_vvau #(
    parameter int unsigned C = 4,  // channels
    parameter int unsigned K = 9,  // positions of a window
    parameter int unsigned PE = 1,  // channels a beat, divides C; at most 1000
    parameter int unsigned W_BITS = 4,  // signed weight, 2 to 8, or 1
    parameter int unsigned A_BITS = 4,  // input element, 1 to 8
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16,  // signed accumulator
    parameter int unsigned O_BITS = 16,  // output element
    parameter int O_BASE = 0,  // output below every threshold
    parameter int unsigned THRESHOLDS = 0,  // steps of the staircase, 0: none
    parameter WEIGHT_FILE = "weights.mem",
    parameter THRESH_FILE = "thresholds",
    parameter WEIGHT_STYLE = "auto",
    parameter THRESH_STYLE = "distributed",
    parameter MUL_STYLE = "lut"
) (
    input wire clk,
    input wire rst_n,
    input wire [PE*A_BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire [PE*O_BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  localparam int unsigned NF = C / PE;
  localparam int unsigned WORDS = NF * K;
  localparam int unsigned WADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int unsigned K_BITS = $clog2(K) + 1;
  localparam int unsigned LEVELS = THRESHOLDS > 0 ? $clog2(THRESHOLDS + 1) : 0;
  localparam logic [95:0] MUL_TEXT = 96'(MUL_STYLE);  // one width to compare in
  localparam logic [95:0] THRESH_TEXT = 96'(THRESH_STYLE);
  localparam bit USE_DSP = MUL_TEXT == 96'("dsp") && W_BITS > 1;
  localparam int unsigned WEIGHT_LATENCY = 2;
  localparam int unsigned MUL_LATENCY = USE_DSP ? 3 : W_BITS == 1 ? 0 : W_BITS <= 2 ? 2 : W_BITS <= 4 ? 3 : 4;
  localparam int unsigned READ_LATENCY = THRESH_TEXT == 96'("block") ? 2 : 1;
  localparam int unsigned SUM_STAGE = WEIGHT_LATENCY + MUL_LATENCY;  // cycles until the product is at the accumulator
  // from taking a beat to writing its result: weights, product, thresholds, result register
  localparam int unsigned LATENCY = SUM_STAGE + LEVELS * (READ_LATENCY + 1) + 1;
  // a place is free again 3 cycles after its result is written
  localparam int unsigned DEPTH = (LATENCY + 3 + K - 1) / K + 1;
  localparam int unsigned CREDIT_BITS = $clog2(DEPTH + 1);
  if (K == 0 || PE == 0 || C % PE != 0 || PE > 1000) begin : g_bad_folding
    $error("fs_vvau: PE divides C and is at most 1000; K is at least 1");
  end
  if (W_BITS < 1 || W_BITS > 8 || A_BITS < 1 || A_BITS > 8) begin : g_bad_widths
    $error("fs_vvau: W_BITS is 1 to 8, A_BITS 1 to 8");
  end
  if (THRESHOLDS == 0 && O_BITS != ACC_BITS) begin : g_bad_out
    $error("fs_vvau: without thresholds O_BITS equals ACC_BITS");
  end
  if (O_BITS < LEVELS || O_BITS > 32) begin : g_bad_steps
    $error("fs_vvau: O_BITS holds the number of thresholds, at most 32");
  end
  if (MUL_TEXT != 96'("lut") && MUL_TEXT != 96'("dsp")) begin : g_bad_mul
    $error("fs_vvau: MUL_STYLE is lut or dsp");
  end
  if (THRESH_TEXT != 96'("distributed") && THRESH_TEXT != 96'("block")) begin : g_bad_thresh
    $error("fs_vvau: THRESH_STYLE is distributed or block");
  end

  // -- input: position in the window, credits ----------------------------------------------------------

  wire take = s_axis_tvalid && s_axis_tready;
  wire popped;
  wire last;  // the beat to come completes a result
  wire last_d;
  logic ready_q;
  logic [CREDIT_BITS-1:0] credits_q;  // free places less results on their way
  logic [WADDR_BITS-1:0] waddr_q;
  wire [CREDIT_BITS-1:0] credits_d = credits_q - CREDIT_BITS'(take && last) + CREDIT_BITS'(popped);

  if (K > 1) begin : g_position
    logic [K_BITS-1:0] left_q;  // beats to come less two: its sign is the last one
    wire [K_BITS-1:0] left_d = !take ? left_q : last ? K_BITS'(K - 2) : left_q - 1'b1;
    always_ff @(posedge clk) begin
      if (!rst_n) left_q <= K_BITS'(K - 2);
      else left_q <= left_d;
    end
    assign last   = left_q[K_BITS-1];
    assign last_d = left_d[K_BITS-1];
  end else begin : g_single
    assign last   = 1'b1;
    assign last_d = 1'b1;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      ready_q   <= 1'b0;
      credits_q <= CREDIT_BITS'(DEPTH);
      waddr_q   <= '0;
    end else begin
      ready_q   <= !last_d || credits_d != '0;
      credits_q <= credits_d;
      if (take) waddr_q <= waddr_q == WADDR_BITS'(WORDS - 1) ? '0 : waddr_q + 1'b1;
    end
  end
  assign s_axis_tready = ready_q;

  // flags beside the data: bit i stands i + 1 cycles after the beat was taken
  logic [SUM_STAGE-1:0] valid_q;
  logic [SUM_STAGE-1:0] done_q;  // last beat of a window
  logic clear_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      valid_q <= '0;
      done_q  <= '0;
      clear_q <= 1'b1;
    end else begin
      valid_q <= (valid_q << 1) | SUM_STAGE'(take);
      done_q  <= (done_q << 1) | SUM_STAGE'(take && last);
      clear_q <= done_q[SUM_STAGE-2];
    end
  end

  // -- weights, activations as late, products --------------------------------------------------------------

  wire [PE*W_BITS-1:0] weights;
  logic [PE*A_BITS-1:0] in_q;
  logic [PE*A_BITS-1:0] a_q;
  wire [PE*ACC_BITS-1:0] acc;

  always_ff @(posedge clk) begin
    in_q <= s_axis_tdata;
    a_q  <= in_q;
  end

  fs_rom #(
      .WIDTH(PE * W_BITS),
      .DEPTH(WORDS),
      .LATENCY(WEIGHT_LATENCY),
      .STYLE(WEIGHT_STYLE),
      .FILE(WEIGHT_FILE)
  ) u_weights (
      .clk  (clk),
      .addr (waddr_q),
      .rdata(weights)
  );

  for (genvar p = 0; p < PE; p++) begin : g_channel
    fs_mac #(
        .K(K),
        .W_BITS(W_BITS),
        .A_BITS(A_BITS),
        .A_SIGNED(A_SIGNED),
        .ACC_BITS(ACC_BITS),
        .USE_DSP(USE_DSP ? 1 : 0)
    ) u_mac (
        .clk(clk),
        .a(a_q[p*A_BITS+:A_BITS]),
        .w(weights[p*W_BITS+:W_BITS]),
        .en(valid_q[SUM_STAGE-1]),
        .clear(clear_q),
        .acc(acc[p*ACC_BITS+:ACC_BITS])
    );
  end

  // -- activation and output -----------------------------------------------------------------------------

  wire result_valid;
  wire [PE*O_BITS-1:0] result;
  logic result_valid_q;
  logic [PE*O_BITS-1:0] result_q;

  if (LEVELS > 0) begin : g_threshold
    wire [PE*LEVELS-1:0] count;
    fs_threshold #(
        .PE(PE),
        .NF(NF),
        .SF(K),
        .ACC_BITS(ACC_BITS),
        .LEVELS(LEVELS),
        .READ_LATENCY(READ_LATENCY),
        .STYLE(THRESH_STYLE),
        .PREFIX(THRESH_FILE)
    ) u_threshold (
        .clk(clk),
        .rst_n(rst_n),
        .s_valid(done_q[SUM_STAGE-1]),
        .x(acc),
        .m_valid(result_valid),
        .count(count)
    );
    for (genvar p = 0; p < PE; p++) begin : g_code
      assign result[p*O_BITS+:O_BITS] = O_BITS'(O_BASE) + O_BITS'(count[p*LEVELS+:LEVELS]);
    end
  end else begin : g_no_threshold
    assign result_valid = done_q[SUM_STAGE-1];
    assign result = acc;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) result_valid_q <= 1'b0;
    else result_valid_q <= result_valid;
    result_q <= result;
  end

  fs_result_fifo #(
      .WIDTH(PE * O_BITS),
      .DEPTH(DEPTH)
  ) u_fifo (
      .clk(clk),
      .rst_n(rst_n),
      .write(result_valid_q),
      .wdata(result_q),
      .popped(popped),
      .m_axis_tdata(m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready)
  );
endmodule

`default_nettype wire
