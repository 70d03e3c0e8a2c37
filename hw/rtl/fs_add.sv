// Weighted sum of two streams, element by element, then an optional staircase.
//
// In: input 0 (low bits) PE elements of A_BITS a beat, input 1 PE elements of B_BITS; a beat of both is taken
// together. acc = MUL_A * a + MUL_B * b, signed in ACC_BITS. Out: STEPS = 0: acc, O_BITS = ACC_BITS; else the code of a
// staircase (see fs_steps for it, its parameters and memory images; SETS * PE channels where it is not SHARED).
//   PAIR 1: no sum; the staircase's table (TABLE = 1) has the address {b, a} instead of acc.
// One beat a cycle. Latency: 2 cycles and that of fs_steps, without PAIR one more. No path from m_axis_tready to
// s_axis_tready; s_axis_tready of one input depends on s_axis_tvalid of the other.
`default_nettype none

module fs_add #(
    parameter int unsigned PE = 1,  // elements a beat
    parameter int unsigned A_BITS = 4,
    parameter int unsigned A_SIGNED = 0,
    parameter int unsigned B_BITS = 4,
    parameter int unsigned B_SIGNED = 0,
    parameter int MUL_A = 1,
    parameter int MUL_B = 1,
    parameter int unsigned ACC_BITS = 6,
    parameter int unsigned PAIR = 0,
    parameter int unsigned SETS = 1,  // threshold sets
    parameter int unsigned SHARED = 1,
    parameter int unsigned STEPS = 0,
    parameter int unsigned TABLE = 0,
    parameter int unsigned O_BITS = 6,
    parameter int O_BASE = 0,
    parameter PREFIX = "steps"
) (
    input wire clk,
    input wire rst_n,

    input wire [PE*(A_BITS+B_BITS)-1:0] s_axis_tdata,
    input wire [1:0] s_axis_tvalid,
    output wire [1:0] s_axis_tready,

    output wire [PE*O_BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (MUL_A == 0 || MUL_B == 0) begin : g_bad_multiplier
    $error("fs_add: multipliers are not zero");
  end
  if (STEPS == 0 && O_BITS != ACC_BITS) begin : g_bad_out
    $error("fs_add: without a staircase O_BITS is ACC_BITS");
  end
  if (PAIR != 0 && (STEPS == 0 || TABLE == 0)) begin : g_bad_pair
    $error("fs_add: PAIR needs a table");
  end

  localparam int unsigned X_BITS = PAIR != 0 ? A_BITS + B_BITS : ACC_BITS;

  // Multipliers as sums and differences of shifts (non-adjacent form): no tool makes a multiplier of them.
  localparam logic [31:0] SIZE_A = MUL_A < 0 ? 32'(-MUL_A) : 32'(MUL_A);
  localparam logic [31:0] SIZE_B = MUL_B < 0 ? 32'(-MUL_B) : 32'(MUL_B);
  localparam logic [33:0] TRIPLE_A = {2'b0, SIZE_A} + {1'b0, SIZE_A, 1'b0};
  localparam logic [33:0] TRIPLE_B = {2'b0, SIZE_B} + {1'b0, SIZE_B, 1'b0};
  localparam logic [33:0] MORE_A = (TRIPLE_A & ~{2'b0, SIZE_A}) >> 1;
  localparam logic [33:0] MORE_B = (TRIPLE_B & ~{2'b0, SIZE_B}) >> 1;
  localparam logic [33:0] LESS_A = ({2'b0, SIZE_A} & ~TRIPLE_A) >> 1;
  localparam logic [33:0] LESS_B = ({2'b0, SIZE_B} & ~TRIPLE_B) >> 1;
  localparam logic [33:0] PLUS_A = MUL_A < 0 ? LESS_A : MORE_A;
  localparam logic [33:0] PLUS_B = MUL_B < 0 ? LESS_B : MORE_B;
  localparam logic [33:0] MINUS_A = MUL_A < 0 ? MORE_A : LESS_A;
  localparam logic [33:0] MINUS_B = MUL_B < 0 ? MORE_B : LESS_B;

  function automatic logic [ACC_BITS-1:0] weighted(input logic [ACC_BITS-1:0] a, input logic [ACC_BITS-1:0] b);
    weighted = '0;
    for (int unsigned i = 0; i < 34; i++) begin
      if (PLUS_A[i]) weighted = weighted + (a << i);
      if (PLUS_B[i]) weighted = weighted + (b << i);
    end
    for (int unsigned i = 0; i < 34; i++) begin
      if (MINUS_A[i]) weighted = weighted - (a << i);
      if (MINUS_B[i]) weighted = weighted - (b << i);
    end
  endfunction

  wire move;
  wire both = &s_axis_tvalid;
  assign s_axis_tready = {2{both && move}};

  wire [PE*X_BITS-1:0] x;
  wire x_valid;

  if (PAIR != 0) begin : g_pair
    assign x_valid = both;
    for (genvar p = 0; p < PE; p++) begin : g_row
      assign x[p*X_BITS+:X_BITS] = {s_axis_tdata[PE*A_BITS+p*B_BITS+:B_BITS], s_axis_tdata[p*A_BITS+:A_BITS]};
    end
  end else begin : g_sum
    logic [PE*ACC_BITS-1:0] acc_q;
    logic valid_q;
    for (genvar p = 0; p < PE; p++) begin : g_row
      wire [ACC_BITS-1:0] a;
      wire [ACC_BITS-1:0] b;
      if (A_SIGNED != 0) begin : g_signed_a
        assign a = ACC_BITS'($signed(s_axis_tdata[p*A_BITS+:A_BITS]));
      end else begin : g_unsigned_a
        assign a = ACC_BITS'(s_axis_tdata[p*A_BITS+:A_BITS]);
      end
      if (B_SIGNED != 0) begin : g_signed_b
        assign b = ACC_BITS'($signed(s_axis_tdata[PE*A_BITS+p*B_BITS+:B_BITS]));
      end else begin : g_unsigned_b
        assign b = ACC_BITS'(s_axis_tdata[PE*A_BITS+p*B_BITS+:B_BITS]);
      end
      always_ff @(posedge clk) begin
        if (move) acc_q[p*ACC_BITS+:ACC_BITS] <= weighted(a, b);
      end
    end
    always_ff @(posedge clk) begin
      if (!rst_n) valid_q <= 1'b0;
      else if (move) valid_q <= both;
    end
    assign x = acc_q;
    assign x_valid = valid_q;
  end

  wire [PE*O_BITS-1:0] code;
  wire code_valid;

  if (STEPS == 0) begin : g_plain
    assign code = x;
    assign code_valid = x_valid;
  end else begin : g_steps
    fs_steps #(
        .PE(PE),
        .SETS(SETS),
        .SHARED(SHARED),
        .X_BITS(X_BITS),
        .X_SIGNED(1),
        .T_BITS(ACC_BITS),
        .STEPS(STEPS),
        .TABLE(TABLE),
        .O_BITS(O_BITS),
        .O_BASE(O_BASE),
        .PREFIX(PREFIX)
    ) u_steps (
        .clk,
        .rst_n,
        .move,
        .s_valid(x_valid),
        .x,
        .m_valid(code_valid),
        .code
    );
  end

  fs_skid #(
      .WIDTH(PE * O_BITS)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata (code),
      .s_axis_tvalid(code_valid),
      .s_axis_tready(move),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
