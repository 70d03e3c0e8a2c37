// Write half of an AXI3 slave: turns a burst into single writes on an AXI4-Lite port.
//
// Contract
//   * Every burst is answered once, whatever it is, with the ID it came with. INCR bursts of 1 to 16
//     beats and of 1, 2 or 4 bytes a beat are written beat by beat; so is a single beat of any burst
//     type. Others (FIXED or WRAP of several beats, beats wider than the bus) write nothing and are
//     answered with SLVERR, as is a beat whose WID is not its burst's, or a burst whose WLAST is not
//     where AWLEN says; it ends at the earlier of the two.
//   * The answer is that of the first beat that failed, or OKAY. Exclusive and locked writes are
//     ordinary writes (OKAY, never EXOKAY).
//   * One burst at a time: write data is taken after its address. A beat takes 4 clocks and what the
//     AXI4-Lite side takes.
`default_nettype none

module fs_axi_slave_write #(
    parameter int unsigned ID_BITS   = 12,
    parameter int unsigned ADDR_BITS = 12   // address bits passed on, the others are not looked at
) (
    input wire clk,
    input wire rst_n,

    input wire [ID_BITS-1:0] s_axi_awid,
    input wire [ADDR_BITS-1:0] s_axi_awaddr,
    input wire [3:0] s_axi_awlen,
    input wire [2:0] s_axi_awsize,
    input wire [1:0] s_axi_awburst,
    input wire s_axi_awvalid,
    output wire s_axi_awready,
    input wire [ID_BITS-1:0] s_axi_wid,
    input wire [31:0] s_axi_wdata,
    input wire [3:0] s_axi_wstrb,
    input wire s_axi_wlast,
    input wire s_axi_wvalid,
    output wire s_axi_wready,
    output wire [ID_BITS-1:0] s_axi_bid,
    output wire [1:0] s_axi_bresp,
    output wire s_axi_bvalid,
    input wire s_axi_bready,

    output wire [ADDR_BITS-1:0] m_axil_awaddr,
    output wire m_axil_awvalid,
    input wire m_axil_awready,
    output wire [31:0] m_axil_wdata,
    output wire [3:0] m_axil_wstrb,
    output wire m_axil_wvalid,
    input wire m_axil_wready,
    input wire [1:0] m_axil_bresp,
    input wire m_axil_bvalid,
    output wire m_axil_bready
);
  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;
  localparam logic [1:0] INCR = 2'b01;

  typedef enum logic [2:0] {
    IDLE,
    DATA,
    ISSUE,
    ANSWER,
    RESPOND
  } state_e;

  state_e state_q;
  logic [ID_BITS-1:0] id_q;
  logic [ADDR_BITS-1:0] addr_q;
  logic [1:0] size_q;
  logic [3:0] left_q;  // beats after the next one
  logic refused_q;  // the whole burst
  logic last_q;
  logic [31:0] data_q;
  logic [3:0] strb_q;
  logic aw_valid_q;
  logic w_valid_q;
  logic [1:0] resp_q;

  wire [ADDR_BITS-1:0] size_bytes = ADDR_BITS'(1) << size_q;
  wire [ADDR_BITS-1:0] next_addr = (addr_q & ~(size_bytes - 1'b1)) + size_bytes;
  wire wrong_id = s_axi_wid != id_q;
  wire wrong_last = s_axi_wlast != (left_q == '0);
  wire end_of_burst = s_axi_wlast || left_q == '0;

  always_ff @(posedge clk) begin
    if (s_axi_awready && s_axi_awvalid) begin
      id_q <= s_axi_awid;
      addr_q <= s_axi_awaddr;
      size_q <= s_axi_awsize[1:0];
      left_q <= s_axi_awlen;
      refused_q <= s_axi_awsize > 3'd2 || (s_axi_awlen != '0 && s_axi_awburst != INCR);
    end
    if (s_axi_wready && s_axi_wvalid) begin
      data_q <= s_axi_wdata;
      strb_q <= s_axi_wstrb;
      last_q <= end_of_burst;
      left_q <= left_q - 1'b1;
    end
    if (state_q == ANSWER && m_axil_bvalid) addr_q <= next_addr;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      state_q <= IDLE;
      aw_valid_q <= 1'b0;
      w_valid_q <= 1'b0;
      resp_q <= OKAY;
    end else begin
      if (m_axil_awready) aw_valid_q <= 1'b0;
      if (m_axil_wready) w_valid_q <= 1'b0;
      case (state_q)
        DATA:
        if (s_axi_wvalid) begin
          if ((refused_q || wrong_id || wrong_last) && resp_q == OKAY) resp_q <= SLVERR;
          if (refused_q || wrong_id) begin
            if (end_of_burst) state_q <= RESPOND;
          end else begin
            aw_valid_q <= 1'b1;
            w_valid_q <= 1'b1;
            state_q <= ISSUE;
          end
        end
        ISSUE: if ((m_axil_awready || !aw_valid_q) && (m_axil_wready || !w_valid_q)) state_q <= ANSWER;
        ANSWER:
        if (m_axil_bvalid) begin
          if (resp_q == OKAY) resp_q <= m_axil_bresp;
          state_q <= last_q ? RESPOND : DATA;
        end
        RESPOND: if (s_axi_bready) state_q <= IDLE;
        default: begin
          resp_q <= OKAY;
          if (s_axi_awvalid) state_q <= DATA;
        end
      endcase
    end
  end

  assign s_axi_awready = state_q == IDLE;
  assign s_axi_wready = state_q == DATA;
  assign s_axi_bid = id_q;
  assign s_axi_bresp = resp_q;
  assign s_axi_bvalid = state_q == RESPOND;
  assign m_axil_awaddr = addr_q;
  assign m_axil_awvalid = aw_valid_q;
  assign m_axil_wdata = data_q;
  assign m_axil_wstrb = strb_q;
  assign m_axil_wvalid = w_valid_q;
  assign m_axil_bready = state_q == ANSWER;
endmodule

`default_nettype wire
