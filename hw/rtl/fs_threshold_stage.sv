// A few levels of the binary search of fs_threshold, for PE rows in step.
//
// Compares x with the threshold of its search node and goes to the node's left (x < t) or right (x >= t) son, for
// COUNT levels from LEVEL on; the output follows COUNT * (READ_LATENCY + 1) cycles after the input.
//   SHARED 1: one comparator and one memory a row do all COUNT levels, one after the other; inputs come at least
//             COUNT * (READ_LATENCY + 1) cycles apart.
//   SHARED 0: COUNT is 1 and an input may come every cycle.
// Nodes are numbered as a heap: the root is 1, the sons of n are 2n and 2n + 1; a node of level l has l + 1 bits.
// The memory of row p is the file <PREFIX>_p<ppp>_s<INDEX>.mem (ppp: three decimal digits):
//   COUNT 1: NF * 2^LEVEL words, address nf * 2^LEVEL + (node - 2^LEVEL).
//   COUNT > 1: NF * 2^(LEVEL+COUNT) words, address nf * 2^(LEVEL+COUNT) + node; the other words are not read.
`default_nettype none

module fs_threshold_stage #(
    parameter int unsigned PE = 1,  // rows
    parameter int unsigned NF = 1,  // threshold sets
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned LEVEL = 0,  // levels already done
    parameter int unsigned COUNT = 1,  // levels done here
    parameter int unsigned SHARED = 0,
    parameter int unsigned READ_LATENCY = 1,  // cycles, 1 or 2
    parameter int unsigned INDEX = 0,  // of the stage, 0 to 9
    parameter STYLE = "auto",
    parameter PREFIX = "thresh",
    localparam int unsigned NF_BITS = NF > 1 ? $clog2(NF) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire s_valid,
    input wire [PE*ACC_BITS-1:0] s_x,
    input wire [NF_BITS-1:0] s_nf,
    input wire [PE*(LEVEL+1)-1:0] s_node,
    output wire m_valid,
    output wire [PE*ACC_BITS-1:0] m_x,
    output wire [NF_BITS-1:0] m_nf,
    output wire [PE*(LEVEL+COUNT+1)-1:0] m_node
);
  localparam int unsigned LATENCY = READ_LATENCY + 1;
  localparam int unsigned STEPS = COUNT * LATENCY;
  localparam int unsigned LAST_BITS = LEVEL + COUNT;  // bits of a node of the last level here
  localparam int unsigned PATH_BITS = COUNT > 1 ? LAST_BITS : LEVEL;  // node bits in the address
  localparam int unsigned DEPTH = NF << PATH_BITS;
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  if (SHARED == 0 && COUNT != 1) begin : g_bad_count
    $error("fs_threshold_stage: several levels need SHARED");
  end

  logic [STEPS-1:0] valid_q;  // one bit a cycle in flight
  always_ff @(posedge clk) begin
    if (!rst_n) valid_q <= '0;
    else valid_q <= (STEPS'(valid_q) << 1) | STEPS'(s_valid);
  end
  assign m_valid = valid_q[STEPS-1];

  // what the memory is addressed with, and what is compared with its answer
  logic [NF_BITS-1:0] nf_q;
  logic [PE*ACC_BITS-1:0] x_q;
  logic [PE*LAST_BITS-1:0] node_q;
  wire [NF_BITS-1:0] cmp_nf;
  wire [PE*ACC_BITS-1:0] cmp_x;
  wire [PE*LAST_BITS-1:0] cmp_node;

  if (SHARED != 0) begin : g_hold
    // a decision at the end of each level but the last, which leaves with the output
    logic turn;
    if (COUNT > 1) begin : g_turn
      always_comb begin
        turn = 1'b0;
        for (int unsigned i = 1; i < COUNT; i++) turn = turn | valid_q[i*LATENCY-1];
      end
    end else begin : g_no_turn
      assign turn = 1'b0;
    end
    always_ff @(posedge clk) begin
      if (s_valid) begin
        nf_q <= s_nf;
        x_q  <= s_x;
      end
      for (int unsigned p = 0; p < PE; p++) begin
        if (s_valid) node_q[p*LAST_BITS+:LAST_BITS] <= LAST_BITS'(s_node[p*(LEVEL+1)+:LEVEL+1]);
        else if (turn) node_q[p*LAST_BITS+:LAST_BITS] <= LAST_BITS'(m_node[p*(LAST_BITS+1)+:LAST_BITS+1]);
      end
    end
    assign cmp_nf = nf_q;
    assign cmp_x = x_q;
    assign cmp_node = node_q;
  end else begin : g_flow
    // delays as long as the memory's
    logic [READ_LATENCY-1:0][NF_BITS-1:0] nf_pipe_q;
    logic [READ_LATENCY-1:0][PE*ACC_BITS-1:0] x_pipe_q;
    logic [READ_LATENCY-1:0][PE*LAST_BITS-1:0] node_pipe_q;
    always_ff @(posedge clk) begin
      nf_q <= s_nf;
      x_q <= s_x;
      node_q <= s_node;
      nf_pipe_q[0] <= nf_q;
      x_pipe_q[0] <= x_q;
      node_pipe_q[0] <= node_q;
      for (int unsigned i = 1; i < READ_LATENCY; i++) begin
        nf_pipe_q[i] <= nf_pipe_q[i-1];
        x_pipe_q[i] <= x_pipe_q[i-1];
        node_pipe_q[i] <= node_pipe_q[i-1];
      end
    end
    assign cmp_nf = nf_pipe_q[READ_LATENCY-1];
    assign cmp_x = x_pipe_q[READ_LATENCY-1];
    assign cmp_node = node_pipe_q[READ_LATENCY-1];
  end

  assign m_nf = cmp_nf;
  assign m_x  = cmp_x;

  for (genvar p = 0; p < PE; p++) begin : g_row
    wire [LAST_BITS-1:0] node = node_q[p*LAST_BITS+:LAST_BITS];
    wire [ADDR_BITS-1:0] addr;
    wire [ACC_BITS-1:0] threshold;
    if (PATH_BITS == 0) begin : g_root
      assign addr = ADDR_BITS'(nf_q);
      wire unused = &{1'b0, node};
    end else begin : g_path
      assign addr = ADDR_BITS'({nf_q, node[PATH_BITS-1:0]});
      wire unused = &{1'b0, node};
    end
    fs_rom #(
        .WIDTH(ACC_BITS),
        .DEPTH(DEPTH),
        .LATENCY(READ_LATENCY),
        .STYLE(STYLE),
        .FILE({
          PREFIX, "_p", 8'(48 + p / 100 % 10), 8'(48 + p / 10 % 10), 8'(48 + p % 10), "_s", 8'(48 + INDEX), ".mem"
        })
    ) u_rom (
        .clk  (clk),
        .addr (addr),
        .rdata(threshold)
    );
    wire reached = signed'(cmp_x[p*ACC_BITS+:ACC_BITS]) >= signed'(threshold);
    assign m_node[p*(LAST_BITS+1)+:LAST_BITS+1] = {cmp_node[p*LAST_BITS+:LAST_BITS], reached};
  end
endmodule

`default_nettype wire
