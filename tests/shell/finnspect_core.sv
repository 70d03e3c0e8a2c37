// Stand-in for a generated core, to test the shell around it: the answer depends on every byte and its place.
//
// Logit 0 is the sum over beats j of (beat * (j + 1)), every next one adds that sum and 1000, modulo 2^32.
// The first byte of a frame makes it misbehave:
//   F0 one logit too few   F1 one too many   F2 no answer at all   others none
// The second byte times 256 is how many clocks pass before the answer.
`default_nettype none

module finnspect_core (
    input wire clk,
    input wire rst_n,
    input wire [finnspect_build::IN_WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    output wire [31:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire m_axis_tlast
);
  localparam int unsigned BEAT_BYTES = finnspect_build::IN_WIDTH / 8;
  localparam int unsigned BEATS = finnspect_build::FRAME_BYTES / BEAT_BYTES;

  logic [31:0] sum_q;
  logic [31:0] out_q;
  logic [31:0] beat_q;
  logic [31:0] wait_q;
  logic [7:0] index_q;
  logic [7:0] first_q;
  logic [7:0] second_q;
  logic all_in_q;

  wire [7:0] answers = first_q == 8'hF0 ? 8'(finnspect_build::CLASSES) - 8'd1
      : first_q == 8'hF1 ? 8'(finnspect_build::CLASSES) + 8'd1 : 8'(finnspect_build::CLASSES);
  wire [31:0] product = 32'(s_axis_tdata) * (beat_q + 32'd1);

  assign s_axis_tready = !all_in_q;
  assign m_axis_tvalid = all_in_q && wait_q == {16'd0, second_q, 8'd0} && first_q != 8'hF2;
  assign m_axis_tdata = out_q;
  assign m_axis_tlast = index_q == answers - 8'd1;

  always_ff @(posedge clk) begin
    if (s_axis_tvalid && s_axis_tready) begin
      sum_q  <= sum_q + product;
      out_q  <= sum_q + product;
      beat_q <= beat_q + 32'd1;
      if (beat_q == 32'd0) first_q <= s_axis_tdata[7:0];
      if (beat_q == (BEAT_BYTES > 1 ? 32'd0 : 32'd1)) second_q <= s_axis_tdata[finnspect_build::IN_WIDTH > 8 ? 8 : 0 +: 8];
      all_in_q <= beat_q == 32'(BEATS) - 32'd1;
    end
    if (all_in_q && wait_q != {16'd0, second_q, 8'd0}) wait_q <= wait_q + 32'd1;
    if (m_axis_tvalid && m_axis_tready) begin
      out_q   <= out_q + sum_q + 32'd1000;
      index_q <= index_q + 8'd1;
    end
    if (!rst_n || (m_axis_tvalid && m_axis_tready && m_axis_tlast)) begin
      sum_q    <= '0;
      beat_q   <= '0;
      wait_q   <= '0;
      index_q  <= '0;
      all_in_q <= 1'b0;
    end
  end
endmodule

`default_nettype wire
