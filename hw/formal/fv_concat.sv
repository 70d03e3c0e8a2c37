// Proof of fs_concat for two inputs: FOLDS_A beats of the first, FOLDS_B of the second, over and over.
`default_nettype none

module fv_concat #(
    parameter int unsigned WIDTH = 1,
    parameter int unsigned FOLDS_A = 1,
    parameter int unsigned FOLDS_B = 2
) (
    input wire clk,
    input wire rst_n,
    input wire [1:0][WIDTH-1:0] s_axis_tdata,
    input wire [1:0] s_axis_tvalid,
    input wire m_axis_tready
);
  localparam int unsigned FOLDS = FOLDS_A + FOLDS_B;
  localparam int unsigned PHASE_BITS = $clog2(FOLDS + 1);

  wire past;
  wire [1:0] s_axis_tready;
  wire m_axis_tvalid;
  wire [WIDTH-1:0] m_axis_tdata;
  wire [2*WIDTH-1:0] held;
  wire [1:0] count;

  fs_concat #(
      .N(2),
      .WIDTH(WIDTH),
      .FOLDS({16'(FOLDS_B), 16'(FOLDS_A)})
  ) u_dut (
      .*
  );
  fv_reset u_reset (.*);

  // whose beat is due
  logic [PHASE_BITS-1:0] phase_q = '0;
  wire due = phase_q >= PHASE_BITS'(FOLDS_A);
  wire [1:0] taken = s_axis_tvalid & s_axis_tready;
  always_ff @(posedge clk) begin
    if (!rst_n) phase_q <= '0;
    else if (|taken) phase_q <= phase_q == PHASE_BITS'(FOLDS - 1) ? '0 : phase_q + 1'b1;
  end

  fv_queue #(
      .WIDTH(WIDTH),
      .CAPACITY(2)
  ) u_queue (
      .clk,
      .rst_n,
      .push(|taken),
      .in(s_axis_tdata[due]),
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
  fv_input #(
      .LIMIT(1)
  ) u_input (
      .clk,
      .rst_n,
      .tready(s_axis_tready[due]),
      .room(count < 2)
  );

  always_ff @(posedge clk) begin
    if (rst_n) assert (!taken[!due]);
    if (rst_n && past) begin
      if (m_axis_tvalid) assert (m_axis_tdata == held[WIDTH-1:0]);
      assert (count == 2'(u_dut.u_skid.out_valid_q) + 2'(!u_dut.u_skid.ready_q));
      if (!u_dut.u_skid.ready_q) assert (u_dut.u_skid.out_valid_q && u_dut.u_skid.skid_q == held[WIDTH+:WIDTH]);
      // its own account of the turn
      assert (phase_q < PHASE_BITS'(FOLDS));
      assert (u_dut.turn_q == (due ? 2'b10 : 2'b01));
      assert (16'(u_dut.left_q) == 16'(due ? FOLDS : FOLDS_A) - 16'd1 - 16'(phase_q));
    end
  end
endmodule

`default_nettype wire
