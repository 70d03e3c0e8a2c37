// Dot products of PE rows with SIMD elements a beat, accumulated over a vector: all of fs_mvau's arithmetic.
//
// The last SOFT rows are made of LUTs, the others of hard multipliers: STYLE 1 fs_dot_elems with GROUP elements, 2
// fs_dot_lanes with GROUP rows, 3 fs_dot_chain with GROUP rows, K, OVER and LENGTH. One-bit weights: fs_dot_bipolar.
// Element s sits at a[s*A_BITS +: A_BITS], one cycle before its weights; weight (p, s) at w[(p*SIMD + s)*W_BITS +:
// W_BITS]. The caller chooses SOFT_DELAY and HARD_DELAY so that all rows have the same latency from w to their sums,
// see fs_accumulate for en, clear and acc.
`default_nettype none

module fs_dot #(
    parameter int unsigned SIMD = 1,  // elements
    parameter int unsigned PE = 1,  // rows
    parameter int unsigned SOFT = 1,  // rows in LUTs
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned W_BITS = 4,
    parameter int unsigned A_BITS = 4,
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned EXACT = 1,  // see fs_dot_bipolar
    parameter int unsigned STYLE = 1,
    parameter int unsigned GROUP = 1,
    parameter int unsigned K = 8,
    parameter int unsigned OVER = 0,
    parameter int unsigned LENGTH = 1,
    parameter int unsigned SOFT_DELAY = 0,
    parameter int unsigned HARD_DELAY = 0
) (
    input wire clk,
    input wire [SIMD*A_BITS-1:0] a,
    input wire [PE*SIMD*W_BITS-1:0] w,
    input wire en,
    input wire clear,
    output wire [PE*ACC_BITS-1:0] acc
);
  localparam int unsigned HARD = PE - SOFT;

  logic [SIMD*A_BITS-1:0] a_q;
  always_ff @(posedge clk) a_q <= a;

  if (SOFT > 0 && W_BITS == 1) begin : g_bipolar
    for (genvar p = HARD; p < PE; p++) begin : g_row
      fs_dot_bipolar #(
          .SIMD(SIMD),
          .SF(SF),
          .A_BITS(A_BITS),
          .A_SIGNED(A_SIGNED),
          .ACC_BITS(ACC_BITS),
          .EXACT(EXACT),
          .DELAY(SOFT_DELAY)
      ) u_dot (
          .clk(clk),
          .a(a_q),
          .w(w[p*SIMD+:SIMD]),
          .en(en),
          .clear(clear),
          .acc(acc[p*ACC_BITS+:ACC_BITS])
      );
    end
  end else if (SOFT > 0) begin : g_soft
    logic [SIMD*(A_BITS+2)-1:0] a3_q;
    logic [SIMD*(A_BITS+1)-1:0] an_q;
    for (genvar s = 0; s < SIMD; s++) begin : g_multiples
      wire [A_BITS-1:0] element = a[s*A_BITS+:A_BITS];
      wire [A_BITS+1:0] ax = {{2{(A_SIGNED != 0) & element[A_BITS-1]}}, element};
      wire [A_BITS:0] minus;  // -a without a carry chain: a bit turns where any lower one is set
      assign minus[0] = ax[0];
      for (genvar i = 1; i <= A_BITS; i++) begin : g_minus
        assign minus[i] = ax[i] ^ (|ax[i-1:0]);
      end
      always_ff @(posedge clk) begin
        a3_q[s*(A_BITS+2)+:A_BITS+2] <= ax + {ax[A_BITS:0], 1'b0};
        an_q[s*(A_BITS+1)+:A_BITS+1] <= minus;
      end
    end
    for (genvar p = HARD; p < PE; p++) begin : g_row
      fs_dot_lut #(
          .SIMD(SIMD),
          .SF(SF),
          .W_BITS(W_BITS),
          .A_BITS(A_BITS),
          .A_SIGNED(A_SIGNED),
          .ACC_BITS(ACC_BITS),
          .DELAY(SOFT_DELAY)
      ) u_dot (
          .clk(clk),
          .a(a_q),
          .a3(a3_q),
          .an(an_q),
          .w(w[p*SIMD*W_BITS+:SIMD*W_BITS]),
          .en(en),
          .clear(clear),
          .acc(acc[p*ACC_BITS+:ACC_BITS])
      );
    end
  end

  if (HARD > 0 && STYLE == 1) begin : g_elems
    localparam int unsigned MULS = (SIMD + GROUP - 1) / GROUP;
    localparam int unsigned FIELD = W_BITS + A_BITS + $clog2(GROUP);
    localparam int unsigned OP_BITS = (GROUP - 1) * FIELD + A_BITS + 1;
    logic [MULS*OP_BITS-1:0] op_q;
    for (genvar g = 0; g < MULS; g++) begin : g_operand
      localparam int unsigned N = (g + 1) * GROUP <= SIMD ? GROUP : SIMD - g * GROUP;
      wire [N*A_BITS-1:0] reversed;
      wire [(N-1)*FIELD+A_BITS:0] packed_a;
      for (genvar i = 0; i < N; i++) begin : g_reverse
        assign reversed[i*A_BITS+:A_BITS] = a[(g*GROUP+N-1-i)*A_BITS+:A_BITS];
      end
      fs_pack #(
          .N(N),
          .BITS(A_BITS),
          .SIGNED(A_SIGNED),
          .K(FIELD)
      ) u_pack (
          .x(reversed),
          .y(packed_a)
      );
      always_ff @(posedge clk) op_q[g*OP_BITS+:OP_BITS] <= OP_BITS'(signed'(packed_a));
    end
    for (genvar p = 0; p < HARD; p++) begin : g_row
      fs_dot_elems #(
          .GROUP(GROUP),
          .SIMD(SIMD),
          .SF(SF),
          .W_BITS(W_BITS),
          .A_BITS(A_BITS),
          .ACC_BITS(ACC_BITS),
          .DELAY(HARD_DELAY)
      ) u_dot (
          .clk(clk),
          .a(op_q),
          .w(w[p*SIMD*W_BITS+:SIMD*W_BITS]),
          .en(en),
          .clear(clear),
          .acc(acc[p*ACC_BITS+:ACC_BITS])
      );
    end
  end else if (HARD > 0) begin : g_rows
    wire [SIMD*(A_BITS+1)-1:0] ax;
    for (genvar s = 0; s < SIMD; s++) begin : g_operand
      wire [A_BITS-1:0] element = a_q[s*A_BITS+:A_BITS];
      assign ax[s*(A_BITS+1)+:A_BITS+1] = {(A_SIGNED != 0) & element[A_BITS-1], element};
    end
    for (genvar p = 0; p < HARD; p += GROUP) begin : g_group
      localparam int unsigned ROWS = p + GROUP <= HARD ? GROUP : HARD - p;
      if (STYLE == 2) begin : g_lanes
        fs_dot_lanes #(
            .LANES(ROWS),
            .SIMD(SIMD),
            .SF(SF),
            .W_BITS(W_BITS),
            .A_BITS(A_BITS),
            .ACC_BITS(ACC_BITS),
            .DELAY(HARD_DELAY)
        ) u_dot (
            .clk(clk),
            .a(ax),
            .w(w[p*SIMD*W_BITS+:ROWS*SIMD*W_BITS]),
            .en(en),
            .clear(clear),
            .acc(acc[p*ACC_BITS+:ROWS*ACC_BITS])
        );
      end else begin : g_chain
        fs_dot_chain #(
            .LANES(ROWS),
            .K(K),
            .OVER(OVER),
            .LENGTH(LENGTH),
            .SIMD(SIMD),
            .SF(SF),
            .W_BITS(W_BITS),
            .A_BITS(A_BITS),
            .ACC_BITS(ACC_BITS),
            .DELAY(HARD_DELAY)
        ) u_dot (
            .clk(clk),
            .a(ax),
            .w(w[p*SIMD*W_BITS+:ROWS*SIMD*W_BITS]),
            .en(en),
            .clear(clear),
            .acc(acc[p*ACC_BITS+:ROWS*ACC_BITS])
        );
      end
    end
  end
  wire unused = &{1'b0, a_q};
endmodule

`default_nettype wire
