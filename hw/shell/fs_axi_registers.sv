// Registers of the AXI shell (hw/shell/registers.rdl) behind an AXI3 slave port.
//
// Contract
//   * `request` and `answer` are an AXI3 slave (legal for AXI4 masters too): registers at offsets within 4 KiB; higher
//     address bits are not looked at. Every burst is answered: see fs_axi_slave_write and
//     fs_axi_slave_read for what kinds of bursts do.
//   * `start`, `soft_reset`, `clear` are high for one clock for each write of a one to their bits of CONTROL;
//     `input_addr`, `output_addr`, `frames` hold what was written last.
//   * The inputs are read as they are; STATUS.error while one of its causes is high.
//   * `irq` is high while STATUS.done or STATUS.error is, one clock late.
`default_nettype none

module fs_axi_registers #(
    parameter int unsigned FRAME_BYTES = 4096,  // bytes of one image, H * W * C
    parameter int unsigned CLASSES = 6,  // logits a frame
    parameter int unsigned CLOCK_HZ = 100_000_000,  // only reported
    parameter logic [127:0] BUILD_ID = '0
) (
    input wire clk,
    input wire rst_n,

    input wire fs_axi_pkg::gp_request_t request,
    output wire fs_axi_pkg::gp_answer_t answer,

    // CONTROL and the next run
    output wire start,
    output wire soft_reset,
    output wire clear,
    output wire [31:0] input_addr,
    output wire [31:0] output_addr,
    output wire [31:0] frames,

    // STATUS
    input wire busy,
    input wire done,
    input wire read_error,
    input wire write_error,
    input wire zero_length,
    input wire unaligned,
    input wire start_while_busy,
    input wire core_timeout,
    input wire out_of_range,
    input wire core_fault,
    output wire irq,

    // counters
    input wire [31:0] frames_done,
    input wire [63:0] cycles_busy,
    input wire [63:0] cycles_starved,
    input wire [63:0] cycles_stalled,
    input wire [31:0] count_frames
);
  localparam int unsigned WINDOW_BITS = 12;

  wire [WINDOW_BITS-1:0] axil_awaddr;
  wire axil_awvalid;
  wire axil_awready;
  wire [31:0] axil_wdata;
  wire [3:0] axil_wstrb;
  wire axil_wvalid;
  wire axil_wready;
  wire [1:0] axil_bresp;
  wire axil_bvalid;
  wire axil_bready;
  wire [WINDOW_BITS-1:0] axil_araddr;
  wire axil_arvalid;
  wire axil_arready;
  wire [31:0] axil_rdata;
  wire [1:0] axil_rresp;
  wire axil_rvalid;
  wire axil_rready;

  fs_axi_slave_write #(
      .ADDR_BITS(WINDOW_BITS)
  ) u_slave_write (
      .clk,
      .rst_n,
      .aw(request.aw),
      .aw_ready(answer.aw_ready),
      .w(request.w),
      .w_ready(answer.w_ready),
      .b(answer.b),
      .b_ready(request.b_ready),
      .m_axil_awaddr(axil_awaddr),
      .m_axil_awvalid(axil_awvalid),
      .m_axil_awready(axil_awready),
      .m_axil_wdata(axil_wdata),
      .m_axil_wstrb(axil_wstrb),
      .m_axil_wvalid(axil_wvalid),
      .m_axil_wready(axil_wready),
      .m_axil_bresp(axil_bresp),
      .m_axil_bvalid(axil_bvalid),
      .m_axil_bready(axil_bready)
  );

  fs_axi_slave_read #(
      .ADDR_BITS(WINDOW_BITS)
  ) u_slave_read (
      .clk,
      .rst_n,
      .ar(request.ar),
      .ar_ready(answer.ar_ready),
      .r(answer.r),
      .r_ready(request.r_ready),
      .m_axil_araddr(axil_araddr),
      .m_axil_arvalid(axil_arvalid),
      .m_axil_arready(axil_arready),
      .m_axil_rdata(axil_rdata),
      .m_axil_rresp(axil_rresp),
      .m_axil_rvalid(axil_rvalid),
      .m_axil_rready(axil_rready)
  );

  fs_axi_regs_pkg::fs_axi_regs__in_t hwif_in;
  fs_axi_regs_pkg::fs_axi_regs__out_t hwif_out;

  fs_axi_regs u_regs (
      .clk,
      .rst_n,
      .s_axil_awready(axil_awready),
      .s_axil_awvalid(axil_awvalid),
      .s_axil_awaddr(axil_awaddr),
      .s_axil_awprot(3'd0),
      .s_axil_wready(axil_wready),
      .s_axil_wvalid(axil_wvalid),
      .s_axil_wdata(axil_wdata),
      .s_axil_wstrb(axil_wstrb),
      .s_axil_bready(axil_bready),
      .s_axil_bvalid(axil_bvalid),
      .s_axil_bresp(axil_bresp),
      .s_axil_arready(axil_arready),
      .s_axil_arvalid(axil_arvalid),
      .s_axil_araddr(axil_araddr),
      .s_axil_arprot(3'd0),
      .s_axil_rready(axil_rready),
      .s_axil_rvalid(axil_rvalid),
      .s_axil_rdata(axil_rdata),
      .s_axil_rresp(axil_rresp),
      .hwif_in(hwif_in),
      .hwif_out(hwif_out)
  );

  wire error = read_error || write_error || zero_length || unaligned || start_while_busy || core_timeout
      || out_of_range || core_fault;

  always_comb begin
    hwif_in.BUILD_ID0.value.next = BUILD_ID[127:96];
    hwif_in.BUILD_ID1.value.next = BUILD_ID[95:64];
    hwif_in.BUILD_ID2.value.next = BUILD_ID[63:32];
    hwif_in.BUILD_ID3.value.next = BUILD_ID[31:0];
    hwif_in.STATUS.idle.next = !busy;
    hwif_in.STATUS.busy.next = busy;
    hwif_in.STATUS.done.next = done;
    hwif_in.STATUS.error.next = error;
    hwif_in.STATUS.read_slverr_decerr.next = read_error;
    hwif_in.STATUS.write_slverr_decerr.next = write_error;
    hwif_in.STATUS.zero_length.next = zero_length;
    hwif_in.STATUS.unaligned.next = unaligned;
    hwif_in.STATUS.start_while_busy.next = start_while_busy;
    hwif_in.STATUS.core_timeout.next = core_timeout;
    hwif_in.STATUS.out_of_range.next = out_of_range;
    hwif_in.STATUS.core_fault.next = core_fault;
    hwif_in.FRAMES_DONE.value.next = frames_done;
    hwif_in.CLOCK_HZ.value.next = CLOCK_HZ;
    hwif_in.FRAME_BYTES.value.next = FRAME_BYTES;
    hwif_in.OUTPUT_BYTES.value.next = 4 * CLASSES;
    hwif_in.COUNT_CYCLES_BUSY_LO.value.next = cycles_busy[31:0];
    hwif_in.COUNT_CYCLES_BUSY_HI.value.next = cycles_busy[63:32];
    hwif_in.COUNT_STARVED_LO.value.next = cycles_starved[31:0];
    hwif_in.COUNT_STARVED_HI.value.next = cycles_starved[63:32];
    hwif_in.COUNT_STALLED_LO.value.next = cycles_stalled[31:0];
    hwif_in.COUNT_STALLED_HI.value.next = cycles_stalled[63:32];
    hwif_in.COUNT_FRAMES.value.next = count_frames;
  end

  logic irq_q;
  always_ff @(posedge clk) irq_q <= rst_n && (done || error);

  assign irq = irq_q;
  assign start = hwif_out.CONTROL.start.value;
  assign soft_reset = hwif_out.CONTROL.soft_reset.value;
  assign clear = hwif_out.CONTROL.clear.value;
  assign input_addr = hwif_out.INPUT_ADDR.value.value;
  assign output_addr = hwif_out.OUTPUT_ADDR.value.value;
  assign frames = hwif_out.FRAMES.value.value;
endmodule

`default_nettype wire
