// Window-parallel half of fs_swg: joins columns of a map into kernel rows of KW pixels.
//
// In: for each output row its columns from the left, GROUPS beats each; a beat holds LANES pixels, one above another,
// the uppermost in the low bits. The columns to the right of the last window do not come.
// Out: for each output pixel REPEAT times the GROUPS beats of its window; a beat holds LANES kernel rows of KW pixels.
// Columns beside the map (PL of them on the left) are PAD_PIXEL.
//
// Pixels shift through a word of LANES*KW pixels a group; while one window is put out, the next is made, a column in
// the time of GROUPS beats. A row takes GROUPS * (OW*REPEAT + max(0, KW - PL - OVER - REPEAT) +
// (OW - 1) * max(0, SW - REPEAT)) cycles, OVER being the padding columns read on the right: those come for nothing,
// as the next row's first columns move in behind them. No path from m_axis_tready to the ring's write side.
`default_nettype none

module fs_swg_columns #(
    parameter int unsigned W = 8,  // columns of the map
    parameter int unsigned OW = 8,  // output columns
    parameter int unsigned KW = 3,  // kernel columns, 2 or more
    parameter int unsigned SW = 1,  // stride
    parameter int unsigned PL = 1,  // padding columns, left
    parameter int unsigned LANES = 1,  // kernel rows a beat
    parameter int unsigned GROUPS = 3,  // beats a window
    parameter int unsigned REPEAT = 1,
    parameter int unsigned PIXEL = 8,  // bits
    parameter logic [PIXEL-1:0] PAD_PIXEL = '0,
    localparam int unsigned IN_WIDTH = LANES * PIXEL,
    localparam int unsigned OUT_WIDTH = KW * IN_WIDTH
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
  localparam int unsigned TURN = (OW - 1) * SW + KW - PL;  // columns shifted in a row, those beside the map too
  localparam int unsigned OVER = TURN > W ? TURN - W : 0;
  localparam int unsigned FIRST = KW - 1 - PL;  // columns before the one that completes a row's first window
  // Columns of the next row may stand in for the padding on the right unless a window of theirs were complete.
  localparam bit AHEAD = OVER > 0 && OVER <= FIRST && OVER <= W;

  localparam int unsigned J_BITS = $clog2(TURN + KW);
  localparam int unsigned MOST_NEED = FIRST > SW - 1 ? FIRST : SW - 1;
  localparam int unsigned NEED_BITS = $clog2(MOST_NEED + 2);
  localparam int unsigned OVER_BITS = $clog2(OVER + 2);

  if (KW < 2 || PL >= KW || LANES < 1 || GROUPS < 1 || REPEAT < 1 || SW < 1 || OW < 1) begin : g_bad
    $error("fs_swg_columns: KW is at least 2, PL less than KW, all else at least 1");
  end

  // -- a pass: GROUPS beats in which one column may move in and one window may leave ---------------------
  logic full_q;  // the next window is complete
  logic [J_BITS-1:0] j_q;  // column to be shifted in
  logic [NEED_BITS-1:0] need_q;  // columns before the one that completes a window
  logic [OVER_BITS-1:0] ahead_q;  // columns of the next row already taken
  logic out_valid_q;

  wire busy;  // the window in hand is to be put out again
  wire first;  // beat of a pass
  wire last;
  wire beside = OVER > 0 && j_q >= J_BITS'(W);
  wire stand_in = beside && (AHEAD ? ahead_q == '0 && !s_axis_tvalid : 1'b1);

  wire emit_d = full_q || busy;
  wire load_d = !(full_q && busy) && (s_axis_tvalid || stand_in);
  wire emit;
  wire load;
  wire dummy;  // of the column: padding moves in

  wire advance = (emit || load) && (!emit || !out_valid_q || m_axis_tready) && (!load || dummy || s_axis_tvalid);
  wire done = advance && last;
  wire emit_new = emit && !busy;

  assign s_axis_tready = advance && load && !dummy;

  if (GROUPS == 1) begin : g_one_beat
    assign first = 1'b1;
    assign last  = 1'b1;
    assign emit  = emit_d;
    assign load  = load_d;
    assign dummy = stand_in;
    wire unused_first = first;
  end else begin : g_beats
    localparam int unsigned BITS = $clog2(GROUPS);
    logic [BITS-1:0] group_q;
    logic emit_q;
    logic load_q;
    logic dummy_q;

    assign first = group_q == '0;
    assign last  = group_q == BITS'(GROUPS - 1);
    assign emit  = first ? emit_d : emit_q;
    assign load  = first ? load_d : load_q;
    assign dummy = first ? stand_in : dummy_q;

    always_ff @(posedge clk) begin
      if (!rst_n) group_q <= '0;
      else if (advance) group_q <= last ? '0 : group_q + 1'b1;
    end

    always_ff @(posedge clk) begin
      if (first) begin
        emit_q  <= emit_d;
        load_q  <= load_d;
        dummy_q <= stand_in;
      end
    end
  end

  if (REPEAT == 1) begin : g_once
    assign busy = 1'b0;
  end else begin : g_again
    localparam int unsigned BITS = $clog2(REPEAT);
    logic [BITS-1:0] left_q;
    assign busy = left_q != '0;
    always_ff @(posedge clk) begin
      if (!rst_n) left_q <= '0;
      else if (done && emit) left_q <= busy ? left_q - 1'b1 : BITS'(REPEAT - 1);
    end
  end

  // -- position in the row ---------------------------------------------------------------------------
  wire complete = need_q == '0;
  wire turn = j_q == J_BITS'(TURN - 1);
  wire [OVER_BITS-1:0] ahead_d = ahead_q + OVER_BITS'(AHEAD && beside && !dummy);
  wire [KW-1:0] outside;  // kernel columns beside the map, were the window complete now
  logic [KW-1:0] next_pad_q;

  for (genvar k = 0; k < KW; k++) begin : g_outside
    wire right = OVER > 0 && j_q >= J_BITS'(W + KW - 1 - k);
    if (k < KW - 1) begin : g_left
      assign outside[k] = right || j_q < J_BITS'(KW - 1 - k);
    end else begin : g_newest
      assign outside[k] = right;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      full_q  <= 1'b0;
      j_q     <= '0;
      need_q  <= NEED_BITS'(FIRST);
      ahead_q <= '0;
    end else if (done) begin
      full_q <= (load && complete) || (full_q && !emit_new);
      if (load) begin
        j_q <= turn ? J_BITS'(ahead_d) : j_q + 1'b1;
        need_q <= turn ? NEED_BITS'(FIRST) - NEED_BITS'(ahead_d) : complete ? NEED_BITS'(SW - 1) : need_q - 1'b1;
        ahead_q <= turn ? '0 : ahead_d;
      end
    end
  end

  always_ff @(posedge clk) if (done && load && complete) next_pad_q <= outside;

  // -- pixels ------------------------------------------------------------------------------------------
  wire [OUT_WIDTH-1:0] old;  // word of the group before this column
  wire [OUT_WIDTH-1:0] shifted;
  wire [OUT_WIDTH-1:0] leaving;
  wire [KW-1:0] pad;
  logic [OUT_WIDTH-1:0] out_q;

  for (genvar i = 0; i < LANES; i++) begin : g_lane
    assign shifted[i*KW*PIXEL+:KW*PIXEL] = {
      s_axis_tdata[i*PIXEL+:PIXEL], old[(i*KW+1)*PIXEL+:(KW-1)*PIXEL]
    };
  end

  if (GROUPS == 1) begin : g_register
    // The output register is the window in hand.
    logic [OUT_WIDTH-1:0] word_q;
    assign old = word_q;
    assign leaving = word_q;
    assign pad = next_pad_q;
    always_ff @(posedge clk) if (done && load) word_q <= shifted;
  end else if (REPEAT == 1) begin : g_word
    (* ram_style = "distributed", no_rw_check *)
    logic [OUT_WIDTH-1:0] mem[GROUPS];
    assign old = mem[g_beats.group_q];
    assign leaving = old;
    assign pad = next_pad_q;
    always_ff @(posedge clk) if (advance && load) mem[g_beats.group_q] <= shifted;
  end else begin : g_banks
    // One window is put out again and again while the next is made beside it.
    localparam int unsigned BITS = $clog2(GROUPS);
    (* ram_style = "distributed", no_rw_check *)
    logic [OUT_WIDTH-1:0] mem[2<<BITS];
    logic [KW-1:0] pad_q;
    logic from_q;  // bank written last
    logic to_q;  // bank of the window that is made
    logic hand_q;  // bank of the window in hand
    wire hand = busy ? hand_q : from_q;

    assign old = mem[{from_q, g_beats.group_q}];
    assign leaving = mem[{hand, g_beats.group_q}];
    assign pad = busy ? pad_q : next_pad_q;

    always_ff @(posedge clk) if (advance && load) mem[{to_q, g_beats.group_q}] <= shifted;

    always_ff @(posedge clk) begin
      if (!rst_n) begin
        from_q <= 1'b0;
        to_q   <= 1'b0;
      end else if (done && load) begin
        from_q <= to_q;
        if (complete) to_q <= !to_q;
      end
    end

    always_ff @(posedge clk) begin
      if (done && emit_new) begin
        hand_q <= from_q;
        pad_q  <= next_pad_q;
      end
    end
  end

  assign m_axis_tdata  = out_q;
  assign m_axis_tvalid = out_valid_q;

  wire take = advance && emit && (GROUPS > 1 || !busy);

  for (genvar i = 0; i < LANES; i++) begin : g_out_lane
    for (genvar k = 0; k < KW; k++) begin : g_out
      always_ff @(posedge clk) begin
        if (take) out_q[(i*KW+k)*PIXEL+:PIXEL] <= pad[k] ? PAD_PIXEL : leaving[(i*KW+k)*PIXEL+:PIXEL];
      end
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) out_valid_q <= 1'b0;
    else if (advance && emit) out_valid_q <= 1'b1;
    else if (m_axis_tready) out_valid_q <= 1'b0;
  end

  wire unused = &{1'b0, old};  // the leftmost pixel leaves
endmodule

`default_nettype wire
