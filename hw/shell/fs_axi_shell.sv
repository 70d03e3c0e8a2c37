// AXI shell: registers for a processor, and a DMA that feeds the core from memory and writes its logits back.
//
// Contract
//   * `gp_*` is an AXI3 slave (legal for AXI4 masters too): registers of hw/shell/registers.rdl at
//     offsets within 4 KiB; higher address bits are not looked at. See fs_axi_slave_write and
//     fs_axi_slave_read for what kinds of bursts do.
//   * `hp_*` is a master that keeps to both AXI3 and AXI4: 64 bits, INCR bursts of at most 16
//     beats, none across 4 KiB, one ID (0), no locks. The words it reads cover up to 7 bytes behind the
//     last image; no byte behind the last logit is written.
//   * The core is a `finnspect_core`: IN_WIDTH bits of pixels in, first byte in the low bits; int32
//     logits out with `tlast` on the last class. It must be reset by `core_rst_n`.
//   * `irq` is high while the flag done or error of STATUS is set.
`default_nettype none

module fs_axi_shell #(
    parameter int unsigned FRAME_BYTES = 4096,  // bytes of one image, H * W * C
    parameter int unsigned CLASSES = 6,  // logits a frame
    parameter int unsigned IN_WIDTH = 8,  // bits of one beat into the core
    parameter int unsigned CLOCK_HZ = 100_000_000,  // only reported
    parameter int unsigned CORE_TIMEOUT_CYCLES = 1 << 26,  // clocks a core may do nothing
    parameter logic [127:0] BUILD_ID = '0
) (
    input wire clk,
    input wire rst_n,
    output wire irq,

    // registers: AXI3 slave
    input wire fs_axi_pkg::gp_request_t gp_request,
    output wire fs_axi_pkg::gp_answer_t gp_answer,

    // memory: AXI3 master
    output wire fs_axi_pkg::hp_request_t hp_request,
    input wire fs_axi_pkg::hp_answer_t hp_answer,

    // core
    output wire core_rst_n,
    output wire [IN_WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    input wire [31:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    input wire s_axis_tlast
);
  // -- registers ---------------------------------------------------------------------------------

  wire start;
  wire soft_reset;
  wire clear;
  wire [31:0] input_addr;
  wire [31:0] output_addr;
  wire [31:0] frames;
  wire busy;
  wire done;
  wire read_error;
  wire write_error;
  wire zero_length;
  wire unaligned;
  wire start_while_busy;
  wire core_timeout;
  wire out_of_range;
  wire core_fault;
  wire [31:0] frames_done;
  wire [63:0] cycles_busy;
  wire [63:0] cycles_starved;
  wire [63:0] cycles_stalled;
  wire [31:0] count_frames;

  fs_axi_registers #(
      .FRAME_BYTES(FRAME_BYTES),
      .CLASSES(CLASSES),
      .CLOCK_HZ(CLOCK_HZ),
      .BUILD_ID(BUILD_ID)
  ) u_registers (
      .clk,
      .rst_n,
      .request(gp_request),
      .answer(gp_answer),
      .start,
      .soft_reset,
      .clear,
      .input_addr,
      .output_addr,
      .frames,
      .busy,
      .done,
      .read_error,
      .write_error,
      .zero_length,
      .unaligned,
      .start_while_busy,
      .core_timeout,
      .out_of_range,
      .core_fault,
      .irq,
      .frames_done,
      .cycles_busy,
      .cycles_starved,
      .cycles_stalled,
      .count_frames
  );

  // -- control -----------------------------------------------------------------------------------

  wire prepare;
  wire load;
  wire [20:0] load_frames;
  wire [28:0] load_read_address;
  wire [29:0] load_read_beats;
  wire [28:0] load_write_address;
  wire [29:0] load_write_beats;
  wire load_write_half;
  wire stop;
  wire flush;
  wire read_quiet;
  wire read_failed;
  wire drained;
  wire write_quiet;
  wire write_failed;
  wire written;
  wire fed;
  wire taken;
  wire frame_done;
  wire faulty;
  wire counting;
  wire starved;
  wire stalled;

  fs_dma_control #(
      .FRAME_BYTES(FRAME_BYTES),
      .CLASSES(CLASSES),
      .TIMEOUT_CYCLES(CORE_TIMEOUT_CYCLES)
  ) u_control (
      .clk,
      .rst_n,
      .start,
      .soft_reset,
      .clear,
      .input_addr,
      .output_addr,
      .frames,
      .busy,
      .done,
      .read_error,
      .write_error,
      .zero_length,
      .unaligned,
      .start_while_busy,
      .core_timeout,
      .out_of_range,
      .core_fault,
      .frames_done,
      .prepare,
      .load,
      .load_frames,
      .load_read_address,
      .load_read_beats,
      .load_write_address,
      .load_write_beats,
      .load_write_half,
      .stop,
      .flush,
      .read_quiet,
      .read_failed,
      .write_quiet,
      .write_failed,
      .written,
      .fed,
      .taken,
      .frame_done,
      .faulty,
      .core_rst_n,
      .in_valid(m_axis_tvalid),
      .in_ready(m_axis_tready),
      .out_valid(s_axis_tvalid),
      .out_ready(s_axis_tready),
      .counting,
      .starved,
      .stalled
  );

  fs_axi_counters u_counters (
      .clk,
      .rst_n,
      .clear(soft_reset),
      .running(counting),
      .starved,
      .stalled,
      .frame_done(frame_done && !stop),
      .cycles_busy,
      .cycles_starved,
      .cycles_stalled,
      .frames(count_frames)
  );

  // -- pixels from memory to the core ------------------------------------------------------------

  wire [63:0] read_tdata;
  wire read_tvalid;
  wire read_tready;
  wire clear_streams = prepare || flush;

  fs_dma_read u_read (
      .clk,
      .rst_n,
      .clear(flush),
      .load,
      .load_address(load_read_address),
      .load_beats(load_read_beats),
      .stop,
      .quiet(read_quiet),
      .error(read_failed),
      .drained,
      .ar(hp_request.ar),
      .ar_ready(hp_answer.ar_ready),
      .r(hp_answer.r),
      .r_ready(hp_request.r_ready),
      .m_axis_tdata(read_tdata),
      .m_axis_tvalid(read_tvalid),
      .m_axis_tready(read_tready)
  );

  fs_dma_unpack #(
      .IN_WIDTH(IN_WIDTH),
      .FRAME_BYTES(FRAME_BYTES)
  ) u_unpack (
      .clk,
      .rst_n,
      .clear(clear_streams),
      .load,
      .load_frames,
      .drained,
      .fed,
      .s_axis_tdata(read_tdata),
      .s_axis_tvalid(read_tvalid),
      .s_axis_tready(read_tready),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );

  // -- logits from the core to memory ------------------------------------------------------------

  wire [63:0] write_tdata;
  wire write_tvalid;
  wire write_tready;

  fs_dma_pack #(
      .CLASSES(CLASSES)
  ) u_pack (
      .clk,
      .rst_n,
      .clear(clear_streams),
      .load,
      .load_frames,
      .taken,
      .frame_done,
      .fault(faulty),
      .s_axis_tdata,
      .s_axis_tvalid,
      .s_axis_tready,
      .s_axis_tlast,
      .m_axis_tdata(write_tdata),
      .m_axis_tvalid(write_tvalid),
      .m_axis_tready(write_tready)
  );

  fs_dma_write u_write (
      .clk,
      .rst_n,
      .clear(flush),
      .load,
      .load_address(load_write_address),
      .load_beats(load_write_beats),
      .load_half(load_write_half),
      .stop,
      .quiet(write_quiet),
      .written,
      .error(write_failed),
      .s_axis_tdata(write_tdata),
      .s_axis_tvalid(write_tvalid),
      .s_axis_tready(write_tready),
      .aw(hp_request.aw),
      .aw_ready(hp_answer.aw_ready),
      .w(hp_request.w),
      .w_ready(hp_answer.w_ready),
      .b(hp_answer.b),
      .b_ready(hp_request.b_ready)
  );
endmodule

`default_nettype wire
