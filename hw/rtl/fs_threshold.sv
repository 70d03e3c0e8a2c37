// Staircase activation: counts, for PE rows in step, the thresholds t with x >= t.
//
// A binary search over 2^LEVELS - 1 ascending thresholds a row. Inputs come without backpressure, at least SF cycles
// apart, for the threshold sets nf = 0, 1, ..., NF-1, 0, ... in turn. The levels are cut into stages (see
// fs_threshold_stage): each does max(1, SF / (READ_LATENCY + 1)) levels, the last one what is left; a stage shares one
// comparator and one memory a row over its levels where SF >= READ_LATENCY + 1, else it takes an input a cycle.
// count[p*LEVELS +: LEVELS] follows LEVELS * (READ_LATENCY + 1) cycles after x[p*ACC_BITS +: ACC_BITS] (signed).
`default_nettype none

module fs_threshold #(
    parameter int unsigned PE = 1,  // rows
    parameter int unsigned NF = 1,  // threshold sets
    parameter int unsigned SF = 1,  // least cycles between inputs
    parameter int unsigned ACC_BITS = 16,
    parameter int unsigned LEVELS = 4,
    parameter int unsigned READ_LATENCY = 1,  // of the memories: 1 distributed, 2 block
    parameter STYLE = "auto",
    parameter PREFIX = "thresh"
) (
    input wire clk,
    input wire rst_n,
    input wire s_valid,
    input wire [PE*ACC_BITS-1:0] x,
    output wire m_valid,
    output wire [PE*LEVELS-1:0] count
);
  localparam int unsigned LATENCY = READ_LATENCY + 1;
  localparam int unsigned SHARED = SF >= LATENCY ? 1 : 0;
  localparam int unsigned PER_STAGE = SF >= LATENCY ? SF / LATENCY : 1;  // levels
  localparam int unsigned STAGES = (LEVELS + PER_STAGE - 1) / PER_STAGE;
  localparam int unsigned NF_BITS = NF > 1 ? $clog2(NF) : 1;

  wire [NF_BITS-1:0] nf;
  if (NF > 1) begin : g_nf
    logic [NF_BITS-1:0] nf_q;
    always_ff @(posedge clk) begin
      if (!rst_n) nf_q <= '0;
      else if (s_valid) nf_q <= nf_q == NF_BITS'(NF - 1) ? '0 : nf_q + 1'b1;
    end
    assign nf = nf_q;
  end else begin : g_one_set
    assign nf = '0;
  end

  for (genvar i = 0; i < STAGES; i++) begin : g_stage
    localparam int unsigned LEVEL = i * PER_STAGE;
    localparam int unsigned COUNT = LEVEL + PER_STAGE <= LEVELS ? PER_STAGE : LEVELS - LEVEL;
    wire in_valid;
    wire [PE*ACC_BITS-1:0] in_x;
    wire [NF_BITS-1:0] in_nf;
    wire [PE*(LEVEL+1)-1:0] in_node;
    wire out_valid;
    wire [PE*ACC_BITS-1:0] out_x;
    wire [NF_BITS-1:0] out_nf;
    wire [PE*(LEVEL+COUNT+1)-1:0] out_node;
    if (i == 0) begin : g_first
      assign in_valid = s_valid;
      assign in_x = x;
      assign in_nf = nf;
      assign in_node = {PE{1'b1}};  // the root
    end else begin : g_next
      assign in_valid = g_stage[i-1].out_valid;
      assign in_x = g_stage[i-1].out_x;
      assign in_nf = g_stage[i-1].out_nf;
      assign in_node = g_stage[i-1].out_node;
    end
    fs_threshold_stage #(
        .PE(PE),
        .NF(NF),
        .ACC_BITS(ACC_BITS),
        .LEVEL(LEVEL),
        .COUNT(COUNT),
        .SHARED(SHARED),
        .READ_LATENCY(READ_LATENCY),
        .INDEX(i),
        .STYLE(STYLE),
        .PREFIX(PREFIX)
    ) u_stage (
        .clk(clk),
        .rst_n(rst_n),
        .s_valid(in_valid),
        .s_x(in_x),
        .s_nf(in_nf),
        .s_node(in_node),
        .m_valid(out_valid),
        .m_x(out_x),
        .m_nf(out_nf),
        .m_node(out_node)
    );
  end

  assign m_valid = g_stage[STAGES-1].out_valid;
  for (genvar p = 0; p < PE; p++) begin : g_count
    // below the leading one, the node holds the decisions, the first in the high bit
    assign count[p*LEVELS+:LEVELS] = g_stage[STAGES-1].out_node[p*(LEVELS+1)+:LEVELS];
  end
  wire unused = &{1'b0, g_stage[STAGES-1].out_x, g_stage[STAGES-1].out_nf, g_stage[STAGES-1].out_node};
endmodule

`default_nettype wire
