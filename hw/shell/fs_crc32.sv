// CRC-32 (IEEE 802.3, the one of zlib and Ethernet), one byte a clock.
//
// Contract
//   * `clear` sets the register to the start value; `valid` takes in `data`, lowest bit first.
//     `clear` wins over `valid`.
//   * `crc` is the check value of the bytes taken in so far, ready to be sent lowest byte first.
//   * `residue_ok` is high when the bytes taken in so far are a message followed by its own check
//     value, lowest byte first: a receiver feeds both and looks at this bit.
//   * Latency: one clock from `valid` to `crc` and `residue_ok`.
`default_nettype none

module fs_crc32 (
    input  wire logic        clk,
    input  wire logic        clear,
    input  wire logic        valid,
    input  wire logic [ 7:0] data,
    output logic      [31:0] crc,
    output logic             residue_ok
);
  localparam logic [31:0] POLYNOMIAL = 32'hEDB8_8320;  // reflected 0x04C11DB7
  localparam logic [31:0] RESIDUE = 32'hDEBB_20E3;  // register after any message and its CRC

  logic [31:0] state_q;
  logic [31:0] state_d;

  always_comb begin
    state_d = state_q ^ {24'd0, data};
    for (int unsigned i = 0; i < 8; i++) begin
      state_d = {1'b0, state_d[31:1]} ^ (state_d[0] ? POLYNOMIAL : 32'd0);
    end
  end

  always_ff @(posedge clk) begin
    if (clear) state_q <= '1;
    else if (valid) state_q <= state_d;
  end

  assign crc = ~state_q;
  assign residue_ok = (state_q == RESIDUE);
endmodule

`default_nettype wire
