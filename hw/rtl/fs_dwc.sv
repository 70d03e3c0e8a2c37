// Width converter: groups of narrow beats to wide ones, or wide beats to groups of narrow ones.
//
// The first narrow beat is the low bits of the wide one. One of IN_WIDTH and OUT_WIDTH divides the
// other. The narrow side moves one beat a cycle. Latency: equal widths 1 (a register slice); narrowing 2;
// widening 1 from the last narrow beat. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_dwc #(
    parameter int unsigned IN_WIDTH  = 8,  // bits
    parameter int unsigned OUT_WIDTH = 8   // bits
) (
    input wire clk,
    input wire rst_n,

    input wire [IN_WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [OUT_WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (IN_WIDTH < 1 || OUT_WIDTH < 1 || (IN_WIDTH % OUT_WIDTH != 0 && OUT_WIDTH % IN_WIDTH != 0)) begin : g_bad_width
    $error("fs_dwc: one of IN_WIDTH and OUT_WIDTH divides the other");
  end

  if (IN_WIDTH == OUT_WIDTH) begin : g_same
    fs_skid #(
        .WIDTH(IN_WIDTH)
    ) u_skid (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else if (IN_WIDTH > OUT_WIDTH) begin : g_narrow
    // The wide beat is shifted out; a register slice behind it keeps m_axis_tready away from s_axis_tready.
    localparam int unsigned RATIO = IN_WIDTH / OUT_WIDTH;
    localparam int unsigned COUNT_BITS = $clog2(RATIO);

    logic [IN_WIDTH-1:0] shift_q;
    logic [COUNT_BITS-1:0] left_q;  // beats after the one in the low bits
    logic valid_q;
    wire slice_ready;

    wire take = s_axis_tvalid && s_axis_tready;

    assign s_axis_tready = !valid_q || (slice_ready && left_q == '0);

    always_ff @(posedge clk) begin
      if (take) shift_q <= s_axis_tdata;
      else if (slice_ready) shift_q <= shift_q >> OUT_WIDTH;
    end

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        valid_q <= 1'b0;
        left_q  <= '0;
      end else if (take) begin
        valid_q <= 1'b1;
        left_q  <= COUNT_BITS'(RATIO - 1);
      end else if (slice_ready) begin
        if (left_q == '0) valid_q <= 1'b0;
        else left_q <= left_q - 1'b1;
      end
    end

    fs_skid #(
        .WIDTH(OUT_WIDTH)
    ) u_skid (
        .clk,
        .rst_n,
        .s_axis_tdata(shift_q[OUT_WIDTH-1:0]),
        .s_axis_tvalid(valid_q),
        .s_axis_tready(slice_ready),
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else begin : g_widen
    // The last narrow beat goes straight into the output register, which has RATIO - 1 cycles to empty.
    localparam int unsigned RATIO = OUT_WIDTH / IN_WIDTH;
    localparam int unsigned COUNT_BITS = $clog2(RATIO);

    logic [OUT_WIDTH-IN_WIDTH-1:0] part_q;
    logic [OUT_WIDTH-1:0] out_q;
    logic [COUNT_BITS-1:0] left_q;  // narrow beats missing before the last one
    logic out_valid_q;

    wire [OUT_WIDTH-1:0] joined = {s_axis_tdata, part_q};
    wire take = s_axis_tvalid && s_axis_tready;
    wire complete = take && left_q == '0;

    assign s_axis_tready = left_q != '0 || !out_valid_q;
    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;

    always_ff @(posedge clk) begin
      if (take) part_q <= joined[OUT_WIDTH-1:IN_WIDTH];
      if (complete) out_q <= joined;
    end

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        left_q <= COUNT_BITS'(RATIO - 1);
        out_valid_q <= 1'b0;
      end else begin
        if (take) left_q <= left_q == '0 ? COUNT_BITS'(RATIO - 1) : left_q - 1'b1;
        if (complete) out_valid_q <= 1'b1;
        else if (m_axis_tready) out_valid_q <= 1'b0;
      end
    end
  end
endmodule

`default_nettype wire
