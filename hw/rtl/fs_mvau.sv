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
// W_BITS 1: weights are +1 (bit 1) and -1 (bit 0), in LUTs only. With thresholds, a row's count of fs_dot_bipolar
// (EXACT 0) is searched for thresholds that have the row's constant in them, X_BITS = ceil(log2((2^A_BITS-1)*MW + 2))
// wide instead of ACC_BITS.
// MUL_STYLE "lut": radix-4 rows in LUTs (fs_mul_lut). "dsp": hard multipliers, but for the last SOFT_ROWS of PE.
// With MUL_BITS 18 (18 x 18): elements of a row (fs_dot_elems) or else rows (fs_dot_lanes) share one while widths
// allow, two at W4A4, three or more below. With more (25 x 18, adders before and behind): rows share one and elements
// add up in a chain of them (fs_dot_chain), three rows at W4A4, two at W8A8, four elements at both. A row alone has no
// chain: a single one is as with MUL_BITS 18; the last of an odd number that share in twos is in LUTs.
//
// Files, all $readmemh:
//   WEIGHT_FILE   NF*SF words of PE*SIMD*W_BITS, address nf*SF + sf; row nf*PE + p, column sf*SIMD + s at bits
//                 [(p*SIMD + s)*W_BITS +: W_BITS]. WEIGHT_STYLE "block", "distributed" or "auto"; read latency 2.
//                 WEIGHT_BANK > 0: instead a prefix of one file a bank of so many words, see fs_rom_banks; latency 3.
//   THRESH_FILE   a prefix (no suffix). THRESH_ROWS 0: row p of stage i reads <THRESH_FILE>_p<ppp>_s<i>.mem, see
//                 fs_threshold and fs_threshold_stage. THRESH_ROWS > 0: so many rows have a unit in turn, unit u reads
//                 <THRESH_FILE>_u<uuu>.mem, see fs_threshold_rows; needs SF of LEVELS * max(THRESH_ROWS, read latency
//                 + 1) or more. Words of ACC_BITS (X_BITS), two's complement. LEVELS = ceil(log2(THRESHOLDS + 1));
//                 unused steps up to 2^LEVELS - 1 hold the type's maximum, which no accumulator takes.
//                 THRESH_STYLE "distributed" (read latency 1) or "block" (2).
// build/finnspect/emit/memory.py makes both.
`default_nettype none

module fs_mvau #(
    parameter int unsigned MW = 4,  // columns
    parameter int unsigned MH = 4,  // rows
    parameter int unsigned SIMD = 1,  // elements a beat, divides MW
    parameter int unsigned PE = 1,  // rows at a time, divides MH; at most 1000
    parameter int unsigned W_BITS = 4,  // signed weight, 2 to 8; 1: bipolar
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
    parameter int unsigned THRESH_ROWS = 0,  // rows a comparator; 0: comparators for every row
    parameter MUL_STYLE = "lut",
    parameter int unsigned MUL_BITS = 18,  // of a hard multiplier's wider operand
    parameter int unsigned SOFT_ROWS = 0  // of PE, in LUTs beside hard multipliers
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
  localparam logic [95:0] MUL_TEXT = 96'(MUL_STYLE);  // one width to compare in
  localparam logic [95:0] THRESH_TEXT = 96'(THRESH_STYLE);
  localparam int unsigned WANTED = MUL_TEXT == 96'("dsp") && W_BITS > 1 && SOFT_ROWS < PE ? PE - SOFT_ROWS : 0;
  // a chain has two rows or more: of an odd number in twos, the last is made of LUTs
  localparam bit CHAINED = MUL_BITS > 18 && WANTED > 1 && 2 * W_BITS + A_BITS + 1 <= MUL_BITS;
  localparam bit IN_TWOS = CHAINED && 2 * (W_BITS + A_BITS) + W_BITS + 1 > MUL_BITS;
  localparam int unsigned HARD = IN_TWOS ? WANTED - WANTED % 2 : WANTED;

  // largest groups whose packed operands fit, see fs_dot_elems, fs_dot_lanes and fs_dot_chain
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
      if (n <= HARD && (n - 1) * (W_BITS + A_BITS) + W_BITS + 1 <= MUL_BITS) lanes_fit = n;
    end
  endfunction
  function automatic int unsigned soft_latency();  // without the adder tree
    if (W_BITS == 1 && THRESHOLDS == 0) soft_latency = $clog2(SIMD);
    else if (W_BITS == 1 && A_BITS == 1) soft_latency = SIMD <= 3 ? 1 : 3 + $clog2((SIMD + 17) / 18);
    else if (W_BITS == 1) soft_latency = 2 + $clog2((SIMD + 2) / 3);
    else soft_latency = (W_BITS <= 2 ? 0 : W_BITS <= 4 ? 1 : 2) + $clog2(SIMD);
  endfunction

  localparam int unsigned SF = MW / SIMD;
  localparam int unsigned NF = MH / PE;
  localparam int unsigned WORDS = NF * SF;
  localparam int unsigned WADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
  localparam int unsigned SF_BITS = SF > 1 ? $clog2(SF) : 1;
  localparam int unsigned LEVELS = THRESHOLDS > 0 ? $clog2(THRESHOLDS + 1) : 0;
  localparam int unsigned X_BITS = W_BITS == 1 && THRESHOLDS > 0 ? $clog2(((1 << A_BITS) - 1) * MW + 2) : ACC_BITS;
  // hard multipliers: rows that share one, and elements that do or that add up in a chain
  localparam int unsigned LANES = lanes_fit();
  localparam int unsigned ELEMS = elems_fit();
  localparam int unsigned ELEM_MULS = (SIMD + ELEMS - 1) / ELEMS;  // a row
  localparam bit BY_ELEMS = !CHAINED && ELEMS > 1 && HARD * ELEM_MULS <= SIMD * ((HARD + LANES - 1) / LANES);
  localparam int unsigned K = LANES == 1 ? W_BITS + A_BITS + 3 : (MUL_BITS - W_BITS - 1) / (LANES - 1) < 48 / LANES ?
      (MUL_BITS - W_BITS - 1) / (LANES - 1) : 48 / LANES;
  localparam int unsigned OVER = LANES == 2 && K - W_BITS - A_BITS < 2 ? 2 : 0;
  localparam int unsigned GUARD = OVER > 0 ? 2 : K - W_BITS - A_BITS < 3 ? K - W_BITS - A_BITS : 3;
  localparam int unsigned CHAINS = (SIMD + (1 << GUARD) - 1) >> GUARD;
  localparam int unsigned LENGTH = (SIMD + CHAINS - 1) / CHAINS;
  localparam int unsigned HARD_LATENCY = CHAINED ? LENGTH + (OVER > 0 ? 3 : 2) + $clog2((SIMD + LENGTH - 1) / LENGTH) :
      3 + $clog2(BY_ELEMS ? ELEM_MULS : SIMD);
  localparam int unsigned SOFT_LATENCY = soft_latency();
  localparam int unsigned DOT_LATENCY =  // to the sum
      HARD == 0 || (HARD < PE && SOFT_LATENCY > HARD_LATENCY) ? SOFT_LATENCY : HARD_LATENCY;
  localparam int unsigned READ_LATENCY = THRESH_TEXT == 96'("block") ? 2 : 1;
  localparam int unsigned WEIGHT_LATENCY = WEIGHT_BANK > 0 ? 3 : 2;
  localparam int unsigned PERIOD = THRESH_ROWS > READ_LATENCY + 1 ? THRESH_ROWS : READ_LATENCY + 1;
  localparam int unsigned THRESH_LATENCY = LEVELS == 0 ? 0 : THRESH_ROWS == 0 ? LEVELS * (READ_LATENCY + 1) :
      (LEVELS - 1) * PERIOD + THRESH_ROWS + READ_LATENCY + 1;
  // from taking a beat to writing its result: weights, dot product, thresholds, result register
  localparam int unsigned LATENCY = WEIGHT_LATENCY + DOT_LATENCY + THRESH_LATENCY + 1;
  // a place is free again 3 cycles after its result is written
  localparam int unsigned DEPTH = (LATENCY + 3 + SF - 1) / SF + 1;
  localparam int unsigned CREDIT_BITS = $clog2(DEPTH + 1);
  if (SIMD == 0 || PE == 0 || MW % SIMD != 0 || MH % PE != 0 || PE > 1000) begin : g_bad_folding
    $error("fs_mvau: SIMD divides MW, PE divides MH and is at most 1000");
  end
  if (W_BITS < 1 || W_BITS > 8 || A_BITS < 1 || A_BITS > 8) begin : g_bad_widths
    $error("fs_mvau: W_BITS is 1 to 8, A_BITS 1 to 8");
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
  if (MUL_BITS < 18) begin : g_bad_mul_bits
    $error("fs_mvau: MUL_BITS is 18 or more");
  end
  if (THRESH_TEXT != 96'("distributed") && THRESH_TEXT != 96'("block")) begin : g_bad_thresh
    $error("fs_mvau: THRESH_STYLE is distributed or block");
  end
  if (THRESH_ROWS > 0 && SF < LEVELS * PERIOD) begin : g_bad_rows
    $error("fs_mvau: SF leaves no time for THRESH_ROWS rows in turn");
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
  logic [SUM_STAGE-1:0] valid_q;
  logic [SUM_STAGE-1:0] done_q;  // last beat of a vector: accumulators begin anew behind this

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      valid_q <= '0;
      done_q  <= '0;
    end else begin
      valid_q <= (valid_q << 1) | SUM_STAGE'(take);
      done_q  <= (done_q << 1) | SUM_STAGE'(take && last_q);
    end
  end

  // -- operands --------------------------------------------------------------------------------

  logic [WEIGHT_LATENCY-2:0][SIMD*A_BITS-1:0] in_pipe_q;
  wire [PE*SIMD*W_BITS-1:0] weights;  // one cycle behind

  always_ff @(posedge clk) begin
    in_pipe_q[0] <= s_axis_tdata;
    for (int unsigned i = 1; i < WEIGHT_LATENCY - 1; i++) in_pipe_q[i] <= in_pipe_q[i-1];
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

  wire [PE*X_BITS-1:0] acc;

  fs_dot #(
      .SIMD(SIMD),
      .PE(PE),
      .SOFT(PE - HARD),
      .SF(SF),
      .W_BITS(W_BITS),
      .A_BITS(A_BITS),
      .A_SIGNED(A_SIGNED),
      .ACC_BITS(X_BITS),
      .EXACT(THRESHOLDS == 0 ? 1 : 0),
      .STYLE(CHAINED ? 3 : BY_ELEMS ? 1 : 2),
      .GROUP(BY_ELEMS ? ELEMS : LANES),
      .K(K),
      .OVER(OVER),
      .LENGTH(LENGTH),
      .SOFT_DELAY(DOT_LATENCY > SOFT_LATENCY ? DOT_LATENCY - SOFT_LATENCY : 0),
      .HARD_DELAY(DOT_LATENCY > HARD_LATENCY ? DOT_LATENCY - HARD_LATENCY : 0)
  ) u_dot (
      .clk(clk),
      .a(in_pipe_q[WEIGHT_LATENCY-2]),
      .w(weights),
      .en(valid_q[SUM_STAGE-1]),
      .clear(done_q[SUM_STAGE-1] || !rst_n),
      .acc(acc)
  );

  // -- activation and output -------------------------------------------------------------------

  wire result_valid;
  wire [PE*O_BITS-1:0] result;
  logic result_valid_q;
  logic [PE*O_BITS-1:0] result_q;

  if (LEVELS > 0) begin : g_threshold
    wire [PE*LEVELS-1:0] count;
    if (THRESH_ROWS > 0) begin : g_in_turn
      fs_threshold_rows #(
          .PE(PE),
          .ROWS(THRESH_ROWS),
          .NF(NF),
          .ACC_BITS(X_BITS),
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
    end else begin : g_every_row
      fs_threshold #(
          .PE(PE),
          .NF(NF),
          .SF(SF),
          .ACC_BITS(X_BITS),
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
    end
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
