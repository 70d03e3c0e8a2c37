// Sliding-window generator with padding: puts out the windows of a feature map for an MVAU, VVAU or window maximum.
//
// In: the map in order y, x, channel fold; SIMD channels of BITS bits a beat (C where SIMD is more), the lowest channel
// in the low bits; frames follow each other without a gap or marker.
// Out: for each output pixel (y, x) REPEAT times the KH*KW*C/SIMD beats of its window, in order kh, kw, channel
// fold; with DEPTHWISE = 1 in order channel fold, kh, kw. OH = (H + PT + PB - KH)/SH + 1 and OW likewise, rounded
// down; rows and columns that no window touches are dropped. Padding has the code PAD.
// SIMD > C (window-parallel): a beat is SIMD/C pixels of the window in order kh, kw: whole kernel rows, SIMD = C*KW*m
// with m dividing KH. Where the kernel is the whole map, any multiple of C that divides H*W*C.
//
// Throughput: one beat a cycle, also across rows and frames, when the input keeps up: OH*OW*REPEAT*KH*KW*C/SIMD
// cycles a frame, or the beats in, H*W*C/SIMD, when those are more; window-parallel, OH times the cycles of a row that
// fs_swg_columns states, or H*W. Latency: the rows that the first window touches, then 2 cycles
// (distributed memory) or 3 (block), window-parallel the columns of a window more.
// Memory: KH + max(SH, rows from the last window's top to the next frame) rows, as a ring; one more where reading
// takes no longer than writing. A row becomes readable when it is complete, and is given back when the last window
// that touches it was read. A kernel of the whole map (a dense layer) is kept as one long row, a 1x1 kernel with
// stride 1 as rows of one pixel: two rows are double buffering then. These two with REPEAT = 1 are a register slice.
// Window-parallel there are SIMD/(C*KW) copies of the memory, each C channels wide.
// Constraints: SIMD divides C or is as above; padding is less than the kernel; DEPTHWISE has REPEAT = 1 and SIMD <= C.
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
    parameter int unsigned DEPTHWISE = 0,  // 1: a channel fold's whole window after another's
    parameter int PAD = 0,  // code of padding
    parameter string RAM_STYLE = "auto",
    localparam int unsigned IN_WIDTH = (SIMD < C ? SIMD : C) * BITS,
    localparam int unsigned OUT_WIDTH = SIMD * BITS
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
  localparam bit NO_PAD = PT == 0 && PL == 0 && PB == 0 && PR == 0;
  localparam bit PIXEL = KH == 1 && KW == 1 && SH == 1 && SW == 1 && NO_PAD;
  localparam bit WHOLE = NO_PAD && KH == H && KW == W;
  localparam bit WIDE = SIMD > C;
  localparam int unsigned FOLD = WIDE ? 1 : C / SIMD;  // beats in a pixel
  localparam int unsigned LANES = WIDE && !WHOLE && SIMD >= C * KW ? SIMD / (C * KW) : 1;  // kernel rows a beat
  // the windows are runs of the input as it comes
  localparam bit RUNS = (PIXEL || WHOLE) && (DEPTHWISE == 0 || PIXEL || FOLD == 1);
  localparam int unsigned OH = (H + PT + PB - KH) / SH + 1;
  localparam int unsigned OW = (W + PL + PR - KW) / SW + 1;

  if (SIMD < 1 || BITS < 1 || REPEAT < 1 || SH < 1 || SW < 1 || (!WIDE && C % SIMD != 0)) begin : g_bad_fold
    $error("fs_swg: SIMD divides C or is a multiple of it; BITS, REPEAT and strides are at least 1");
  end
  if (WIDE && (WHOLE ? (H * W * C) % SIMD != 0 || SIMD % C != 0 : SIMD != LANES * KW * C || KH % LANES != 0))
  begin : g_bad_wide
    $error("fs_swg: SIMD above C is whole kernel rows, as many as divide KH");
  end
  if (DEPTHWISE > 1 || (DEPTHWISE == 1 && (REPEAT != 1 || WIDE))) begin : g_bad_depthwise
    $error("fs_swg: DEPTHWISE is 0 or 1, with REPEAT 1 and SIMD of at most C");
  end
  if (KH < 1 || KW < 1 || H + PT + PB < KH || W + PL + PR < KW) begin : g_bad_kernel
    $error("fs_swg: the kernel is larger than the padded map");
  end
  if (PT >= KH || PB >= KH || PL >= KW || PR >= KW) begin : g_bad_padding
    $error("fs_swg: padding is less than the kernel");
  end

  if (RUNS && REPEAT == 1) begin : g_pass
    fs_dwc #(
        .IN_WIDTH (IN_WIDTH),
        .OUT_WIDTH(OUT_WIDTH)
    ) u_dwc (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else if (RUNS) begin : g_vector
    // Windows do not overlap and each is one run of beats: one row a window.
    localparam int unsigned BEATS = (PIXEL ? 1 : H * W) * C / SIMD;
    wire [OUT_WIDTH-1:0] beat_tdata;
    wire beat_tvalid;
    wire beat_tready;

    if (WIDE) begin : g_widen
      fs_dwc #(
          .IN_WIDTH (IN_WIDTH),
          .OUT_WIDTH(OUT_WIDTH)
      ) u_dwc (
          .clk,
          .rst_n,
          .s_axis_tdata,
          .s_axis_tvalid,
          .s_axis_tready,
          .m_axis_tdata (beat_tdata),
          .m_axis_tvalid(beat_tvalid),
          .m_axis_tready(beat_tready)
      );
    end else begin : g_as_is
      assign beat_tdata = s_axis_tdata;
      assign beat_tvalid = s_axis_tvalid;
      assign s_axis_tready = beat_tready;
    end

    fs_swg_rows #(
        .H(1),
        .ROW(BEATS),
        .OH(1),
        .OW(1),
        .KH(1),
        .RUN(BEATS),
        .SH(1),
        .STEP(1),
        .WIDTH(OUT_WIDTH),
        .REPEAT(REPEAT),
        .RAM_STYLE(RAM_STYLE)
    ) u_rows (
        .clk,
        .rst_n,
        .s_axis_tdata (beat_tdata),
        .s_axis_tvalid(beat_tvalid),
        .s_axis_tready(beat_tready),
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else if (WIDE && KW > 1) begin : g_columns
    localparam int unsigned LAST = (OW - 1) * SW + KW - PL;  // columns as far as the last window
    localparam int unsigned COLUMN = LANES * IN_WIDTH;
    wire [COLUMN-1:0] column_tdata;
    wire column_tvalid;
    wire column_tready;

    fs_swg_rows #(
        .H(H),
        .ROW(W),
        .OH(OH),
        .OW(LAST < W ? LAST : W),
        .KH(KH),
        .RUN(1),
        .SH(SH),
        .STEP(1),
        .PT(PT),
        .WIDTH(IN_WIDTH),
        .LANES(LANES),
        .PAD_WORD({C{BITS'(PAD)}}),
        .RAM_STYLE(RAM_STYLE)
    ) u_rows (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata (column_tdata),
        .m_axis_tvalid(column_tvalid),
        .m_axis_tready(column_tready)
    );

    fs_swg_columns #(
        .W(W),
        .OW(OW),
        .KW(KW),
        .SW(SW),
        .PL(PL),
        .LANES(LANES),
        .GROUPS(KH / LANES),
        .REPEAT(REPEAT),
        .PIXEL(IN_WIDTH),
        .PAD_PIXEL({C{BITS'(PAD)}})
    ) u_columns (
        .clk,
        .rst_n,
        .s_axis_tdata (column_tdata),
        .s_axis_tvalid(column_tvalid),
        .s_axis_tready(column_tready),
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else begin : g_window
    fs_swg_rows #(
        .H(H),
        .ROW(W * FOLD),
        .OH(OH),
        .OW(OW),
        .KH(KH),
        .RUN(DEPTHWISE == 1 ? KW : KW * FOLD),
        .INNER(DEPTHWISE == 1 ? FOLD : 1),
        .SH(SH),
        .STEP(SW * FOLD),
        .PT(PT),
        .PAD_LEFT(PL * FOLD),
        .PAD_RIGHT(PR * FOLD),
        .WIDTH(IN_WIDTH),
        .LANES(LANES),
        .REPEAT(DEPTHWISE == 1 ? FOLD : REPEAT),
        .REPEAT_STEP(DEPTHWISE),
        .PAD_WORD({(IN_WIDTH / BITS) {BITS'(PAD)}}),
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
