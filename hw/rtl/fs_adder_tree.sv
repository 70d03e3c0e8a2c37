// Sum of N numbers as a binary tree, a register after every level.
//
// Latency ceil(log2(N)) cycles (N = 1: a wire), one sum a cycle. Operand i sits at x[i*IN_BITS +: IN_BITS].
// Levels grow by one bit up to OUT_BITS; beyond, sums wrap modulo 2^OUT_BITS, which is exact where the total fits.
// SIGNED 0: operands and sums are unsigned.
// CARRY 1: each operand comes with one more unit c[i]. Every adder takes one such unit in, so that all but one are
// in sum; the last one leaves as carry, in step with sum. (An operand of all ones, -1, plus its unit is 0.)
`default_nettype none

module fs_adder_tree #(
    parameter int unsigned N = 2,  // operands
    parameter int unsigned IN_BITS = 8,
    parameter int unsigned SIGNED = 1,
    parameter int unsigned OUT_BITS = 9,
    parameter int unsigned CARRY = 0
) (
    input wire clk,
    input wire [N*IN_BITS-1:0] x,
    input wire [N-1:0] c,
    output wire [OUT_BITS-1:0] sum,
    output wire carry
);
  localparam int unsigned LEVELS = N > 1 ? $clog2(N) : 0;

  for (genvar l = 0; l <= LEVELS; l++) begin : g_level
    localparam int unsigned COUNT = (N + (1 << l) - 1) >> l;
    localparam int unsigned BITS = (IN_BITS + l < OUT_BITS) ? IN_BITS + l : OUT_BITS;
    logic [COUNT*BITS-1:0] part;
    logic [COUNT-1:0] unit;

    if (l == 0) begin : g_in
      for (genvar i = 0; i < COUNT; i++) begin : g_operand
        assign part[i*BITS+:BITS] = SIGNED != 0 ? BITS'(signed'(x[i*IN_BITS+:IN_BITS])) : BITS'(x[i*IN_BITS+:IN_BITS]);
      end
      assign unit = c;
    end else begin : g_add
      localparam int unsigned LOWER = (N + (1 << (l - 1)) - 1) >> (l - 1);
      localparam int unsigned LOWER_BITS = (IN_BITS + l - 1 < OUT_BITS) ? IN_BITS + l - 1 : OUT_BITS;
      for (genvar i = 0; i < COUNT; i++) begin : g_node
        wire [LOWER_BITS-1:0] lower = g_level[l-1].part[2*i*LOWER_BITS+:LOWER_BITS];
        wire [BITS-1:0] left = SIGNED != 0 ? BITS'(signed'(lower)) : BITS'(lower);
        if (2 * i + 1 < LOWER) begin : g_pair
          wire [LOWER_BITS-1:0] upper = g_level[l-1].part[(2*i+1)*LOWER_BITS+:LOWER_BITS];
          wire [BITS-1:0] right = SIGNED != 0 ? BITS'(signed'(upper)) : BITS'(upper);
          if (CARRY != 0) begin : g_carry
            wire [BITS:0] total = {left, 1'b1} + {right, g_level[l-1].unit[2*i]};
            always_ff @(posedge clk) part[i*BITS+:BITS] <= total[BITS:1];
            wire unused = &{1'b0, total[0]};
          end else begin : g_plain
            always_ff @(posedge clk) part[i*BITS+:BITS] <= left + right;
            wire unused = g_level[l-1].unit[2*i];
          end
          always_ff @(posedge clk) unit[i] <= g_level[l-1].unit[2*i+1];
        end else begin : g_single
          always_ff @(posedge clk) begin
            part[i*BITS+:BITS] <= left;
            unit[i] <= g_level[l-1].unit[2*i];
          end
        end
      end
    end
  end

  wire unused = &{1'b0, clk};  // N = 1
  localparam int unsigned LAST_BITS = (IN_BITS + LEVELS < OUT_BITS) ? IN_BITS + LEVELS : OUT_BITS;
  wire [LAST_BITS-1:0] last = g_level[LEVELS].part;
  assign sum = SIGNED != 0 ? OUT_BITS'(signed'(last)) : OUT_BITS'(last);
  assign carry = g_level[LEVELS].unit;
endmodule

`default_nettype wire
