// Staircase activation of PE elements in step, for pipelines that stop: nothing changes while `move` is low.
//
// code = O_BASE + number of thresholds t with x >= t, in O_BITS bits. Beats come for the threshold sets 0, 1, ...,
// SETS - 1, 0, ... in turn (the channel folds of a map).
//   SHARED 1: one staircase for all rows and sets (SETS is 1); files <PREFIX>...
//   SHARED 0: a staircase a row and set; the files of row p are <PREFIX>_p<ppp>... (three decimal digits)
//   TABLE 1: a memory of codes, <...>.mem, SETS * 2^X_BITS words of O_BITS: address {set, x}. Latency 1 move up to 256
//            words, 2 beyond.
//   TABLE 0: binary search over 2^LEVELS - 1 ascending thresholds, LEVELS = bits of STEPS, those after the first STEPS
//            never reached. Level l has the memory <...>_l<l>.mem, SETS * 2^l words of T_BITS (signed), address
//            {set, decisions of the levels before, the first highest}; the word is the threshold in the middle of
//            what is left. A level takes 1 move up to 64 words, 2 up to 256, 3 beyond.
// T_BITS holds x and every threshold as signed numbers.
`default_nettype none

module fs_steps #(
    parameter int unsigned PE = 1,  // rows
    parameter int unsigned SETS = 1,  // threshold sets
    parameter int unsigned SHARED = 0,
    parameter int unsigned X_BITS = 8,
    parameter int unsigned X_SIGNED = 1,
    parameter int unsigned T_BITS = 9,
    parameter int unsigned STEPS = 15,
    parameter int unsigned TABLE = 0,
    parameter int unsigned O_BITS = 4,
    parameter int O_BASE = 0,
    parameter PREFIX = "steps"
) (
    input wire clk,
    input wire rst_n,
    input wire move,
    input wire s_valid,
    input wire [PE*X_BITS-1:0] x,
    output wire m_valid,
    output wire [PE*O_BITS-1:0] code
);
  localparam int unsigned LEVELS = $clog2(STEPS + 1);
  localparam int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1;

  if (PE < 1 || SETS < 1 || STEPS < 1 || X_BITS < 1 || (SHARED != 0 && SETS != 1)) begin : g_bad_size
    $error("fs_steps: PE, SETS, STEPS and X_BITS are at least 1; a shared staircase is one set");
  end
  if (TABLE == 0 && T_BITS < X_BITS + (X_SIGNED != 0 ? 0 : 1)) begin : g_bad_width
    $error("fs_steps: T_BITS must hold x as a signed number");
  end

  wire [SET_BITS-1:0] set;
  if (SETS > 1) begin : g_set
    logic [SET_BITS-1:0] set_q;
    always_ff @(posedge clk) begin
      if (!rst_n) set_q <= '0;
      else if (move && s_valid) set_q <= set_q == SET_BITS'(SETS - 1) ? '0 : set_q + 1'b1;
    end
    assign set = set_q;
  end else begin : g_one_set
    assign set = '0;
  end

  if (TABLE != 0) begin : g_table
    localparam int unsigned DEPTH = SETS << X_BITS;
    localparam int unsigned LATENCY = DEPTH <= 256 ? 1 : 2;
    logic [LATENCY-1:0] valid_q;
    always_ff @(posedge clk) begin
      if (!rst_n) valid_q <= '0;
      else if (move) valid_q <= LATENCY'({valid_q, s_valid});
    end
    assign m_valid = valid_q[LATENCY-1];
    for (genvar p = 0; p < PE; p++) begin : g_row
      wire [SET_BITS+X_BITS-1:0] addr = {set, x[p*X_BITS+:X_BITS]};
      if (SHARED != 0) begin : g_shared
        fs_rom_hold #(
            .WIDTH(O_BITS),
            .DEPTH(DEPTH),
            .LATENCY(LATENCY),
            .FILE({PREFIX, ".mem"})
        ) u_rom (
            .clk,
            .move,
            .addr (addr[$clog2(DEPTH)-1:0]),
            .rdata(code[p*O_BITS+:O_BITS])
        );
      end else begin : g_own
        fs_rom_hold #(
            .WIDTH(O_BITS),
            .DEPTH(DEPTH),
            .LATENCY(LATENCY),
            .FILE({PREFIX, "_p", 8'(48 + p / 100 % 10), 8'(48 + p / 10 % 10), 8'(48 + p % 10), ".mem"})
        ) u_rom (
            .clk,
            .move,
            .addr (addr[$clog2(DEPTH)-1:0]),
            .rdata(code[p*O_BITS+:O_BITS])
        );
      end
      wire unused = &{1'b0, addr};
    end
  end else begin : g_search
    for (genvar i = 0; i < LEVELS; i++) begin : g_level
      wire in_valid;
      wire [SET_BITS-1:0] in_set;
      wire [PE*X_BITS-1:0] in_x;
      wire [PE*(i+1)-1:0] in_node;  // a zero, then the decisions so far
      wire out_valid;
      wire [SET_BITS-1:0] out_set;
      wire [PE*X_BITS-1:0] out_x;
      wire [PE*(i+2)-1:0] out_node;
      if (i == 0) begin : g_first
        assign in_valid = s_valid;
        assign in_set = set;
        assign in_x = x;
        assign in_node = '0;
      end else begin : g_next
        assign in_valid = g_level[i-1].out_valid;
        assign in_set = g_level[i-1].out_set;
        assign in_x = g_level[i-1].out_x;
        assign in_node = g_level[i-1].out_node;
      end
      fs_steps_level #(
          .PE(PE),
          .SETS(SETS),
          .SHARED(SHARED),
          .X_BITS(X_BITS),
          .X_SIGNED(X_SIGNED),
          .T_BITS(T_BITS),
          .LEVEL(i),
          .PREFIX(PREFIX)
      ) u_level (
          .clk,
          .rst_n,
          .move,
          .s_valid(in_valid),
          .s_set(in_set),
          .s_x(in_x),
          .s_node(in_node),
          .m_valid(out_valid),
          .m_set(out_set),
          .m_x(out_x),
          .m_node(out_node)
      );
    end
    assign m_valid = g_level[LEVELS-1].out_valid;
    for (genvar p = 0; p < PE; p++) begin : g_code
      wire [LEVELS-1:0] count = g_level[LEVELS-1].out_node[p*(LEVELS+1)+:LEVELS];
      assign code[p*O_BITS+:O_BITS] = O_BITS'(O_BASE) + O_BITS'(count);
    end
    wire unused = &{1'b0, g_level[LEVELS-1].out_x, g_level[LEVELS-1].out_set, g_level[LEVELS-1].out_node};
  end
endmodule

`default_nettype wire
