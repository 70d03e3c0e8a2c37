// The AXI shell with the generated core: all of a design that is not the board's own.
//
// Ports are those of fs_axi_shell but the core's. All numbers come from `finnspect_axi_build`, a package that the flow
// writes for each build.
`default_nettype none

module fs_axi_accelerator (
    input wire clk,
    input wire rst_n,
    output wire irq,

    // registers: AXI3 slave
    input wire fs_axi_pkg::gp_request_t gp_request,
    output wire fs_axi_pkg::gp_answer_t gp_answer,

    // memory: AXI3 master
    output wire fs_axi_pkg::hp_request_t hp_request,
    input wire fs_axi_pkg::hp_answer_t hp_answer
);
  localparam int unsigned IN_WIDTH = finnspect_axi_build::IN_WIDTH;

  wire core_rst_n;
  wire [IN_WIDTH-1:0] pixel_tdata;
  wire pixel_tvalid;
  wire pixel_tready;
  wire [31:0] logit_tdata;
  wire logit_tvalid;
  wire logit_tready;
  wire logit_tlast;

  fs_axi_shell #(
      .FRAME_BYTES(finnspect_axi_build::FRAME_BYTES),
      .CLASSES(finnspect_axi_build::CLASSES),
      .IN_WIDTH(IN_WIDTH),
      .CLOCK_HZ(finnspect_axi_build::CLOCK_HZ),
      .CORE_TIMEOUT_CYCLES(finnspect_axi_build::CORE_TIMEOUT_CYCLES),
      .BUILD_ID(finnspect_axi_build::BUILD_ID)
  ) u_shell (
      .clk,
      .rst_n,
      .irq,
      .gp_request,
      .gp_answer,
      .hp_request,
      .hp_answer,
      .core_rst_n,
      .m_axis_tdata(pixel_tdata),
      .m_axis_tvalid(pixel_tvalid),
      .m_axis_tready(pixel_tready),
      .s_axis_tdata(logit_tdata),
      .s_axis_tvalid(logit_tvalid),
      .s_axis_tready(logit_tready),
      .s_axis_tlast(logit_tlast)
  );

  finnspect_core u_core (
      .clk,
      .rst_n(core_rst_n),
      .s_axis_tdata(pixel_tdata),
      .s_axis_tvalid(pixel_tvalid),
      .s_axis_tready(pixel_tready),
      .m_axis_tdata(logit_tdata),
      .m_axis_tvalid(logit_tvalid),
      .m_axis_tready(logit_tready),
      .m_axis_tlast(logit_tlast)
  );
endmodule

`default_nettype wire
