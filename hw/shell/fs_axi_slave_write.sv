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
    parameter int unsigned ADDR_BITS = 12  // address bits passed on, the others are not looked at
) (
    input wire clk,
    input wire rst_n,

    input wire fs_axi_pkg::gp_address_t aw,
    output wire aw_ready,
    input wire fs_axi_pkg::gp_write_t w,
    output wire w_ready,
    output wire fs_axi_pkg::gp_written_t b,
    input wire b_ready,

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

  typedef enum logic [2:0] {
    IDLE,
    DATA,
    ISSUE,
    ANSWER,
    RESPOND
  } state_e;

  state_e state_q;
  logic last_q;
  logic [31:0] data_q;
  logic [3:0] strb_q;
  logic aw_valid_q;
  logic w_valid_q;
  logic [1:0] resp_q;

  wire refused;  // the whole burst
  wire [11:0] id;
  wire [3:0] left;  // beats after the next one
  wire wrong_id = w.id != id;
  wire wrong_last = w.last != (left == '0);
  wire end_of_burst = w.last || left == '0;
  wire taken = w_ready && w.valid;

  fs_axi_slave_burst #(
      .ADDR_BITS(ADDR_BITS)
  ) u_burst (
      .clk,
      .s_axi(aw),
      .idle(aw_ready),
      .count(taken),
      .step(state_q == ANSWER && m_axil_bvalid),
      .refused,
      .id,
      .addr(m_axil_awaddr),
      .left
  );

  always_ff @(posedge clk) begin
    if (taken) begin
      data_q <= w.data;
      strb_q <= w.strb;
      last_q <= end_of_burst;
    end
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
        if (w.valid) begin
          if ((refused || wrong_id || wrong_last) && resp_q == OKAY) resp_q <= SLVERR;
          if (refused || wrong_id) begin
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
        RESPOND: if (b_ready) state_q <= IDLE;
        default: begin
          resp_q <= OKAY;
          if (aw.valid) state_q <= DATA;
        end
      endcase
    end
  end

  assign aw_ready = state_q == IDLE;
  assign w_ready = state_q == DATA;
  assign b.id = id;
  assign b.resp = resp_q;
  assign b.valid = state_q == RESPOND;
  assign m_axil_awvalid = aw_valid_q;
  assign m_axil_wdata = data_q;
  assign m_axil_wstrb = strb_q;
  assign m_axil_wvalid = w_valid_q;
  assign m_axil_bready = state_q == ANSWER;
endmodule

`default_nettype wire
