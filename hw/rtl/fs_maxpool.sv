// Streaming max pool: KH x KW windows with stride equal to the kernel, rounded down.
//
// In: the map in order y, x, channel fold; PE channels of BITS bits a beat, the lowest channel in the low bits.
// Out: the same for the map of H/KH x W/KW pixels. Rows and columns left over are dropped.
//
// Takes a beat a cycle. Latency from the last beat of a window: 3 cycles (distributed memory) or 4 (block).
// Memory: running maxima of one output row, (W/KW)*(C/PE) words; block memory only where a row is long
// enough for a value to be written before it is read again. With KW > 1 and more than one fold also C/PE words
// of distributed memory for the maxima along the row.
// Constraints: PE divides C. SIGNED: 1 for two's complement.
//
// RAM_STYLE: see fs_ram. No path from m_axis_tready to s_axis_tready.
`default_nettype none

module fs_maxpool #(
    parameter int unsigned H = 8,  // rows
    parameter int unsigned W = 8,  // columns
    parameter int unsigned C = 1,  // channels
    parameter int unsigned KH = 2,  // kernel and stride, rows
    parameter int unsigned KW = 2,  // kernel and stride, columns
    parameter int unsigned PE = 1,  // channels a beat
    parameter int unsigned BITS = 4,  // bits a channel
    parameter int unsigned SIGNED = 0,
    parameter string RAM_STYLE = "auto",
    localparam int unsigned WIDTH = PE * BITS
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
  if (PE < 1 || BITS < 1 || C % PE != 0 || SIGNED > 1) begin : g_bad_fold
    $error("fs_maxpool: PE divides C, BITS is at least 1, SIGNED is 0 or 1");
  end
  if (KH < 1 || KW < 1 || KH > H || KW > W) begin : g_bad_kernel
    $error("fs_maxpool: the kernel is larger than the map");
  end

  localparam int unsigned FOLD = C / PE;
  localparam int unsigned DEPTH = (W / KW) * FOLD;
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  localparam bit DEEP = RAM_STYLE == "block" || (RAM_STYLE == "auto" && DEPTH >= 64 && DEPTH * WIDTH >= 1024);
  // A block memory is read two cycles ahead: the value must have been written by then.
  localparam bit BLOCK = DEEP && W * FOLD >= 8;
  localparam bit [BITS-1:0] FLIP = SIGNED != 0 ? {1'b1, {(BITS - 1) {1'b0}}} : '0;

  localparam bit COLS_LEFT = W % KW != 0;
  localparam bit ROWS_LEFT = H % KH != 0;

  // Down counters that end below zero: their sign is the "last" flag.
  localparam int unsigned FOLD_BITS = $clog2(FOLD) + 1;
  localparam int unsigned W_BITS = $clog2(W) + 1;
  localparam int unsigned H_BITS = $clog2(H) + 1;
  localparam int unsigned KW_BITS = $clog2(KW) + 1;
  localparam int unsigned KH_BITS = $clog2(KH) + 1;

  function automatic logic [WIDTH-1:0] larger(input logic [WIDTH-1:0] a, input logic [WIDTH-1:0] b);
    for (int unsigned p = 0; p < PE; p++) begin
      larger[p*BITS+:BITS] = (a[p*BITS+:BITS] ^ FLIP) > (b[p*BITS+:BITS] ^ FLIP) ? a[p*BITS+:BITS] : b[p*BITS+:BITS];
    end
  endfunction

  // -- position of the input beat ----------------------------------------------------------------
  logic [FOLD_BITS-1:0] fold_q;
  logic [W_BITS-1:0] x_q;
  logic [H_BITS-1:0] y_q;
  logic [KW_BITS-1:0] kw_q;
  logic [KH_BITS-1:0] kh_q;
  logic [ADDR_BITS-1:0] addr_q;
  logic first_col_q;
  logic first_row_q;

  wire move;  // all stages step
  wire take = s_axis_tvalid && move;
  wire fold_last = fold_q[FOLD_BITS-1];
  wire kw_last = kw_q[KW_BITS-1];
  wire kh_last = kh_q[KH_BITS-1];
  // Where nothing is left over, the row and the frame end with their last window: no counter of their own.
  wire x_last = fold_last && (COLS_LEFT ? x_q[W_BITS-1] : kw_last && addr_q == ADDR_BITS'(DEPTH - 1));
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
      if (x_last) addr_q <= '0;
      else if (kw_last) addr_q <= addr_q + 1'b1;
    end
  end

  // -- maximum along the row --------------------------------------------------------------------
  logic [WIDTH-1:0] col_max;

  if (KW == 1) begin : g_no_cols
    assign col_max = s_axis_tdata;
    wire unused_first_col = first_col_q;
  end else if (FOLD == 1) begin : g_col_register
    logic [WIDTH-1:0] max_q;
    assign col_max = first_col_q ? s_axis_tdata : larger(s_axis_tdata, max_q);
    always_ff @(posedge clk) begin
      if (take) max_q <= col_max;
    end
  end else begin : g_col_memory
    (* ram_style = "distributed", no_rw_check *)
    logic [WIDTH-1:0] mem[FOLD];
    logic [$clog2(FOLD)-1:0] index_q;
    assign col_max = first_col_q ? s_axis_tdata : larger(s_axis_tdata, mem[index_q]);
    always_ff @(posedge clk) begin
      if (take) mem[index_q] <= col_max;
    end
    always_ff @(posedge clk) begin
      if (!rst_n) index_q <= '0;
      else if (take) index_q <= fold_last ? '0 : index_q + 1'b1;
    end
  end

  // -- maximum over rows: read, compare, write back or put out ----------------------------------
  logic [WIDTH-1:0] a_max_q;
  logic [ADDR_BITS-1:0] a_addr_q;
  logic a_valid_q;
  logic a_first_q;
  logic a_last_q;

  always_ff @(posedge clk) begin
    if (move) begin
      a_max_q <= col_max;
      a_addr_q <= addr_q;
      a_first_q <= first_row_q;
      a_last_q <= kh_last;
    end
  end

  always_ff @(posedge clk) begin
    if (!rst_n) a_valid_q <= 1'b0;
    else if (move) a_valid_q <= s_axis_tvalid && kw_last;
  end

  logic [WIDTH-1:0] row_max;
  wire out_valid;

  if (KH == 1) begin : g_no_rows
    assign row_max   = a_max_q;
    assign out_valid = a_valid_q;
    wire unused_rows = &{1'b0, a_addr_q, a_first_q, a_last_q};
  end else if (!BLOCK) begin : g_row_distributed
    (* ram_style = "distributed", no_rw_check *)
    logic [WIDTH-1:0] mem[DEPTH];
    assign row_max   = a_first_q ? a_max_q : larger(a_max_q, mem[a_addr_q]);
    assign out_valid = a_valid_q && a_last_q;
    always_ff @(posedge clk) begin
      if (move && a_valid_q) mem[a_addr_q] <= row_max;
    end
  end else begin : g_row_block
    (* ram_style = "block", no_rw_check *)
    logic [WIDTH-1:0] mem[DEPTH];
    logic [WIDTH-1:0] word_q;
    logic [WIDTH-1:0] b_old_q;
    logic [WIDTH-1:0] b_max_q;
    logic [ADDR_BITS-1:0] b_addr_q;
    logic b_valid_q;
    logic b_first_q;
    logic b_last_q;

    assign row_max   = b_first_q ? b_max_q : larger(b_max_q, b_old_q);
    assign out_valid = b_valid_q && b_last_q;

    always_ff @(posedge clk) begin
      if (move && b_valid_q) mem[b_addr_q] <= row_max;
    end

    always_ff @(posedge clk) begin
      if (move) word_q <= mem[addr_q];
    end

    always_ff @(posedge clk) begin
      if (move) begin
        b_old_q <= word_q;
        b_max_q <= a_max_q;
        b_addr_q <= a_addr_q;
        b_first_q <= a_first_q;
        b_last_q <= a_last_q;
      end
    end

    always_ff @(posedge clk) begin
      if (!rst_n) b_valid_q <= 1'b0;
      else if (move) b_valid_q <= a_valid_q;
    end
  end

  fs_skid #(
      .WIDTH(WIDTH)
  ) u_skid (
      .clk,
      .rst_n,
      .s_axis_tdata(row_max),
      .s_axis_tvalid(out_valid),
      .s_axis_tready(move),
      .m_axis_tdata,
      .m_axis_tvalid,
      .m_axis_tready
  );
endmodule

`default_nettype wire
