// Counters of what a run's clocks went to: 64 bits each, and 32 for frames.
//
// Contract
//   * A counter grows by one at each clock in which its input is high; they wrap.
//   * `clear` makes all zero, and counts nothing in that clock.
`default_nettype none

module fs_axi_counters (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire running,
    input wire starved,
    input wire stalled,
    input wire frame_done,
    output wire [63:0] cycles_busy,
    output wire [63:0] cycles_starved,
    output wire [63:0] cycles_stalled,
    output wire [31:0] frames
);
  logic [63:0] busy_q;
  logic [63:0] starved_q;
  logic [63:0] stalled_q;
  logic [31:0] frames_q;

  always_ff @(posedge clk) begin
    if (!rst_n || clear) begin
      busy_q <= '0;
      starved_q <= '0;
      stalled_q <= '0;
      frames_q <= '0;
    end else begin
      if (running) busy_q <= busy_q + 1'b1;
      if (starved) starved_q <= starved_q + 1'b1;
      if (stalled) stalled_q <= stalled_q + 1'b1;
      if (frame_done) frames_q <= frames_q + 1'b1;
    end
  end

  assign cycles_busy = busy_q;
  assign cycles_starved = starved_q;
  assign cycles_stalled = stalled_q;
  assign frames = frames_q;
endmodule

`default_nettype wire
