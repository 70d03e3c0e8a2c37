// fs_axi_accelerator with a port for every signal of its two AXI3 ports: top of the virtual board, whose C++ reads and
// writes them one by one.
`default_nettype none

module virtual_board_top (
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
    output wire m_axi_hp_rready
);
  wire fs_axi_pkg::gp_request_t gp_request;
  wire fs_axi_pkg::gp_answer_t gp_answer;
  wire fs_axi_pkg::hp_request_t hp_request;
  wire fs_axi_pkg::hp_answer_t hp_answer;

  assign gp_request.aw.id = s_axi_gp_awid;
  assign gp_request.aw.addr = s_axi_gp_awaddr;
  assign gp_request.aw.len = s_axi_gp_awlen;
  assign gp_request.aw.size = s_axi_gp_awsize;
  assign gp_request.aw.burst = s_axi_gp_awburst;
  assign gp_request.aw.lock = s_axi_gp_awlock;
  assign gp_request.aw.valid = s_axi_gp_awvalid;
  assign s_axi_gp_awready = gp_answer.aw_ready;
  assign gp_request.w.id = s_axi_gp_wid;
  assign gp_request.w.data = s_axi_gp_wdata;
  assign gp_request.w.strb = s_axi_gp_wstrb;
  assign gp_request.w.last = s_axi_gp_wlast;
  assign gp_request.w.valid = s_axi_gp_wvalid;
  assign s_axi_gp_wready = gp_answer.w_ready;
  assign s_axi_gp_bid = gp_answer.b.id;
  assign s_axi_gp_bresp = gp_answer.b.resp;
  assign s_axi_gp_bvalid = gp_answer.b.valid;
  assign gp_request.b_ready = s_axi_gp_bready;
  assign gp_request.ar.id = s_axi_gp_arid;
  assign gp_request.ar.addr = s_axi_gp_araddr;
  assign gp_request.ar.len = s_axi_gp_arlen;
  assign gp_request.ar.size = s_axi_gp_arsize;
  assign gp_request.ar.burst = s_axi_gp_arburst;
  assign gp_request.ar.lock = s_axi_gp_arlock;
  assign gp_request.ar.valid = s_axi_gp_arvalid;
  assign s_axi_gp_arready = gp_answer.ar_ready;
  assign s_axi_gp_rid = gp_answer.r.id;
  assign s_axi_gp_rdata = gp_answer.r.data;
  assign s_axi_gp_rresp = gp_answer.r.resp;
  assign s_axi_gp_rlast = gp_answer.r.last;
  assign s_axi_gp_rvalid = gp_answer.r.valid;
  assign gp_request.r_ready = s_axi_gp_rready;

  assign m_axi_hp_awid = hp_request.aw.id;
  assign m_axi_hp_awaddr = hp_request.aw.addr;
  assign m_axi_hp_awlen = hp_request.aw.len;
  assign m_axi_hp_awsize = hp_request.aw.size;
  assign m_axi_hp_awburst = hp_request.aw.burst;
  assign m_axi_hp_awlock = hp_request.aw.lock;
  assign m_axi_hp_awcache = hp_request.aw.cache;
  assign m_axi_hp_awprot = hp_request.aw.prot;
  assign m_axi_hp_awqos = hp_request.aw.qos;
  assign m_axi_hp_awvalid = hp_request.aw.valid;
  assign hp_answer.aw_ready = m_axi_hp_awready;
  assign m_axi_hp_wid = hp_request.w.id;
  assign m_axi_hp_wdata = hp_request.w.data;
  assign m_axi_hp_wstrb = hp_request.w.strb;
  assign m_axi_hp_wlast = hp_request.w.last;
  assign m_axi_hp_wvalid = hp_request.w.valid;
  assign hp_answer.w_ready = m_axi_hp_wready;
  assign hp_answer.b.id = m_axi_hp_bid;
  assign hp_answer.b.resp = m_axi_hp_bresp;
  assign hp_answer.b.valid = m_axi_hp_bvalid;
  assign m_axi_hp_bready = hp_request.b_ready;
  assign m_axi_hp_arid = hp_request.ar.id;
  assign m_axi_hp_araddr = hp_request.ar.addr;
  assign m_axi_hp_arlen = hp_request.ar.len;
  assign m_axi_hp_arsize = hp_request.ar.size;
  assign m_axi_hp_arburst = hp_request.ar.burst;
  assign m_axi_hp_arlock = hp_request.ar.lock;
  assign m_axi_hp_arcache = hp_request.ar.cache;
  assign m_axi_hp_arprot = hp_request.ar.prot;
  assign m_axi_hp_arqos = hp_request.ar.qos;
  assign m_axi_hp_arvalid = hp_request.ar.valid;
  assign hp_answer.ar_ready = m_axi_hp_arready;
  assign hp_answer.r.id = m_axi_hp_rid;
  assign hp_answer.r.data = m_axi_hp_rdata;
  assign hp_answer.r.resp = m_axi_hp_rresp;
  assign hp_answer.r.last = m_axi_hp_rlast;
  assign hp_answer.r.valid = m_axi_hp_rvalid;
  assign m_axi_hp_rready = hp_request.r_ready;

  fs_axi_accelerator u_accelerator (
      .clk,
      .rst_n,
      .irq,
      .gp_request,
      .gp_answer,
      .hp_request,
      .hp_answer
  );
endmodule

`default_nettype wire
