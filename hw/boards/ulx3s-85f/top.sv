// ULX3S top: pins, clock, reset and lights around the serial shell and the core.
//
//   led[0] heart beat, about once a second   led[1] busy (stretched to be seen)
//   led[2] the last reply was an error       led[3] clock locked       led[7:4] off
//
// Button FIRE1 resets everything behind the PLL. All numbers come from `finnspect_build`, a package that
// the flow writes for each build (finnspect.shell).
`default_nettype none

module top (
    input  wire logic       clk_25mhz,
    input  wire logic       btn_fire1,
    input  wire logic       ftdi_txd,
    output logic            ftdi_rxd,
    output logic      [7:0] led,
    output logic            wifi_gpio0
);
  localparam int unsigned IN_WIDTH = finnspect_build::IN_WIDTH;
  localparam int unsigned BEAT_BITS = $clog2(finnspect_build::CLOCK_HZ / 2);
  localparam int unsigned STRETCH_BITS = 22;
  localparam int unsigned RESET_BITS = 4;

  logic clk;
  logic locked;
  logic rst_n;
  logic core_rst_n;
  logic [IN_WIDTH-1:0] pixel_tdata;
  logic pixel_tvalid;
  logic pixel_tready;
  logic [31:0] logit_tdata;
  logic logit_tvalid;
  logic logit_tready;
  logic logit_tlast;
  logic busy;
  logic replied_ok;
  logic replied_error;

  ecp5_pll #(
      .INPUT_DIV   (finnspect_build::PLL_INPUT_DIV),
      .FEEDBACK_DIV(finnspect_build::PLL_FEEDBACK_DIV),
      .LOOP_DIV    (finnspect_build::PLL_LOOP_DIV),
      .OUTPUT_DIV  (finnspect_build::PLL_OUTPUT_DIV)
  ) u_pll (
      .clk_in (clk_25mhz),
      .clk_out(clk),
      .locked (locked)
  );

  // Reset: lock and button are asynchronous; two registers each, then held for a few clocks.
  // The registers start at zero with the configuration, so the reset is there from the first clock.
  logic [1:0] lock_sync_q;
  logic [1:0] button_sync_q;
  logic [RESET_BITS-1:0] hold_q;
  logic rst_n_q;

  initial begin
    lock_sync_q = '0;
    button_sync_q = '0;
    hold_q = '0;
    rst_n_q = 1'b0;
  end

  always_ff @(posedge clk) begin
    lock_sync_q   <= {lock_sync_q[0], locked};
    button_sync_q <= {button_sync_q[0], btn_fire1};
    if (!lock_sync_q[1] || button_sync_q[1]) hold_q <= '0;
    else if (hold_q != '1) hold_q <= hold_q + 1'b1;
    rst_n_q <= (hold_q == '1);
  end

  assign rst_n = rst_n_q;

  fs_uart_shell #(
      .FRAME_BYTES        (finnspect_build::FRAME_BYTES),
      .CLASSES            (finnspect_build::CLASSES),
      .IN_WIDTH           (IN_WIDTH),
      .BUFFER_BYTES       (finnspect_build::BUFFER_BYTES),
      .DIVIDER            (finnspect_build::UART_DIVIDER),
      .CLOCK_HZ           (finnspect_build::CLOCK_HZ),
      .TIMEOUT_CYCLES     (finnspect_build::UART_TIMEOUT_CYCLES),
      .CORE_TIMEOUT_CYCLES(finnspect_build::CORE_TIMEOUT_CYCLES),
      .BUILD_ID           (finnspect_build::BUILD_ID)
  ) u_shell (
      .clk          (clk),
      .rst_n        (rst_n),
      .rxd          (ftdi_txd),
      .txd          (ftdi_rxd),
      .core_rst_n   (core_rst_n),
      .m_axis_tdata (pixel_tdata),
      .m_axis_tvalid(pixel_tvalid),
      .m_axis_tready(pixel_tready),
      .s_axis_tdata (logit_tdata),
      .s_axis_tvalid(logit_tvalid),
      .s_axis_tready(logit_tready),
      .s_axis_tlast (logit_tlast),
      .busy         (busy),
      .replied_ok   (replied_ok),
      .replied_error(replied_error)
  );

  finnspect_core u_core (
      .clk          (clk),
      .rst_n        (core_rst_n),
      .s_axis_tdata (pixel_tdata),
      .s_axis_tvalid(pixel_tvalid),
      .s_axis_tready(pixel_tready),
      .m_axis_tdata (logit_tdata),
      .m_axis_tvalid(logit_tvalid),
      .m_axis_tready(logit_tready),
      .m_axis_tlast (logit_tlast)
  );

  // Lights
  logic [BEAT_BITS-1:0] beat_q;
  logic [STRETCH_BITS-1:0] stretch_q;
  logic error_q;

  always_ff @(posedge clk) begin
    beat_q <= beat_q + 1'b1;
    if (busy) stretch_q <= '1;
    else if (stretch_q != '0) stretch_q <= stretch_q - 1'b1;
    if (replied_error) error_q <= 1'b1;
    if (replied_ok) error_q <= 1'b0;
    if (!rst_n) begin
      beat_q    <= '0;
      stretch_q <= '0;
      error_q   <= 1'b0;
    end
  end

  assign led = {4'd0, lock_sync_q[1], error_q, stretch_q != '0, beat_q[BEAT_BITS-1]};
  assign wifi_gpio0 = 1'b1;
endmodule

`default_nettype wire
