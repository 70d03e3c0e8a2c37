// Memory with one write port and one read port; the reads are a stream.
//
// A request (s_req_addr) is taken when s_req_tvalid and s_req_tready are high; its word leaves on m_axis, in order,
// one a cycle. A request with s_req_pad set leaves as PAD_WORD, whatever its address: padding, without a mux
// at the output (the output register is reset instead).
// Latency from request to m_axis: 1 cycle with distributed memory, 2 with block memory (whose output
// is registered before use). A word may be requested in the cycle after its write, and overwritten
// in the cycle after its request was taken; a read and a write of one address in one cycle are undefined.
// Internal building block: s_req_tready depends combinationally on m_axis_tready.
//
// RAM_STYLE: "block", "distributed", or "auto": block from 64 words and 1024 bits on.
`default_nettype none

module fs_ram #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 64,  // words
    parameter string RAM_STYLE = "auto",
    parameter logic [WIDTH-1:0] PAD_WORD = '0,
    localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input wire clk,
    input wire rst_n,

    input wire wr_en,
    input wire [ADDR_BITS-1:0] wr_addr,
    input wire [WIDTH-1:0] wr_data,

    input wire [ADDR_BITS-1:0] s_req_addr,
    input wire s_req_pad,
    input wire s_req_tvalid,
    output wire s_req_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (WIDTH < 1 || DEPTH < 1) begin : g_bad_size
    $error("fs_ram: WIDTH and DEPTH are at least 1");
  end
  if (RAM_STYLE != "auto" && RAM_STYLE != "block" && RAM_STYLE != "distributed") begin : g_bad_style
    $error("fs_ram: RAM_STYLE is auto, block or distributed");
  end

  localparam bit BLOCK = RAM_STYLE == "block" || (RAM_STYLE == "auto" && DEPTH >= 64 && DEPTH * WIDTH >= 1024);

  logic [WIDTH-1:0] out_q;
  logic out_valid_q;

  assign m_axis_tdata  = out_q;
  assign m_axis_tvalid = out_valid_q;

  wire out_free = m_axis_tready || !out_valid_q;

  if (BLOCK) begin : g_block
    (* ram_style = "block", no_rw_check *)
    logic [WIDTH-1:0] mem[DEPTH];
    logic [WIDTH-1:0] word_q;
    logic pad_q;
    logic word_valid_q;

    assign s_req_tready = out_free || !word_valid_q;

    always_ff @(posedge clk) begin
      if (wr_en) mem[wr_addr] <= wr_data;
    end

    always_ff @(posedge clk) begin
      if (s_req_tready) word_q <= mem[s_req_addr];
    end

    always_ff @(posedge clk) begin
      if (s_req_tready) pad_q <= s_req_pad;
      if (out_free) out_q <= pad_q ? PAD_WORD : word_q;
    end

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        word_valid_q <= 1'b0;
        out_valid_q  <= 1'b0;
      end else begin
        if (s_req_tready) word_valid_q <= s_req_tvalid;
        if (out_free) out_valid_q <= word_valid_q;
      end
    end
  end else begin : g_distributed
    (* ram_style = "distributed", no_rw_check *)
    logic [WIDTH-1:0] mem[DEPTH];

    assign s_req_tready = out_free;

    always_ff @(posedge clk) begin
      if (wr_en) mem[wr_addr] <= wr_data;
    end

    always_ff @(posedge clk) begin
      if (out_free) out_q <= s_req_pad ? PAD_WORD : mem[s_req_addr];
    end

    always_ff @(posedge clk) begin
      if (!rst_n) out_valid_q <= 1'b0;
      else if (out_free) out_valid_q <= s_req_tvalid;
    end
  end
endmodule

`default_nettype wire
