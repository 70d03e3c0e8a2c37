// Zynq-7000 top: the processor, its clock and reset, and the AXI shell with the core. The board's only file with
// vendor primitives; the design has no pins of its own.
//
// Registers hang on the processor's port GP0, the DMA on HP0, the interrupt on IRQ_F2P[0] (number 61). The clock is
// FCLK0 through a global buffer. FCLK_RESET0_N and the configuration itself reset the design.
`default_nettype none

module top;
  localparam int unsigned RESET_BITS = 4;

  wire [3:0] fclk;
  wire [3:0] fclk_reset_n;
  wire clk;
  wire irq;
  wire [11:0] gp_awid;
  wire [31:0] gp_awaddr;
  wire [3:0] gp_awlen;
  wire [2:0] gp_awsize;
  wire [1:0] gp_awburst;
  wire [1:0] gp_awlock;
  wire gp_awvalid;
  wire gp_awready;
  wire [11:0] gp_wid;
  wire [31:0] gp_wdata;
  wire [3:0] gp_wstrb;
  wire gp_wlast;
  wire gp_wvalid;
  wire gp_wready;
  wire [11:0] gp_bid;
  wire [1:0] gp_bresp;
  wire gp_bvalid;
  wire gp_bready;
  wire [11:0] gp_arid;
  wire [31:0] gp_araddr;
  wire [3:0] gp_arlen;
  wire [2:0] gp_arsize;
  wire [1:0] gp_arburst;
  wire [1:0] gp_arlock;
  wire gp_arvalid;
  wire gp_arready;
  wire [11:0] gp_rid;
  wire [31:0] gp_rdata;
  wire [1:0] gp_rresp;
  wire gp_rlast;
  wire gp_rvalid;
  wire gp_rready;
  wire [5:0] hp_awid;
  wire [31:0] hp_awaddr;
  wire [3:0] hp_awlen;
  wire [2:0] hp_awsize;
  wire [1:0] hp_awburst;
  wire [1:0] hp_awlock;
  wire [3:0] hp_awcache;
  wire [2:0] hp_awprot;
  wire [3:0] hp_awqos;
  wire hp_awvalid;
  wire hp_awready;
  wire [5:0] hp_wid;
  wire [63:0] hp_wdata;
  wire [7:0] hp_wstrb;
  wire hp_wlast;
  wire hp_wvalid;
  wire hp_wready;
  wire [5:0] hp_bid;
  wire [1:0] hp_bresp;
  wire hp_bvalid;
  wire hp_bready;
  wire [5:0] hp_arid;
  wire [31:0] hp_araddr;
  wire [3:0] hp_arlen;
  wire [2:0] hp_arsize;
  wire [1:0] hp_arburst;
  wire [1:0] hp_arlock;
  wire [3:0] hp_arcache;
  wire [2:0] hp_arprot;
  wire [3:0] hp_arqos;
  wire hp_arvalid;
  wire hp_arready;
  wire [5:0] hp_rid;
  wire [63:0] hp_rdata;
  wire [1:0] hp_rresp;
  wire hp_rlast;
  wire hp_rvalid;
  wire hp_rready;

  BUFG u_clk (
      .I(fclk[0]),
      .O(clk)
  );

  // The processor's reset is asynchronous: two registers, then held for a few clocks. The registers start
  // at zero with the configuration, so the reset is there from the first clock.
  (* ASYNC_REG = "TRUE" *)
  logic [1:0] sync_q;
  logic [RESET_BITS-1:0] hold_q;
  logic rst_n_q;

  initial begin
    sync_q  = '0;
    hold_q  = '0;
    rst_n_q = 1'b0;
  end

  always_ff @(posedge clk) begin
    sync_q <= {sync_q[0], fclk_reset_n[0]};
    if (!sync_q[1]) hold_q <= '0;
    else if (hold_q != '1) hold_q <= hold_q + 1'b1;
    rst_n_q <= hold_q == '1;
  end

  PS7 u_ps7 (
      .FCLKCLK(fclk),
      .FCLKRESETN(fclk_reset_n),
      .IRQF2P({19'd0, irq}),
      .MAXIGP0ACLK(clk),
      .MAXIGP0AWID(gp_awid),
      .MAXIGP0AWADDR(gp_awaddr),
      .MAXIGP0AWLEN(gp_awlen),
      .MAXIGP0AWSIZE(gp_awsize[1:0]),
      .MAXIGP0AWBURST(gp_awburst),
      .MAXIGP0AWLOCK(gp_awlock),
      .MAXIGP0AWVALID(gp_awvalid),
      .MAXIGP0AWREADY(gp_awready),
      .MAXIGP0WID(gp_wid),
      .MAXIGP0WDATA(gp_wdata),
      .MAXIGP0WSTRB(gp_wstrb),
      .MAXIGP0WLAST(gp_wlast),
      .MAXIGP0WVALID(gp_wvalid),
      .MAXIGP0WREADY(gp_wready),
      .MAXIGP0BID(gp_bid),
      .MAXIGP0BRESP(gp_bresp),
      .MAXIGP0BVALID(gp_bvalid),
      .MAXIGP0BREADY(gp_bready),
      .MAXIGP0ARID(gp_arid),
      .MAXIGP0ARADDR(gp_araddr),
      .MAXIGP0ARLEN(gp_arlen),
      .MAXIGP0ARSIZE(gp_arsize[1:0]),
      .MAXIGP0ARBURST(gp_arburst),
      .MAXIGP0ARLOCK(gp_arlock),
      .MAXIGP0ARVALID(gp_arvalid),
      .MAXIGP0ARREADY(gp_arready),
      .MAXIGP0RID(gp_rid),
      .MAXIGP0RDATA(gp_rdata),
      .MAXIGP0RRESP(gp_rresp),
      .MAXIGP0RLAST(gp_rlast),
      .MAXIGP0RVALID(gp_rvalid),
      .MAXIGP0RREADY(gp_rready),
      .SAXIHP0ACLK(clk),
      .SAXIHP0RDISSUECAP1EN(1'b0),
      .SAXIHP0WRISSUECAP1EN(1'b0),
      .SAXIHP0AWID(hp_awid),
      .SAXIHP0AWADDR(hp_awaddr),
      .SAXIHP0AWLEN(hp_awlen),
      .SAXIHP0AWSIZE(hp_awsize[1:0]),
      .SAXIHP0AWBURST(hp_awburst),
      .SAXIHP0AWLOCK(hp_awlock),
      .SAXIHP0AWCACHE(hp_awcache),
      .SAXIHP0AWPROT(hp_awprot),
      .SAXIHP0AWQOS(hp_awqos),
      .SAXIHP0AWVALID(hp_awvalid),
      .SAXIHP0AWREADY(hp_awready),
      .SAXIHP0WID(hp_wid),
      .SAXIHP0WDATA(hp_wdata),
      .SAXIHP0WSTRB(hp_wstrb),
      .SAXIHP0WLAST(hp_wlast),
      .SAXIHP0WVALID(hp_wvalid),
      .SAXIHP0WREADY(hp_wready),
      .SAXIHP0BID(hp_bid),
      .SAXIHP0BRESP(hp_bresp),
      .SAXIHP0BVALID(hp_bvalid),
      .SAXIHP0BREADY(hp_bready),
      .SAXIHP0ARID(hp_arid),
      .SAXIHP0ARADDR(hp_araddr),
      .SAXIHP0ARLEN(hp_arlen),
      .SAXIHP0ARSIZE(hp_arsize[1:0]),
      .SAXIHP0ARBURST(hp_arburst),
      .SAXIHP0ARLOCK(hp_arlock),
      .SAXIHP0ARCACHE(hp_arcache),
      .SAXIHP0ARPROT(hp_arprot),
      .SAXIHP0ARQOS(hp_arqos),
      .SAXIHP0ARVALID(hp_arvalid),
      .SAXIHP0ARREADY(hp_arready),
      .SAXIHP0RID(hp_rid),
      .SAXIHP0RDATA(hp_rdata),
      .SAXIHP0RRESP(hp_rresp),
      .SAXIHP0RLAST(hp_rlast),
      .SAXIHP0RVALID(hp_rvalid),
      .SAXIHP0RREADY(hp_rready)
  );

  // The processor's ports write the size of a beat with two bits.
  assign gp_awsize[2] = 1'b0;
  assign gp_arsize[2] = 1'b0;

  fs_axi_accelerator u_accelerator (
      .clk,
      .rst_n(rst_n_q),
      .irq,
      .s_axi_gp_awid(gp_awid),
      .s_axi_gp_awaddr(gp_awaddr),
      .s_axi_gp_awlen(gp_awlen),
      .s_axi_gp_awsize(gp_awsize),
      .s_axi_gp_awburst(gp_awburst),
      .s_axi_gp_awlock(gp_awlock),
      .s_axi_gp_awvalid(gp_awvalid),
      .s_axi_gp_awready(gp_awready),
      .s_axi_gp_wid(gp_wid),
      .s_axi_gp_wdata(gp_wdata),
      .s_axi_gp_wstrb(gp_wstrb),
      .s_axi_gp_wlast(gp_wlast),
      .s_axi_gp_wvalid(gp_wvalid),
      .s_axi_gp_wready(gp_wready),
      .s_axi_gp_bid(gp_bid),
      .s_axi_gp_bresp(gp_bresp),
      .s_axi_gp_bvalid(gp_bvalid),
      .s_axi_gp_bready(gp_bready),
      .s_axi_gp_arid(gp_arid),
      .s_axi_gp_araddr(gp_araddr),
      .s_axi_gp_arlen(gp_arlen),
      .s_axi_gp_arsize(gp_arsize),
      .s_axi_gp_arburst(gp_arburst),
      .s_axi_gp_arlock(gp_arlock),
      .s_axi_gp_arvalid(gp_arvalid),
      .s_axi_gp_arready(gp_arready),
      .s_axi_gp_rid(gp_rid),
      .s_axi_gp_rdata(gp_rdata),
      .s_axi_gp_rresp(gp_rresp),
      .s_axi_gp_rlast(gp_rlast),
      .s_axi_gp_rvalid(gp_rvalid),
      .s_axi_gp_rready(gp_rready),
      .m_axi_hp_awid(hp_awid),
      .m_axi_hp_awaddr(hp_awaddr),
      .m_axi_hp_awlen(hp_awlen),
      .m_axi_hp_awsize(hp_awsize),
      .m_axi_hp_awburst(hp_awburst),
      .m_axi_hp_awlock(hp_awlock),
      .m_axi_hp_awcache(hp_awcache),
      .m_axi_hp_awprot(hp_awprot),
      .m_axi_hp_awqos(hp_awqos),
      .m_axi_hp_awvalid(hp_awvalid),
      .m_axi_hp_awready(hp_awready),
      .m_axi_hp_wid(hp_wid),
      .m_axi_hp_wdata(hp_wdata),
      .m_axi_hp_wstrb(hp_wstrb),
      .m_axi_hp_wlast(hp_wlast),
      .m_axi_hp_wvalid(hp_wvalid),
      .m_axi_hp_wready(hp_wready),
      .m_axi_hp_bid(hp_bid),
      .m_axi_hp_bresp(hp_bresp),
      .m_axi_hp_bvalid(hp_bvalid),
      .m_axi_hp_bready(hp_bready),
      .m_axi_hp_arid(hp_arid),
      .m_axi_hp_araddr(hp_araddr),
      .m_axi_hp_arlen(hp_arlen),
      .m_axi_hp_arsize(hp_arsize),
      .m_axi_hp_arburst(hp_arburst),
      .m_axi_hp_arlock(hp_arlock),
      .m_axi_hp_arcache(hp_arcache),
      .m_axi_hp_arprot(hp_arprot),
      .m_axi_hp_arqos(hp_arqos),
      .m_axi_hp_arvalid(hp_arvalid),
      .m_axi_hp_arready(hp_arready),
      .m_axi_hp_rid(hp_rid),
      .m_axi_hp_rdata(hp_rdata),
      .m_axi_hp_rresp(hp_rresp),
      .m_axi_hp_rlast(hp_rlast),
      .m_axi_hp_rvalid(hp_rvalid),
      .m_axi_hp_rready(hp_rready)
  );

  wire unused = &{1'b0, fclk[3:1], fclk_reset_n[3:1], hp_awsize[2], hp_arsize[2]};
endmodule

`default_nettype wire
