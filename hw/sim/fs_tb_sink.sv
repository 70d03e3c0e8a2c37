// Bench only: takes a stream, checks the protocol and writes it to a file.
//
// Writes each beat as "<hex data> <cycle>" to FILE; `done` rises after DEPTH beats. One more beat than that,
// tvalid dropped or tdata changed while stalled, tvalid high in reset, or no beat for TIMEOUT cycles stop the
// simulation with NAME. tready falls at random with probability STALL/256 a cycle. Plus-arguments override:
// +fs_snk_stall=<0..255>, +fs_seed=<n> (added to SEED), +fs_snk_lazy=1: tready is low until tvalid was seen high
// for a cycle (finds a sender that waits for tready).
`default_nettype none

module fs_tb_sink #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 1,  // beats
    parameter string FILE = "sink.txt",
    parameter string NAME = "sink",
    parameter int unsigned SEED = 1,
    parameter int unsigned STALL = 0,  // of 256
    parameter int unsigned TIMEOUT = 100000  // cycles
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire done  // DEPTH beats were taken
);
  logic [31:0] rng_q;
  logic [31:0] rng_d;
  int unsigned stall;
  int unsigned seed;
  int unsigned lazy;
  int unsigned taken_q;
  int unsigned idle_q;
  int unsigned cycle_q;
  int file;
  logic ready_q;
  logic stalled_q;
  logic [WIDTH-1:0] data_q;

  initial begin
    stall = STALL;
    seed  = 0;
    lazy  = 0;
    if ($value$plusargs("fs_snk_stall=%d", stall) && stall > 255) $fatal(1, "fs_snk_stall is 0 to 255");
    if ($value$plusargs("fs_seed=%d", seed) && seed > 1000000) $fatal(1, "fs_seed is 0 to 1000000");
    if ($value$plusargs("fs_snk_lazy=%d", lazy) && lazy > 1) $fatal(1, "fs_snk_lazy is 0 or 1");
    file = $fopen(FILE, "w");
    if (file == 0) $fatal(1, "%s: cannot write %s", NAME, FILE);
  end

  // xorshift32
  always_comb begin
    rng_d = rng_q ^ (rng_q << 13);
    rng_d = rng_d ^ (rng_d >> 17);
    rng_d = rng_d ^ (rng_d << 5);
  end

  assign done = taken_q == DEPTH;
  assign s_axis_tready = ready_q && (lazy == 0 || stalled_q);

  always_ff @(posedge clk) begin
    data_q <= s_axis_tdata;
    if (!rst_n) begin
      rng_q <= 32'h7F4A7C15 ^ (32'(SEED + seed) * 32'd2246822519);
      taken_q <= 0;
      idle_q <= 0;
      cycle_q <= 0;
      ready_q <= 1'b0;
      stalled_q <= 1'b0;
    end else begin
      rng_q <= rng_d;
      cycle_q <= cycle_q + 1;
      ready_q <= 32'(rng_q[15:8]) >= stall;
      stalled_q <= s_axis_tvalid && !s_axis_tready;
      if (cycle_q == 0 && s_axis_tvalid) $fatal(1, "%s: tvalid is high after reset", NAME);
      if (stalled_q && !s_axis_tvalid) $fatal(1, "%s: tvalid fell while stalled at beat %0d", NAME, taken_q);
      if (stalled_q && s_axis_tdata != data_q)
        $fatal(1, "%s: tdata changed while stalled at beat %0d: %h to %h", NAME, taken_q, data_q, s_axis_tdata);
      if (s_axis_tvalid && s_axis_tready) begin
        if (done) $fatal(1, "%s: a beat %h too many after %0d", NAME, s_axis_tdata, DEPTH);
        $fwrite(file, "%h %0d\n", s_axis_tdata, cycle_q);
        taken_q <= taken_q + 1;
        idle_q  <= 0;
      end else if (!done) idle_q <= idle_q + 1;
      if (idle_q == TIMEOUT)
        $fatal(1, "%s: no output for %0d cycles after beat %0d of %0d", NAME, TIMEOUT, taken_q, DEPTH);
    end
  end

  final $fclose(file);
endmodule

`default_nettype wire
