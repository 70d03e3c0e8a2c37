// Proof of fs_dwc, widening (RATIO narrow beats to a wide one) or narrowing (NARROW = 1).
`default_nettype none

module fv_dwc #(
    parameter int unsigned WIDTH = 1,  // bits of the narrow side
    parameter int unsigned RATIO = 3,
    parameter int unsigned NARROW = 0,
    localparam int unsigned IN_ELEMENTS = NARROW != 0 ? RATIO : 1,
    localparam int unsigned OUT_ELEMENTS = NARROW != 0 ? 1 : RATIO,
    localparam int unsigned CAPACITY = 2 * RATIO,
    localparam int unsigned COUNT_BITS = $clog2(CAPACITY + 1)
) (
    input wire clk,
    input wire rst_n,
    input wire [IN_ELEMENTS*WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    input wire m_axis_tready
);
  wire past;
  wire s_axis_tready;
  wire m_axis_tvalid;
  wire [OUT_ELEMENTS*WIDTH-1:0] m_axis_tdata;
  wire [CAPACITY*WIDTH-1:0] held;
  wire [COUNT_BITS-1:0] count;

  fs_dwc #(
      .IN_WIDTH (IN_ELEMENTS * WIDTH),
      .OUT_WIDTH(OUT_ELEMENTS * WIDTH)
  ) u_dut (
      .*
  );
  fv_reset u_reset (.*);
  fv_queue #(
      .WIDTH(WIDTH),
      .IN_ELEMENTS(IN_ELEMENTS),
      .OUT_ELEMENTS(OUT_ELEMENTS),
      .CAPACITY(CAPACITY)
  ) u_queue (
      .clk,
      .rst_n,
      .push(s_axis_tvalid && s_axis_tready),
      .in(s_axis_tdata),
      .pop(m_axis_tvalid && m_axis_tready),
      .elements(held),
      .count(count)
  );
  fv_output #(
      .WIDTH(OUT_ELEMENTS * WIDTH),
      .LIMIT(1)
  ) u_output (
      .clk,
      .rst_n,
      .past,
      .tdata(m_axis_tdata),
      .tvalid(m_axis_tvalid),
      .tready(m_axis_tready),
      .pending(count >= COUNT_BITS'(OUT_ELEMENTS))
  );
  // Widening, all but the last narrow beat go in whatever the reader does; narrowing, a wide beat when all were taken.
  fv_input #(
      .LIMIT(NARROW != 0 ? RATIO : 1)
  ) u_input (
      .clk,
      .rst_n,
      .tready(s_axis_tready),
      .room(NARROW != 0 ? count == 0 : count < COUNT_BITS'(RATIO))
  );

  wire out_valid;
  wire [OUT_ELEMENTS*WIDTH-1:0] out;
  wire [COUNT_BITS-1:0] inner;  // narrow beats behind the output register

  if (NARROW != 0) begin : g_narrow
    wire [31:0] pick = 32'(u_dut.g_narrow.pick_q);
    assign out_valid = u_dut.g_narrow.out_valid_q;
    assign out = u_dut.g_narrow.out_q;
    assign inner = COUNT_BITS'(RATIO - pick);
    wire [IN_ELEMENTS*WIDTH-1:0] rest = u_dut.g_narrow.hold_q >> (pick * WIDTH);
    always_ff @(posedge clk) begin
      if (rst_n && past) begin
        assert (pick <= RATIO);
        assert (pick != 0 || out_valid);
        for (int unsigned i = 0; i < RATIO; i++) begin
          if (i < 32'(inner)) assert (rest[i*WIDTH+:WIDTH] == held[(32'(out_valid)+i)*WIDTH+:WIDTH]);
        end
      end
    end
  end else begin : g_widen
    wire [31:0] left = 32'(u_dut.g_widen.left_q);
    assign out_valid = u_dut.g_widen.out_valid_q;
    assign out = u_dut.g_widen.out_q;
    assign inner = COUNT_BITS'(RATIO - 1 - left);
    wire [(RATIO-1)*WIDTH-1:0] part = u_dut.g_widen.part_q >> (left * WIDTH);
    always_ff @(posedge clk) begin
      if (rst_n && past) begin
        assert (left < RATIO);
        for (int unsigned i = 0; i < RATIO - 1; i++) begin
          if (i < 32'(inner)) assert (part[i*WIDTH+:WIDTH] == held[((out_valid?RATIO : 0)+i)*WIDTH+:WIDTH]);
        end
      end
    end
  end

  always_ff @(posedge clk) begin
    if (rst_n && past) begin
      assert (m_axis_tvalid == out_valid);
      if (out_valid) assert (out == held[OUT_ELEMENTS*WIDTH-1:0] && m_axis_tdata == out);
      assert (count == inner + (out_valid ? COUNT_BITS'(OUT_ELEMENTS) : '0));
    end
  end
endmodule

`default_nettype wire
