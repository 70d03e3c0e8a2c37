// First-word-fall-through FIFO.
//
// Holds at least DEPTH beats (the output registers add one or two). One beat a cycle in and out. Latency: DEPTH = 2
// is a register slice, 1 cycle; distributed memory 2; block memory 3. s_axis_tready is a register.
//
// RAM_STYLE: see fs_ram.
`default_nettype none

module fs_fifo #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 16,  // beats
    parameter string RAM_STYLE = "auto"
) (
    input wire clk,
    input wire rst_n,

    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (DEPTH < 2) begin : g_bad_depth
    $error("fs_fifo: DEPTH is at least 2");
  end

  if (DEPTH <= 2) begin : g_slice
    fs_skid #(
        .WIDTH(WIDTH)
    ) u_skid (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else begin : g_ram
    localparam int unsigned ADDR_BITS = $clog2(DEPTH);
    localparam int unsigned COUNT_BITS = $clog2(DEPTH + 1);
    localparam bit WRAPS = (DEPTH & (DEPTH - 1)) != 0;
    localparam logic [ADDR_BITS-1:0] LAST = ADDR_BITS'(DEPTH - 1);

    logic [ADDR_BITS-1:0] wr_addr_q;
    logic [ADDR_BITS-1:0] rd_addr_q;
    logic [COUNT_BITS-1:0] count_q;  // words in the memory
    logic not_full_q;
    logic not_empty_q;
    wire rd_ready;

    wire push = s_axis_tvalid && not_full_q;
    wire pop = not_empty_q && rd_ready;

    assign s_axis_tready = not_full_q;

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        wr_addr_q <= '0;
        rd_addr_q <= '0;
        count_q <= '0;
        not_full_q <= 1'b1;
        not_empty_q <= 1'b0;
      end else begin
        if (push) wr_addr_q <= WRAPS && wr_addr_q == LAST ? '0 : wr_addr_q + 1'b1;
        if (pop) rd_addr_q <= WRAPS && rd_addr_q == LAST ? '0 : rd_addr_q + 1'b1;
        if (push != pop) begin
          count_q <= count_q + (push ? COUNT_BITS'(1) : {COUNT_BITS{1'b1}});
          not_full_q <= pop || count_q != COUNT_BITS'(DEPTH - 1);
          not_empty_q <= push || count_q != COUNT_BITS'(1);
        end
      end
    end

    fs_ram #(
        .WIDTH(WIDTH),
        .DEPTH(DEPTH),
        .RAM_STYLE(RAM_STYLE)
    ) u_ram (
        .clk,
        .rst_n,
        .wr_en(push),
        .wr_addr(wr_addr_q),
        .wr_data(s_axis_tdata),
        .s_req_addr(rd_addr_q),
        .s_req_pad(1'b0),
        .s_req_tvalid(not_empty_q),
        .s_req_tready(rd_ready),
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end
endmodule

`default_nettype wire
