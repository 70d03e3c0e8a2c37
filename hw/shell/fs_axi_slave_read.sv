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
    parameter int unsigned ADDR_BITS = 12  // address bits passed on, the others are not looked at
) (
    input wire clk,
    input wire rst_n,

    input wire fs_axi_pkg::gp_address_t ar,
    output wire ar_ready,
    output wire fs_axi_pkg::gp_read_t r,
    input wire r_ready,

    output wire [ADDR_BITS-1:0] m_axil_araddr,
    output wire m_axil_arvalid,
    input wire m_axil_arready,
    input wire [31:0] m_axil_rdata,
    input wire [1:0] m_axil_rresp,
    input wire m_axil_rvalid,
    output wire m_axil_rready
);
  localparam logic [1:0] SLVERR = 2'b10;

  typedef enum logic [1:0] {
    IDLE,
    ISSUE,
    ANSWER,
    DATA
  } state_e;

  state_e state_q;
  logic [31:0] data_q;
  logic [1:0] resp_q;

  wire idle = state_q == IDLE;
  wire given = r.valid && r_ready;
  wire refused;
  wire [3:0] left;  // beats after this one

  fs_axi_slave_burst #(
      .ADDR_BITS(ADDR_BITS)
  ) u_burst (
      .clk,
      .s_axi(ar),
      .idle,
      .count(given),
      .step(given),
      .refused,
      .id(r.id),
      .addr(m_axil_araddr),
      .left
  );

  always_ff @(posedge clk) begin
    if (idle && ar.valid) begin
      data_q <= '0;
      resp_q <= SLVERR;
    end
    if (m_axil_rready && m_axil_rvalid) begin
      data_q <= m_axil_rdata;
      resp_q <= m_axil_rresp;
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
        if (r_ready) begin
          if (left == '0) state_q <= IDLE;
          else if (!refused) state_q <= ISSUE;
        end
        default: if (ar.valid) state_q <= refused ? DATA : ISSUE;
      endcase
    end
  end

  assign ar_ready = idle;
  assign r.data = data_q;
  assign r.resp = resp_q;
  assign r.last = left == '0;
  assign r.valid = state_q == DATA;
  assign m_axil_arvalid = state_q == ISSUE;
  assign m_axil_rready = state_q == ANSWER;
endmodule

`default_nettype wire
