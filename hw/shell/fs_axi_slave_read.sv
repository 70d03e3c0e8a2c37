// Read half of an AXI3 slave: turns a burst into single reads on an AXI4-Lite port.
//
// Contract
//   * Every burst is answered with ARLEN + 1 beats, whatever it is, with the ID it came with. INCR
//     bursts of 1 to 16 beats and of 1, 2 or 4 bytes a beat are read beat by beat; so is a single
//     beat of any burst type. Others (FIXED or WRAP of several beats, beats wider than the bus) read
//     nothing: all their beats are zero with SLVERR.
//   * A narrow beat carries the whole word, so its bytes are on their own lanes. Exclusive and locked
//     reads are ordinary reads (OKAY, never EXOKAY).
//   * One burst at a time. A beat takes 3 clocks and what the AXI4-Lite side takes.
`default_nettype none

module fs_axi_slave_read #(
    parameter int unsigned ID_BITS   = 12,
    parameter int unsigned ADDR_BITS = 12   // address bits passed on, the others are not looked at
) (
    input wire clk,
    input wire rst_n,

    input wire [ID_BITS-1:0] s_axi_arid,
    input wire [ADDR_BITS-1:0] s_axi_araddr,
    input wire [3:0] s_axi_arlen,
    input wire [2:0] s_axi_arsize,
    input wire [1:0] s_axi_arburst,
    input wire s_axi_arvalid,
    output wire s_axi_arready,
    output wire [ID_BITS-1:0] s_axi_rid,
    output wire [31:0] s_axi_rdata,
    output wire [1:0] s_axi_rresp,
    output wire s_axi_rlast,
    output wire s_axi_rvalid,
    input wire s_axi_rready,

    output wire [ADDR_BITS-1:0] m_axil_araddr,
    output wire m_axil_arvalid,
    input wire m_axil_arready,
    input wire [31:0] m_axil_rdata,
    input wire [1:0] m_axil_rresp,
    input wire m_axil_rvalid,
    output wire m_axil_rready
);
  localparam logic [1:0] SLVERR = 2'b10;
  localparam logic [1:0] INCR = 2'b01;

  typedef enum logic [1:0] {
    IDLE,
    ISSUE,
    ANSWER,
    DATA
  } state_e;

  state_e state_q;
  logic [ID_BITS-1:0] id_q;
  logic [ADDR_BITS-1:0] addr_q;
  logic [1:0] size_q;
  logic [3:0] left_q;  // beats after this one
  logic refused_q;
  logic [31:0] data_q;
  logic [1:0] resp_q;

  wire [ADDR_BITS-1:0] size_bytes = ADDR_BITS'(1) << size_q;
  wire refused = s_axi_arsize > 3'd2 || (s_axi_arlen != '0 && s_axi_arburst != INCR);

  always_ff @(posedge clk) begin
    if (s_axi_arready && s_axi_arvalid) begin
      id_q <= s_axi_arid;
      addr_q <= s_axi_araddr;
      size_q <= s_axi_arsize[1:0];
      left_q <= s_axi_arlen;
      refused_q <= refused;
      data_q <= '0;
      resp_q <= SLVERR;
    end
    if (m_axil_rready && m_axil_rvalid) begin
      data_q <= m_axil_rdata;
      resp_q <= m_axil_rresp;
    end
    if (s_axi_rvalid && s_axi_rready) begin
      addr_q <= (addr_q & ~(size_bytes - 1'b1)) + size_bytes;
      left_q <= left_q - 1'b1;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      state_q <= IDLE;
    end else begin
      case (state_q)
        ISSUE: if (m_axil_arready) state_q <= ANSWER;
        ANSWER: if (m_axil_rvalid) state_q <= DATA;
        DATA:
        if (s_axi_rready) begin
          if (left_q == '0) state_q <= IDLE;
          else if (!refused_q) state_q <= ISSUE;
        end
        default: if (s_axi_arvalid) state_q <= refused ? DATA : ISSUE;
      endcase
    end
  end

  assign s_axi_arready = state_q == IDLE;
  assign s_axi_rid = id_q;
  assign s_axi_rdata = data_q;
  assign s_axi_rresp = resp_q;
  assign s_axi_rlast = left_q == '0;
  assign s_axi_rvalid = state_q == DATA;
  assign m_axil_araddr = addr_q;
  assign m_axil_arvalid = state_q == ISSUE;
  assign m_axil_rready = state_q == ANSWER;
endmodule

`default_nettype wire
