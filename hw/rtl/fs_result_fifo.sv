// Small FIFO at the end of a free-running pipeline.
//
// It has no full flag: the pipeline keeps count of free places (`popped` gives one back) and never writes without
// one. A place is taken for an entry from its entry into the pipeline until it leaves at m_axis.
// A written entry shows at m_axis two cycles later. DEPTH counts the output register.
`default_nettype none

module fs_result_fifo #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 4  // entries, 2 or more
) (
    input wire clk,
    input wire rst_n,
    input wire write,
    input wire [WIDTH-1:0] wdata,
    output wire popped,
    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  // While the output register is empty, an entry passes through memory in one cycle: one place less is needed there.
  localparam int unsigned MEM_DEPTH = DEPTH - 1;
  localparam int unsigned COUNT_BITS = $clog2(MEM_DEPTH + 1);
  if (DEPTH < 2) begin : g_bad_depth
    $error("fs_result_fifo: DEPTH is 2 or more");
  end

  wire [WIDTH-1:0] head;
  logic [COUNT_BITS-1:0] count_q;  // entries in memory
  logic some_q;  // count_q != 0
  logic valid_q;
  logic [WIDTH-1:0] data_q;

  wire load = some_q && (!valid_q || m_axis_tready);
  wire [COUNT_BITS-1:0] count_d = count_q + COUNT_BITS'(write) - COUNT_BITS'(load);

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      count_q <= '0;
      some_q  <= 1'b0;
      valid_q <= 1'b0;
    end else begin
      count_q <= count_d;
      some_q  <= count_d != '0;
      if (!valid_q || m_axis_tready) valid_q <= some_q;
    end
  end
  always_ff @(posedge clk) if (load) data_q <= head;

  if (MEM_DEPTH == 1) begin : g_register
    logic [WIDTH-1:0] mem_q;
    always_ff @(posedge clk) if (write) mem_q <= wdata;
    assign head = mem_q;
  end else begin : g_memory
    localparam int unsigned PTR_BITS = $clog2(MEM_DEPTH);
    (* ram_style = "distributed" *)
    logic [WIDTH-1:0] mem[MEM_DEPTH];
    logic [PTR_BITS-1:0] wptr_q;
    logic [PTR_BITS-1:0] rptr_q;
    always_ff @(posedge clk) begin
      if (!rst_n) begin
        wptr_q <= '0;
        rptr_q <= '0;
      end else begin
        if (write) wptr_q <= wptr_q == PTR_BITS'(MEM_DEPTH - 1) ? '0 : wptr_q + 1'b1;
        if (load) rptr_q <= rptr_q == PTR_BITS'(MEM_DEPTH - 1) ? '0 : rptr_q + 1'b1;
      end
    end
    always_ff @(posedge clk) if (write) mem[wptr_q] <= wdata;
    assign head = mem[rptr_q];
  end

  assign popped = valid_q && m_axis_tready;
  assign m_axis_tdata = data_q;
  assign m_axis_tvalid = valid_q;
endmodule

`default_nettype wire
