// Adder tree and accumulator: sums N numbers a beat over the beats of a vector.
//
// Operand i sits at x[i*IN_BITS +: IN_BITS], signed or not; with CARRY 1 it comes with one more unit c[i].
// The tree's sum (fs_adder_tree) follows ceil(log2(N)) + DELAY cycles after x; a sum counts where en is high with it.
// With the sum that ends a vector, acc is INIT and the whole total, to be taken by a register behind, and clear is
// high; clear is also high some time before the first vector. SF = 1: nothing is kept from beat to beat, and INIT
// is 0 here. One beat a cycle.
`default_nettype none

module fs_accumulate #(
    parameter int unsigned N = 1,  // operands a beat
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned IN_BITS = 8,
    parameter int unsigned SIGNED = 1,  // operands
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned CARRY = 0,
    parameter int unsigned DELAY = 0,  // cycles more, to be in step with others
    parameter logic [ACC_BITS-1:0] INIT = '0  // what a vector begins with
) (
    input wire clk,
    input wire [N*IN_BITS-1:0] x,
    input wire [N-1:0] c,
    input wire en,
    input wire clear,
    output wire [ACC_BITS-1:0] acc
);
  wire [ACC_BITS:0] tree;  // the sum, and the last unit
  wire [ACC_BITS-1:0] sum;
  wire carry;
  wire [ACC_BITS-1:0] old;
  if (SF == 1 && INIT != '0) begin : g_bad_init
    $error("fs_accumulate: INIT needs more than one beat a vector");
  end

  fs_adder_tree #(
      .N(N),
      .IN_BITS(IN_BITS),
      .SIGNED(SIGNED),
      .OUT_BITS(ACC_BITS),
      .CARRY(CARRY)
  ) u_tree (
      .clk(clk),
      .x(x),
      .c(c),
      .sum(tree[ACC_BITS-1:0]),
      .carry(tree[ACC_BITS])
  );

  if (DELAY > 0) begin : g_delay
    logic [DELAY-1:0][ACC_BITS:0] tree_q;
    always_ff @(posedge clk) begin
      tree_q[0] <= tree;
      for (int unsigned i = 1; i < DELAY; i++) tree_q[i] <= tree_q[i-1];
    end
    assign {carry, sum} = tree_q[DELAY-1];
  end else begin : g_no_delay
    assign {carry, sum} = tree;
  end

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
    wire unused = &{1'b0, en, clear};
  end else begin : g_old
    logic [ACC_BITS-1:0] acc_q;
    always_ff @(posedge clk) begin
      if (clear) acc_q <= INIT;
      else if (en) acc_q <= acc;
    end
    assign old = acc_q;
  end
endmodule

`default_nettype wire
