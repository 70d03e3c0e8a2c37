// Number of places where two vectors of N bits are equal, as a tree of LUT-sized compressors.
//
// Three places make a count of two bits, six such counts (eighteen places) one of five bits: two LUTs for three places
// and ten more for eighteen. Counts of eighteens are summed by fs_adder_tree.
// Functions of six bits are written as tables: as expressions, tools split them.
// Latency 1 cycle for N <= 3, else 3 + ceil(log2(ceil(N/18))); a count a cycle.
`default_nettype none

module fs_popcount #(
    parameter int unsigned N = 18,  // places
    localparam int unsigned COUNT_BITS = $clog2(N + 1)
) (
    input wire clk,
    input wire [N-1:0] a,
    input wire [N-1:0] b,
    output wire [COUNT_BITS-1:0] count
);
  localparam int unsigned TRIPLES = (N + 2) / 3;
  localparam int unsigned GROUPS = (TRIPLES + 5) / 6;

  function automatic int unsigned ones(input logic [5:0] x);
    ones = 0;
    for (int unsigned i = 0; i < 6; i++) ones += 32'(x[i]);
  endfunction
  // equal places of two vectors of three: the low bit of their number and the high one
  function automatic logic [63:0] equal_table(input int unsigned place);
    for (int unsigned i = 0; i < 64; i++) equal_table[i] = 1'((3 - ones({3'b0, 3'(i) ^ 3'(i >> 3)})) >> place);
  endfunction
  // ones among six bits, one of the three bits of their number
  function automatic logic [63:0] ones_table(input int unsigned place);
    for (int unsigned i = 0; i < 64; i++) ones_table[i] = 1'(ones(6'(i)) >> place);
  endfunction
  // x + 2y of two numbers of three bits
  function automatic logic [63:0] sum_table(input int unsigned place);
    for (int unsigned i = 0; i < 64; i++) sum_table[i] = 1'(((i & 7) + ((i >> 3) << 1)) >> place);
  endfunction

  // filled up with places that are not equal
  wire [3*TRIPLES-1:0] left = (3 * TRIPLES)'(a);
  wire [3*TRIPLES-1:0] right = (3 * TRIPLES)'(b) | ~(3 * TRIPLES)'({N{1'b1}});

  logic [6*GROUPS-1:0] low_q;  // of each three
  logic [6*GROUPS-1:0] high_q;
  for (genvar i = 0; i < 6 * GROUPS; i++) begin : g_three
    if (i < TRIPLES) begin : g_used
      localparam logic [63:0] LOW = equal_table(0);
      localparam logic [63:0] HIGH = equal_table(1);
      always_ff @(posedge clk) begin
        low_q[i]  <= LOW[{left[3*i+:3], right[3*i+:3]}];
        high_q[i] <= HIGH[{left[3*i+:3], right[3*i+:3]}];
      end
    end else begin : g_unused
      assign low_q[i]  = 1'b0;
      assign high_q[i] = 1'b0;
    end
  end

  if (TRIPLES == 1) begin : g_small
    wire [1:0] total = {high_q[0], low_q[0]};
    assign count = total[COUNT_BITS-1:0];
    wire unused = &{1'b0, total, low_q, high_q};
  end else begin : g_groups
    wire [5*GROUPS-1:0] part;
    wire carry;
    for (genvar g = 0; g < GROUPS; g++) begin : g_group
      logic [2:0] low3_q;
      logic [2:0] high3_q;
      logic [4:0] sum_q;
      for (genvar i = 0; i < 3; i++) begin : g_ones
        localparam logic [63:0] ONES = ones_table(i);
        always_ff @(posedge clk) begin
          low3_q[i]  <= ONES[low_q[6*g+:6]];
          high3_q[i] <= ONES[high_q[6*g+:6]];
        end
      end
      for (genvar i = 0; i < 5; i++) begin : g_sum
        localparam logic [63:0] SUM = sum_table(i);
        always_ff @(posedge clk) sum_q[i] <= SUM[{high3_q, low3_q}];
      end
      assign part[5*g+:5] = sum_q;
    end
    fs_adder_tree #(
        .N(GROUPS),
        .IN_BITS(5),
        .SIGNED(0),
        .OUT_BITS(COUNT_BITS)
    ) u_tree (
        .clk(clk),
        .x(part),
        .c('0),
        .sum(count),
        .carry(carry)
    );
    wire unused = &{1'b0, carry};
  end
endmodule

`default_nettype wire
