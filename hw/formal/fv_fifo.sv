// Proof of fs_fifo above two beats (below, it is fs_skid), with fs_ram inside.
`default_nettype none

module fv_fifo #(
    parameter int unsigned WIDTH = 1,
    parameter int unsigned DEPTH = 4,
    parameter string RAM_STYLE = "distributed",
    localparam bit BLOCK = RAM_STYLE == "block",
    localparam int unsigned CAPACITY = DEPTH + (BLOCK ? 2 : 1),
    localparam int unsigned COUNT_BITS = $clog2(CAPACITY + 1)
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    input wire m_axis_tready
);
  wire past;
  wire s_axis_tready;
  wire m_axis_tvalid;
  wire [WIDTH-1:0] m_axis_tdata;
  wire [CAPACITY*WIDTH-1:0] held;
  wire [COUNT_BITS-1:0] count;

  fs_fifo #(
      .WIDTH(WIDTH),
      .DEPTH(DEPTH),
      .RAM_STYLE(RAM_STYLE)
  ) u_dut (
      .*
  );
  fv_reset u_reset (.*);
  fv_queue #(
      .WIDTH(WIDTH),
      .CAPACITY(CAPACITY)
  ) u_queue (
      .clk,
      .rst_n,
      .push(s_axis_tvalid && s_axis_tready),
      .in(s_axis_tdata),
      .pop(m_axis_tvalid && m_axis_tready),
      .elements(held),
      .count(count)
  );
  fv_output #(
      .WIDTH(WIDTH),
      .LIMIT(BLOCK ? 3 : 2)
  ) u_output (
      .clk,
      .rst_n,
      .past,
      .tdata(m_axis_tdata),
      .tvalid(m_axis_tvalid),
      .tready(m_axis_tready),
      .pending(count != 0)
  );
  // DEPTH beats go in whatever the reader does
  fv_input #(
      .LIMIT(1)
  ) u_input (
      .clk,
      .rst_n,
      .tready(s_axis_tready),
      .room(count < COUNT_BITS'(DEPTH))
  );

  // where the beats are: output register, word behind a block memory, then the memory from the read address on
  wire [COUNT_BITS-1:0] in_ram = COUNT_BITS'(u_dut.g_ram.count_q);
  wire out_valid = u_dut.g_ram.u_ram.out_valid_q;
  wire word_valid;
  wire [WIDTH-1:0] word;
  logic [DEPTH-1:0][WIDTH-1:0] mem;
  if (BLOCK) begin : g_block
    assign word_valid = u_dut.g_ram.u_ram.g_block.word_valid_q;
    assign word = u_dut.g_ram.u_ram.g_block.word_q;
    for (genvar i = 0; i < DEPTH; i++) begin : g_mem
      assign mem[i] = u_dut.g_ram.u_ram.g_block.mem[i];
    end
    always_ff @(posedge clk) begin
      if (rst_n && past && word_valid) assert (!u_dut.g_ram.u_ram.g_block.pad_q);
    end
  end else begin : g_distributed
    assign word_valid = 1'b0;
    assign word = '0;
    for (genvar i = 0; i < DEPTH; i++) begin : g_mem
      assign mem[i] = u_dut.g_ram.u_ram.g_distributed.mem[i];
    end
  end

  wire [COUNT_BITS-1:0] gone = COUNT_BITS'(out_valid) + COUNT_BITS'(word_valid);  // beats that have left the memory
  wire [31:0] rd_addr = 32'(u_dut.g_ram.rd_addr_q);
  wire [31:0] wr_addr = 32'(u_dut.g_ram.wr_addr_q);

  always_ff @(posedge clk) begin
    if (rst_n && past) begin
      if (m_axis_tvalid) assert (m_axis_tdata == held[WIDTH-1:0]);
      assert (count == in_ram + gone);
      assert (in_ram <= COUNT_BITS'(DEPTH) && rd_addr < DEPTH && wr_addr < DEPTH);
      assert (wr_addr == (rd_addr + 32'(in_ram)) % DEPTH);
      assert (u_dut.g_ram.not_empty_q == (in_ram != 0));
      assert (u_dut.g_ram.not_full_q == (in_ram != COUNT_BITS'(DEPTH)));
      if (word_valid) assert (word == held[32'(out_valid)*WIDTH+:WIDTH]);
      for (int unsigned i = 0; i < DEPTH; i++) begin
        if (i < 32'(in_ram)) assert (mem[(rd_addr+i)%DEPTH] == held[(32'(gone)+i)*WIDTH+:WIDTH]);
      end
    end
  end
endmodule

`default_nettype wire
