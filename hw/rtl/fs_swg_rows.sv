// Core of fs_swg: a ring of row slots, written in order and read as windows. Columns are counted in beats.
//
// A window's row is RUN beats of the memory, INNER apart, which may begin before column 0 or end after ROW (padding).
// The window is put out REPEAT times; each time its beats stand REPEAT_STEP further right (the next channel fold).
// A beat out holds LANES kernel rows, the uppermost in the low bits, from as many copies of the memory.
// The row index, column and slot of the read side are one register each; every beat adds one of a few constants to
// them (next beat, next kernel row, back to the top of the window, next output row), modulo their size.
`default_nettype none

module fs_swg_rows #(
    parameter int unsigned H = 8,  // rows of a frame
    parameter int unsigned ROW = 8,  // beats of a row
    parameter int unsigned OH = 6,  // output rows
    parameter int unsigned OW = 6,  // output columns
    parameter int unsigned KH = 3,  // kernel rows
    parameter int unsigned RUN = 3,  // beats of a kernel row
    parameter int unsigned INNER = 1,  // beats of the memory from one to the next
    parameter int unsigned SH = 1,  // rows from one output row to the next
    parameter int unsigned STEP = 1,  // beats from one output column to the next
    parameter int unsigned PT = 0,  // padding rows, top
    parameter int unsigned PAD_LEFT = 0,  // padding beats
    parameter int unsigned PAD_RIGHT = 0,  // padding beats
    parameter int unsigned WIDTH = 8,  // bits of a beat in
    parameter int unsigned LANES = 1,  // kernel rows a beat, divides KH
    parameter int unsigned REPEAT = 1,
    parameter int unsigned REPEAT_STEP = 0,  // beats of the memory
    parameter logic [WIDTH-1:0] PAD_WORD = '0,
    parameter string RAM_STYLE = "auto"
) (
    input wire clk,
    input wire rst_n,

    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [LANES*WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  localparam int unsigned GROUPS = KH / LANES;  // of kernel rows
  localparam int unsigned LAST_ROWS = KH - LANES;  // from the first group to the last
  localparam int unsigned SPAN = (RUN - 1) * INNER;  // from the first beat of a kernel row to its last
  localparam int unsigned SHIFT = (REPEAT - 1) * REPEAT_STEP;  // from the first repetition to the last

  // Rows count from the top of the first window; padding rows have an index and a (virtual) slot but no memory.
  localparam int TOP_LAST = int'((OH - 1) * SH) - int'(PT);  // first row of the last window
  localparam int FRAME_STEP = int'(H) - int'((OH - 1) * SH);  // from there to the next frame's first window
  localparam int BELOW = TOP_LAST + int'(KH) - int'(H) > 0 ? TOP_LAST + int'(KH) - int'(H) : 0;  // padding rows read
  localparam int MOST_NEW = int'(SH) > FRAME_STEP ? int'(SH) : FRAME_STEP;  // rows from one window to the next
  // Where an output row is read as fast as its new rows are written, the handing over of slots (a few cycles)
  // would show: one slot more hides it.
  localparam int SPARE = int'(OW * REPEAT * GROUPS * RUN) <= MOST_NEW * int'(ROW) ? 1 : 0;
  localparam int SLOTS = int'(KH) + MOST_NEW + SPARE;
  localparam int unsigned DEPTH = unsigned'(SLOTS) * ROW;

  localparam bit ROW_POW2 = (ROW & (ROW - 1)) == 0;
  localparam bit DEPTH_WRAPS = (DEPTH & (DEPTH - 1)) != 0;

  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam int unsigned SLOT_BITS = $clog2(SLOTS);
  localparam int unsigned COL_BITS = $clog2(ROW + PAD_LEFT + PAD_RIGHT + 1);
  localparam int unsigned LINE_BITS = $clog2(int'(H) + int'(PT) + BELOW + 1);
  localparam int unsigned FILL_BITS = $clog2(2 * SLOTS + BELOW + 2) + 1;

  // Down counters that end below zero: their sign is the "last" flag.
  localparam int unsigned RUN_BITS = $clog2(RUN) + 1;
  localparam int unsigned KH_BITS = $clog2(GROUPS) + 1;
  localparam int unsigned REP_BITS = $clog2(REPEAT) + 1;
  localparam int unsigned H_BITS = $clog2(H) + 1;

  // -- write side: any row for which there is a slot -----------------------------------------------
  logic [FILL_BITS-1:0] room_q;  // rows that may still be written, less one
  logic [FILL_BITS-1:0] rows_q;  // complete rows from the top of the current window on, less KH
  logic [ADDR_BITS-1:0] wr_addr_q;
  logic [H_BITS-1:0] wr_row_q;
  wire wr_col_last;

  assign s_axis_tready = !room_q[FILL_BITS-1];

  wire write = s_axis_tvalid && s_axis_tready;
  wire row_written = write && wr_col_last;
  wire frame_written = wr_row_q[H_BITS-1];

  if (ROW_POW2) begin : g_wr_col_low
    assign wr_col_last = (wr_addr_q & ADDR_BITS'(ROW - 1)) == ADDR_BITS'(ROW - 1);
  end else begin : g_wr_col
    localparam int unsigned ROW_BITS = $clog2(ROW) + 1;
    logic [ROW_BITS-1:0] wr_col_q;

    assign wr_col_last = wr_col_q[ROW_BITS-1];

    always_ff @(posedge clk) begin
      if (!rst_n) wr_col_q <= ROW_BITS'(int'(ROW) - 2);
      else if (write) wr_col_q <= wr_col_last ? ROW_BITS'(int'(ROW) - 2) : wr_col_q - 1'b1;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      wr_addr_q <= '0;
      wr_row_q  <= H_BITS'(int'(H) - 2);
    end else begin
      if (write) wr_addr_q <= DEPTH_WRAPS && wr_addr_q == ADDR_BITS'(DEPTH - 1) ? '0 : wr_addr_q + 1'b1;
      if (row_written) wr_row_q <= frame_written ? H_BITS'(int'(H) - 2) : wr_row_q - 1'b1;
    end
  end

  // -- read side: where the next beat is -----------------------------------------------------------
  logic [RUN_BITS-1:0] run_q;
  logic [KH_BITS-1:0] kh_q;
  logic [REP_BITS-1:0] rep_q;
  logic [COL_BITS-1:0] col_q;  // beat in its row; padding is ROW and above
  logic [LINE_BITS-1:0] line_q;  // row of the frame; padding is H and above
  logic [SLOT_BITS-1:0] slot_q;

  logic req_valid_q;
  logic req_row_done_q;
  logic req_frame_done_q;
  wire req_ready;

  wire run_last = run_q[RUN_BITS-1];
  wire window_last = run_last && kh_q[KH_BITS-1];
  wire pixel_last = window_last && rep_q[REP_BITS-1];
  wire row_last = pixel_last && col_q == COL_BITS'(int'((OW - 1) * STEP + SPAN + SHIFT) - int'(PAD_LEFT));
  wire frame_last = row_last && line_q == LINE_BITS'(TOP_LAST + int'(LAST_ROWS));

  wire issue = !rows_q[FILL_BITS-1] && (req_ready || !req_valid_q);

  logic [COL_BITS-1:0] col_add;
  logic [LINE_BITS-1:0] line_add;
  logic [SLOT_BITS:0] slot_add;
  logic [SLOT_BITS:0] slot_sum;

  always_comb begin
    col_add  = COL_BITS'(INNER);
    line_add = '0;
    slot_add = '0;
    if (run_last) col_add = COL_BITS'(-int'(SPAN));
    if (window_last) col_add = COL_BITS'(int'(REPEAT_STEP) - int'(SPAN));
    if (pixel_last) col_add = COL_BITS'(int'(STEP) - int'(SPAN + SHIFT));
    if (run_last) begin
      line_add = LINE_BITS'(LANES);
      slot_add = (SLOT_BITS + 1)'(LANES);
    end
    if (window_last) begin
      line_add = LINE_BITS'(-int'(LAST_ROWS));
      slot_add = (SLOT_BITS + 1)'(SLOTS - int'(LAST_ROWS));
    end
    if (row_last) begin
      line_add = LINE_BITS'(int'(SH) - int'(LAST_ROWS));
      slot_add = (SLOT_BITS + 1)'((SLOTS - int'(LAST_ROWS) + int'(SH)) % SLOTS);
    end
    if (frame_last) slot_add = (SLOT_BITS + 1)'((2 * SLOTS - int'(LAST_ROWS) + FRAME_STEP) % SLOTS);
    slot_sum  = {1'b0, slot_q} + slot_add;
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      run_q  <= RUN_BITS'(int'(RUN) - 2);
      kh_q   <= KH_BITS'(int'(GROUPS) - 2);
      rep_q  <= REP_BITS'(int'(REPEAT) - 2);
      col_q  <= COL_BITS'(-int'(PAD_LEFT));
      line_q <= LINE_BITS'(-int'(PT));
      slot_q <= SLOT_BITS'((SLOTS - int'(PT)) % SLOTS);
    end else if (issue) begin
      run_q <= run_last ? RUN_BITS'(int'(RUN) - 2) : run_q - 1'b1;
      if (run_last) kh_q <= window_last ? KH_BITS'(int'(GROUPS) - 2) : kh_q - 1'b1;
      if (window_last) rep_q <= pixel_last ? REP_BITS'(int'(REPEAT) - 2) : rep_q - 1'b1;
      col_q  <= row_last ? COL_BITS'(-int'(PAD_LEFT)) : col_q + col_add;
      line_q <= frame_last ? LINE_BITS'(-int'(PT)) : line_q + line_add;
      slot_q <= SLOT_BITS'(slot_sum >= (SLOT_BITS + 1)'(SLOTS) ? slot_sum - (SLOT_BITS + 1)'(SLOTS) : slot_sum);
    end
  end

  always_ff @(posedge clk) begin
    if (issue) begin
      req_row_done_q <= row_last;
      req_frame_done_q <= frame_last;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) req_valid_q <= 1'b0;
    else if (issue) req_valid_q <= 1'b1;
    else if (req_ready) req_valid_q <= 1'b0;
  end

  // -- rows: written ones are added to rows_q, rows left behind are added to room_q --------------------
  // Padding rows below a frame count as written together with its last row.
  wire row_freed = req_valid_q && req_ready && req_row_done_q;
  wire row_left = issue && row_last;
  logic [FILL_BITS-1:0] rows_add;
  logic [FILL_BITS-1:0] room_add;

  // Constants in full, so that each counter has one adder.
  always_comb begin
    if (row_written && frame_written) begin
      rows_add = FILL_BITS'(1 + BELOW);
      if (row_left) rows_add = frame_last ? FILL_BITS'(1 - FRAME_STEP) : FILL_BITS'(1 + BELOW - int'(SH));
    end else if (row_written) begin
      rows_add = FILL_BITS'(1);
      if (row_left) rows_add = frame_last ? FILL_BITS'(1 - FRAME_STEP - BELOW) : FILL_BITS'(1 - int'(SH));
    end else begin
      rows_add = '0;
      if (row_left) rows_add = frame_last ? FILL_BITS'(-FRAME_STEP - BELOW) : FILL_BITS'(-int'(SH));
    end
    if (row_written) begin
      room_add = FILL_BITS'(-1);
      if (row_freed) room_add = req_frame_done_q ? FILL_BITS'(FRAME_STEP - 1) : FILL_BITS'(int'(SH) - 1);
    end else begin
      room_add = '0;
      if (row_freed) room_add = req_frame_done_q ? FILL_BITS'(FRAME_STEP) : FILL_BITS'(int'(SH));
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      rows_q <= FILL_BITS'(int'(PT) - int'(KH));
      room_q <= FILL_BITS'(SLOTS - int'(PT) - 1);
    end else begin
      rows_q <= rows_q + rows_add;
      room_q <= room_q + room_add;
    end
  end

  // -- one copy of the memory for each row of a beat ---------------------------------------------------
  wire pad_col = (PAD_LEFT != 0 || PAD_RIGHT != 0) && col_q >= COL_BITS'(ROW);
  wire [LANES-1:0] lane_ready;  // all the same
  wire [LANES-1:0] lane_valid;

  assign req_ready = lane_ready[0];
  assign m_axis_tvalid = lane_valid[0];
  wire unused = &{1'b0, lane_ready, lane_valid};

  for (genvar k = 0; k < LANES; k++) begin : g_lane
    logic [ADDR_BITS-1:0] req_addr_q;
    logic req_pad_q;
    wire [ADDR_BITS-1:0] addr;
    wire [LINE_BITS-1:0] line = line_q + LINE_BITS'(k);
    wire pad_line = (PT != 0 || BELOW != 0) && line >= LINE_BITS'(H);

    if (ROW_POW2 && k == 0) begin : g_addr_join
      assign addr = (ADDR_BITS'(slot_q) << $clog2(ROW)) | ADDR_BITS'(col_q & COL_BITS'(ROW - 1));
    end else begin : g_addr_add
      // A table of SLOTS constants: no multiplier, whatever the size of a row.
      logic [ADDR_BITS-1:0] slot_base;

      always_comb begin
        slot_base = '0;
        for (int unsigned i = 0; i < unsigned'(SLOTS); i++) begin
          if (slot_q == SLOT_BITS'(i)) slot_base = ADDR_BITS'((i + k) % unsigned'(SLOTS) * ROW);
        end
      end

      if (ROW_POW2) begin : g_join
        assign addr = slot_base | ADDR_BITS'(col_q & COL_BITS'(ROW - 1));
      end else begin : g_add
        assign addr = slot_base + ADDR_BITS'(col_q);
      end
    end

    always_ff @(posedge clk) begin
      if (issue) begin
        req_addr_q <= addr;
        req_pad_q  <= pad_col || pad_line;
      end
    end

    fs_ram #(
        .WIDTH(WIDTH),
        .DEPTH(DEPTH),
        .RAM_STYLE(RAM_STYLE),
        .PAD_WORD(PAD_WORD)
    ) u_ram (
        .clk,
        .rst_n,
        .wr_en(write),
        .wr_addr(wr_addr_q),
        .wr_data(s_axis_tdata),
        .s_req_addr(req_addr_q),
        .s_req_pad(req_pad_q),
        .s_req_tvalid(req_valid_q),
        .s_req_tready(lane_ready[k]),
        .m_axis_tdata(m_axis_tdata[k*WIDTH+:WIDTH]),
        .m_axis_tvalid(lane_valid[k]),
        .m_axis_tready
    );
  end
endmodule

`default_nettype wire
