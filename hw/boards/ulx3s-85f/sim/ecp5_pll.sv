// Behavioural twin of ../ecp5_pll.sv: the same ports, `clk_in` passed on, locked after LOCK_CYCLES.
//
// A simulation counts clocks, not nanoseconds, so the ratio of the two clocks does not matter to it.
`default_nettype none

module ecp5_pll #(
    parameter int unsigned INPUT_DIV    = 1,
    parameter int unsigned FEEDBACK_DIV = 3,
    parameter int unsigned LOOP_DIV     = 8,
    parameter int unsigned OUTPUT_DIV   = 8
) (
    input  wire logic clk_in,
    output logic      clk_out,
    output logic      locked
);
  localparam int unsigned LOCK_CYCLES = 20;

  if (INPUT_DIV < 1 || FEEDBACK_DIV < 1 || LOOP_DIV < 1 || OUTPUT_DIV < 1) begin : g_check
    $error("ecp5_pll: dividers start at 1");
  end

  logic [4:0] count_q;
  initial count_q = '0;

  always_ff @(posedge clk_in) begin
    if (!locked) count_q <= count_q + 1'b1;
  end

  assign locked  = (count_q == 5'(LOCK_CYCLES));
  assign clk_out = clk_in;
endmodule

`default_nettype wire
