// Proof of fs_add without a staircase: a beat of both inputs at a time, the weighted sum of each pair in order.
`default_nettype none

module fv_add #(
    parameter int unsigned BITS = 2,
    parameter int MUL_A = 1,
    parameter int MUL_B = 1,
    parameter int unsigned ACC_BITS = 6
) (
    input wire clk,
    input wire rst_n,
    input wire [BITS-1:0] a,
    input wire [BITS-1:0] b,
    input wire [1:0] s_axis_tvalid,
    input wire m_axis_tready
);
  wire past;
  wire [1:0] s_axis_tready;
  wire m_axis_tvalid;
  wire [ACC_BITS-1:0] m_axis_tdata;
  wire [3*ACC_BITS-1:0] held;
  wire [1:0] count;

  fs_add #(
      .A_BITS(BITS),
      .A_SIGNED(1),
      .B_BITS(BITS),
      .MUL_A(MUL_A),
      .MUL_B(MUL_B),
      .ACC_BITS(ACC_BITS),
      .O_BITS(ACC_BITS)
  ) u_dut (
      .clk,
      .rst_n,
      .s_axis_tdata({b, a}),
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
  fv_reset u_reset (.*);

  wire signed [15:0] sum = 16'(MUL_A) * 16'($signed(a)) + 16'(MUL_B) * $signed(16'(b));
  wire [1:0] taken = s_axis_tvalid & s_axis_tready;
  fv_queue #(
      .WIDTH(ACC_BITS),
      .CAPACITY(3)
  ) u_queue (
      .clk,
      .rst_n,
      .push(taken[0]),
      .in(ACC_BITS'(sum)),
      .pop(m_axis_tvalid && m_axis_tready),
      .elements(held),
      .count(count)
  );
  fv_output #(
      .WIDTH(ACC_BITS),
      .LIMIT(2)
  ) u_output (
      .clk,
      .rst_n,
      .past,
      .tdata(m_axis_tdata),
      .tvalid(m_axis_tvalid),
      .tready(m_axis_tready),
      .pending(count != 0)
  );
  fv_input #(
      .LIMIT(2)
  ) u_input (
      .clk,
      .rst_n,
      .tready(s_axis_tready[0]),
      .room(&s_axis_tvalid && count < 2)
  );

  wire slice_valid = u_dut.u_skid.out_valid_q;
  wire slice_full = !u_dut.u_skid.ready_q;
  wire sum_valid = u_dut.g_sum.valid_q;
  wire [1:0] sliced = 2'(slice_valid) + 2'(slice_full);

  always_ff @(posedge clk) begin
    if (rst_n) assert (taken == 2'b00 || taken == 2'b11);
    if (rst_n && past) begin
      if (m_axis_tvalid) assert (m_axis_tdata == held[ACC_BITS-1:0]);
      assert (count == sliced + 2'(sum_valid));
      if (slice_full) assert (slice_valid && u_dut.u_skid.skid_q == held[ACC_BITS+:ACC_BITS]);
      if (sum_valid) assert (u_dut.g_sum.acc_q == held[32'(sliced)*ACC_BITS+:ACC_BITS]);
    end
  end
endmodule

`default_nettype wire
