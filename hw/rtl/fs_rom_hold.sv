// Read-only memory for pipelines that stop: all its registers keep still while `move` is low.
//
// rdata holds the word at addr LATENCY moves later.
//   LATENCY 0: logic. 1: logic and one register. 2: block memory, its output registered before use.
//   FILE: a $readmemh image of DEPTH words, name relative to the folder the tool runs in.
`default_nettype none

module fs_rom_hold #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 2,  // words
    parameter int unsigned LATENCY = 1,  // moves
    parameter FILE = "rom.mem",
    localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
    input wire clk,
    input wire move,
    input wire [ADDR_BITS-1:0] addr,
    output wire [WIDTH-1:0] rdata
);
  if (LATENCY > 2) begin : g_bad_latency
    $error("fs_rom_hold: LATENCY is 0 to 2");
  end

  if (LATENCY == 2) begin : g_block
    (* ram_style = "block", rom_style = "block" *)
    logic [WIDTH-1:0] mem[DEPTH];
    logic [WIDTH-1:0] word_q;
    logic [WIDTH-1:0] out_q;
    initial $readmemh(FILE, mem);
    always_ff @(posedge clk) begin
      if (move) word_q <= mem[addr];
    end
    always_ff @(posedge clk) begin
      if (move) out_q <= word_q;
    end
    assign rdata = out_q;
  end else begin : g_logic
    // yosys reads ram_style first and has no distributed RAM with contents: there it means plain LUTs
    (* ram_style = "registers", rom_style = "distributed" *)
    logic [WIDTH-1:0] mem[DEPTH];
    initial $readmemh(FILE, mem);
    if (LATENCY == 1) begin : g_register
      logic [WIDTH-1:0] word_q;
      always_ff @(posedge clk) begin
        if (move) word_q <= mem[addr];
      end
      assign rdata = word_q;
    end else begin : g_no_register
      assign rdata = mem[addr];
      wire unused = &{1'b0, clk, move};
    end
  end
endmodule

`default_nettype wire
