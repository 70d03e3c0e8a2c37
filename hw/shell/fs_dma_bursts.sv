// Cuts a run of 64-bit beats into bursts that AXI3 allows.
//
// Contract
//   * `load` (one clock) takes the address of the first beat, in beats, and how many there are.
//   * While `valid`, `address` (in beats) and `beats` (1 to 16) are the next burst, and `last` says that it is
//     the run's last; `take` (only while valid) moves on. The next one is there two clocks later.
//   * Bursts end at multiples of 128 bytes: none has more than 16 beats or crosses 4 KiB.
//   * `finished`: everything loaded was taken. `clear` forgets the rest.
`default_nettype none

module fs_dma_bursts (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire load,
    input wire [28:0] load_address,  // in beats
    input wire [29:0] load_beats,
    output wire valid,
    output wire [28:0] address,  // in beats
    output wire [4:0] beats,
    output wire last,
    input wire take,
    output wire finished
);
  logic [28:0] address_q;
  logic [29:0] left_q;
  logic [4:0] beats_q;
  logic last_q;
  logic valid_q;

  wire [4:0] to_boundary = 5'd16 - {1'b0, address_q[3:0]};

  always_ff @(posedge clk) begin
    if (!valid_q) begin
      beats_q <= left_q < 30'(to_boundary) ? left_q[4:0] : to_boundary;
      last_q  <= left_q <= 30'(to_boundary);
    end
    if (load) address_q <= load_address;
    else if (take) address_q <= address_q + 29'(beats_q);
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
  end

  assign valid = valid_q;
  assign address = address_q;
  assign beats = beats_q;
  assign last = last_q;
  assign finished = left_q == '0;
endmodule

`default_nettype wire
