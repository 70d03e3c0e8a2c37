// One row's dot product of SIMD elements a beat, on hard multipliers that GROUP neighbouring elements share.
//
// (w[n-1] << (n-1)K) + ... + w[0], times a[0] << (n-1)K + ... + a[n-1], holds w[0]*a[0] + ... + w[n-1]*a[n-1]
// at bit (n-1)K: a multiplier adds its own products, and the adder tree has SIMD/GROUP operands only. The fields
// below may be negative and then borrow one; the tree gives it back through its carry inputs.
// K = W_BITS + A_BITS + ceil(log2(GROUP)). Weight s sits at w[s*W_BITS +: W_BITS]. Operand g of the packed
// activations (fs_pack, elements in reverse order) sits at a[g*A_OP_BITS +: A_OP_BITS], in step with w;
// the last one holds what is left of SIMD, SIMD % GROUP elements, if GROUP does not divide it.
// Each multiplier has operand registers of its own and two registers behind it with nothing between: where multipliers
// stand apart from the logic, the way there, the multiplier, and the way back have a cycle each.
// The sum follows 3 + ceil(log2(ceil(SIMD/GROUP))) + DELAY cycles after w and a, see fs_accumulate for en, clear and
// acc. One beat a cycle.
// The operands have (GROUP-1)*K + 1 bits more than a weight or an activation; the caller lets them fit 18.
`default_nettype none

module fs_dot_elems #(
    parameter int unsigned GROUP = 2,  // elements a multiplier
    parameter int unsigned SIMD = 2,  // elements
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned W_BITS = 4,
    parameter int unsigned A_BITS = 4,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned DELAY = 0,
    localparam int unsigned K = W_BITS + A_BITS + $clog2(GROUP),
    localparam int unsigned MULS = (SIMD + GROUP - 1) / GROUP,
    localparam int unsigned A_OP_BITS = (GROUP - 1) * K + A_BITS + 1
) (
    input wire clk,
    input wire [MULS*A_OP_BITS-1:0] a,
    input wire [SIMD*W_BITS-1:0] w,
    input wire en,
    input wire clear,
    output wire [ACC_BITS-1:0] acc
);
  wire [MULS*K-1:0] product;
  wire [MULS-1:0] borrowed;

  for (genvar g = 0; g < MULS; g++) begin : g_mul
    localparam int unsigned N = (g + 1) * GROUP <= SIMD ? GROUP : SIMD - g * GROUP;
    localparam int unsigned OP_BITS = (N - 1) * K + W_BITS + 1;
    localparam int unsigned P_BITS = N * K;  // more is not needed above the middle field
    wire [OP_BITS-1:0] op;
    logic signed [OP_BITS-1:0] op_q;
    logic signed [A_OP_BITS-1:0] a_q;
    (* use_dsp = "yes" *)
    logic signed [P_BITS-1:0] mul_q;
    logic signed [P_BITS-1:0] p_q;
    fs_pack #(
        .N(N),
        .BITS(W_BITS),
        .SIGNED(1),
        .K(K)
    ) u_pack (
        .x(w[g*GROUP*W_BITS+:N*W_BITS]),
        .y(op)
    );
    // not to be merged with the copies of other rows, which may stand far away
    (* keep *)
    always_ff @(posedge clk) a_q <= a[g*A_OP_BITS+:A_OP_BITS];
    always_ff @(posedge clk) begin
      op_q <= op;
      mul_q <= P_BITS'(op_q) * P_BITS'(a_q);
      p_q <= mul_q;
    end
    assign product[g*K+:K] = p_q[(N-1)*K+:K];
    if (N > 1) begin : g_borrow
      assign borrowed[g] = p_q[(N-1)*K-1];
      wire unused = &{1'b0, p_q};
    end else begin : g_single
      assign borrowed[g] = 1'b0;
    end
  end

  fs_accumulate #(
      .N(MULS),
      .SF(SF),
      .IN_BITS(K),
      .ACC_BITS(ACC_BITS),
      .CARRY(1),
      .DELAY(DELAY)
  ) u_sum (
      .clk(clk),
      .x(product),
      .c(borrowed),
      .en(en),
      .clear(clear),
      .acc(acc)
  );
endmodule

`default_nettype wire
