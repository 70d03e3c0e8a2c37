// UART transmitter, 8 data bits, no parity, 1 stop bit, lowest bit first.
//
// Contract
//   * A byte is taken when `s_axis_tvalid` and `s_axis_tready` are high; its start bit is on `txd`
//     one clock later. `s_axis_tready` is high again when the whole stop bit was sent, so a source
//     that always has a byte sends one every 10 * DIVIDER + 1 clocks.
//   * `txd` is a register and idles high, also in reset.
`default_nettype none

module fs_uart_tx #(
    parameter int unsigned DIVIDER = 25  // clocks a bit, at least 4
) (
    input  wire logic       clk,
    input  wire logic       rst_n,
    input  wire logic [7:0] s_axis_tdata,
    input  wire logic       s_axis_tvalid,
    output logic            s_axis_tready,
    output logic            txd
);
  localparam int unsigned COUNT_BITS = $clog2(DIVIDER);
  localparam logic [COUNT_BITS-1:0] FULL_BIT = COUNT_BITS'(DIVIDER - 1);

  if (DIVIDER < 4) begin : g_check_divider
    $error("fs_uart_tx: DIVIDER must be at least 4");
  end

  logic [COUNT_BITS-1:0] count_q;
  logic [3:0] left_q;  // bits still to be sent, the one on the line included; 0 is idle
  logic [8:0] shift_q;  // what follows the bit on the line
  logic txd_q;

  assign s_axis_tready = (left_q == '0);

  always_ff @(posedge clk) begin
    count_q <= count_q - 1'b1;
    if (left_q == '0) begin
      count_q <= FULL_BIT;
      if (s_axis_tvalid) begin
        left_q  <= 4'd10;
        shift_q <= {1'b1, s_axis_tdata};
        txd_q   <= 1'b0;
      end
    end else if (count_q == '0) begin
      count_q <= FULL_BIT;
      left_q  <= left_q - 1'b1;
      shift_q <= {1'b1, shift_q[8:1]};
      txd_q   <= shift_q[0];
    end
    if (!rst_n) begin
      left_q <= '0;
      txd_q  <= 1'b1;
    end
  end

  assign txd = txd_q;
endmodule

`default_nettype wire
