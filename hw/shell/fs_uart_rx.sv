// UART receiver, 8 data bits, no parity, 1 stop bit, lowest bit first.
//
// Contract
//   * `rxd` is asynchronous and idles high; it passes a two-register synchroniser.
//   * A bit lasts DIVIDER clocks and is sampled once, at its middle (to within one clock of
//     synchronisation). The receiver is ready for the next start bit half a bit before the stop bit
//     ends, so that a sender which is up to half a bit in ten too fast is still followed.
//   * `valid` is high for one clock with the byte on `data`. There is no back-pressure: the reader
//     has at least 9.5 bit times.
//   * `framing_error` is high for one clock when the stop bit is low; that byte is not given out and
//     the receiver waits for the line to be idle (high) again, so a break gives one error.
//   * A low pulse shorter than half a bit is no start bit.
`default_nettype none

module fs_uart_rx #(
    parameter int unsigned DIVIDER = 25  // clocks a bit, at least 4
) (
    input  wire logic       clk,
    input  wire logic       rst_n,
    input  wire logic       rxd,
    output logic      [7:0] data,
    output logic            valid,
    output logic            framing_error
);
  localparam int unsigned COUNT_BITS = $clog2(DIVIDER);
  localparam logic [COUNT_BITS-1:0] FULL_BIT = COUNT_BITS'(DIVIDER - 1);
  localparam logic [COUNT_BITS-1:0] HALF_BIT = COUNT_BITS'(DIVIDER / 2 - 1);

  if (DIVIDER < 4) begin : g_check_divider
    $error("fs_uart_rx: DIVIDER must be at least 4");
  end

  typedef enum logic [1:0] {
    IDLE,
    START,
    BITS,
    BREAK
  } state_e;

  logic [1:0] sync_q;
  state_e state_q;
  logic [COUNT_BITS-1:0] count_q;
  logic [3:0] bit_q;  // 0..7 data bits, 8 stop bit
  logic [7:0] data_q;
  logic valid_q;
  logic error_q;
  logic line;
  logic tick;

  assign line = sync_q[1];
  assign tick = (count_q == '0);

  always_ff @(posedge clk) begin
    if (!rst_n) sync_q <= '1;
    else sync_q <= {sync_q[0], rxd};
  end

  always_ff @(posedge clk) begin
    valid_q <= 1'b0;
    error_q <= 1'b0;
    count_q <= tick ? FULL_BIT : count_q - 1'b1;
    case (state_q)
      IDLE: begin
        bit_q   <= '0;
        count_q <= HALF_BIT;
        if (!line) state_q <= START;
      end
      START: if (tick) state_q <= line ? IDLE : BITS;
      BITS:
      if (tick) begin
        bit_q <= bit_q + 1'b1;
        if (bit_q == 4'd8) begin
          valid_q <= line;
          error_q <= !line;
          state_q <= line ? IDLE : BREAK;
        end else data_q <= {line, data_q[7:1]};
      end
      default: if (line) state_q <= IDLE;
    endcase
    if (!rst_n) begin
      state_q <= BREAK;  // a line that is low at reset is no start bit
      valid_q <= 1'b0;
      error_q <= 1'b0;
    end
  end

  assign data = data_q;
  assign valid = valid_q;
  assign framing_error = error_q;
endmodule

`default_nettype wire
