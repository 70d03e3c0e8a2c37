// Matrix-vector-activation unit: y = staircase(W x), W of MH rows and MW columns held inside.
//
// Input: SIMD elements a beat, element 0 in the low bits. A vector is SF = MW/SIMD beats and comes NF = MH/PE times
// over (the sliding window repeats it): beat nf*SF + sf holds elements sf*SIMD to sf*SIMD + SIMD - 1.
// Output: NF beats a vector; beat nf holds rows nf*PE (low bits) to nf*PE + PE - 1, each O_BITS: O_BASE + number of
// thresholds reached (x >= t), modulo 2^O_BITS; with THRESHOLDS = 0 the accumulator itself, O_BITS = ACC_BITS.
// A beat is taken every cycle, with no bubbles, for any SF and NF. The pipeline never stops: a beat that completes a
// result is taken only when the FIFO at the end has a place for it (DEPTH places, as many as cover the latency).
//
// Accumulators wrap modulo 2^ACC_BITS: the type must hold every final value, not the partial sums.
// MUL_STYLE "lut": radix-4 rows in LUTs (fs_mul_lut). "dsp": hard multipliers of at most 18 x 18; elements of a row
// (fs_dot_elems) or else rows (fs_dot_lanes) share one while widths allow, two at W4A4, three or more below.
//
// Files, all $readmemh:
//   WEIGHT_FILE   NF*SF words of PE*SIMD*W_BITS, address nf*SF + sf; row nf*PE + p, column sf*SIMD + s at bits
//                 [(p*SIMD + s)*W_BITS +: W_BITS]. WEIGHT_STYLE "block", "distributed" or "auto"; read latency 2.
//                 WEIGHT_BANK > 0: instead a prefix of one file a bank of so many words, see fs_rom_banks; latency 3.
//   THRESH_FILE   a prefix (no suffix): row p of stage i reads <THRESH_FILE>_p<ppp>_s<i>.mem, see fs_threshold and
//                 fs_threshold_stage; words of ACC_BITS, two's complement. LEVELS = ceil(log2(THRESHOLDS + 1)); unused
//                 steps up to 2^LEVELS - 1 hold the accumulator type's maximum, which no accumulator takes.
//                 THRESH_STYLE "distributed" (read latency 1) or "block" (2).
// build/finnspect/emit/memory.py makes both.
`default_nettype none

module fs_mvau #(
    parameter int unsigned MW = 4,  // columns
    parameter int unsigned MH = 4,  // rows
    parameter int unsigned SIMD = 1,  // elements a beat, divides MW
    parameter int unsigned PE = 1,  // rows at a time, divides MH; at most 1000
    parameter int unsigned W_BITS = 4,  // signed weight, 2 to 8
    parameter int unsigned A_BITS = 4,  // input element, 1 to 8
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16,  // signed accumulator
    parameter int unsigned O_BITS = 16,  // output element
    parameter int O_BASE = 0,  // output below every threshold
    parameter int unsigned THRESHOLDS = 0,  // steps of the staircase, 0: none
    parameter WEIGHT_FILE = "weights.mem",
    parameter THRESH_FILE = "thresholds",
    parameter WEIGHT_STYLE = "auto",
    parameter int unsigned WEIGHT_BANK = 0,  // words a bank, a power of two below NF*SF; 0: not divided
    parameter THRESH_STYLE = "distributed",
    parameter MUL_STYLE = "lut"
) (
    input wire clk,
    input wire rst_n,
    input wire [SIMD*A_BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire [PE*O_BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  // largest groups whose packed operands fit 18 bits, see fs_dot_elems and fs_dot_lanes
  function automatic int unsigned elems_fit();
    elems_fit = 1;
    for (int unsigned n = 2; n <= 8; n++) begin
      if (n <= SIMD && (n - 1) * (W_BITS + A_BITS + $clog2(n)) + (W_BITS > A_BITS ? W_BITS : A_BITS) + 1 <= 18)
        elems_fit = n;
    end
  endfunction
  function automatic int unsigned lanes_fit();
    lanes_fit = 1;
    for (int unsigned n = 2; n <= 8; n++) begin
      if (n <= PE && (n - 1) * (W_BITS + A_BITS) + W_BITS + 1 <= 18) lanes_fit = n;
    end
  endfunction

  localparam int unsigned SF = MW / SIMD;
  localparam int unsigned NF = MH / PE;
  localparam int unsigned WORDS = NF * SF;
  localparam int unsigned WADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int unsigned SF_BITS = SF > 1 ? $clog2(SF) : 1;
  localparam int unsigned LEVELS = THRESHOLDS > 0 ? $clog2(THRESHOLDS + 1) : 0;
  localparam logic [95:0] MUL_TEXT = 96'(MUL_STYLE);  // one width to compare in
  localparam logic [95:0] THRESH_TEXT = 96'(THRESH_STYLE);
  localparam bit USE_DSP = MUL_TEXT == 96'("dsp");
  // hard multipliers: elements of a row that share one (fs_dot_elems), or rows that share one (fs_dot_lanes)
  localparam int unsigned ELEMS = elems_fit();
  localparam int unsigned LANES = lanes_fit();
  localparam int unsigned ELEM_MULS = (SIMD + ELEMS - 1) / ELEMS;  // a row
  localparam bit BY_ELEMS = USE_DSP && ELEMS > 1 && PE * ELEM_MULS <= SIMD * ((PE + LANES - 1) / LANES);
  localparam int unsigned TREE_LATENCY = $clog2(BY_ELEMS ? ELEM_MULS : SIMD);
  localparam int unsigned MUL_LATENCY = USE_DSP ? 3 : W_BITS <= 2 ? 0 : W_BITS <= 4 ? 1 : 2;
  localparam int unsigned DOT_LATENCY = MUL_LATENCY + TREE_LATENCY;  // to the sum
  localparam int unsigned READ_LATENCY = THRESH_TEXT == 96'("block") ? 2 : 1;
  localparam int unsigned WEIGHT_LATENCY = WEIGHT_BANK > 0 ? 3 : 2;
  // from taking a beat to writing its result: weights, dot product, thresholds, result register
  localparam int unsigned LATENCY = WEIGHT_LATENCY + DOT_LATENCY + LEVELS * (READ_LATENCY + 1) + 1;
  // a place is free again 3 cycles after its result is written
  localparam int unsigned DEPTH = (LATENCY + 3 + SF - 1) / SF + 1;
  localparam int unsigned CREDIT_BITS = $clog2(DEPTH + 1);
  if (SIMD == 0 || PE == 0 || MW % SIMD != 0 || MH % PE != 0 || PE > 1000) begin : g_bad_folding
    $error("fs_mvau: SIMD divides MW, PE divides MH and is at most 1000");
  end
  if (W_BITS < 2 || W_BITS > 8 || A_BITS < 1 || A_BITS > 8) begin : g_bad_widths
    $error("fs_mvau: W_BITS is 2 to 8, A_BITS 1 to 8");
  end
  if (THRESHOLDS == 0 && O_BITS != ACC_BITS) begin : g_bad_out
    $error("fs_mvau: without thresholds O_BITS equals ACC_BITS");
  end
  if (O_BITS < LEVELS || O_BITS > 32) begin : g_bad_steps
    $error("fs_mvau: O_BITS holds the number of thresholds, at most 32");
  end
  if (MUL_TEXT != 96'("lut") && MUL_TEXT != 96'("dsp")) begin : g_bad_mul
    $error("fs_mvau: MUL_STYLE is lut or dsp");
  end
  if (THRESH_TEXT != 96'("distributed") && THRESH_TEXT != 96'("block")) begin : g_bad_thresh
    $error("fs_mvau: THRESH_STYLE is distributed or block");
  end

  // -- input: position in the vector, credits --------------------------------------------------

  wire take = s_axis_tvalid && s_axis_tready;
  wire popped;
  logic ready_q;
  logic last_q;
  logic [CREDIT_BITS-1:0] credits_q;  // free places less results on their way
  logic [WADDR_BITS-1:0] waddr_q;
  wire last_d;
  wire [CREDIT_BITS-1:0] credits_d = credits_q - CREDIT_BITS'(take && last_q) + CREDIT_BITS'(popped);

  if (SF > 1) begin : g_sf
    logic [SF_BITS-1:0] sf_q;
    wire [SF_BITS-1:0] sf_d = !take ? sf_q : last_q ? '0 : sf_q + 1'b1;
    always_ff @(posedge clk) begin
      if (!rst_n) sf_q <= '0;
      else sf_q <= sf_d;
    end
    assign last_d  = sf_d == SF_BITS'(SF - 1);
  end else begin : g_no_sf
    assign last_d  = 1'b1;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      ready_q   <= 1'b0;
      last_q    <= SF == 1;
      credits_q <= CREDIT_BITS'(DEPTH);
      waddr_q   <= '0;
    end else begin
      ready_q   <= !last_d || credits_d != '0;
      last_q    <= last_d;
      credits_q <= credits_d;
      if (take) waddr_q <= waddr_q == WADDR_BITS'(WORDS - 1) ? '0 : waddr_q + 1'b1;
    end
  end
  assign s_axis_tready = ready_q;

  // flags beside the data: bit i stands i + 1 cycles after the beat was taken
  localparam int unsigned SUM_STAGE = WEIGHT_LATENCY + DOT_LATENCY;  // cycles until the sum stands at the accumulator
  logic live_q;  // a beat was taken: no longer what the pipeline held before reset
  logic [SUM_STAGE-1:0] done_q;  // last beat of a vector
  logic [SUM_STAGE-1:0] clear_q;  // accumulators begin anew behind this

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      live_q  <= 1'b0;
      done_q  <= '0;
      clear_q <= '1;
    end else begin
      live_q  <= live_q || take;
      done_q  <= (done_q << 1) | SUM_STAGE'(take && last_q);
      clear_q <= (clear_q << 1) | SUM_STAGE'(take ? last_q : !live_q);
    end
  end

  // -- operands: activations and their multiples, weights -------------------------------------

  logic [WEIGHT_LATENCY-2:0] valid_q;
  logic [WEIGHT_LATENCY-2:0][SIMD*A_BITS-1:0] in_pipe_q;
  wire valid = valid_q[WEIGHT_LATENCY-2];
  wire [SIMD*A_BITS-1:0] in = in_pipe_q[WEIGHT_LATENCY-2];
  wire [PE*SIMD*W_BITS-1:0] weights;  // one cycle behind

  always_ff @(posedge clk) begin
    valid_q[0]   <= rst_n && take;
    in_pipe_q[0] <= s_axis_tdata;
    for (int unsigned i = 1; i < WEIGHT_LATENCY - 1; i++) begin
      valid_q[i]   <= rst_n && valid_q[i-1];
      in_pipe_q[i] <= in_pipe_q[i-1];
    end
  end

  if (WEIGHT_BANK > 0) begin : g_banks
    fs_rom_banks #(
        .WIDTH(PE * SIMD * W_BITS),
        .DEPTH(WORDS),
        .BANK(WEIGHT_BANK),
        .FILE(WEIGHT_FILE)
    ) u_weights (
        .clk  (clk),
        .addr (waddr_q),
        .rdata(weights)
    );
  end else begin : g_one_bank
    fs_rom #(
        .WIDTH(PE * SIMD * W_BITS),
        .DEPTH(WORDS),
        .LATENCY(2),
        .STYLE(WEIGHT_STYLE),
        .FILE(WEIGHT_FILE)
    ) u_weights (
        .clk  (clk),
        .addr (waddr_q),
        .rdata(weights)
    );
  end

  // -- dot products ----------------------------------------------------------------------------

  wire [PE*ACC_BITS-1:0] acc;

  if (BY_ELEMS) begin : g_elems
    localparam int unsigned K = W_BITS + A_BITS + $clog2(ELEMS);
    localparam int unsigned OP_BITS = (ELEMS - 1) * K + A_BITS + 1;
    logic [ELEM_MULS*OP_BITS-1:0] op_q;
    for (genvar g = 0; g < ELEM_MULS; g++) begin : g_operand
      localparam int unsigned N = (g + 1) * ELEMS <= SIMD ? ELEMS : SIMD - g * ELEMS;
      wire [N*A_BITS-1:0] reversed;
      wire [(N-1)*K+A_BITS:0] packed_op;
      for (genvar i = 0; i < N; i++) begin : g_reverse
        assign reversed[i*A_BITS+:A_BITS] = in[(g*ELEMS+N-1-i)*A_BITS+:A_BITS];
      end
      fs_pack #(
          .N(N),
          .BITS(A_BITS),
          .SIGNED(A_SIGNED),
          .K(K)
      ) u_pack (
          .x(reversed),
          .y(packed_op)
      );
      always_ff @(posedge clk) begin
        if (!valid) op_q[g*OP_BITS+:OP_BITS] <= '0;
        else op_q[g*OP_BITS+:OP_BITS] <= OP_BITS'(signed'(packed_op));
      end
    end
    for (genvar p = 0; p < PE; p++) begin : g_row
      fs_dot_elems #(
          .GROUP(ELEMS),
          .SIMD(SIMD),
          .SF(SF),
          .W_BITS(W_BITS),
          .A_BITS(A_BITS),
          .ACC_BITS(ACC_BITS)
      ) u_dot (
          .clk(clk),
          .a(op_q),
          .w(weights[p*SIMD*W_BITS+:SIMD*W_BITS]),
          .clear(clear_q[SUM_STAGE-1]),
          .acc(acc[p*ACC_BITS+:ACC_BITS])
      );
    end
  end else if (USE_DSP) begin : g_lanes
    logic [SIMD*(A_BITS+1)-1:0] ax_q;
    for (genvar s = 0; s < SIMD; s++) begin : g_operand
      wire [A_BITS-1:0] a = in[s*A_BITS+:A_BITS];
      always_ff @(posedge clk) begin
        if (!valid) ax_q[s*(A_BITS+1)+:A_BITS+1] <= '0;
        else ax_q[s*(A_BITS+1)+:A_BITS+1] <= {(A_SIGNED != 0) & a[A_BITS-1], a};
      end
    end
    for (genvar p = 0; p < PE; p += LANES) begin : g_group
      localparam int unsigned ROWS = p + LANES <= PE ? LANES : PE - p;
      fs_dot_lanes #(
          .LANES(ROWS),
          .SIMD(SIMD),
          .SF(SF),
          .W_BITS(W_BITS),
          .A_BITS(A_BITS),
          .ACC_BITS(ACC_BITS)
      ) u_dot (
          .clk(clk),
          .a(ax_q),
          .w(weights[p*SIMD*W_BITS+:ROWS*SIMD*W_BITS]),
          .clear(clear_q[SUM_STAGE-1]),
          .acc(acc[p*ACC_BITS+:ROWS*ACC_BITS])
      );
    end
  end else begin : g_lut
    logic [SIMD*A_BITS-1:0] a_q;
    logic [SIMD*(A_BITS+2)-1:0] a3_q;
    logic [SIMD*(A_BITS+1)-1:0] an_q;
    for (genvar s = 0; s < SIMD; s++) begin : g_multiples
      wire [A_BITS-1:0] a = in[s*A_BITS+:A_BITS];
      wire [A_BITS+1:0] ax = {{2{(A_SIGNED != 0) & a[A_BITS-1]}}, a};
      wire [A_BITS:0] minus;  // -a without a carry chain: a bit turns where any lower one is set
      assign minus[0] = ax[0];
      for (genvar i = 1; i <= A_BITS; i++) begin : g_minus
        assign minus[i] = ax[i] ^ (|ax[i-1:0]);
      end
      always_ff @(posedge clk) begin
        if (!valid) begin
          a_q[s*A_BITS+:A_BITS] <= '0;
          a3_q[s*(A_BITS+2)+:A_BITS+2] <= '0;
          an_q[s*(A_BITS+1)+:A_BITS+1] <= '0;
        end else begin
          a_q[s*A_BITS+:A_BITS] <= a;
          a3_q[s*(A_BITS+2)+:A_BITS+2] <= ax + {ax[A_BITS:0], 1'b0};
          an_q[s*(A_BITS+1)+:A_BITS+1] <= minus;
        end
      end
    end
    for (genvar p = 0; p < PE; p++) begin : g_row
      fs_dot_lut #(
          .SIMD(SIMD),
          .SF(SF),
          .W_BITS(W_BITS),
          .A_BITS(A_BITS),
          .A_SIGNED(A_SIGNED),
          .ACC_BITS(ACC_BITS)
      ) u_dot (
          .clk(clk),
          .a(a_q),
          .a3(a3_q),
          .an(an_q),
          .w(weights[p*SIMD*W_BITS+:SIMD*W_BITS]),
          .clear(clear_q[SUM_STAGE-1]),
          .acc(acc[p*ACC_BITS+:ACC_BITS])
      );
    end
  end

  // -- activation and output -------------------------------------------------------------------

  wire result_valid;
  wire [PE*O_BITS-1:0] result;
  logic result_valid_q;
  logic [PE*O_BITS-1:0] result_q;

  if (LEVELS > 0) begin : g_threshold
    wire [PE*LEVELS-1:0] count;
    fs_threshold #(
        .PE(PE),
        .NF(NF),
        .SF(SF),
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
