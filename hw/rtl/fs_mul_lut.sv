// Signed weight times activation, from LUTs only: radix-4 weight digits select multiples of the activation.
//
// The caller makes the multiples once for all rows: a, a3 = 3a, an = -a. A digit of two weight bits is then one
// LUT5 a bit, and the sum of two digits still one LUT6 a bit with its carry; no multiplier operator appears, so no
// tool makes a hard multiplier of it. The top digit is signed (a single sign bit where W_BITS is odd).
// Latency 0 for W_BITS <= 2, 1 for W_BITS <= 4, 2 for W_BITS <= 8; one product a cycle.
`default_nettype none

module fs_mul_lut #(
    parameter int unsigned W_BITS = 4,  // signed weight, 2 to 8
    parameter int unsigned A_BITS = 4,  // activation, 1 to 8
    parameter int unsigned A_SIGNED = 0,
    localparam int unsigned P_BITS = W_BITS + A_BITS
) (
    input wire clk,
    input wire [A_BITS-1:0] a,
    input wire [A_BITS+1:0] a3,  // 3a, signed where a is
    input wire [A_BITS:0] an,  // -a, signed
    input wire [W_BITS-1:0] w,
    output wire [P_BITS-1:0] p  // signed
);
  localparam int unsigned DIGITS = (W_BITS + 1) / 2;
  localparam int unsigned ROW_BITS = A_BITS + 3;  // -2a to 3a, signed
  if (W_BITS < 2 || W_BITS > 8) begin : g_bad_w
    $error("fs_mul_lut: W_BITS is 2 to 8");
  end

  wire [ROW_BITS-1:0] one = {(A_SIGNED != 0) ? {3{a[A_BITS-1]}} : 3'b000, a};
  wire [ROW_BITS-1:0] three = {(A_SIGNED != 0) & a3[A_BITS+1], a3};
  wire [ROW_BITS-1:0] minus = {{2{an[A_BITS]}}, an};

  logic [DIGITS-1:0][ROW_BITS-1:0] row;  // signed
  for (genvar d = 0; d < DIGITS; d++) begin : g_digit
    if (2 * d + 1 == W_BITS) begin : g_sign
      assign row[d] = w[2*d] ? minus : '0;
    end else begin : g_pair
      wire [1:0] digit = w[2*d+:2];
      if (d == DIGITS - 1) begin : g_top
        assign row[d] = digit == 2'd0 ? '0 : digit == 2'd1 ? one : digit == 2'd2 ? minus << 1 : minus;
      end else begin : g_low
        assign row[d] = digit == 2'd0 ? '0 : digit == 2'd1 ? one : digit == 2'd2 ? one << 1 : three;
      end
    end
  end

  if (DIGITS == 1) begin : g_one
    assign p = row[0][P_BITS-1:0];
    wire unused = &{1'b0, clk, row[0], three};
  end else if (DIGITS == 2) begin : g_two
    logic [P_BITS-1:0] p_q;
    always_ff @(posedge clk) p_q <= P_BITS'(signed'(row[0])) + (P_BITS'(signed'(row[1])) << 2);
    assign p = p_q;
  end else begin : g_many
    localparam int unsigned HIGH_BITS = P_BITS - 4;  // top digits times a
    logic [A_BITS+3:0] low_q;  // low four weight bits, unsigned, times a: signed where a is
    logic [HIGH_BITS-1:0] high_q;
    logic [P_BITS-1:0] p_q;
    wire [P_BITS-1:0] low = {{(P_BITS - A_BITS - 4) {(A_SIGNED != 0) & low_q[A_BITS+3]}}, low_q};
    always_ff @(posedge clk) begin
      low_q <= (A_BITS + 4)'(signed'(row[0])) + ((A_BITS + 4)'(signed'(row[1])) << 2);
      p_q <= low + {high_q, 4'b0000};
    end
    assign p = p_q;
    if (DIGITS == 3) begin : g_three
      always_ff @(posedge clk) high_q <= HIGH_BITS'(signed'(row[2]));
    end else begin : g_four
      always_ff @(posedge clk) high_q <= HIGH_BITS'(signed'(row[2])) + (HIGH_BITS'(signed'(row[3])) << 2);
    end
  end
endmodule

`default_nettype wire
