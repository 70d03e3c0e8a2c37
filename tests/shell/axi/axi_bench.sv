// Bench around fs_axi_accelerator. AXI4-shaped ports for the models of cocotbext-axi: `s_axi_*` is driven by
// its master (or `raw_*` by a master of ours while `raw` is high), `m_axi_*` is answered by its memory. Both
// AXI3 ports are watched by a checker.
//   ar_delay  clocks by which read addresses travel longer (pipelined), at most ar_slots of them
//   decerr    error answers of the memory become DECERR instead of SLVERR
`default_nettype none

module axi_bench (
    input wire clk,
    input wire rst_n,
    input wire raw,
    input wire decerr,
    input wire [7:0] ar_delay,
    input wire [3:0] ar_slots,
    output wire irq,
    output int unsigned gp_violations,
    output int unsigned hp_violations,
    output int unsigned gp_outstanding,
    output int unsigned hp_outstanding,
    output int unsigned hp_read_bursts,
    output int unsigned hp_write_bursts,
    output int unsigned hp_longest,
    output int unsigned hp_most_reads,
    input wire [11:0] s_axi_awid,
    input wire [31:0] s_axi_awaddr,
    input wire [7:0] s_axi_awlen,
    input wire [2:0] s_axi_awsize,
    input wire [1:0] s_axi_awburst,
    input wire s_axi_awlock,
    input wire s_axi_awvalid,
    output wire s_axi_awready,
    input wire [31:0] s_axi_wdata,
    input wire [3:0] s_axi_wstrb,
    input wire s_axi_wlast,
    input wire s_axi_wvalid,
    output wire s_axi_wready,
    output wire [11:0] s_axi_bid,
    output wire [1:0] s_axi_bresp,
    output wire s_axi_bvalid,
    input wire s_axi_bready,
    input wire [11:0] s_axi_arid,
    input wire [31:0] s_axi_araddr,
    input wire [7:0] s_axi_arlen,
    input wire [2:0] s_axi_arsize,
    input wire [1:0] s_axi_arburst,
    input wire s_axi_arlock,
    input wire s_axi_arvalid,
    output wire s_axi_arready,
    output wire [11:0] s_axi_rid,
    output wire [31:0] s_axi_rdata,
    output wire [1:0] s_axi_rresp,
    output wire s_axi_rlast,
    output wire s_axi_rvalid,
    input wire s_axi_rready,

    input wire [11:0] raw_awid,
    input wire [31:0] raw_awaddr,
    input wire [7:0] raw_awlen,
    input wire [2:0] raw_awsize,
    input wire [1:0] raw_awburst,
    input wire [1:0] raw_awlock,
    input wire raw_awvalid,
    output wire raw_awready,
    input wire [11:0] raw_wid,
    input wire [31:0] raw_wdata,
    input wire [3:0] raw_wstrb,
    input wire raw_wlast,
    input wire raw_wvalid,
    output wire raw_wready,
    output wire [11:0] raw_bid,
    output wire [1:0] raw_bresp,
    output wire raw_bvalid,
    input wire raw_bready,
    input wire [11:0] raw_arid,
    input wire [31:0] raw_araddr,
    input wire [7:0] raw_arlen,
    input wire [2:0] raw_arsize,
    input wire [1:0] raw_arburst,
    input wire [1:0] raw_arlock,
    input wire raw_arvalid,
    output wire raw_arready,
    output wire [11:0] raw_rid,
    output wire [31:0] raw_rdata,
    output wire [1:0] raw_rresp,
    output wire raw_rlast,
    output wire raw_rvalid,
    input wire raw_rready,

    output wire [5:0] m_axi_awid,
    output wire [31:0] m_axi_awaddr,
    output wire [7:0] m_axi_awlen,
    output wire [2:0] m_axi_awsize,
    output wire [1:0] m_axi_awburst,
    output wire m_axi_awlock,
    output wire [3:0] m_axi_awcache,
    output wire [2:0] m_axi_awprot,
    output wire [3:0] m_axi_awqos,
    output wire m_axi_awvalid,
    input wire m_axi_awready,
    output wire [63:0] m_axi_wdata,
    output wire [7:0] m_axi_wstrb,
    output wire m_axi_wlast,
    output wire m_axi_wvalid,
    input wire m_axi_wready,
    input wire [5:0] m_axi_bid,
    input wire [1:0] m_axi_bresp,
    input wire m_axi_bvalid,
    output wire m_axi_bready,
    output wire [5:0] m_axi_arid,
    output wire [31:0] m_axi_araddr,
    output wire [7:0] m_axi_arlen,
    output wire [2:0] m_axi_arsize,
    output wire [1:0] m_axi_arburst,
    output wire m_axi_arlock,
    output wire [3:0] m_axi_arcache,
    output wire [2:0] m_axi_arprot,
    output wire [3:0] m_axi_arqos,
    output wire m_axi_arvalid,
    input wire m_axi_arready,
    input wire [5:0] m_axi_rid,
    input wire [63:0] m_axi_rdata,
    input wire [1:0] m_axi_rresp,
    input wire m_axi_rlast,
    input wire m_axi_rvalid,
    output wire m_axi_rready
);
  wire fs_axi_pkg::gp_request_t gp_request;
  wire fs_axi_pkg::gp_answer_t gp_answer;
  wire fs_axi_pkg::hp_request_t hp_request;
  wire fs_axi_pkg::hp_answer_t hp_answer;

  // -- registers ---------------------------------------------------------------------------------

  // AXI4 has no WID: data waits for its address, and takes that one's ID.
  logic [11:0] wid_q;
  logic wid_known_q;
  always_ff @(posedge clk) begin
    if (!rst_n) wid_known_q <= 1'b0;
    else if (gp_request.aw.valid && gp_answer.aw_ready) begin
      wid_q <= gp_request.aw.id;
      wid_known_q <= 1'b1;
    end else if (gp_request.w.valid && gp_answer.w_ready && gp_request.w.last) wid_known_q <= 1'b0;
  end

  assign gp_request.aw.id = raw ? raw_awid : s_axi_awid;
  assign gp_request.aw.addr = raw ? raw_awaddr : s_axi_awaddr;
  assign gp_request.aw.len = raw ? raw_awlen[3:0] : s_axi_awlen[3:0];
  assign gp_request.aw.size = raw ? raw_awsize : s_axi_awsize;
  assign gp_request.aw.burst = raw ? raw_awburst : s_axi_awburst;
  assign gp_request.aw.lock = raw ? raw_awlock : {1'b0, s_axi_awlock};
  assign gp_request.aw.valid = raw ? raw_awvalid : s_axi_awvalid;
  assign gp_request.w.id = raw ? raw_wid : wid_q;
  assign gp_request.w.data = raw ? raw_wdata : s_axi_wdata;
  assign gp_request.w.strb = raw ? raw_wstrb : s_axi_wstrb;
  assign gp_request.w.last = raw ? raw_wlast : s_axi_wlast;
  assign gp_request.w.valid = raw ? raw_wvalid : s_axi_wvalid && wid_known_q;
  assign gp_request.b_ready = raw ? raw_bready : s_axi_bready;
  assign gp_request.ar.id = raw ? raw_arid : s_axi_arid;
  assign gp_request.ar.addr = raw ? raw_araddr : s_axi_araddr;
  assign gp_request.ar.len = raw ? raw_arlen[3:0] : s_axi_arlen[3:0];
  assign gp_request.ar.size = raw ? raw_arsize : s_axi_arsize;
  assign gp_request.ar.burst = raw ? raw_arburst : s_axi_arburst;
  assign gp_request.ar.lock = raw ? raw_arlock : {1'b0, s_axi_arlock};
  assign gp_request.ar.valid = raw ? raw_arvalid : s_axi_arvalid;
  assign gp_request.r_ready = raw ? raw_rready : s_axi_rready;
  assign s_axi_awready = gp_answer.aw_ready && !raw;
  assign raw_awready = gp_answer.aw_ready;
  assign s_axi_wready = gp_answer.w_ready && wid_known_q && !raw;
  assign raw_wready = gp_answer.w_ready;
  assign s_axi_bid = gp_answer.b.id;
  assign raw_bid = gp_answer.b.id;
  assign s_axi_bresp = gp_answer.b.resp;
  assign raw_bresp = gp_answer.b.resp;
  assign s_axi_bvalid = gp_answer.b.valid && !raw;
  assign raw_bvalid = gp_answer.b.valid;
  assign s_axi_arready = gp_answer.ar_ready && !raw;
  assign raw_arready = gp_answer.ar_ready;
  assign s_axi_rid = gp_answer.r.id;
  assign raw_rid = gp_answer.r.id;
  assign s_axi_rdata = gp_answer.r.data;
  assign raw_rdata = gp_answer.r.data;
  assign s_axi_rresp = gp_answer.r.resp;
  assign raw_rresp = gp_answer.r.resp;
  assign s_axi_rlast = gp_answer.r.last;
  assign raw_rlast = gp_answer.r.last;
  assign s_axi_rvalid = gp_answer.r.valid && !raw;
  assign raw_rvalid = gp_answer.r.valid;

  // -- memory ------------------------------------------------------------------------------------

  typedef struct packed {
    fs_axi_pkg::hp_address_t address;
    logic [31:0] due;
  } ar_t;

  ar_t ars[$];
  ar_t ar_head_q;
  logic ar_head_valid_q;
  logic ar_room_q;
  logic [31:0] now_q;

  always @(posedge clk) begin
    now_q <= now_q + 1;
    if (!rst_n) begin
      ars.delete();
      ar_head_valid_q <= 1'b0;
      ar_room_q <= 1'b0;
      now_q <= 0;
    end else begin
      if (hp_request.ar.valid && hp_answer.ar_ready)
        ars.push_back('{address: hp_request.ar, due: now_q + 32'(ar_delay)});
      if (!ar_head_valid_q || m_axi_arready) begin
        if (ars.size() > 0 && ars[0].due <= now_q) begin
          ar_head_q <= ars.pop_front();
          ar_head_valid_q <= 1'b1;
        end else ar_head_valid_q <= 1'b0;
      end
      ar_room_q <= ars.size() < 32'(ar_slots);
    end
  end

  // Two clocks old: one address more may come than there are slots.
  assign hp_answer.ar_ready = ar_room_q;
  assign m_axi_arid = ar_head_q.address.id;
  assign m_axi_araddr = ar_head_q.address.addr;
  assign m_axi_arlen = {4'd0, ar_head_q.address.len};
  assign m_axi_arsize = 3'd3;
  assign m_axi_arburst = 2'b01;
  assign m_axi_arlock = 1'b0;
  assign m_axi_arcache = hp_request.ar.cache;
  assign m_axi_arprot = hp_request.ar.prot;
  assign m_axi_arqos = hp_request.ar.qos;
  assign m_axi_arvalid = ar_head_valid_q;
  assign hp_answer.r.id = m_axi_rid;
  assign hp_answer.r.data = m_axi_rdata;
  assign hp_answer.r.resp = m_axi_rresp | {1'b0, decerr && m_axi_rresp[1]};
  assign hp_answer.r.last = m_axi_rlast;
  assign hp_answer.r.valid = m_axi_rvalid;
  assign m_axi_rready = hp_request.r_ready;

  assign m_axi_awid = hp_request.aw.id;
  assign m_axi_awaddr = hp_request.aw.addr;
  assign m_axi_awlen = {4'd0, hp_request.aw.len};
  assign m_axi_awsize = hp_request.aw.size;
  assign m_axi_awburst = hp_request.aw.burst;
  assign m_axi_awlock = hp_request.aw.lock[0];
  assign m_axi_awcache = hp_request.aw.cache;
  assign m_axi_awprot = hp_request.aw.prot;
  assign m_axi_awqos = hp_request.aw.qos;
  assign m_axi_awvalid = hp_request.aw.valid;
  assign hp_answer.aw_ready = m_axi_awready;
  assign m_axi_wdata = hp_request.w.data;
  assign m_axi_wstrb = hp_request.w.strb;
  assign m_axi_wlast = hp_request.w.last;
  assign m_axi_wvalid = hp_request.w.valid;
  assign hp_answer.w_ready = m_axi_wready;
  assign hp_answer.b.id = m_axi_bid;
  assign hp_answer.b.resp = m_axi_bresp | {1'b0, decerr && m_axi_bresp[1]};
  assign hp_answer.b.valid = m_axi_bvalid;
  assign m_axi_bready = hp_request.b_ready;

  fs_axi_accelerator u_dut (
      .clk,
      .rst_n,
      .irq,
      .gp_request,
      .gp_answer,
      .hp_request,
      .hp_answer
  );

  axi3_checker #(
      .NAME("GP0"),
      .ID_BITS(12),
      .DATA_BITS(32),
      .STRICT(1'b0)
  ) u_gp_checker (
      .clk,
      .rst_n,
      .awid(gp_request.aw.id),
      .awaddr(gp_request.aw.addr),
      .awlen({4'd0, gp_request.aw.len}),
      .awsize(gp_request.aw.size),
      .awburst(gp_request.aw.burst),
      .awlock(gp_request.aw.lock),
      .awvalid(gp_request.aw.valid),
      .awready(gp_answer.aw_ready),
      .wid(gp_request.w.id),
      .wdata(gp_request.w.data),
      .wstrb(gp_request.w.strb),
      .wlast(gp_request.w.last),
      .wvalid(gp_request.w.valid),
      .wready(gp_answer.w_ready),
      .bid(gp_answer.b.id),
      .bresp(gp_answer.b.resp),
      .bvalid(gp_answer.b.valid),
      .bready(gp_request.b_ready),
      .arid(gp_request.ar.id),
      .araddr(gp_request.ar.addr),
      .arlen({4'd0, gp_request.ar.len}),
      .arsize(gp_request.ar.size),
      .arburst(gp_request.ar.burst),
      .arlock(gp_request.ar.lock),
      .arvalid(gp_request.ar.valid),
      .arready(gp_answer.ar_ready),
      .rid(gp_answer.r.id),
      .rdata(gp_answer.r.data),
      .rresp(gp_answer.r.resp),
      .rlast(gp_answer.r.last),
      .rvalid(gp_answer.r.valid),
      .rready(gp_request.r_ready),
      .violations(gp_violations),
      .read_bursts(),
      .write_bursts(),
      .longest(),
      .outstanding(gp_outstanding),
      .most_reads()
  );

  axi3_checker #(
      .NAME("HP0")
  ) u_hp_checker (
      .clk,
      .rst_n,
      .awid(hp_request.aw.id),
      .awaddr(hp_request.aw.addr),
      .awlen({4'd0, hp_request.aw.len}),
      .awsize(hp_request.aw.size),
      .awburst(hp_request.aw.burst),
      .awlock(hp_request.aw.lock),
      .awvalid(hp_request.aw.valid),
      .awready(hp_answer.aw_ready),
      .wid(hp_request.w.id),
      .wdata(hp_request.w.data),
      .wstrb(hp_request.w.strb),
      .wlast(hp_request.w.last),
      .wvalid(hp_request.w.valid),
      .wready(hp_answer.w_ready),
      .bid(hp_answer.b.id),
      .bresp(hp_answer.b.resp),
      .bvalid(hp_answer.b.valid),
      .bready(hp_request.b_ready),
      .arid(hp_request.ar.id),
      .araddr(hp_request.ar.addr),
      .arlen({4'd0, hp_request.ar.len}),
      .arsize(hp_request.ar.size),
      .arburst(hp_request.ar.burst),
      .arlock(hp_request.ar.lock),
      .arvalid(hp_request.ar.valid),
      .arready(hp_answer.ar_ready),
      .rid(hp_answer.r.id),
      .rdata(hp_answer.r.data),
      .rresp(hp_answer.r.resp),
      .rlast(hp_answer.r.last),
      .rvalid(hp_answer.r.valid),
      .rready(hp_request.r_ready),
      .violations(hp_violations),
      .read_bursts(hp_read_bursts),
      .write_bursts(hp_write_bursts),
      .longest(hp_longest),
      .outstanding(hp_outstanding),
      .most_reads(hp_most_reads)
  );
endmodule

`default_nettype wire
