// Proof of fs_skid.
`default_nettype none

module fv_skid #(
    parameter int unsigned WIDTH = 2
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    input wire m_axis_tready
);
  wire past;
  wire s_axis_tready;
  wire m_axis_tvalid;
  wire [WIDTH-1:0] m_axis_tdata;
  wire [2*WIDTH-1:0] held;
  wire [1:0] count;

  fs_skid #(.WIDTH(WIDTH)) u_dut (.*);
  fv_reset u_reset (.*);
  fv_queue #(
      .WIDTH(WIDTH),
      .CAPACITY(2)
  ) u_queue (
      .clk,
      .rst_n,
      .push(s_axis_tvalid && s_axis_tready),
      .in(s_axis_tdata),
      .pop(m_axis_tvalid && m_axis_tready),
      .elements(held),
      .count(count)
  );
  fv_output #(
      .WIDTH(WIDTH),
      .LIMIT(1)
  ) u_output (
      .clk,
      .rst_n,
      .past,
      .tdata(m_axis_tdata),
      .tvalid(m_axis_tvalid),
      .tready(m_axis_tready),
      .pending(count != 0)
  );
  fv_input #(.LIMIT(1)) u_input (.clk, .rst_n, .tready(s_axis_tready), .room(count < 2));

  always_ff @(posedge clk) begin
    if (rst_n && past) begin
      if (m_axis_tvalid) assert (m_axis_tdata == held[WIDTH-1:0]);
      // where the beats are
      assert (count == 2'(u_dut.out_valid_q) + 2'(!u_dut.ready_q));
      if (!u_dut.ready_q) assert (u_dut.out_valid_q && u_dut.skid_q == held[WIDTH+:WIDTH]);
    end
  end
endmodule

`default_nettype wire
