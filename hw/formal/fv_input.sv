// What every input stream owes its writer: tready comes within LIMIT cycles whenever the module has room (`room`).
`default_nettype none

module fv_input #(
    parameter int unsigned LIMIT = 4  // cycles
) (
    input wire clk,
    input wire rst_n,
    input wire tready,
    input wire room
);
  localparam int unsigned WAIT_BITS = $clog2(LIMIT + 2);
  logic [WAIT_BITS-1:0] wait_q = '0;

  always_ff @(posedge clk) begin
    if (!rst_n || tready || !room) wait_q <= '0;
    else wait_q <= wait_q + 1'b1;
    if (rst_n) assert (wait_q < WAIT_BITS'(LIMIT) || tready || !room);
    if (rst_n) assert (wait_q <= WAIT_BITS'(LIMIT));
  end
endmodule

`default_nettype wire
