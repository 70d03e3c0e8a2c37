// Dot products of LANES rows with the same SIMD activations a beat, on hard multipliers that rows share.
//
// One multiplier an element: (w[n-1] << (n-1)K) + ... + (w[1] << K) + w[0], times a, with K = W_BITS + A_BITS, holds
// every row's product in K bits of its own. A field borrows one where those below it are negative; each row's adder
// tree gives it back through its carry inputs.
// Lane p's weight s sits at w[(p*SIMD + s)*W_BITS +: W_BITS], its accumulator at acc[p*ACC_BITS +: ACC_BITS];
// a is signed, element s at a[s*AX_BITS +: AX_BITS], in step with w.
// Each multiplier has operand registers of its own and two registers behind it, see fs_dot_elems.
// The sum follows 3 + ceil(log2(SIMD)) + DELAY cycles after w and a, see fs_accumulate for en, clear and acc.
// One beat a cycle.
// The packed operand has (LANES-1)*K + W_BITS + 1 bits; the caller chooses LANES to fit 18.
`default_nettype none

module fs_dot_lanes #(
    parameter int unsigned LANES = 1,  // rows
    parameter int unsigned SIMD = 1,  // elements
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
  localparam int unsigned K = W_BITS + A_BITS;
  localparam int unsigned OP_BITS = (LANES - 1) * K + W_BITS + 1;
  localparam int unsigned P_BITS = LANES * K;

  wire [LANES*SIMD*K-1:0] product;
  wire [LANES*SIMD-1:0] borrowed;

  for (genvar s = 0; s < SIMD; s++) begin : g_mul
    wire [LANES*W_BITS-1:0] column;
    wire [OP_BITS-1:0] op;
    logic signed [OP_BITS-1:0] op_q;
    logic signed [AX_BITS-1:0] a_q;
    (* use_dsp = "yes" *)
    logic signed [P_BITS-1:0] mul_q;
    logic signed [P_BITS-1:0] p_q;

    for (genvar p = 0; p < LANES; p++) begin : g_lane
      assign column[p*W_BITS+:W_BITS] = w[(p*SIMD+s)*W_BITS+:W_BITS];
      assign product[(p*SIMD+s)*K+:K] = p_q[p*K+:K];
      if (p == 0) begin : g_lowest
        assign borrowed[s] = 1'b0;
      end else begin : g_upper
        assign borrowed[p*SIMD+s] = p_q[p*K-1];
      end
    end
    fs_pack #(
        .N(LANES),
        .BITS(W_BITS),
        .SIGNED(1),
        .K(K)
    ) u_pack (
        .x(column),
        .y(op)
    );
    // not to be merged with the copies of other rows, which may stand far away
    (* keep *)
    always_ff @(posedge clk) a_q <= a[s*AX_BITS+:AX_BITS];
    always_ff @(posedge clk) begin
      op_q <= op;
      mul_q <= P_BITS'(op_q) * P_BITS'(a_q);
      p_q <= mul_q;
    end
  end

  for (genvar p = 0; p < LANES; p++) begin : g_sum
    fs_accumulate #(
        .N(SIMD),
        .SF(SF),
        .IN_BITS(K),
        .ACC_BITS(ACC_BITS),
        .CARRY(p > 0 ? 1 : 0),
        .DELAY(DELAY)
    ) u_sum (
        .clk(clk),
        .x(product[p*SIMD*K+:SIMD*K]),
        .c(borrowed[p*SIMD+:SIMD]),
        .en(en),
        .clear(clear),
        .acc(acc[p*ACC_BITS+:ACC_BITS])
    );
  end
endmodule

`default_nettype wire
