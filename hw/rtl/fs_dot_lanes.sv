// Dot products of LANES rows with the same SIMD activations a beat, on hard multipliers that rows share.
//
// One multiplier an element: (w[n-1] << (n-1)K) + ... + (w[1] << K) + w[0], times a, with
// K = W_BITS + A_BITS + ceil(log2(SIMD)), so that the sum over all elements of a beat still keeps its lanes
// apart; lanes are separated once, behind the adder tree, where each takes back the borrow of those below it.
// Lane p's weight s sits at w[(p*SIMD + s)*W_BITS +: W_BITS], its accumulator at acc[p*ACC_BITS +: ACC_BITS];
// a is signed, element s at a[s*AX_BITS +: AX_BITS], and comes one cycle after w (it passes an operand register
// like the packed weights). The tree's sum follows 2 + ceil(log2(SIMD)) cycles after w; with the
// sum that ends a vector, acc is the whole dot product, to be taken by a register behind, and clear is high (as it is
// before the first vector). Where there is no beat, a is zero. One beat a cycle.
// The packed operand has (LANES-1)*K + W_BITS + 1 bits; the caller chooses LANES to fit 18.
`default_nettype none

module fs_dot_lanes #(
    parameter int unsigned LANES = 1,  // rows
    parameter int unsigned SIMD = 1,  // elements
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned W_BITS = 4,
    parameter int unsigned A_BITS = 4,
    parameter int unsigned ACC_BITS = 16,
    localparam int unsigned AX_BITS = A_BITS + 1
) (
    input wire clk,
    input wire [SIMD*AX_BITS-1:0] a,
    input wire [LANES*SIMD*W_BITS-1:0] w,
    input wire clear,
    output wire [LANES*ACC_BITS-1:0] acc
);
  localparam int unsigned K = W_BITS + A_BITS + $clog2(SIMD);
  localparam int unsigned OP_BITS = (LANES - 1) * K + W_BITS + 1;
  localparam int unsigned P_BITS = (LANES - 1) * K + W_BITS + A_BITS;
  localparam int unsigned SUM_BITS = LANES * K;

  wire [SIMD*P_BITS-1:0] product;
  wire [SUM_BITS-1:0] sum;

  for (genvar s = 0; s < SIMD; s++) begin : g_mul
    wire [LANES*W_BITS-1:0] column;
    wire [OP_BITS-1:0] op;
    logic signed [OP_BITS-1:0] op_q;
    (* use_dsp = "yes" *)
    logic signed [P_BITS-1:0] p_q;

    for (genvar p = 0; p < LANES; p++) begin : g_lane
      assign column[p*W_BITS+:W_BITS] = w[(p*SIMD+s)*W_BITS+:W_BITS];
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
    always_ff @(posedge clk) begin
      op_q <= op;
      p_q  <= P_BITS'(op_q) * P_BITS'(signed'(a[s*AX_BITS+:AX_BITS]));
    end
    assign product[s*P_BITS+:P_BITS] = p_q;
  end

  wire no_carry;
  fs_adder_tree #(
      .N(SIMD),
      .IN_BITS(P_BITS),
      .OUT_BITS(SUM_BITS)
  ) u_tree (
      .clk(clk),
      .x(product),
      .c('0),
      .sum(sum),
      .carry(no_carry)
  );
  wire unused = &{1'b0, no_carry};

  for (genvar p = 0; p < LANES; p++) begin : g_acc
    wire [ACC_BITS-1:0] lane = ACC_BITS'(signed'(sum[p*K+:K]));
    wire [ACC_BITS-1:0] old;
    wire [ACC_BITS-1:0] total;
    if (p == 0) begin : g_lowest
      assign total = lane + old;
    end else begin : g_upper
      // sum[p*K-1]: the lanes below are negative. The low bit makes the carry in.
      wire [ACC_BITS:0] doubled = {lane, sum[p*K-1]} + {old, 1'b1};
      assign total = doubled[ACC_BITS:1];
      wire unused_low = &{1'b0, doubled[0]};
    end
    if (SF == 1) begin : g_no_old
      assign old = '0;
      wire unused_control = &{1'b0, clear};
    end else begin : g_old
      logic [ACC_BITS-1:0] acc_q;
      always_ff @(posedge clk) begin
        if (clear) acc_q <= '0;
        else acc_q <= total;
      end
      assign old = acc_q;
    end
    assign acc[p*ACC_BITS+:ACC_BITS] = total;
  end
endmodule

`default_nettype wire
