// Read-only memory in banks, for memories deeper than one block RAM: a register on either side of the multiplexer.
//
// rdata holds the word at addr 3 cycles later; it reads every cycle, there is no enable. Left to a tool, blocks in
// depth end in a multiplexer straight behind their slow outputs.
// Bank b holds words b*BANK to b*BANK + BANK - 1 and reads <FILE>_b<bb>.mem, a $readmemh image of BANK words (those
// past DEPTH are not used), name relative to the folder the tool runs in.
// build/finnspect/emit/memory.py makes the images.
`default_nettype none

module fs_rom_banks #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 4,  // words, more than BANK
    parameter int unsigned BANK = 2,  // words a bank, a power of two, 2 or more; at most 100 banks
    parameter FILE = "rom",
    localparam int unsigned ADDR_BITS = $clog2(DEPTH)
) (
    input wire clk,
    input wire [ADDR_BITS-1:0] addr,
    output wire [WIDTH-1:0] rdata
);
  localparam int unsigned BANKS = (DEPTH + BANK - 1) / BANK;
  localparam int unsigned WORD_BITS = $clog2(BANK);
  localparam int unsigned SELECT_BITS = ADDR_BITS - WORD_BITS;
  if (BANK < 2 || BANK != 1 << $clog2(BANK) || DEPTH <= BANK || BANKS > 100) begin : g_bad_bank
    $error("fs_rom_banks: BANK is a power of two and less than DEPTH, with at most 100 banks");
  end

  wire [BANKS-1:0][WIDTH-1:0] words;
  for (genvar b = 0; b < BANKS; b++) begin : g_bank
    fs_rom #(
        .WIDTH(WIDTH),
        .DEPTH(BANK),
        .LATENCY(2),
        .STYLE("block"),
        .FILE({FILE, "_b", 8'(48 + b / 10), 8'(48 + b % 10), ".mem"})
    ) u_rom (
        .clk  (clk),
        .addr (addr[WORD_BITS-1:0]),
        .rdata(words[b])
    );
  end

  // in step with the banks' words
  logic [1:0][SELECT_BITS-1:0] select_q;
  logic [WIDTH-1:0] word_q;
  always_ff @(posedge clk) begin
    select_q <= {select_q[0], addr[ADDR_BITS-1:WORD_BITS]};
    word_q   <= words[select_q[1]];
  end
  assign rdata = word_q;
endmodule

`default_nettype wire
