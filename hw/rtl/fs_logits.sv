// Logits out: sign- or zero-extends each value to int32 and marks the last one of a frame.
//
// One value a beat, class 0 first; m_axis_tlast with the last of CLASSES values. Latency 1 cycle, one
// beat a cycle, no combinational path through it.
`default_nettype none

module fs_logits #(
    parameter int unsigned BITS = 16,  // bits of one value, at most 32
    parameter int unsigned SIGNED = 1,  // 1: two's complement, 0: unsigned
    parameter int unsigned CLASSES = 6  // values a frame
) (
    input wire clk,
    input wire rst_n,

    input wire [BITS-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [31:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready,
    output wire m_axis_tlast
);
  localparam int unsigned COUNT_BITS = CLASSES > 1 ? $clog2(CLASSES) : 1;
  localparam logic [COUNT_BITS-1:0] LAST = COUNT_BITS'(CLASSES - 1);

  if (BITS < 1 || BITS > 32) begin : g_bad_bits
    $error("fs_logits: BITS is 1 to 32");
  end
  if (SIGNED > 1) begin : g_bad_signed
    $error("fs_logits: SIGNED is 0 or 1");
  end
  if (CLASSES < 1) begin : g_bad_classes
    $error("fs_logits: CLASSES is at least 1");
  end

  logic [COUNT_BITS-1:0] class_q;
  wire last = class_q == LAST;
  wire [BITS-1:0] value;

  fs_skid #(
      .WIDTH(BITS + 1)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata({last, s_axis_tdata}),
      .s_axis_tvalid,
      .s_axis_tready,
      .m_axis_tdata({m_axis_tlast, value}),
      .m_axis_tvalid,
      .m_axis_tready
  );

  if (BITS == 32) begin : g_whole
    assign m_axis_tdata = value;
  end else begin : g_extend
    assign m_axis_tdata = {{(32 - BITS) {SIGNED == 1 && value[BITS-1]}}, value};
  end

  always_ff @(posedge clk) begin
    if (!rst_n) class_q <= '0;
    else if (s_axis_tvalid && s_axis_tready) class_q <= last ? '0 : class_q + 1'b1;
  end
endmodule

`default_nettype wire
