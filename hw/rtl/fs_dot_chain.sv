// Dot products of LANES rows with the same SIMD activations a beat, on hard multipliers that add (DSP48E1 and later).
//
// A multiplier's operand holds one element's weights of all rows, (w[n-1] << (n-1)K) + ... + (w[1] << K) + w[0]; times
// the activation it holds every row's product in a field of K bits. LENGTH such multipliers stand in a chain, each
// adds its product to the sum of the one before, so that fabric adds SIMD/LENGTH fields a row only.
// A field borrows one where those below it are negative; each row's adder tree gives it back through its carry inputs.
// (No constant is added inside a chain instead: yosys 0.70 packs such an adder wrongly.) Below the top row, weights
// enter with the sign bit turned, 2^(W_BITS-1) too large; the hard multiplier's adder in front subtracts that again.
// OVER 2, with two rows: fields are two bits wider than K, the lower one's top bits lie in the upper one. What the
// upper row's products are modulo 4 is computed beside the chain, and takes them apart, one cycle more.
// Element j of a chain comes j cycles later than the first, in weights and activation.
// Lane p's weight s sits at w[(p*SIMD + s)*W_BITS +: W_BITS], its accumulator at acc[p*ACC_BITS +: ACC_BITS];
// a is signed, element s at a[s*AX_BITS +: AX_BITS], in step with w.
// A row's sum follows LENGTH + 2 (OVER 2: 3) + ceil(log2(ceil(SIMD/LENGTH))) + DELAY cycles after w and a, see
// fs_accumulate for en, clear and acc. One beat a cycle.
// The caller chooses K + OVER to hold the sum of LENGTH products, and (LANES-1)*K + W_BITS + 1 bits of operand to fit.
`default_nettype none

module fs_dot_chain #(
    parameter int unsigned LANES = 2,  // rows, at least 2
    parameter int unsigned K = 10,  // bits from row to row
    parameter int unsigned OVER = 0,  // bits that fields overlap, 0 or 2
    parameter int unsigned LENGTH = 4,  // elements a chain
    parameter int unsigned SIMD = 4,  // elements
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned W_BITS = 4,
    parameter int unsigned A_BITS = 4,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned DELAY = 0,
    localparam int unsigned AX_BITS = A_BITS + 1
) (
    input wire clk,
    input wire [SIMD*AX_BITS-1:0] a,
    input wire [LANES*SIMD*W_BITS-1:0] w,
    input wire en,
    input wire clear,
    output wire [LANES*ACC_BITS-1:0] acc
);
  localparam int unsigned CHAINS = (SIMD + LENGTH - 1) / LENGTH;
  localparam int unsigned OP_BITS = (LANES - 1) * K + W_BITS + 1;
  localparam int unsigned F_BITS = K + OVER;  // of a field
  localparam int unsigned P_BITS = (LANES - 1) * K + F_BITS;
  if (LANES < 2) begin : g_bad_lanes  // yosys 0.70 packs such a chain wrongly
    $error("fs_dot_chain: LANES is 2 or more");
  end
  if (OVER != 0 && (OVER != 2 || LANES != 2)) begin : g_bad_over
    $error("fs_dot_chain: OVER is 0, or 2 with two rows");
  end

  function automatic logic [OP_BITS-1:0] turned();
    for (int unsigned i = 0; i < OP_BITS; i++) turned[i] = i % K == W_BITS - 1 && i != OP_BITS - 2;
  endfunction
  localparam logic signed [OP_BITS-1:0] OFFSET = -turned();

  wire [CHAINS*LANES*F_BITS-1:0] fields;  // of each chain, apart
  wire [CHAINS*LANES-1:0] borrowed;

  for (genvar s = 0; s < SIMD; s++) begin : g_mul
    localparam int unsigned PLACE = s % LENGTH;
    // chains end together: a shorter last one starts later
    localparam int unsigned FIRST = s / LENGTH == CHAINS - 1 ? CHAINS * LENGTH - SIMD : 0;
    localparam int unsigned WAIT = PLACE + FIRST;
    wire [LANES*W_BITS-1:0] column;
    wire [LANES*W_BITS-1:0] weights;
    wire [AX_BITS-1:0] element;
    logic signed [OP_BITS-1:0] raw;
    logic signed [OP_BITS-1:0] op_q;
    logic signed [AX_BITS-1:0] a_q;
    (* use_dsp = "yes" *)
    logic signed [P_BITS-1:0] mul_q;
    logic signed [P_BITS-1:0] p_q;

    for (genvar p = 0; p < LANES; p++) begin : g_lane
      assign column[p*W_BITS+:W_BITS] = w[(p*SIMD+s)*W_BITS+:W_BITS];
    end
    if (WAIT > 0) begin : g_wait
      (* shreg_extract = "no" *)
      logic [WAIT-1:0][LANES*W_BITS+AX_BITS-1:0] wait_q;
      always_ff @(posedge clk) begin
        wait_q[0] <= {column, a[s*AX_BITS+:AX_BITS]};
        for (int unsigned i = 1; i < WAIT; i++) wait_q[i] <= wait_q[i-1];
      end
      assign {weights, element} = wait_q[WAIT-1];
    end else begin : g_no_wait
      assign {weights, element} = {column, a[s*AX_BITS+:AX_BITS]};
    end

    always_comb begin
      raw = '0;
      for (int unsigned p = 0; p < LANES; p++) raw[p*K+:W_BITS] = weights[p*W_BITS+:W_BITS];
      raw = raw ^ turned();
      raw[OP_BITS-1] = weights[LANES*W_BITS-1];
    end
    always_ff @(posedge clk) begin
      op_q <= raw + OFFSET;
      a_q <= element;
      mul_q <= P_BITS'(op_q) * P_BITS'(a_q);
    end
    if (PLACE == 0) begin : g_first
      always_ff @(posedge clk) p_q <= mul_q;
    end else begin : g_next
      always_ff @(posedge clk) p_q <= mul_q + g_mul[s-1].p_q;
    end
    if (OVER != 0) begin : g_modulo
      // the upper row's sum modulo 4, in step with p_q
      logic [1:0][3:0] low_q;  // low bits of its weight, of the activation
      logic [1:0] sum_q;
      wire [1:0] old;
      wire [1:0] low_w = low_q[1][1:0];
      wire [1:0] low_a = low_q[1][3:2];
      if (PLACE == 0) begin : g_none
        assign old = '0;
      end else begin : g_old
        assign old = g_mul[s-1].g_modulo.sum_q;
      end
      always_ff @(posedge clk) begin
        low_q <= {low_q[0], element[1:0], weights[W_BITS+1:W_BITS]};
        sum_q[0] <= old[0] ^ (low_w[0] & low_a[0]);
        sum_q[1] <= old[1] ^ (low_w[1] & low_a[0]) ^ (low_w[0] & low_a[1]) ^ (old[0] & low_w[0] & low_a[0]);
      end
    end
    if (PLACE == LENGTH - 1 || s == SIMD - 1) begin : g_last
      localparam int unsigned AT = (s / LENGTH) * LANES * F_BITS;
      if (OVER == 0) begin : g_apart
        assign fields[AT+:LANES*F_BITS] = p_q;
        for (genvar p = 0; p < LANES; p++) begin : g_borrow
          if (p == 0) begin : g_lowest
            assign borrowed[(s/LENGTH)*LANES] = 1'b0;
          end else begin : g_upper
            assign borrowed[(s/LENGTH)*LANES+p] = p_q[p*K-1];
          end
        end
      end else begin : g_overlap
        wire [1:0] above = p_q[K+:2] - g_modulo.sum_q;  // of the lower field, what lies in the upper
        logic [F_BITS-1:0] lower_q;
        logic [F_BITS-1:0] upper_q;
        always_ff @(posedge clk) begin
          lower_q <= {above, p_q[K-1:0]};
          upper_q <= p_q[K+:F_BITS] - F_BITS'(signed'(above));
        end
        assign fields[AT+:2*F_BITS] = {upper_q, lower_q};
        assign borrowed[(s/LENGTH)*2+:2] = '0;
      end
    end
  end

  for (genvar p = 0; p < LANES; p++) begin : g_row
    wire [CHAINS*F_BITS-1:0] field;
    wire [CHAINS-1:0] unit;
    wire [ACC_BITS-1:0] total;
    for (genvar c = 0; c < CHAINS; c++) begin : g_field
      assign field[c*F_BITS+:F_BITS] = fields[(c*LANES+p)*F_BITS+:F_BITS];
      assign unit[c] = borrowed[c*LANES+p];
    end
    fs_accumulate #(
        .N(CHAINS),
        .SF(SF),
        .IN_BITS(F_BITS),
        .ACC_BITS(ACC_BITS),
        .CARRY(OVER == 0 && p > 0 ? 1 : 0),
        .DELAY(DELAY)
    ) u_sum (
        .clk(clk),
        .x(field),
        .c(unit),
        .en(en),
        .clear(clear),
        .acc(total)
    );
    assign acc[p*ACC_BITS+:ACC_BITS] = total;
  end
endmodule

`default_nettype wire
