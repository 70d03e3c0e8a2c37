// Read-only memory with registered output.
//
// rdata holds the word at addr LATENCY cycles later; it reads every cycle, there is no enable.
//   LATENCY 1: distributed memory and one register. LATENCY 2: one more register, needed behind a block RAM.
//   STYLE "block", "distributed", or "auto" (the tool decides).
//   FILE: a $readmemh image of DEPTH words, name relative to the folder the tool runs in.
`default_nettype none

module fs_rom #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 2,  // words
    parameter int unsigned LATENCY = 2,  // cycles
    parameter STYLE = "auto",
    parameter FILE = "rom.mem",
    localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input wire clk,
    input wire [ADDR_BITS-1:0] addr,
    output wire [WIDTH-1:0] rdata
);
  localparam logic [95:0] STYLE_TEXT = 96'(STYLE);  // one width to compare in

  if (LATENCY != 1 && LATENCY != 2) begin : g_bad_latency
    $error("fs_rom: LATENCY is 1 or 2");
  end

  logic [WIDTH-1:0] word_q;

  // one declaration a style: an attribute takes no parameter in every tool
  if (STYLE_TEXT == 96'("block")) begin : g_block
    (* ram_style = "block", rom_style = "block" *)
    logic [WIDTH-1:0] mem[DEPTH];
    initial $readmemh(FILE, mem);
    always_ff @(posedge clk) word_q <= mem[addr];
  end else if (STYLE_TEXT == 96'("distributed")) begin : g_distributed
    // yosys reads ram_style first and has no distributed RAM with contents: there it means plain LUTs
    (* ram_style = "registers", rom_style = "distributed" *)
    logic [WIDTH-1:0] mem[DEPTH];
    initial $readmemh(FILE, mem);
    always_ff @(posedge clk) word_q <= mem[addr];
  end else if (STYLE_TEXT == 96'("auto")) begin : g_auto
    logic [WIDTH-1:0] mem[DEPTH];
    initial $readmemh(FILE, mem);
    always_ff @(posedge clk) word_q <= mem[addr];
  end else begin : g_bad_style
    $error("fs_rom: STYLE is block, distributed or auto");
  end

  if (LATENCY == 2) begin : g_out
    logic [WIDTH-1:0] out_q;
    always_ff @(posedge clk) out_q <= word_q;
    assign rdata = out_q;
  end else begin : g_no_out
    assign rdata = word_q;
  end
endmodule

`default_nettype wire
