// AXI shell: registers for a processor, and a DMA that feeds the core from memory and writes its logits back.
//
// Contract
//   * `s_axi_gp_*` is an AXI3 slave (legal for AXI4 masters too): registers of hw/shell/registers.rdl at
//     offsets within 4 KiB; higher address bits are not looked at. See fs_axi_slave_write and fs_axi_slave_read
//     for what kinds of bursts do.
//   * `m_axi_hp_*` is a master that keeps to both AXI3 and AXI4: 64 bits, INCR bursts of at most 16
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
    input wire [11:0] s_axi_gp_awid,
    input wire [31:0] s_axi_gp_awaddr,
    input wire [3:0] s_axi_gp_awlen,
    input wire [2:0] s_axi_gp_awsize,
    input wire [1:0] s_axi_gp_awburst,
    input wire [1:0] s_axi_gp_awlock,
    input wire s_axi_gp_awvalid,
    output wire s_axi_gp_awready,
    input wire [11:0] s_axi_gp_wid,
    input wire [31:0] s_axi_gp_wdata,
    input wire [3:0] s_axi_gp_wstrb,
    input wire s_axi_gp_wlast,
    input wire s_axi_gp_wvalid,
    output wire s_axi_gp_wready,
    output wire [11:0] s_axi_gp_bid,
    output wire [1:0] s_axi_gp_bresp,
    output wire s_axi_gp_bvalid,
    input wire s_axi_gp_bready,
    input wire [11:0] s_axi_gp_arid,
    input wire [31:0] s_axi_gp_araddr,
    input wire [3:0] s_axi_gp_arlen,
    input wire [2:0] s_axi_gp_arsize,
    input wire [1:0] s_axi_gp_arburst,
    input wire [1:0] s_axi_gp_arlock,
    input wire s_axi_gp_arvalid,
    output wire s_axi_gp_arready,
    output wire [11:0] s_axi_gp_rid,
    output wire [31:0] s_axi_gp_rdata,
    output wire [1:0] s_axi_gp_rresp,
    output wire s_axi_gp_rlast,
    output wire s_axi_gp_rvalid,
    input wire s_axi_gp_rready,

    // memory: AXI3 master
    output wire [5:0] m_axi_hp_awid,
    output wire [31:0] m_axi_hp_awaddr,
    output wire [3:0] m_axi_hp_awlen,
    output wire [2:0] m_axi_hp_awsize,
    output wire [1:0] m_axi_hp_awburst,
    output wire [1:0] m_axi_hp_awlock,
    output wire [3:0] m_axi_hp_awcache,
    output wire [2:0] m_axi_hp_awprot,
    output wire [3:0] m_axi_hp_awqos,
    output wire m_axi_hp_awvalid,
    input wire m_axi_hp_awready,
    output wire [5:0] m_axi_hp_wid,
    output wire [63:0] m_axi_hp_wdata,
    output wire [7:0] m_axi_hp_wstrb,
    output wire m_axi_hp_wlast,
    output wire m_axi_hp_wvalid,
    input wire m_axi_hp_wready,
    input wire [5:0] m_axi_hp_bid,
    input wire [1:0] m_axi_hp_bresp,
    input wire m_axi_hp_bvalid,
    output wire m_axi_hp_bready,
    output wire [5:0] m_axi_hp_arid,
    output wire [31:0] m_axi_hp_araddr,
    output wire [3:0] m_axi_hp_arlen,
    output wire [2:0] m_axi_hp_arsize,
    output wire [1:0] m_axi_hp_arburst,
    output wire [1:0] m_axi_hp_arlock,
    output wire [3:0] m_axi_hp_arcache,
    output wire [2:0] m_axi_hp_arprot,
    output wire [3:0] m_axi_hp_arqos,
    output wire m_axi_hp_arvalid,
    input wire m_axi_hp_arready,
    input wire [5:0] m_axi_hp_rid,
    input wire [63:0] m_axi_hp_rdata,
    input wire [1:0] m_axi_hp_rresp,
    input wire m_axi_hp_rlast,
    input wire m_axi_hp_rvalid,
    output wire m_axi_hp_rready,

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
      .s_axi_awid(s_axi_gp_awid),
      .s_axi_awaddr(s_axi_gp_awaddr),
      .s_axi_awlen(s_axi_gp_awlen),
      .s_axi_awsize(s_axi_gp_awsize),
      .s_axi_awburst(s_axi_gp_awburst),
      .s_axi_awvalid(s_axi_gp_awvalid),
      .s_axi_awready(s_axi_gp_awready),
      .s_axi_wid(s_axi_gp_wid),
      .s_axi_wdata(s_axi_gp_wdata),
      .s_axi_wstrb(s_axi_gp_wstrb),
      .s_axi_wlast(s_axi_gp_wlast),
      .s_axi_wvalid(s_axi_gp_wvalid),
      .s_axi_wready(s_axi_gp_wready),
      .s_axi_bid(s_axi_gp_bid),
      .s_axi_bresp(s_axi_gp_bresp),
      .s_axi_bvalid(s_axi_gp_bvalid),
      .s_axi_bready(s_axi_gp_bready),
      .s_axi_arid(s_axi_gp_arid),
      .s_axi_araddr(s_axi_gp_araddr),
      .s_axi_arlen(s_axi_gp_arlen),
      .s_axi_arsize(s_axi_gp_arsize),
      .s_axi_arburst(s_axi_gp_arburst),
      .s_axi_arvalid(s_axi_gp_arvalid),
      .s_axi_arready(s_axi_gp_arready),
      .s_axi_rid(s_axi_gp_rid),
      .s_axi_rdata(s_axi_gp_rdata),
      .s_axi_rresp(s_axi_gp_rresp),
      .s_axi_rlast(s_axi_gp_rlast),
      .s_axi_rvalid(s_axi_gp_rvalid),
      .s_axi_rready(s_axi_gp_rready),
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
      .m_axi_araddr(m_axi_hp_araddr),
      .m_axi_arlen(m_axi_hp_arlen),
      .m_axi_arvalid(m_axi_hp_arvalid),
      .m_axi_arready(m_axi_hp_arready),
      .m_axi_rdata(m_axi_hp_rdata),
      .m_axi_rresp(m_axi_hp_rresp),
      .m_axi_rvalid(m_axi_hp_rvalid),
      .m_axi_rready(m_axi_hp_rready),
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
      .m_axi_awaddr(m_axi_hp_awaddr),
      .m_axi_awlen(m_axi_hp_awlen),
      .m_axi_awvalid(m_axi_hp_awvalid),
      .m_axi_awready(m_axi_hp_awready),
      .m_axi_wdata(m_axi_hp_wdata),
      .m_axi_wstrb(m_axi_hp_wstrb),
      .m_axi_wlast(m_axi_hp_wlast),
      .m_axi_wvalid(m_axi_hp_wvalid),
      .m_axi_wready(m_axi_hp_wready),
      .m_axi_bresp(m_axi_hp_bresp),
      .m_axi_bvalid(m_axi_hp_bvalid),
      .m_axi_bready(m_axi_hp_bready)
  );

  // What is the same for every burst: ID 0, 8 bytes a beat, INCR, no lock, normal memory that is not
  // cached (0011: bufferable, modifiable), unprivileged secure data, no priority.
  assign m_axi_hp_awid = '0;
  assign m_axi_hp_awsize = 3'd3;
  assign m_axi_hp_awburst = 2'b01;
  assign m_axi_hp_awlock = '0;
  assign m_axi_hp_awcache = 4'b0011;
  assign m_axi_hp_awprot = '0;
  assign m_axi_hp_awqos = '0;
  assign m_axi_hp_wid = '0;
  assign m_axi_hp_arid = '0;
  assign m_axi_hp_arsize = 3'd3;
  assign m_axi_hp_arburst = 2'b01;
  assign m_axi_hp_arlock = '0;
  assign m_axi_hp_arcache = 4'b0011;
  assign m_axi_hp_arprot = '0;
  assign m_axi_hp_arqos = '0;

  // Beats come in order, as there is one ID, and are counted.
  wire unused = &{
      1'b0, m_axi_hp_rid, m_axi_hp_rlast, m_axi_hp_bid, s_axi_gp_awlock, s_axi_gp_arlock};
endmodule

`default_nettype wire
