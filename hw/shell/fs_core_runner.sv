// Runs one frame through the core: feeds its pixels, keeps its logits, counts its clocks.
//
// Contract
//   * `start` (one clock, only while idle) begins a frame whose FRAME_BYTES pixels are, or will be, on
//     `s_axis`. `done` is high for one clock at its end; `fault` and `cycles` are then valid and stay
//     so, as do the logits, until the next `start`.
//   * `cycles` counts clocks from the one in which the core takes the first beat to the one in which
//     the last logit leaves it, both included; pixels come as fast as the core takes them up to one
//     byte a clock. Frames never overlap, so this is the latency of a single frame.
//   * Logit `logit_index` is on `logit_data` one clock later.
//   * Bytes are packed to IN_WIDTH bits, first byte in the low bits.
//   * A core that gives too few or too many logits, or none for TIMEOUT_CYCLES clocks, is faulty:
//     the rest of the frame is thrown away with the core in reset, then `done` comes with `fault`.
`default_nettype none

module fs_core_runner #(
    parameter  int unsigned FRAME_BYTES    = 4096,             // bytes of one image
    parameter  int unsigned CLASSES        = 6,                // logits a frame
    parameter  int unsigned IN_WIDTH       = 8,                // bits of one beat into the core
    parameter  int unsigned TIMEOUT_CYCLES = 1 << 26,          // clocks a frame may take
    localparam int unsigned INDEX_BITS     = (CLASSES > 1) ? $clog2(CLASSES) : 1
) (
    input  wire logic                  clk,
    input  wire logic                  rst_n,
    input  wire logic                  start,
    output logic                       done,
    output logic                       fault,
    output logic      [          31:0] cycles,
    input  wire logic [INDEX_BITS-1:0] logit_index,
    output logic      [          31:0] logit_data,
    // pixels from the frame buffer
    input  wire logic [           7:0] s_axis_tdata,
    input  wire logic                  s_axis_tvalid,
    output logic                       s_axis_tready,
    // the core
    output logic                       core_rst_n,
    output logic      [  IN_WIDTH-1:0] core_in_tdata,
    output logic                       core_in_tvalid,
    input  wire logic                  core_in_tready,
    input  wire logic [          31:0] core_out_tdata,
    input  wire logic                  core_out_tvalid,
    output logic                       core_out_tready,
    input  wire logic                  core_out_tlast
);
  localparam int unsigned FED_BITS = $clog2(FRAME_BYTES + 1);
  localparam int unsigned COUNT_BITS = $clog2(CLASSES + 1);
  localparam int unsigned TIMER_BITS = $clog2(TIMEOUT_CYCLES + 1);
  localparam int unsigned RESET_CYCLES = 16;

  if (IN_WIDTH % 8 != 0 || FRAME_BYTES % (IN_WIDTH / 8) != 0) begin : g_check_width
    $error("fs_core_runner: IN_WIDTH must be whole bytes that divide FRAME_BYTES");
  end
  if (TIMEOUT_CYCLES < RESET_CYCLES) begin : g_check_timeout
    $error("fs_core_runner: TIMEOUT_CYCLES must be at least 16");
  end

  typedef enum logic [1:0] {
    IDLE,
    RUN,
    FLUSH
  } state_e;

  state_e state_q;
  logic [FED_BITS-1:0] fed_q;
  logic [COUNT_BITS-1:0] count_q;
  logic [TIMER_BITS-1:0] timer_q;
  logic [31:0] cycles_q;
  logic counting_q;
  logic last_q;
  logic fault_q;
  logic done_q;
  logic core_rst_q;
  logic all_fed;
  logic feed;
  logic byte_ready;
  logic take_byte;
  logic take_logit;

  logic [31:0] logits[1 << INDEX_BITS];
  logic [31:0] logit_q;

  assign all_fed = (fed_q == FED_BITS'(FRAME_BYTES));
  assign feed = (state_q == RUN) && !all_fed;
  assign s_axis_tready = (feed && byte_ready) || (state_q == FLUSH && !all_fed);
  assign take_byte = s_axis_tvalid && s_axis_tready;
  assign core_out_tready = (state_q == RUN) && !last_q;
  assign take_logit = core_out_tvalid && core_out_tready;

  if (IN_WIDTH == 8) begin : g_byte
    assign core_in_tdata = s_axis_tdata;
    assign core_in_tvalid = s_axis_tvalid && feed;
    assign byte_ready = core_in_tready;
  end else begin : g_pack
    fs_dwc #(
        .IN_WIDTH (8),
        .OUT_WIDTH(IN_WIDTH)
    ) u_pack (
        .clk          (clk),
        .rst_n        (core_rst_q),
        .s_axis_tdata (s_axis_tdata),
        .s_axis_tvalid(s_axis_tvalid && feed),
        .s_axis_tready(byte_ready),
        .m_axis_tdata (core_in_tdata),
        .m_axis_tvalid(core_in_tvalid),
        .m_axis_tready(core_in_tready)
    );
  end

  always_ff @(posedge clk) begin
    if (take_logit) logits[count_q[INDEX_BITS-1:0]] <= core_out_tdata;
    logit_q <= logits[logit_index];
  end

  always_ff @(posedge clk) begin
    done_q  <= 1'b0;
    timer_q <= timer_q + 1'b1;
    if (take_byte) fed_q <= fed_q + 1'b1;
    if (counting_q || (core_in_tvalid && core_in_tready)) cycles_q <= cycles_q + 1'b1;
    if (core_in_tvalid && core_in_tready) counting_q <= 1'b1;
    case (state_q)
      RUN: begin
        if (take_logit) begin
          count_q <= count_q + 1'b1;
          if (core_out_tlast) begin
            last_q <= 1'b1;
            counting_q <= 1'b0;
          end
          if (core_out_tlast != (count_q == COUNT_BITS'(CLASSES - 1))) fault_q <= 1'b1;
        end
        if (last_q) counting_q <= 1'b0;
        if (last_q && all_fed && !fault_q) begin
          done_q  <= 1'b1;
          state_q <= IDLE;
        end else if (fault_q || timer_q == TIMER_BITS'(TIMEOUT_CYCLES)) begin
          fault_q <= 1'b1;
          timer_q <= '0;
          state_q <= FLUSH;
        end
      end
      FLUSH: begin
        if (timer_q >= TIMER_BITS'(RESET_CYCLES)) begin
          timer_q <= TIMER_BITS'(RESET_CYCLES);
          if (all_fed) begin
            done_q  <= 1'b1;
            state_q <= IDLE;
          end
        end
      end
      default: begin
        if (start) begin
          fed_q      <= '0;
          count_q    <= '0;
          timer_q    <= '0;
          cycles_q   <= '0;
          counting_q <= 1'b0;
          last_q     <= 1'b0;
          fault_q    <= 1'b0;
          state_q    <= RUN;
        end
      end
    endcase
    core_rst_q <= (state_q != FLUSH);
    if (!rst_n) begin
      state_q    <= IDLE;
      done_q     <= 1'b0;
      core_rst_q <= 1'b0;
    end
  end

  assign done = done_q;
  assign fault = fault_q;
  assign cycles = cycles_q;
  assign core_rst_n = core_rst_q;
  assign logit_data = logit_q;
endmodule

`default_nettype wire
