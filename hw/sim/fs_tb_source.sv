// Bench only: drives a stream from a file.
//
// Reads DEPTH beats of WIDTH bits from FILE ($readmemh) and sends them in order. Before each beat a seeded
// random number decides, with probability STALL/256 a cycle, whether to wait. While tvalid is low, tdata is
// random: a receiver that looks at it shows. Plus-arguments override: +fs_src_stall=<0..255> and +fs_seed=<n>
// (added to SEED). Stops the simulation with NAME if no beat is taken for TIMEOUT cycles.
`default_nettype none

module fs_tb_source #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned DEPTH = 1,  // beats
    parameter string FILE = "source.hex",
    parameter string NAME = "source",
    parameter int unsigned SEED = 1,
    parameter int unsigned STALL = 0,  // of 256
    parameter int unsigned TIMEOUT = 100000  // cycles
) (
    input wire clk,
    input wire rst_n,
    output logic [WIDTH-1:0] m_axis_tdata,
    output logic m_axis_tvalid,
    input wire m_axis_tready,
    output wire done  // all beats were taken
);

  logic [WIDTH-1:0] beats[DEPTH];
  logic [31:0] rng_q;
  logic [31:0] rng_d;
  int unsigned stall;
  int unsigned seed;
  int unsigned sent_q;
  int unsigned idle_q;
  logic [WIDTH-1:0] noise;

  initial begin
    $readmemh(FILE, beats);
    stall = STALL;
    seed  = 0;
    if ($value$plusargs("fs_src_stall=%d", stall) && stall > 255) $fatal(1, "fs_src_stall is 0 to 255");
    if ($value$plusargs("fs_seed=%d", seed) && seed > 1000000) $fatal(1, "fs_seed is 0 to 1000000");
  end

  // xorshift32
  always_comb begin
    rng_d = rng_q ^ (rng_q << 13);
    rng_d = rng_d ^ (rng_d >> 17);
    rng_d = rng_d ^ (rng_d << 5);
    for (int unsigned i = 0; i < WIDTH; i++) noise[i] = rng_q[i%32];
  end

  assign done = sent_q == DEPTH && !m_axis_tvalid;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      rng_q <= 32'h9E3779B9 ^ (32'(SEED + seed) * 32'd2654435761);
      sent_q <= 0;
      idle_q <= 0;
      m_axis_tvalid <= 1'b0;
      m_axis_tdata <= '0;
    end else begin
      rng_q <= rng_d;
      if (!m_axis_tvalid || m_axis_tready) begin
        if (sent_q != DEPTH && 32'(rng_q[15:8]) >= stall) begin
          m_axis_tvalid <= 1'b1;
          m_axis_tdata <= beats[sent_q];
          sent_q <= sent_q + 1;
        end else begin
          m_axis_tvalid <= 1'b0;
          m_axis_tdata <= noise;
        end
      end
      idle_q <= (m_axis_tvalid && !m_axis_tready) ? idle_q + 1 : 0;
      if (idle_q == TIMEOUT)
        $fatal(1, "%s: input beat %0d of %0d was not taken for %0d cycles", NAME, sent_q, DEPTH, TIMEOUT);
    end
  end
endmodule

`default_nettype wire
