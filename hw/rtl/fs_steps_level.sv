// One level of the binary search of fs_steps, for PE rows in step; nothing changes while `move` is low.
//
// Compares x with the threshold that the decisions so far (s_node: a zero, then LEVEL bits) lead to, and adds its own
// decision: x >= t. Latency in moves: 1 where the memory is up to 64 words deep, 2 up to 256, 3 beyond.
`default_nettype none

module fs_steps_level #(
    parameter int unsigned PE = 1,  // rows
    parameter int unsigned SETS = 1,  // threshold sets
    parameter int unsigned SHARED = 0,
    parameter int unsigned X_BITS = 8,
    parameter int unsigned X_SIGNED = 1,
    parameter int unsigned T_BITS = 9,
    parameter int unsigned LEVEL = 0,  // levels before, 0 to 9
    parameter PREFIX = "steps",
    localparam int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire move,
    input wire s_valid,
    input wire [SET_BITS-1:0] s_set,
    input wire [PE*X_BITS-1:0] s_x,
    input wire [PE*(LEVEL+1)-1:0] s_node,
    output wire m_valid,
    output wire [SET_BITS-1:0] m_set,
    output wire [PE*X_BITS-1:0] m_x,
    output wire [PE*(LEVEL+2)-1:0] m_node
);
  localparam int unsigned DEPTH = SETS << LEVEL;
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned READ = DEPTH <= 64 ? 0 : DEPTH <= 256 ? 1 : 2;  // moves of the memory

  // what is compared, in step with the memory's answer
  logic [READ:0] valid_q;
  wire [SET_BITS-1:0] cmp_set;
  wire [PE*X_BITS-1:0] cmp_x;
  wire [PE*(LEVEL+1)-1:0] cmp_node;
  if (READ == 0) begin : g_now
    assign cmp_set = s_set;
    assign cmp_x = s_x;
    assign cmp_node = s_node;
    always_ff @(posedge clk) begin
      if (!rst_n) valid_q <= '0;
      else if (move) valid_q <= s_valid;
    end
  end else begin : g_later
    logic [READ-1:0][SET_BITS-1:0] set_pipe_q;
    logic [READ-1:0][PE*X_BITS-1:0] x_pipe_q;
    logic [READ-1:0][PE*(LEVEL+1)-1:0] node_pipe_q;
    always_ff @(posedge clk) begin
      if (move) begin
        set_pipe_q[0] <= s_set;
        x_pipe_q[0] <= s_x;
        node_pipe_q[0] <= s_node;
        for (int unsigned i = 1; i < READ; i++) begin
          set_pipe_q[i] <= set_pipe_q[i-1];
          x_pipe_q[i] <= x_pipe_q[i-1];
          node_pipe_q[i] <= node_pipe_q[i-1];
        end
      end
    end
    always_ff @(posedge clk) begin
      if (!rst_n) valid_q <= '0;
      else if (move) valid_q <= {valid_q[READ-1:0], s_valid};
    end
    assign cmp_set = set_pipe_q[READ-1];
    assign cmp_x = x_pipe_q[READ-1];
    assign cmp_node = node_pipe_q[READ-1];
  end

  logic [SET_BITS-1:0] set_q;
  logic [PE*X_BITS-1:0] x_q;
  logic [PE*(LEVEL+2)-1:0] node_q;
  wire [PE*(LEVEL+2)-1:0] node_d;

  always_ff @(posedge clk) begin
    if (move) begin
      set_q <= cmp_set;
      x_q <= cmp_x;
      node_q <= node_d;
    end
  end

  assign m_valid = valid_q[READ];
  assign m_set = set_q;
  assign m_x = x_q;
  assign m_node = node_q;

  for (genvar p = 0; p < PE; p++) begin : g_row
    wire [SET_BITS+LEVEL:0] place = {s_set, s_node[p*(LEVEL+1)+:LEVEL+1]};
    wire [SET_BITS+LEVEL-1:0] packed_place;
    wire [ADDR_BITS-1:0] addr;
    wire signed [T_BITS-1:0] value;
    wire signed [T_BITS-1:0] threshold;
    if (LEVEL > 0) begin : g_path
      assign packed_place = {s_set, s_node[p*(LEVEL+1)+:LEVEL]};
    end else begin : g_root
      assign packed_place = s_set;
    end
    if (SETS > 1) begin : g_sets
      assign addr = packed_place[ADDR_BITS-1:0];
    end else begin : g_one_set
      assign addr = ADDR_BITS'(s_node[p*(LEVEL+1)+:LEVEL+1]);
    end
    wire unused = &{1'b0, place, packed_place};
    if (X_SIGNED != 0) begin : g_signed
      assign value = T_BITS'($signed(cmp_x[p*X_BITS+:X_BITS]));
    end else begin : g_unsigned
      assign value = T_BITS'(cmp_x[p*X_BITS+:X_BITS]);
    end
    if (SHARED != 0) begin : g_shared
      fs_rom_hold #(
          .WIDTH(T_BITS),
          .DEPTH(DEPTH),
          .LATENCY(READ),
          .FILE({PREFIX, "_l", 8'(48 + LEVEL), ".mem"})
      ) u_rom (
          .clk,
          .move,
          .addr,
          .rdata(threshold)
      );
    end else begin : g_own
      fs_rom_hold #(
          .WIDTH(T_BITS),
          .DEPTH(DEPTH),
          .LATENCY(READ),
          .FILE({
            PREFIX, "_p", 8'(48 + p / 100 % 10), 8'(48 + p / 10 % 10), 8'(48 + p % 10), "_l", 8'(48 + LEVEL), ".mem"
          })
      ) u_rom (
          .clk,
          .move,
          .addr,
          .rdata(threshold)
      );
    end
    assign node_d[p*(LEVEL+2)+:LEVEL+2] = {cmp_node[p*(LEVEL+1)+:LEVEL+1], value >= threshold};
  end
endmodule

`default_nettype wire
