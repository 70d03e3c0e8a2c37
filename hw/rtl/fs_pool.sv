// Core of fs_maxpool and fs_sumpool: one value a channel and window, KH x KW windows with stride equal to the kernel.
//
// In: the map in order y, x, channel fold; PE channels of IN_BITS a beat, the lowest channel in the low bits. Out: the
// same for the map of H/KH x W/KW pixels, ACC_BITS a channel. Rows and columns left over are dropped.
// SUM 0: the maximum (ACC_BITS = IN_BITS); SUM 1: the sum. One operator a channel; what a window has so far waits in
// a memory of (W/KW)*(C/PE) words, read a cycle ahead (block memory: two). Where a window's beats follow each other at
// once, C = PE, it stays in a register, and the memory is for the rows only.
// Takes a beat a cycle. Internal building block: s_axis_tready depends combinationally on m_axis_tready, and m_axis is
// not registered.
`default_nettype none

module fs_pool #(
    parameter int unsigned H = 8,  // rows
    parameter int unsigned W = 8,  // columns
    parameter int unsigned C = 1,  // channels
    parameter int unsigned KH = 2,  // kernel and stride, rows
    parameter int unsigned KW = 2,  // kernel and stride, columns
    parameter int unsigned PE = 1,  // channels a beat
    parameter int unsigned SUM = 0,
    parameter int unsigned SIGNED = 0,  // 1: two's complement
    parameter int unsigned IN_BITS = 4,
    parameter int unsigned ACC_BITS = 4,
    parameter string RAM_STYLE = "auto",
    localparam int unsigned IN_WIDTH = PE * IN_BITS,
    localparam int unsigned WIDTH = PE * ACC_BITS
) (
    input wire clk,
    input wire rst_n,

    input wire [IN_WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,

    output wire [WIDTH-1:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (PE < 1 || IN_BITS < 1 || C % PE != 0 || SIGNED > 1) begin : g_bad_fold
    $error("fs_pool: PE divides C, IN_BITS is at least 1, SIGNED is 0 or 1");
  end
  if (KH < 1 || KW < 1 || KH > H || KW > W) begin : g_bad_kernel
    $error("fs_pool: the kernel is larger than the map");
  end
  if (SUM > 1 || ACC_BITS < IN_BITS || (SUM == 0 && ACC_BITS != IN_BITS)) begin : g_bad_bits
    $error("fs_pool: ACC_BITS is at least IN_BITS, and the same for a maximum");
  end

  localparam int unsigned FOLD = C / PE;
  localparam int unsigned OW = W / KW;
  localparam int unsigned DEPTH = OW * FOLD;
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam bit DEEP = RAM_STYLE == "block" || (RAM_STYLE == "auto" && DEPTH >= 64 && DEPTH * WIDTH >= 1024);
  // beats from one access to a word to the next, where every beat makes one
  localparam int unsigned APART = KW > 1 ? FOLD : W * FOLD;
  localparam bit HELD = APART < 2;
  localparam bit ROWS = KH > 1 && OW > 1;  // HELD: a window waits for its next row
  // a word must be written before it is read
  localparam bit BLOCK = DEEP && (HELD ? ROWS && W >= 8 : APART >= 3);

  localparam bit COLS_LEFT = W % KW != 0;
  localparam bit ROWS_LEFT = H % KH != 0;
  localparam bit [ACC_BITS-1:0] LEAST = SUM == 0 && SIGNED != 0 ? {1'b1, {(ACC_BITS - 1) {1'b0}}} : '0;

  // Down counters that end below zero: their sign is the "last" flag.
  localparam int unsigned FOLD_BITS = $clog2(FOLD) + 1;
  localparam int unsigned W_BITS = $clog2(W) + 1;
  localparam int unsigned H_BITS = $clog2(H) + 1;
  localparam int unsigned KW_BITS = $clog2(KW) + 1;
  localparam int unsigned KH_BITS = $clog2(KH) + 1;

  // -- position of the input beat ----------------------------------------------------------------
  logic [FOLD_BITS-1:0] fold_q;
  logic [W_BITS-1:0] x_q;
  logic [H_BITS-1:0] y_q;
  logic [KW_BITS-1:0] kw_q;
  logic [KH_BITS-1:0] kh_q;
  logic [ADDR_BITS-1:0] addr_q;
  logic first_col_q;
  logic first_row_q;
  logic counts_q;  // not in a column left over

  wire move;  // all stages step
  wire take = s_axis_tvalid && move;
  wire fold_last = fold_q[FOLD_BITS-1];
  wire kw_last = kw_q[KW_BITS-1];
  wire kh_last = kh_q[KH_BITS-1];
  wire window_last = fold_last && kw_last && addr_q == ADDR_BITS'(DEPTH - 1);
  // Where nothing is left over, the row and the frame end with their last window: no counter of their own.
  wire x_last = COLS_LEFT ? fold_last && x_q[W_BITS-1] : window_last;
  wire y_last = ROWS_LEFT && x_last && y_q[H_BITS-1];

  assign s_axis_tready = move;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      fold_q <= FOLD_BITS'(int'(FOLD) - 2);
      x_q <= W_BITS'(int'(W) - 2);
      y_q <= H_BITS'(int'(H) - 2);
      kw_q <= KW_BITS'(int'(KW) - 2);
      kh_q <= KH_BITS'(int'(KH) - 2);
      addr_q <= '0;
      first_col_q <= 1'b1;
      first_row_q <= 1'b1;
      counts_q <= 1'b1;
    end else if (take) begin
      fold_q <= fold_last ? FOLD_BITS'(int'(FOLD) - 2) : fold_q - 1'b1;
      if (fold_last) begin
        x_q <= x_last ? W_BITS'(int'(W) - 2) : x_q - 1'b1;
        kw_q <= x_last || kw_last ? KW_BITS'(int'(KW) - 2) : kw_q - 1'b1;
        first_col_q <= x_last || kw_last;
      end
      if (x_last) begin
        y_q <= y_last ? H_BITS'(int'(H) - 2) : y_q - 1'b1;
        kh_q <= y_last || kh_last ? KH_BITS'(int'(KH) - 2) : kh_q - 1'b1;
        first_row_q <= y_last || kh_last;
      end
      if (x_last) counts_q <= 1'b1;
      else if (window_last) counts_q <= 1'b0;
      if (x_last) addr_q <= '0;
      else if (!fold_last) addr_q <= addr_q + 1'b1;
      else addr_q <= kw_last ? addr_q + 1'b1 : addr_q - ADDR_BITS'(FOLD - 1);
    end
  end

  wire counts = !COLS_LEFT || counts_q;

  // -- the beat on its way to the operator: a cycle for block memory, one for what waits -----------------
  localparam int unsigned FLAGS = 5;
  wire [FLAGS-1:0] flags = {first_row_q, first_col_q, kw_last, kh_last && kw_last && counts, counts};
  wire in_valid;
  wire [IN_WIDTH-1:0] in_data;
  wire [FLAGS-1:0] in_flags;
  wire [ADDR_BITS-1:0] in_addr;
  wire [WIDTH-1:0] word;  // of the memory

  logic b_valid_q;
  logic [IN_WIDTH-1:0] b_data_q;
  logic [FLAGS-1:0] b_flags_q;
  logic [ADDR_BITS-1:0] b_addr_q;
  logic [WIDTH-1:0] so_far_q;
  wire [WIDTH-1:0] result;
  wire in_first_row = in_flags[4];
  wire in_first_col = in_flags[3];
  wire b_kw_last = b_flags_q[2];
  wire b_last = b_flags_q[1];
  wire b_counts = b_flags_q[0];

  assign move = !m_axis_tvalid || m_axis_tready;
  assign m_axis_tvalid = b_valid_q && b_last;
  assign m_axis_tdata = result;
  wire unused = &{1'b0, b_flags_q, b_kw_last, in_flags, b_addr_q, window_last};

  always_ff @(posedge clk) begin
    if (!rst_n) b_valid_q <= 1'b0;
    else if (move) b_valid_q <= in_valid;
  end

  always_ff @(posedge clk) begin
    if (move) begin
      b_data_q  <= in_data;
      b_flags_q <= in_flags;
      b_addr_q  <= in_addr;
    end
  end

  if (BLOCK) begin : g_ahead
    logic a_valid_q;
    logic [IN_WIDTH-1:0] a_data_q;
    logic [FLAGS-1:0] a_flags_q;
    logic [ADDR_BITS-1:0] a_addr_q;
    always_ff @(posedge clk) begin
      if (!rst_n) a_valid_q <= 1'b0;
      else if (move) a_valid_q <= s_axis_tvalid;
    end
    always_ff @(posedge clk) begin
      if (move) begin
        a_data_q  <= s_axis_tdata;
        a_flags_q <= flags;
        a_addr_q  <= addr_q;
      end
    end
    assign in_valid = a_valid_q;
    assign in_data  = a_data_q;
    assign in_flags = a_flags_q;
    assign in_addr  = a_addr_q;
  end else begin : g_at_once
    assign in_valid = s_axis_tvalid;
    assign in_data  = s_axis_tdata;
    assign in_flags = flags;
    assign in_addr  = addr_q;
  end

  // -- the operator ---------------------------------------------------------------------------------
  for (genvar p = 0; p < PE; p++) begin : g_channel
    wire [IN_BITS-1:0] x = b_data_q[p*IN_BITS+:IN_BITS];
    wire [ACC_BITS-1:0] old = so_far_q[p*ACC_BITS+:ACC_BITS];
    if (SUM != 0) begin : g_sum
      wire [ACC_BITS-1:0] wide = SIGNED != 0 ? ACC_BITS'(signed'(x)) : ACC_BITS'(x);
      assign result[p*ACC_BITS+:ACC_BITS] = old + wide;
    end else begin : g_max
      wire greater = (x ^ LEAST) > (old ^ LEAST);
      assign result[p*ACC_BITS+:ACC_BITS] = greater ? x : old;
    end
  end

  // -- what the windows have so far --------------------------------------------------------------------
  wire write;

  if (HELD) begin : g_held
    wire again = in_valid && in_flags[0] && in_first_col && (ROWS || in_first_row || KH == 1);
    wire fresh = in_first_row || !ROWS;
    assign write = move && b_valid_q && b_kw_last;
    always_ff @(posedge clk) begin
      if (move && again && fresh) so_far_q <= {PE{LEAST}};
      else if (move && (again || (b_valid_q && b_counts))) so_far_q <= again ? word : result;
    end
  end else begin : g_each
    assign write = move && b_valid_q && b_counts;
    always_ff @(posedge clk) begin
      if (move) so_far_q <= in_first_row && in_first_col ? {PE{LEAST}} : word;
    end
  end

  if (HELD && !ROWS) begin : g_no_memory
    assign word = '0;
    wire unused_write = write;
  end else if (BLOCK) begin : g_block
    (* ram_style = "block", no_rw_check *)
    logic [WIDTH-1:0] mem[DEPTH];
    logic [WIDTH-1:0] word_q;
    assign word = word_q;
    always_ff @(posedge clk) if (write) mem[b_addr_q] <= result;
    always_ff @(posedge clk) if (move) word_q <= mem[addr_q];
  end else begin : g_distributed
    (* ram_style = "distributed", no_rw_check *)
    logic [WIDTH-1:0] mem[DEPTH];
    assign word = mem[addr_q];
    always_ff @(posedge clk) if (write) mem[b_addr_q] <= result;
  end
endmodule

`default_nettype wire
