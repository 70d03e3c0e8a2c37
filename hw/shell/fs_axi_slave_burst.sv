// A burst at an AXI3 slave of 32 bits: taken from an address channel, then held beat by beat. Shared by both halves
// of the slave.
//
// Contract
//   * While `idle`, the channel is ready: a burst is taken from `s_axi` when it is valid.
//   * `refused`: it is of several beats and not INCR, or has beats wider than the bus. While `idle` that of
//     the burst on the channel, then of the one that was taken.
//   * `id`, `addr` and `left` (beats after the next one) are those of the burst taken. `count` makes `left` one
//     less; `step` moves `addr` on to the next beat, which is aligned to its size.
`default_nettype none

module fs_axi_slave_burst #(
    parameter int unsigned ADDR_BITS = 12  // address bits passed on, the others are not looked at
) (
    input wire clk,
    input wire fs_axi_pkg::gp_address_t s_axi,
    input wire idle,
    input wire count,
    input wire step,
    output wire refused,
    output wire [11:0] id,
    output wire [ADDR_BITS-1:0] addr,
    output wire [3:0] left
);
  localparam logic [1:0] INCR = 2'b01;

  logic [11:0] id_q;
  logic [ADDR_BITS-1:0] addr_q;
  logic [1:0] size_q;
  logic [3:0] left_q;
  logic refused_q;

  wire [ADDR_BITS-1:0] size_bytes = ADDR_BITS'(1) << size_q;
  wire refused_d = s_axi.size > 3'd2 || (s_axi.len != '0 && s_axi.burst != INCR);

  always_ff @(posedge clk) begin
    if (idle && s_axi.valid) begin
      id_q <= s_axi.id;
      addr_q <= s_axi.addr[ADDR_BITS-1:0];
      size_q <= s_axi.size[1:0];
      left_q <= s_axi.len;
      refused_q <= refused_d;
    end
    if (count) left_q <= left_q - 1'b1;
    if (step) addr_q <= (addr_q & ~(size_bytes - 1'b1)) + size_bytes;
  end

  assign refused = idle ? refused_d : refused_q;
  assign id = id_q;
  assign addr = addr_q;
  assign left = left_q;

  // Exclusive and locked accesses are ordinary ones.
  wire unused = &{1'b0, s_axi.addr[31:ADDR_BITS], s_axi.lock};
endmodule

`default_nettype wire
