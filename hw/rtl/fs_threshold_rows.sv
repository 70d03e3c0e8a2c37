// Staircase activation of PE rows in step, ROWS of them in turn on one comparator and one memory.
//
// Does what fs_threshold does, where inputs come seldom: a unit searches the thresholds of its ROWS rows, a step of one
// row a cycle; PERIOD = max(ROWS, READ_LATENCY + 1) cycles later comes the same row's next step.
// Inputs come without backpressure, at least LEVELS * PERIOD cycles apart, for threshold sets 0, 1, ..., NF-1, 0, ...
// count[p*LEVELS +: LEVELS] follows x[p*ACC_BITS +: ACC_BITS] by (LEVELS-1) * PERIOD + ROWS + READ_LATENCY + 1 cycles
// and stands for one; x is signed.
// Unit u holds rows u*ROWS to u*ROWS + ROWS - 1. Its memory is the file <PREFIX>_u<uuu>.mem (three decimal digits) of
// NF * R * 2^LEVELS words, R the power of two from ROWS on; address (nf*R + row) * 2^LEVELS + node. Nodes are numbered
// as a heap: the root is 1, the sons of n are 2n (x < t) and 2n + 1 (x >= t). Other words are not read.
`default_nettype none

module fs_threshold_rows #(
    parameter int unsigned PE = 1,  // rows
    parameter int unsigned ROWS = 1,  // rows a unit
    parameter int unsigned NF = 1,  // threshold sets
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned LEVELS = 4,
    parameter int unsigned READ_LATENCY = 1,  // of the memories: 1 distributed, 2 block
    parameter STYLE = "distributed",
    parameter PREFIX = "thresh"
) (
    input wire clk,
    input wire rst_n,
    input wire s_valid,
    input wire [PE*ACC_BITS-1:0] x,
    output wire m_valid,
    output wire [PE*LEVELS-1:0] count
);
  localparam int unsigned UNITS = (PE + ROWS - 1) / ROWS;
  localparam int unsigned PERIOD = ROWS > READ_LATENCY + 1 ? ROWS : READ_LATENCY + 1;
  localparam int unsigned TAIL = PERIOD - READ_LATENCY;  // cycles from a decision to its use
  localparam int unsigned ROW_BITS = $clog2(ROWS);
  localparam int unsigned SLOT_BITS = $clog2(PERIOD);
  localparam int unsigned LEVEL_BITS = LEVELS > 1 ? $clog2(LEVELS) : 1;
  localparam int unsigned NF_BITS = NF > 1 ? $clog2(NF) : 1;
  localparam int unsigned DEPTH = NF << (ROW_BITS + LEVELS);
  localparam int unsigned ADDR_BITS = $clog2(DEPTH);

  // -- control: slots of a period, levels ---------------------------------------------------------

  logic busy_q;
  logic [SLOT_BITS-1:0] slot_q;
  logic [LEVEL_BITS-1:0] level_q;
  logic first_q;  // level 0
  logic [NF_BITS-1:0] nf_q;  // set of the input that is being searched
  logic [NF_BITS-1:0] next_nf_q;
  logic [READ_LATENCY:0] done_q;

  wire period_last = slot_q == SLOT_BITS'(PERIOD - 1);
  wire level_last = LEVELS == 1 || level_q == LEVEL_BITS'(LEVELS - 1);
  wire root = s_valid || (first_q && !period_last);  // the next step is of level 0
  wire row_last = slot_q == SLOT_BITS'(ROWS - 1);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      busy_q <= 1'b0;
      done_q <= '0;
      next_nf_q <= '0;
    end else begin
      busy_q <= s_valid || (busy_q && !(period_last && level_last));
      done_q <= {done_q[READ_LATENCY-1:0], busy_q && row_last && level_last};
      if (s_valid) next_nf_q <= next_nf_q == NF_BITS'(NF - 1) ? '0 : next_nf_q + 1'b1;
    end
  end
  always_ff @(posedge clk) begin
    if (s_valid) begin
      slot_q  <= '0;
      level_q <= '0;
      first_q <= 1'b1;
      nf_q    <= next_nf_q;
    end else begin
      slot_q <= period_last ? '0 : slot_q + 1'b1;
      if (period_last) begin
        level_q <= level_q + 1'b1;
        first_q <= 1'b0;
      end
    end
  end
  assign m_valid = done_q[READ_LATENCY];

  // -- units --------------------------------------------------------------------------------------

  for (genvar u = 0; u < UNITS; u++) begin : g_unit
    localparam int unsigned HERE = (u + 1) * ROWS <= PE ? ROWS : PE - u * ROWS;
    logic [HERE-1:0][ACC_BITS-1:0] x_q;
    logic [READ_LATENCY-1:0][ACC_BITS-1:0] cmp_x_q;
    logic [READ_LATENCY-1:0][LEVELS-1:0] cmp_node_q;
    logic [TAIL-1:0][LEVELS-1:0] node_q;  // decided
    logic [ROWS*LEVELS-1:0] count_q;
    wire [LEVELS-1:0] node = node_q[TAIL-1];  // straight from a register: logic here would grow into the memory
    wire [ACC_BITS-1:0] row_x;
    wire [ADDR_BITS-1:0] addr;
    wire [ACC_BITS-1:0] threshold;
    wire reached = signed'(cmp_x_q[READ_LATENCY-1]) >= signed'(threshold);
    wire [LEVELS:0] decided = {cmp_node_q[READ_LATENCY-1], reached};

    if (ROWS > 1) begin : g_rows
      wire [(1<<ROW_BITS)-1:0][ACC_BITS-1:0] all = ((ACC_BITS << ROW_BITS))'(x_q);
      assign row_x = all[slot_q[ROW_BITS-1:0]];
      assign addr  = ADDR_BITS'({nf_q, slot_q[ROW_BITS-1:0], node});
    end else begin : g_row
      assign row_x = x_q;
      assign addr  = ADDR_BITS'({nf_q, node});
    end

    always_ff @(posedge clk) begin
      if (s_valid) x_q <= x[u*ROWS*ACC_BITS+:HERE*ACC_BITS];
      cmp_x_q[0] <= row_x;
      cmp_node_q[0] <= node;
      for (int unsigned i = 1; i < READ_LATENCY; i++) begin
        cmp_x_q[i] <= cmp_x_q[i-1];
        cmp_node_q[i] <= cmp_node_q[i-1];
      end
      node_q[0] <= decided[LEVELS-1:0];
      for (int unsigned i = 1; i < TAIL; i++) node_q[i] <= node_q[i-1];
      if (root) node_q[TAIL-1] <= LEVELS'(1);
      // the last one comes in on top: at the end, row 0 lies at the bottom
      count_q <= (ROWS * LEVELS)'({decided[LEVELS-1:0], count_q} >> LEVELS);
    end

    fs_rom #(
        .WIDTH(ACC_BITS),
        .DEPTH(DEPTH),
        .LATENCY(READ_LATENCY),
        .STYLE(STYLE),
        .FILE({PREFIX, "_u", 8'(48 + u / 100 % 10), 8'(48 + u / 10 % 10), 8'(48 + u % 10), ".mem"})
    ) u_rom (
        .clk  (clk),
        .addr (addr),
        .rdata(threshold)
    );
    assign count[u*ROWS*LEVELS+:HERE*LEVELS] = count_q[HERE*LEVELS-1:0];
    wire unused = &{1'b0, decided, count_q};
  end
endmodule

`default_nettype wire
