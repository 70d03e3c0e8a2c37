// Byte FIFO in block RAM whose writes count only once they are committed.
//
// Contract
//   * `wr_valid` writes `wr_data`; there is no back-pressure: the writer looks at `free_bytes` before
//     it begins a frame and writes no more than that.
//   * `commit` makes everything written since the last commit readable; `rollback` forgets it. The
//     two never come together with `wr_valid` nor with each other.
//   * `free_bytes` never shrinks but by writes: a frame that fitted at its first byte fits at its last.
//   * Read side: a stream of the committed bytes in order. One byte a clock, three clocks from commit
//     to `m_axis_tvalid` (pointer, block RAM, output register).
//   * DEPTH is a power of two.
`default_nettype none

module fs_frame_buffer #(
    parameter  int unsigned DEPTH     = 8192,          // bytes, a power of two, at least 4
    localparam int unsigned ADDR_BITS = $clog2(DEPTH)
) (
    input  wire logic                 clk,
    input  wire logic                 rst_n,
    input  wire logic                 wr_valid,
    input  wire logic [          7:0] wr_data,
    input  wire logic                 commit,
    input  wire logic                 rollback,
    output logic      [ADDR_BITS : 0] free_bytes,
    output logic      [          7:0] m_axis_tdata,
    output logic                      m_axis_tvalid,
    input  wire logic                 m_axis_tready
);
  if (DEPTH < 4 || (DEPTH & (DEPTH - 1)) != 0) begin : g_check_depth
    $error("fs_frame_buffer: DEPTH must be a power of two of at least 4");
  end

  (* ram_style = "block" *) logic [7:0] mem[DEPTH];

  // One bit more than an address: equal pointers are empty, DEPTH apart is full.
  logic [ADDR_BITS:0] wr_q;
  logic [ADDR_BITS:0] committed_q;
  logic [ADDR_BITS:0] rd_q;
  logic [ADDR_BITS:0] free_q;

  logic ram_valid_q;
  logic out_valid_q;
  logic [7:0] ram_q;
  logic [7:0] out_q;
  logic out_take;
  logic ram_take;
  logic rd_valid;

  assign out_take = m_axis_tready || !out_valid_q;
  assign ram_take = out_take || !ram_valid_q;
  assign rd_valid = (rd_q != committed_q);

  always_ff @(posedge clk) begin
    if (wr_valid) mem[wr_q[ADDR_BITS-1:0]] <= wr_data;
  end

  always_ff @(posedge clk) begin
    if (ram_take) ram_q <= mem[rd_q[ADDR_BITS-1:0]];
    if (out_take) out_q <= ram_q;
  end

  always_ff @(posedge clk) begin
    // A register, because the count is compared with constants far away; reading one clock late is
    // safe: it shows too little room, never too much, as no frame begins right after a write.
    free_q <= (ADDR_BITS + 1)'(DEPTH) - (wr_q - rd_q);
    if (wr_valid) wr_q <= wr_q + 1'b1;
    if (commit) committed_q <= wr_q;
    if (rollback) wr_q <= committed_q;
    if (ram_take) begin
      ram_valid_q <= rd_valid;
      if (rd_valid) rd_q <= rd_q + 1'b1;
    end
    if (out_take) out_valid_q <= ram_valid_q;
    if (!rst_n) begin
      wr_q        <= '0;
      committed_q <= '0;
      rd_q        <= '0;
      free_q      <= '0;
      ram_valid_q <= 1'b0;
      out_valid_q <= 1'b0;
    end
  end

  assign free_bytes = free_q;
  assign m_axis_tdata = out_q;
  assign m_axis_tvalid = out_valid_q;
endmodule

`default_nettype wire
