// Width converter: groups of narrow beats to wide ones, or wide beats to groups of narrow ones.
//
// The first narrow beat is the low bits of the wide one. One of IN_WIDTH and OUT_WIDTH divides the
// other. The narrow side moves one beat a cycle. Latency: 1, widening from the last narrow beat on (equal widths: a
// register slice). No path from m_axis_tready to s_axis_tready.
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
    // The wide beat is held and its narrow ones are picked, the first at once if it can leave: the next wide beat may
    // come when the last one has been picked.
    localparam int unsigned RATIO = IN_WIDTH / OUT_WIDTH;
    localparam int unsigned PICK_BITS = $clog2(RATIO + 1);
    localparam logic [PICK_BITS-1:0] NONE = PICK_BITS'(RATIO);

    logic [IN_WIDTH-1:0] hold_q;
    logic [PICK_BITS-1:0] pick_q;  // narrow beat to be picked, NONE: all were
    logic [OUT_WIDTH-1:0] out_q;
    logic out_valid_q;
    wire [OUT_WIDTH-1:0] picked;

    wire empty = pick_q == NONE;
    wire out_free = m_axis_tready || !out_valid_q;

    assign s_axis_tready = empty;
    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;

    // a tree of two-way multiplexers over the bits of pick_q: tools make four-way ones of it, one LUT6 a bit
    for (genvar l = 0; l <= PICK_BITS; l++) begin : g_level
      localparam int unsigned COUNT = 1 << (PICK_BITS - l);
      wire [COUNT*OUT_WIDTH-1:0] words;
      for (genvar i = 0; i < COUNT; i++) begin : g_word
        if (l > 0) begin : g_two
          assign words[i*OUT_WIDTH+:OUT_WIDTH] = pick_q[l-1] ?
              g_level[l-1].words[(2*i+1)*OUT_WIDTH+:OUT_WIDTH] : g_level[l-1].words[2*i*OUT_WIDTH+:OUT_WIDTH];
        end else if (i < RATIO) begin : g_held
          assign words[i*OUT_WIDTH+:OUT_WIDTH] = hold_q[i*OUT_WIDTH+:OUT_WIDTH];
        end else begin : g_first
          assign words[i*OUT_WIDTH+:OUT_WIDTH] = s_axis_tdata[OUT_WIDTH-1:0];
        end
      end
    end
    assign picked = g_level[PICK_BITS].words;

    always_ff @(posedge clk) begin
      if (empty) hold_q <= s_axis_tdata;
      if (out_free) out_q <= picked;
    end

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        pick_q <= NONE;
        out_valid_q <= 1'b0;
      end else begin
        if (empty && s_axis_tvalid) pick_q <= PICK_BITS'(out_free);
        else if (!empty && out_free) pick_q <= pick_q + 1'b1;
        if (out_free) out_valid_q <= s_axis_tvalid || !empty;
      end
    end
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
