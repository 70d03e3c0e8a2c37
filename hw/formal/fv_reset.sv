// Reset as every proof assumes it: low in the first cycle, free afterwards. `past` says that the cycle before this
// one was no reset, so that the two may be compared.
`default_nettype none

module fv_reset (
    input  wire clk,
    input  wire rst_n,
    output wire past
);
  logic first_q = 1'b1;
  logic past_q = 1'b0;
  assign past = past_q;
  always_ff @(posedge clk) begin
    first_q <= 1'b0;
    past_q  <= rst_n;
  end
  always_comb if (first_q) assume (!rst_n);
endmodule

`default_nettype wire
