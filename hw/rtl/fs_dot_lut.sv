// One row's dot product of SIMD elements a beat, accumulated over a vector, without hard multipliers.
//
// Weight s sits at w[s*W_BITS +: W_BITS]; the multiples of the activations (a, 3a, -a) come likewise, made once for
// all rows. The sum follows the latency of fs_mul_lut plus ceil(log2(SIMD)) + DELAY cycles after w and a, see
// fs_accumulate for en, clear and acc. One beat a cycle.
`default_nettype none

module fs_dot_lut #(
    parameter int unsigned SIMD = 1,  // elements
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned W_BITS = 4,
    parameter int unsigned A_BITS = 4,
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned DELAY = 0
) (
    input wire clk,
    input wire [SIMD*A_BITS-1:0] a,
    input wire [SIMD*(A_BITS+2)-1:0] a3,
    input wire [SIMD*(A_BITS+1)-1:0] an,
    input wire [SIMD*W_BITS-1:0] w,
    input wire en,
    input wire clear,
    output wire [ACC_BITS-1:0] acc
);
  localparam int unsigned P_BITS = W_BITS + A_BITS;
  wire [SIMD*P_BITS-1:0] product;

  for (genvar s = 0; s < SIMD; s++) begin : g_mul
    fs_mul_lut #(
        .W_BITS(W_BITS),
        .A_BITS(A_BITS),
        .A_SIGNED(A_SIGNED)
    ) u_mul (
        .clk(clk),
        .a(a[s*A_BITS+:A_BITS]),
        .a3(a3[s*(A_BITS+2)+:A_BITS+2]),
        .an(an[s*(A_BITS+1)+:A_BITS+1]),
        .w(w[s*W_BITS+:W_BITS]),
        .p(product[s*P_BITS+:P_BITS])
    );
  end

  fs_accumulate #(
      .N(SIMD),
      .SF(SF),
      .IN_BITS(P_BITS),
      .ACC_BITS(ACC_BITS),
      .DELAY(DELAY)
  ) u_sum (
      .clk(clk),
      .x(product),
      .c('0),
      .en(en),
      .clear(clear),
      .acc(acc)
  );
endmodule

`default_nettype wire
