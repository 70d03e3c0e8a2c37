// Sliding-window generator with zero padding: puts out the windows of a feature map for an MVAU.
//
// In: the map in order y, x, channel fold; SIMD channels of BITS bits a beat, the lowest channel in the low
// bits; H*W*C/SIMD beats a frame; frames follow each other without a gap or marker.
// Out: for each output pixel (y, x) REPEAT times the KH*KW*C/SIMD beats of its window, in order kh, kw, channel
// fold. OH = (H + PT + PB - KH)/SH + 1 and OW likewise, rounded down; rows and columns that no window touches are
// dropped.
//
// Throughput: one beat a cycle, also across rows and frames, when the input keeps up: OH*OW*REPEAT*KH*KW*C/SIMD
// cycles a frame, or H*W*C/SIMD when that is more. Latency: the rows that the first window touches, then 2 cycles
// (distributed memory) or 3 (block).
// Memory: KH + max(SH, rows from the last window's top to the next frame) rows, as a ring; one more where reading
// takes no longer than writing. A row becomes readable when it is complete, and is given back when the last window
// that touches it was read. A kernel of the whole map (a dense layer) is kept as one long row, a 1x1 kernel with
// stride 1 as rows of one pixel: two rows are double buffering then. These two with REPEAT = 1 are a register slice.
// Constraints: SIMD divides C; padding is less than the kernel.
//
// RAM_STYLE: see fs_ram. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_swg #(
    parameter int unsigned H = 8,  // rows
    parameter int unsigned W = 8,  // columns
    parameter int unsigned C = 1,  // channels
    parameter int unsigned KH = 3,  // kernel rows
    parameter int unsigned KW = 3,  // kernel columns
    parameter int unsigned SH = 1,  // stride, rows
    parameter int unsigned SW = 1,  // stride, columns
    parameter int unsigned PT = 0,  // padding rows, top
    parameter int unsigned PL = 0,  // padding columns, left
    parameter int unsigned PB = 0,  // padding rows, bottom
    parameter int unsigned PR = 0,  // padding columns, right
    parameter int unsigned SIMD = 1,  // channels a beat
    parameter int unsigned BITS = 8,  // bits a channel
    parameter int unsigned REPEAT = 1,  // times each window is put out
    parameter string RAM_STYLE = "auto",
    localparam int unsigned WIDTH = SIMD * BITS
) (
    input wire clk,
    input wire rst_n,

    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (SIMD < 1 || BITS < 1 || REPEAT < 1 || SH < 1 || SW < 1 || C % SIMD != 0) begin : g_bad_fold
    $error("fs_swg: SIMD divides C; BITS, REPEAT and strides are at least 1");
  end
  if (KH < 1 || KW < 1 || H + PT + PB < KH || W + PL + PR < KW) begin : g_bad_kernel
    $error("fs_swg: the kernel is larger than the padded map");
  end
  if (PT >= KH || PB >= KH || PL >= KW || PR >= KW) begin : g_bad_padding
    $error("fs_swg: padding is less than the kernel");
  end

  localparam bit NO_PAD = PT == 0 && PL == 0 && PB == 0 && PR == 0;
  localparam bit PIXEL = KH == 1 && KW == 1 && SH == 1 && SW == 1;
  localparam bit WHOLE = NO_PAD && KH == H && KW == W;

  if ((PIXEL || WHOLE) && REPEAT == 1) begin : g_pass
    // The windows are the input as it comes.
    fs_skid #(
        .WIDTH(WIDTH)
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
  end else if (PIXEL || WHOLE) begin : g_vector
    // Windows do not overlap and each is one run of beats: one row a window.
    fs_swg_rows #(
        .H(1),
        .ROW((PIXEL ? 1 : H * W) * (C / SIMD)),
        .OH(1),
        .OW(1),
        .KH(1),
        .RUN((PIXEL ? 1 : H * W) * (C / SIMD)),
        .SH(1),
        .STEP(1),
        .PT(0),
        .PAD_LEFT(0),
        .PAD_RIGHT(0),
        .WIDTH(WIDTH),
        .REPEAT(REPEAT),
        .RAM_STYLE(RAM_STYLE)
    ) u_rows (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else begin : g_window
    fs_swg_rows #(
        .H(H),
        .ROW(W * (C / SIMD)),
        .OH((H + PT + PB - KH) / SH + 1),
        .OW((W + PL + PR - KW) / SW + 1),
        .KH(KH),
        .RUN(KW * (C / SIMD)),
        .SH(SH),
        .STEP(SW * (C / SIMD)),
        .PT(PT),
        .PAD_LEFT(PL * (C / SIMD)),
        .PAD_RIGHT(PR * (C / SIMD)),
        .WIDTH(WIDTH),
        .REPEAT(REPEAT),
        .RAM_STYLE(RAM_STYLE)
    ) u_rows (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end
endmodule

`default_nettype wire
