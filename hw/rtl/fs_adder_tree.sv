// Sum of N signed numbers as a binary tree, a register after every level.
//
// Latency ceil(log2(N)) cycles (N = 1: a wire), one sum a cycle. Operand i sits at x[i*IN_BITS +: IN_BITS].
// Levels grow by one bit up to OUT_BITS; beyond, sums wrap modulo 2^OUT_BITS, which is exact where the total fits.
`default_nettype none

module fs_adder_tree #(
    parameter int unsigned N = 2,  // operands
    parameter int unsigned IN_BITS = 8,
    parameter int unsigned OUT_BITS = 9
) (
    input wire clk,
    input wire [N*IN_BITS-1:0] x,
    output wire [OUT_BITS-1:0] sum
);
  localparam int unsigned LEVELS = N > 1 ? $clog2(N) : 0;

  for (genvar l = 0; l <= LEVELS; l++) begin : g_level
    localparam int unsigned COUNT = (N + (1 << l) - 1) >> l;
    localparam int unsigned BITS = (IN_BITS + l < OUT_BITS) ? IN_BITS + l : OUT_BITS;
    logic [COUNT*BITS-1:0] part;

    if (l == 0) begin : g_in
      for (genvar i = 0; i < COUNT; i++) begin : g_operand
        assign part[i*BITS+:BITS] = BITS'(signed'(x[i*IN_BITS+:IN_BITS]));
      end
    end else begin : g_add
      localparam int unsigned LOWER = (N + (1 << (l - 1)) - 1) >> (l - 1);
      localparam int unsigned LOWER_BITS = (IN_BITS + l - 1 < OUT_BITS) ? IN_BITS + l - 1 : OUT_BITS;
      for (genvar i = 0; i < COUNT; i++) begin : g_node
        wire signed [BITS-1:0] left = BITS'(signed'(g_level[l-1].part[2*i*LOWER_BITS+:LOWER_BITS]));
        if (2 * i + 1 < LOWER) begin : g_pair
          wire signed [BITS-1:0] right = BITS'(signed'(g_level[l-1].part[(2*i+1)*LOWER_BITS+:LOWER_BITS]));
          always_ff @(posedge clk) part[i*BITS+:BITS] <= left + right;
        end else begin : g_single
          always_ff @(posedge clk) part[i*BITS+:BITS] <= left;
        end
      end
    end
  end

  wire unused = &{1'b0, clk};  // N = 1
  assign sum = OUT_BITS'(signed'(g_level[LEVELS].part));
endmodule

`default_nettype wire
