// Model of what a stream module must do: a queue of elements, the oldest in the low bits.
//
// push appends IN_ELEMENTS elements, pop takes OUT_ELEMENTS away; both may happen in one cycle. Checks: no pop of
// elements that were never pushed, and never more than CAPACITY elements held. Proofs compare `elements` with a
// module's own registers, which makes them inductive.
`default_nettype none

module fv_queue #(
    parameter int unsigned WIDTH = 1,  // bits an element
    parameter int unsigned IN_ELEMENTS = 1,
    parameter int unsigned OUT_ELEMENTS = 1,
    parameter int unsigned CAPACITY = 2,  // elements
    localparam int unsigned COUNT_BITS = $clog2(CAPACITY + 1)
) (
    input wire clk,
    input wire rst_n,
    input wire push,
    input wire [IN_ELEMENTS*WIDTH-1:0] in,
    input wire pop,
    output wire [CAPACITY*WIDTH-1:0] elements,
    output wire [COUNT_BITS-1:0] count
);
  // wide enough for a beat more than there may be, so that an error cannot wrap
  localparam int unsigned SPACE = CAPACITY + IN_ELEMENTS;
  localparam int unsigned SUM_BITS = $clog2(SPACE + 1) + 1;

  logic [CAPACITY*WIDTH-1:0] elements_q = '0;
  logic [COUNT_BITS-1:0] count_q = '0;
  assign elements = elements_q;
  assign count = count_q;

  wire [SUM_BITS-1:0] kept = SUM_BITS'(count_q) - (pop ? SUM_BITS'(OUT_ELEMENTS) : '0);
  wire [SUM_BITS-1:0] total = kept + (push ? SUM_BITS'(IN_ELEMENTS) : '0);
  wire [SPACE*WIDTH-1:0] rest = (SPACE * WIDTH)'(elements_q) >> (pop ? OUT_ELEMENTS * WIDTH : 0);
  wire [SPACE*WIDTH-1:0] added = push ? (SPACE * WIDTH)'(in) << (32'(kept) * WIDTH) : '0;
  wire [SPACE*WIDTH-1:0] mask = ((SPACE * WIDTH)'(1) << (32'(kept) * WIDTH)) - (SPACE * WIDTH)'(1);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      count_q <= '0;
    end else begin
      count_q <= total[COUNT_BITS-1:0];
      elements_q <= (CAPACITY * WIDTH)'((rest & mask) | added);
      assert (!pop || SUM_BITS'(count_q) >= SUM_BITS'(OUT_ELEMENTS));
      assert (total <= SUM_BITS'(CAPACITY));
    end
  end
endmodule

`default_nettype wire
