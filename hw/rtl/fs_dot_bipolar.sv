// One row's dot product of SIMD elements a beat with weights of +1 (bit 1) and -1 (bit 0), accumulated over a vector.
//
// EXACT 1: acc is the dot product, ACC_BITS signed; each element or its complement and one unit more.
// EXACT 0: smaller, without those units. With v = element - its type's least value and M = 2^A_BITS - 1, an element
// counts as v where its weight is +1, else as M - v: the count is the dot product and a constant of the row's weights.
// acc is the count less 2^(ACC_BITS-1), so that it reads as a signed number; ACC_BITS is at least
// ceil(log2(M * SIMD * SF + 1)). One-bit elements are counted by fs_popcount; wider ones three at a time, as two words
// of sums and carries.
// Element s sits at a[s*A_BITS +: A_BITS], weight s at w[s]. The sum follows LATENCY + DELAY cycles after them, see
// fs_accumulate for en, clear and acc. One beat a cycle.
//   LATENCY: EXACT 1: ceil(log2(SIMD)). EXACT 0: of fs_popcount, or 2 + ceil(log2(ceil(SIMD/3))).
`default_nettype none

module fs_dot_bipolar #(
    parameter int unsigned SIMD = 1,  // elements
    parameter int unsigned SF = 1,  // beats a vector
    parameter int unsigned A_BITS = 1,
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned EXACT = 1,
    parameter int unsigned DELAY = 0
) (
    input wire clk,
    input wire [SIMD*A_BITS-1:0] a,
    input wire [SIMD-1:0] w,
    input wire en,
    input wire clear,
    output wire [ACC_BITS-1:0] acc
);
  if (EXACT != 0) begin : g_exact
    wire [SIMD*(A_BITS+1)-1:0] term;
    for (genvar s = 0; s < SIMD; s++) begin : g_term
      wire [A_BITS-1:0] element = a[s*A_BITS+:A_BITS];
      assign term[s*(A_BITS+1)+:A_BITS+1] = {(A_SIGNED != 0) & element[A_BITS-1], element} ^ {(A_BITS + 1) {~w[s]}};
    end
    fs_accumulate #(
        .N(SIMD),
        .SF(SF),
        .IN_BITS(A_BITS + 1),
        .ACC_BITS(ACC_BITS),
        .CARRY(1),
        .DELAY(DELAY)
    ) u_sum (
        .clk(clk),
        .x(term),
        .c(~w),
        .en(en),
        .clear(clear),
        .acc(acc)
    );
  end else begin : g_count
    localparam int unsigned TERMS = A_BITS == 1 ? 1 : (SIMD + 2) / 3;
    localparam int unsigned TERM_BITS = A_BITS == 1 ? $clog2(SIMD + 1) : A_BITS + 2;
    wire [SIMD*A_BITS-1:0] v = a ^ {SIMD{A_BITS'(A_SIGNED != 0 ? 1 << (A_BITS - 1) : 0)}};
    wire [TERMS*TERM_BITS-1:0] term;
    wire [ACC_BITS-1:0] total;

    if (A_BITS == 1) begin : g_bits
      fs_popcount #(
          .N(SIMD)
      ) u_count (
          .clk(clk),
          .a(v),
          .b(w),
          .count(term)
      );
    end else begin : g_words
      for (genvar t = 0; t < TERMS; t++) begin : g_three
        localparam int unsigned N = 3 * t + 3 <= SIMD ? 3 : SIMD - 3 * t;
        logic [2:0][A_BITS-1:0] part;
        logic [A_BITS-1:0] sum_q;
        logic [A_BITS-1:0] carry_q;
        logic [A_BITS+1:0] total_q;
        for (genvar i = 0; i < 3; i++) begin : g_part
          if (i < N) begin : g_used
            assign part[i] = v[(3*t+i)*A_BITS+:A_BITS] ^ {A_BITS{~w[3*t+i]}};
          end else begin : g_unused
            assign part[i] = '0;
          end
        end
        always_ff @(posedge clk) begin
          sum_q   <= part[0] ^ part[1] ^ part[2];
          carry_q <= (part[0] & part[1]) | (part[0] & part[2]) | (part[1] & part[2]);
          total_q <= {2'b00, sum_q} + {1'b0, carry_q, 1'b0};
        end
        assign term[t*TERM_BITS+:TERM_BITS] = total_q;
      end
    end

    fs_accumulate #(
        .N(TERMS),
        .SF(SF),
        .IN_BITS(TERM_BITS),
        .SIGNED(0),
        .ACC_BITS(ACC_BITS),
        .DELAY(DELAY),
        .INIT(SF > 1 ? ACC_BITS'(1) << (ACC_BITS - 1) : '0)
    ) u_sum (
        .clk(clk),
        .x(term),
        .c('0),
        .en(en),
        .clear(clear),
        .acc(total)
    );
    assign acc = SF > 1 ? total : total ^ (ACC_BITS'(1) << (ACC_BITS - 1));
  end
endmodule

`default_nettype wire
