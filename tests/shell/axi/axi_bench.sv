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
  // -- registers ---------------------------------------------------------------------------------

  // AXI4 has no WID: data waits for its address, and takes that one's ID.
  logic [11:0] wid_q;
  logic wid_known_q;
  always_ff @(posedge clk) begin
    if (!rst_n) wid_known_q <= 1'b0;
    else if (gp_awvalid && gp_awready) begin
      wid_q <= gp_awid;
      wid_known_q <= 1'b1;
    end else if (gp_wvalid && gp_wready && gp_wlast) wid_known_q <= 1'b0;
  end

  wire [11:0] gp_awid = raw ? raw_awid : s_axi_awid;
  wire [31:0] gp_awaddr = raw ? raw_awaddr : s_axi_awaddr;
  wire [3:0] gp_awlen = raw ? raw_awlen[3:0] : s_axi_awlen[3:0];
  wire [2:0] gp_awsize = raw ? raw_awsize : s_axi_awsize;
  wire [1:0] gp_awburst = raw ? raw_awburst : s_axi_awburst;
  wire [1:0] gp_awlock = raw ? raw_awlock : {1'b0, s_axi_awlock};
  wire gp_awvalid = raw ? raw_awvalid : s_axi_awvalid;
  wire [11:0] gp_wid = raw ? raw_wid : wid_q;
  wire [31:0] gp_wdata = raw ? raw_wdata : s_axi_wdata;
  wire [3:0] gp_wstrb = raw ? raw_wstrb : s_axi_wstrb;
  wire gp_wlast = raw ? raw_wlast : s_axi_wlast;
  wire gp_wvalid = raw ? raw_wvalid : s_axi_wvalid && wid_known_q;
  wire gp_bready = raw ? raw_bready : s_axi_bready;
  wire [11:0] gp_arid = raw ? raw_arid : s_axi_arid;
  wire [31:0] gp_araddr = raw ? raw_araddr : s_axi_araddr;
  wire [3:0] gp_arlen = raw ? raw_arlen[3:0] : s_axi_arlen[3:0];
  wire [2:0] gp_arsize = raw ? raw_arsize : s_axi_arsize;
  wire [1:0] gp_arburst = raw ? raw_arburst : s_axi_arburst;
  wire [1:0] gp_arlock = raw ? raw_arlock : {1'b0, s_axi_arlock};
  wire gp_arvalid = raw ? raw_arvalid : s_axi_arvalid;
  wire gp_rready = raw ? raw_rready : s_axi_rready;
  wire gp_awready;
  assign s_axi_awready = gp_awready && !raw;
  assign raw_awready = gp_awready;
  wire gp_wready;
  assign s_axi_wready = gp_wready && wid_known_q && !raw;
  assign raw_wready = gp_wready;
  wire [11:0] gp_bid;
  assign s_axi_bid = gp_bid;
  assign raw_bid = gp_bid;
  wire [1:0] gp_bresp;
  assign s_axi_bresp = gp_bresp;
  assign raw_bresp = gp_bresp;
  wire gp_bvalid;
  assign s_axi_bvalid = gp_bvalid && !raw;
  assign raw_bvalid = gp_bvalid;
  wire gp_arready;
  assign s_axi_arready = gp_arready && !raw;
  assign raw_arready = gp_arready;
  wire [11:0] gp_rid;
  assign s_axi_rid = gp_rid;
  assign raw_rid = gp_rid;
  wire [31:0] gp_rdata;
  assign s_axi_rdata = gp_rdata;
  assign raw_rdata = gp_rdata;
  wire [1:0] gp_rresp;
  assign s_axi_rresp = gp_rresp;
  assign raw_rresp = gp_rresp;
  wire gp_rlast;
  assign s_axi_rlast = gp_rlast;
  assign raw_rlast = gp_rlast;
  wire gp_rvalid;
  assign s_axi_rvalid = gp_rvalid && !raw;
  assign raw_rvalid = gp_rvalid;

  // -- memory ------------------------------------------------------------------------------------

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

  typedef struct packed {
    logic [31:0] addr;
    logic [3:0] len;
    logic [5:0] id;
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
      if (hp_arvalid && hp_arready)
        ars.push_back('{addr: hp_araddr, len: hp_arlen, id: hp_arid, due: now_q + 32'(ar_delay)});
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
  assign hp_arready = ar_room_q;
  assign m_axi_arid = ar_head_q.id;
  assign m_axi_araddr = ar_head_q.addr;
  assign m_axi_arlen = {4'd0, ar_head_q.len};
  assign m_axi_arsize = 3'd3;
  assign m_axi_arburst = 2'b01;
  assign m_axi_arlock = 1'b0;
  assign m_axi_arcache = hp_arcache;
  assign m_axi_arprot = hp_arprot;
  assign m_axi_arqos = hp_arqos;
  assign m_axi_arvalid = ar_head_valid_q;
  assign hp_rid = m_axi_rid;
  assign hp_rdata = m_axi_rdata;
  assign hp_rresp = m_axi_rresp | {1'b0, decerr && m_axi_rresp[1]};
  assign hp_rlast = m_axi_rlast;
  assign hp_rvalid = m_axi_rvalid;
  assign m_axi_rready = hp_rready;

  assign m_axi_awid = hp_awid;
  assign m_axi_awaddr = hp_awaddr;
  assign m_axi_awlen = {4'd0, hp_awlen};
  assign m_axi_awsize = hp_awsize;
  assign m_axi_awburst = hp_awburst;
  assign m_axi_awlock = hp_awlock[0];
  assign m_axi_awcache = hp_awcache;
  assign m_axi_awprot = hp_awprot;
  assign m_axi_awqos = hp_awqos;
  assign m_axi_awvalid = hp_awvalid;
  assign hp_awready = m_axi_awready;
  assign m_axi_wdata = hp_wdata;
  assign m_axi_wstrb = hp_wstrb;
  assign m_axi_wlast = hp_wlast;
  assign m_axi_wvalid = hp_wvalid;
  assign hp_wready = m_axi_wready;
  assign hp_bid = m_axi_bid;
  assign hp_bresp = m_axi_bresp | {1'b0, decerr && m_axi_bresp[1]};
  assign hp_bvalid = m_axi_bvalid;
  assign m_axi_bready = hp_bready;

  fs_axi_accelerator u_dut (
      .clk,
      .rst_n,
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

  axi3_checker #(
      .NAME("GP0"),
      .ID_BITS(12),
      .DATA_BITS(32),
      .STRICT(1'b0)
  ) u_gp_checker (
      .clk,
      .rst_n,
      .awid(gp_awid),
      .awaddr(gp_awaddr),
      .awlen({4'd0, gp_awlen}),
      .awsize(gp_awsize),
      .awburst(gp_awburst),
      .awlock(gp_awlock),
      .awvalid(gp_awvalid),
      .awready(gp_awready),
      .wid(gp_wid),
      .wdata(gp_wdata),
      .wstrb(gp_wstrb),
      .wlast(gp_wlast),
      .wvalid(gp_wvalid),
      .wready(gp_wready),
      .bid(gp_bid),
      .bresp(gp_bresp),
      .bvalid(gp_bvalid),
      .bready(gp_bready),
      .arid(gp_arid),
      .araddr(gp_araddr),
      .arlen({4'd0, gp_arlen}),
      .arsize(gp_arsize),
      .arburst(gp_arburst),
      .arlock(gp_arlock),
      .arvalid(gp_arvalid),
      .arready(gp_arready),
      .rid(gp_rid),
      .rdata(gp_rdata),
      .rresp(gp_rresp),
      .rlast(gp_rlast),
      .rvalid(gp_rvalid),
      .rready(gp_rready),
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
      .awid(hp_awid),
      .awaddr(hp_awaddr),
      .awlen({4'd0, hp_awlen}),
      .awsize(hp_awsize),
      .awburst(hp_awburst),
      .awlock(hp_awlock),
      .awvalid(hp_awvalid),
      .awready(hp_awready),
      .wid(hp_wid),
      .wdata(hp_wdata),
      .wstrb(hp_wstrb),
      .wlast(hp_wlast),
      .wvalid(hp_wvalid),
      .wready(hp_wready),
      .bid(hp_bid),
      .bresp(hp_bresp),
      .bvalid(hp_bvalid),
      .bready(hp_bready),
      .arid(hp_arid),
      .araddr(hp_araddr),
      .arlen({4'd0, hp_arlen}),
      .arsize(hp_arsize),
      .arburst(hp_arburst),
      .arlock(hp_arlock),
      .arvalid(hp_arvalid),
      .arready(hp_arready),
      .rid(hp_rid),
      .rdata(hp_rdata),
      .rresp(hp_rresp),
      .rlast(hp_rlast),
      .rvalid(hp_rvalid),
      .rready(hp_rready),
      .violations(hp_violations),
      .read_bursts(hp_read_bursts),
      .write_bursts(hp_write_bursts),
      .longest(hp_longest),
      .outstanding(hp_outstanding),
      .most_reads(hp_most_reads)
  );
endmodule

`default_nettype wire
