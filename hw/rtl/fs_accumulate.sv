// Adder tree and accumulator: sums N signed numbers a beat over the beats of a vector.
//
// The tree's sum (fs_adder_tree) follows ceil(log2(N)) cycles after x. With the sum that ends a vector, acc is the
// whole total, to be taken by a register behind, and clear is high; clear is also high before the first vector, and
// x is zero where there is no beat. SF = 1: nothing is kept from beat to beat. One beat a cycle.
// Operand i sits at x[i*IN_BITS +: IN_BITS]; with CARRY 1 it comes with one more unit c[i].
`default_nettype none

module fs_accumulate #(
    parameter int unsigned N = 1,  // operands a beat
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned IN_BITS = 8,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned CARRY = 0
) (
    input wire clk,
    input wire [N*IN_BITS-1:0] x,
    input wire [N-1:0] c,
    input wire clear,
    output wire [ACC_BITS-1:0] acc
);
  wire [ACC_BITS-1:0] sum;
  wire carry;
  wire [ACC_BITS-1:0] old;

  fs_adder_tree #(
      .N(N),
      .IN_BITS(IN_BITS),
      .OUT_BITS(ACC_BITS),
      .CARRY(CARRY)
  ) u_tree (
      .clk(clk),
      .x(x),
      .c(c),
      .sum(sum),
      .carry(carry)
  );

  if (CARRY != 0) begin : g_carry
    wire [ACC_BITS:0] total = {sum, carry} + {old, 1'b1};  // the low bit makes the carry in
    assign acc = total[ACC_BITS:1];
    wire unused = &{1'b0, total[0]};
  end else begin : g_plain
    assign acc = sum + old;
    wire unused = &{1'b0, carry};
  end

  if (SF == 1) begin : g_no_old
    assign old = '0;
    wire unused = &{1'b0, clear};
  end else begin : g_old
    logic [ACC_BITS-1:0] acc_q;
    always_ff @(posedge clk) begin
      if (clear) acc_q <= '0;
      else acc_q <= acc;
    end
    assign old = acc_q;
  end
endmodule

`default_nettype wire
