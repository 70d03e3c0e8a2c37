// Dot products of LANES rows with the same SIMD activations a beat, on hard multipliers.
//
// The rows' weights share one multiplier an element: (w[n-1] << (n-1)K) + ... + (w[1] << K) + w[0], times a, with
// K = W_BITS + A_BITS + ceil(log2(SIMD)), so that the sum over all elements of a beat still keeps its lanes
// apart; lanes are separated once, behind the adder tree, where each takes back the borrow of those below it.
// Lane p's weight s sits at w[(p*SIMD + s)*W_BITS +: W_BITS], its accumulator at acc[p*ACC_BITS +: ACC_BITS].
// Operand register, product register, tree, accumulator: `first` arrives with the sum it belongs to, that is
// 2 + ceil(log2(SIMD)) cycles after w and a; acc follows one cycle later. One beat a cycle.
// The packed operand has (LANES-1)*K + W_BITS + 1 bits (LANES = 1: W_BITS); the caller chooses LANES to fit 18.
`default_nettype none

module fs_dot_dsp #(
    parameter int unsigned LANES = 1,  // rows
    parameter int unsigned SIMD = 1,  // elements
    parameter int unsigned W_BITS = 4,
    parameter int unsigned A_BITS = 4,
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16
) (
    input wire clk,
    input wire [SIMD*A_BITS-1:0] a,
    input wire [LANES*SIMD*W_BITS-1:0] w,
    input wire first,
    output wire [LANES*ACC_BITS-1:0] acc
);
  localparam int unsigned K = W_BITS + A_BITS + $clog2(SIMD);
  localparam int unsigned OP_BITS = LANES > 1 ? (LANES - 1) * K + W_BITS + 1 : W_BITS;
  localparam int unsigned AX_BITS = A_BITS + (A_SIGNED != 0 ? 0 : 1);
  localparam int unsigned P_BITS = OP_BITS + A_BITS;  // signed times unsigned or signed
  localparam int unsigned SUM_BITS = LANES * K;

  wire [SIMD*P_BITS-1:0] product;
  wire [SUM_BITS-1:0] sum;

  for (genvar s = 0; s < SIMD; s++) begin : g_mul
    wire [LANES:0] borrow;  // from the lanes below
    wire [LANES*K-1:0] fields;
    logic signed [OP_BITS-1:0] op_q;
    logic signed [AX_BITS-1:0] a_q;
    (* use_dsp = "yes" *)
    logic signed [P_BITS-1:0] p_q;

    assign borrow[0] = 1'b0;
    for (genvar p = 0; p < LANES; p++) begin : g_lane
      wire signed [W_BITS:0] field = (W_BITS + 1)'(signed'(w[(p*SIMD+s)*W_BITS+:W_BITS]))
          - (W_BITS + 1)'({1'b0, borrow[p]});
      assign borrow[p+1] = field[W_BITS];
      assign fields[p*K+:K] = K'(field);
    end
    wire unused = &{1'b0, borrow[LANES], fields};

    always_ff @(posedge clk) begin
      op_q <= fields[OP_BITS-1:0];
      a_q  <= AX_BITS'(signed'({(A_SIGNED != 0) & a[s*A_BITS+A_BITS-1], a[s*A_BITS+:A_BITS]}));
      p_q  <= P_BITS'(op_q) * P_BITS'(a_q);
    end
    assign product[s*P_BITS+:P_BITS] = p_q;
  end

  fs_adder_tree #(
      .N(SIMD),
      .IN_BITS(P_BITS),
      .OUT_BITS(SUM_BITS)
  ) u_tree (
      .clk(clk),
      .x  (product),
      .sum(sum)
  );

  for (genvar p = 0; p < LANES; p++) begin : g_acc
    wire below = p > 0 ? sum[(p>0?p*K : 1)-1] : 1'b0;  // lanes below are negative
    wire [ACC_BITS-1:0] lane = ACC_BITS'(signed'(sum[p*K+:K]));
    logic [ACC_BITS-1:0] acc_q;
    wire [ACC_BITS-1:0] old = first ? '0 : acc_q;
    if (p == 0) begin : g_lowest
      always_ff @(posedge clk) acc_q <= old + lane;
      wire unused = &{1'b0, below};
    end else begin : g_upper
      wire [ACC_BITS:0] total = {old, 1'b1} + {lane, below};  // the low bit makes the carry in
      always_ff @(posedge clk) acc_q <= total[ACC_BITS:1];
      wire unused = &{1'b0, total[0]};
    end
    assign acc[p*ACC_BITS+:ACC_BITS] = acc_q;
  end
endmodule

`default_nettype wire
