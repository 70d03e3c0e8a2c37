// Staircase activation of a stream, element by element.
//
// In: PE elements of X_BITS a beat; with SHARED = 0 the beats of a pixel belong to threshold sets 0 to SETS - 1 in turn
// (C = SETS * PE channels). Out: PE codes of O_BITS a beat: O_BASE + number of thresholds t with x >= t.
// One beat a cycle. Latency: that of fs_steps and 1 cycle. No path from m_axis_tready to s_axis_tready.
// Memory images and the other parameters: see fs_steps.
`default_nettype none

module fs_thresholds #(
    parameter int unsigned PE = 1,  // elements a beat
    parameter int unsigned SETS = 1,  // threshold sets
    parameter int unsigned SHARED = 0,
    parameter int unsigned X_BITS = 8,
    parameter int unsigned X_SIGNED = 1,
    parameter int unsigned T_BITS = 9,
    parameter int unsigned STEPS = 15,
    parameter int unsigned TABLE = 0,
    parameter int unsigned O_BITS = 4,
    parameter int O_BASE = 0,
    parameter PREFIX = "steps"
) (
    input wire clk,
    input wire rst_n,

    input wire [PE*X_BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [PE*O_BITS-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  wire move;
  wire valid;
  wire [PE*O_BITS-1:0] code;

  assign s_axis_tready = move;

  fs_steps #(
      .PE(PE),
      .SETS(SETS),
      .SHARED(SHARED),
      .X_BITS(X_BITS),
      .X_SIGNED(X_SIGNED),
      .T_BITS(T_BITS),
      .STEPS(STEPS),
      .TABLE(TABLE),
      .O_BITS(O_BITS),
      .O_BASE(O_BASE),
      .PREFIX(PREFIX)
  ) u_steps (
      .clk,
      .rst_n,
      .move,
      .s_valid(s_axis_tvalid),
      .x(s_axis_tdata),
      .m_valid(valid),
      .code
  );

  fs_skid #(
      .WIDTH(PE * O_BITS)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata (code),
      .s_axis_tvalid(valid),
      .s_axis_tready(move),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
