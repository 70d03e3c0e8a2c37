// Multiply and accumulate of one channel: sums w * a over the K beats of a window.
//
// The product follows LATENCY cycles after w and a; there, en is high with every product that counts, and with the
// one that ends a window acc is the whole sum, to be taken by a register behind, and clear is high (as it is in the
// cycle before the first window). One beat a cycle; acc wraps modulo 2^ACC_BITS.
// W_BITS 1: bipolar, bit 1 is +1, bit 0 is -1. LATENCY 0.
// USE_DSP 0: each weight bit keeps or clears a register that holds a; registers are summed in pairs, LATENCY 2 for
// W_BITS 2, 3 up to 4, 4 up to 8. USE_DSP 1: one hard multiplier, a register before it and two behind, LATENCY 3.
`default_nettype none

module fs_mac #(
    parameter int unsigned K = 9,  // beats a window
    parameter int unsigned W_BITS = 4,  // signed weight, 2 to 8, or 1
    parameter int unsigned A_BITS = 4,  // activation
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned USE_DSP = 0
) (
    input wire clk,
    input wire [A_BITS-1:0] a,
    input wire [W_BITS-1:0] w,
    input wire en,
    input wire clear,
    output wire [ACC_BITS-1:0] acc
);
  localparam int unsigned AX_BITS = A_BITS + 1;
  wire signed [AX_BITS-1:0] ax = {(A_SIGNED != 0) & a[A_BITS-1], a};
  wire [ACC_BITS-1:0] old;

  if (W_BITS == 1) begin : g_bipolar
    // -a is its complement and one: the one enters the accumulator's adder as its carry
    wire [AX_BITS-1:0] x = ax ^ {AX_BITS{!w}};
    wire [ACC_BITS:0] total = {ACC_BITS'(signed'(x)), 1'b1} + {old, !w};
    assign acc = total[ACC_BITS:1];
    wire unused = &{1'b0, total[0]};
  end else if (USE_DSP != 0) begin : g_dsp
    localparam int unsigned P_BITS = W_BITS + AX_BITS;
    logic signed [AX_BITS-1:0] a_q;
    logic signed [W_BITS-1:0] w_q;
    (* use_dsp = "yes" *)
    logic signed [P_BITS-1:0] mul_q;
    logic signed [P_BITS-1:0] p_q;
    always_ff @(posedge clk) begin
      a_q   <= ax;
      w_q   <= w;
      mul_q <= P_BITS'(a_q) * P_BITS'(w_q);
      p_q   <= mul_q;
    end
    assign acc = ACC_BITS'(p_q) + old;
  end else begin : g_rows
    localparam int unsigned PAIRS = (W_BITS + 1) / 2;
    localparam int unsigned PAIR_BITS = A_BITS + 3;  // -2a to 3a
    localparam int unsigned P_BITS = 2 * PAIRS + AX_BITS;
    logic [PAIRS-1:0][PAIR_BITS-1:0] pair_q;
    wire [2*PAIRS-1:0] wx = (2 * PAIRS)'(signed'(w));
    wire signed [P_BITS-1:0] p;

    for (genvar i = 0; i < PAIRS; i++) begin : g_pair
      logic signed [AX_BITS-1:0] one_q;
      logic signed [AX_BITS-1:0] two_q;
      always_ff @(posedge clk) begin
        if (!wx[2*i]) one_q <= '0;
        else one_q <= ax;
        if (!wx[2*i+1]) two_q <= '0;
        else two_q <= ax;
        if (i == PAIRS - 1) pair_q[i] <= PAIR_BITS'(one_q) - (PAIR_BITS'(two_q) << 1);  // the sign
        else pair_q[i] <= PAIR_BITS'(one_q) + (PAIR_BITS'(two_q) << 1);
      end
    end

    if (PAIRS == 1) begin : g_one
      assign p = P_BITS'(signed'(pair_q[0]));
    end else if (PAIRS == 2) begin : g_two
      logic signed [P_BITS-1:0] p_q;
      always_ff @(posedge clk) p_q <= P_BITS'(signed'(pair_q[0])) + (P_BITS'(signed'(pair_q[1])) << 2);
      assign p = p_q;
    end else begin : g_four
      localparam int unsigned HALF_BITS = PAIR_BITS + 2;
      logic signed [HALF_BITS-1:0] low_q;
      logic signed [HALF_BITS-1:0] high_q;
      logic signed [P_BITS-1:0] p_q;
      always_ff @(posedge clk) begin
        low_q <= HALF_BITS'(signed'(pair_q[0])) + (HALF_BITS'(signed'(pair_q[1])) << 2);
        p_q   <= P_BITS'(low_q) + (P_BITS'(high_q) << 4);
      end
      if (PAIRS == 3) begin : g_three
        always_ff @(posedge clk) high_q <= HALF_BITS'(signed'(pair_q[2]));
      end else begin : g_all
        always_ff @(posedge clk)
          high_q <= HALF_BITS'(signed'(pair_q[2])) + (HALF_BITS'(signed'(pair_q[3])) << 2);
      end
      assign p = p_q;
    end
    assign acc = ACC_BITS'(p) + old;
  end

  if (K == 1) begin : g_no_old
    assign old = '0;
    wire unused = &{1'b0, clk, en, clear};
  end else begin : g_old
    logic [ACC_BITS-1:0] acc_q;
    always_ff @(posedge clk) begin
      if (clear) acc_q <= '0;
      else if (en) acc_q <= acc;
    end
    assign old = acc_q;
  end
endmodule

`default_nettype wire
