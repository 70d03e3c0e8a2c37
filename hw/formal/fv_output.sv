// What every output stream owes its reader: a beat, once shown, stays and does not change until it is taken, and it
// shows within LIMIT cycles whenever the module holds one (`pending`), whatever tready does.
`default_nettype none

module fv_output #(
    parameter int unsigned WIDTH = 1,
    parameter int unsigned LIMIT = 4  // cycles
) (
    input wire clk,
    input wire rst_n,
    input wire past,
    input wire [WIDTH-1:0] tdata,
    input wire tvalid,
    input wire tready,
    input wire pending
);
  localparam int unsigned WAIT_BITS = $clog2(LIMIT + 2);
  logic [WIDTH-1:0] tdata_q = '0;
  logic stalled_q = 1'b0;
  logic [WAIT_BITS-1:0] wait_q = '0;

  always_ff @(posedge clk) begin
    tdata_q   <= tdata;
    stalled_q <= tvalid && !tready;
    if (!rst_n || tvalid || !pending) wait_q <= '0;
    else wait_q <= wait_q + 1'b1;
    if (rst_n && past) begin
      if (stalled_q) assert (tvalid && tdata == tdata_q);
      assert (wait_q < WAIT_BITS'(LIMIT) || tvalid || !pending);
    end
    if (rst_n) assert (wait_q <= WAIT_BITS'(LIMIT));
  end
endmodule

`default_nettype wire
