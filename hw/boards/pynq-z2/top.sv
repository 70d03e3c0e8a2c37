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
  wire fs_axi_pkg::gp_request_t gp_request;
  wire fs_axi_pkg::gp_answer_t gp_answer;
  wire fs_axi_pkg::hp_request_t hp_request;
  wire fs_axi_pkg::hp_answer_t hp_answer;

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
      .MAXIGP0AWID(gp_request.aw.id),
      .MAXIGP0AWADDR(gp_request.aw.addr),
      .MAXIGP0AWLEN(gp_request.aw.len),
      .MAXIGP0AWSIZE(gp_request.aw.size[1:0]),
      .MAXIGP0AWBURST(gp_request.aw.burst),
      .MAXIGP0AWLOCK(gp_request.aw.lock),
      .MAXIGP0AWVALID(gp_request.aw.valid),
      .MAXIGP0AWREADY(gp_answer.aw_ready),
      .MAXIGP0WID(gp_request.w.id),
      .MAXIGP0WDATA(gp_request.w.data),
      .MAXIGP0WSTRB(gp_request.w.strb),
      .MAXIGP0WLAST(gp_request.w.last),
      .MAXIGP0WVALID(gp_request.w.valid),
      .MAXIGP0WREADY(gp_answer.w_ready),
      .MAXIGP0BID(gp_answer.b.id),
      .MAXIGP0BRESP(gp_answer.b.resp),
      .MAXIGP0BVALID(gp_answer.b.valid),
      .MAXIGP0BREADY(gp_request.b_ready),
      .MAXIGP0ARID(gp_request.ar.id),
      .MAXIGP0ARADDR(gp_request.ar.addr),
      .MAXIGP0ARLEN(gp_request.ar.len),
      .MAXIGP0ARSIZE(gp_request.ar.size[1:0]),
      .MAXIGP0ARBURST(gp_request.ar.burst),
      .MAXIGP0ARLOCK(gp_request.ar.lock),
      .MAXIGP0ARVALID(gp_request.ar.valid),
      .MAXIGP0ARREADY(gp_answer.ar_ready),
      .MAXIGP0RID(gp_answer.r.id),
      .MAXIGP0RDATA(gp_answer.r.data),
      .MAXIGP0RRESP(gp_answer.r.resp),
      .MAXIGP0RLAST(gp_answer.r.last),
      .MAXIGP0RVALID(gp_answer.r.valid),
      .MAXIGP0RREADY(gp_request.r_ready),
      .SAXIHP0ACLK(clk),
      .SAXIHP0RDISSUECAP1EN(1'b0),
      .SAXIHP0WRISSUECAP1EN(1'b0),
      .SAXIHP0AWID(hp_request.aw.id),
      .SAXIHP0AWADDR(hp_request.aw.addr),
      .SAXIHP0AWLEN(hp_request.aw.len),
      .SAXIHP0AWSIZE(hp_request.aw.size[1:0]),
      .SAXIHP0AWBURST(hp_request.aw.burst),
      .SAXIHP0AWLOCK(hp_request.aw.lock),
      .SAXIHP0AWCACHE(hp_request.aw.cache),
      .SAXIHP0AWPROT(hp_request.aw.prot),
      .SAXIHP0AWQOS(hp_request.aw.qos),
      .SAXIHP0AWVALID(hp_request.aw.valid),
      .SAXIHP0AWREADY(hp_answer.aw_ready),
      .SAXIHP0WID(hp_request.w.id),
      .SAXIHP0WDATA(hp_request.w.data),
      .SAXIHP0WSTRB(hp_request.w.strb),
      .SAXIHP0WLAST(hp_request.w.last),
      .SAXIHP0WVALID(hp_request.w.valid),
      .SAXIHP0WREADY(hp_answer.w_ready),
      .SAXIHP0BID(hp_answer.b.id),
      .SAXIHP0BRESP(hp_answer.b.resp),
      .SAXIHP0BVALID(hp_answer.b.valid),
      .SAXIHP0BREADY(hp_request.b_ready),
      .SAXIHP0ARID(hp_request.ar.id),
      .SAXIHP0ARADDR(hp_request.ar.addr),
      .SAXIHP0ARLEN(hp_request.ar.len),
      .SAXIHP0ARSIZE(hp_request.ar.size[1:0]),
      .SAXIHP0ARBURST(hp_request.ar.burst),
      .SAXIHP0ARLOCK(hp_request.ar.lock),
      .SAXIHP0ARCACHE(hp_request.ar.cache),
      .SAXIHP0ARPROT(hp_request.ar.prot),
      .SAXIHP0ARQOS(hp_request.ar.qos),
      .SAXIHP0ARVALID(hp_request.ar.valid),
      .SAXIHP0ARREADY(hp_answer.ar_ready),
      .SAXIHP0RID(hp_answer.r.id),
      .SAXIHP0RDATA(hp_answer.r.data),
      .SAXIHP0RRESP(hp_answer.r.resp),
      .SAXIHP0RLAST(hp_answer.r.last),
      .SAXIHP0RVALID(hp_answer.r.valid),
      .SAXIHP0RREADY(hp_request.r_ready)
  );

  // The processor's ports write the size of a beat with two bits.
  assign gp_request.aw.size[2] = 1'b0;
  assign gp_request.ar.size[2] = 1'b0;

  fs_axi_accelerator u_accelerator (
      .clk,
      .rst_n(rst_n_q),
      .irq,
      .gp_request,
      .gp_answer,
      .hp_request,
      .hp_answer
  );

  wire unused = &{1'b0, fclk[3:1], fclk_reset_n[3:1], hp_request.aw.size[2], hp_request.ar.size[2]};
endmodule

`default_nettype wire
