// Cuts a run of 64-bit beats into bursts that AXI3 allows, and asks for them on an address channel.
//
// Contract
//   * `load` (one clock) takes the address of the first beat, in beats, and how many there are.
//   * While `valid`, the channel is free, the next burst has `beats` (1 to 16), and `last` says that it is the run's
//     last; `take` (only while valid) puts its address on `m_axi`, where it stays until it is taken. The next burst
//     is there two clocks later at the earliest.
//   * Bursts: INCR, 8 bytes a beat, all with ID 0. They end at multiples of 128 bytes: none has more than 16 beats or
//     crosses 4 KiB.
//   * `finished`: everything loaded was taken. `clear` forgets the rest, but not an address that is on `m_axi`.
`default_nettype none

module fs_dma_bursts (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire load,
    input wire [28:0] load_address,  // in beats
    input wire [29:0] load_beats,
    output wire valid,
    output wire [4:0] beats,
    output wire last,
    input wire take,
    output wire finished,
    output wire fs_axi_pkg::hp_address_t m_axi,
    input wire m_axi_ready
);
  logic [28:0] address_q;
  logic [29:0] left_q;
  logic [4:0] beats_q;
  logic last_q;
  logic valid_q;
  logic [31:0] channel_address_q;
  logic [3:0] channel_len_q;
  logic channel_valid_q;

  wire [4:0] to_boundary = 5'd16 - {1'b0, address_q[3:0]};

  always_ff @(posedge clk) begin
    if (!valid_q) begin
      beats_q <= left_q < 30'(to_boundary) ? left_q[4:0] : to_boundary;
      last_q  <= left_q <= 30'(to_boundary);
    end
    if (load) address_q <= load_address;
    else if (take) address_q <= address_q + 29'(beats_q);
    if (take) begin
      channel_address_q <= {address_q, 3'd0};
      channel_len_q <= 4'(beats_q - 5'd1);
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n || clear) begin
      left_q  <= '0;
      valid_q <= 1'b0;
    end else if (load) begin
      left_q  <= load_beats;
      valid_q <= 1'b0;
    end else if (take) begin
      left_q  <= left_q - 30'(beats_q);
      valid_q <= 1'b0;
    end else begin
      valid_q <= left_q != '0;
    end
    if (!rst_n) channel_valid_q <= 1'b0;
    else if (take) channel_valid_q <= 1'b1;
    else if (m_axi_ready) channel_valid_q <= 1'b0;
  end

  assign valid = valid_q && !channel_valid_q;
  assign beats = beats_q;
  assign last = last_q;
  assign finished = left_q == '0;

  assign m_axi.id = '0;
  assign m_axi.addr = channel_address_q;
  assign m_axi.len = channel_len_q;
  assign m_axi.size = 3'd3;
  assign m_axi.burst = 2'b01;
  assign m_axi.lock = '0;
  assign m_axi.cache = 4'b0011;  // normal memory that is not cached: bufferable, modifiable
  assign m_axi.prot = '0;  // unprivileged secure data
  assign m_axi.qos = '0;
  assign m_axi.valid = channel_valid_q;
endmodule

`default_nettype wire
