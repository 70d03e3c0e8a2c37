// Runs the DMA: checks a start, begins and ends a run, gives up after errors, resets.
//
// Contract
//   * `start`, `soft_reset`, `clear` are pulses of one clock; together they count in the order clear,
//     soft_reset, start. Their effects on the flags are those of docs/registers.md.
//   * A start takes 23 clocks (the sizes are multiplied bit by bit), then `load` is high for one
//     clock, with everything that the four DMA modules need to know; `prepare` was high before it.
//   * A run that met an error or a soft reset lets no burst begin (`stop`), waits until both bus sides are
//     `quiet`, then holds `flush` high and the core in reset for RESET_CYCLES clocks.
//   * The core is faulty if it could take pixels or give logits but has done neither for TIMEOUT_CYCLES
//     clocks. Waiting for memory does not count.
`default_nettype none

module fs_dma_control #(
    parameter int unsigned FRAME_BYTES = 4096,  // bytes of one image
    parameter int unsigned CLASSES = 6,  // logits a frame
    parameter int unsigned TIMEOUT_CYCLES = 1 << 26  // clocks
) (
    input wire clk,
    input wire rst_n,

    // registers
    input wire start,
    input wire soft_reset,
    input wire clear,
    input wire [31:0] input_addr,
    input wire [31:0] output_addr,
    input wire [31:0] frames,
    output wire busy,
    output wire done,
    output wire read_error,
    output wire write_error,
    output wire zero_length,
    output wire unaligned,
    output wire start_while_busy,
    output wire core_timeout,
    output wire out_of_range,
    output wire core_fault,
    output wire [31:0] frames_done,

    // DMA
    output wire prepare,
    output wire load,
    output wire [20:0] load_frames,
    output wire [28:0] load_read_address,  // in 64-bit beats
    output wire [29:0] load_read_beats,
    output wire [28:0] load_write_address,
    output wire [29:0] load_write_beats,
    output wire load_write_half,
    output wire stop,
    output wire flush,
    input wire read_quiet,
    input wire read_failed,
    input wire write_quiet,
    input wire write_failed,
    input wire written,
    input wire fed,
    input wire taken,
    input wire frame_done,
    input wire faulty,

    // core
    output wire core_rst_n,
    input wire in_valid,
    input wire in_ready,
    input wire out_valid,
    input wire out_ready,

    // counters
    output wire counting,  // a run is under way
    output wire starved,
    output wire stalled
);
  if (FRAME_BYTES < 1 || FRAME_BYTES >= 1 << 30 || CLASSES < 1 || CLASSES >= 1 << 28) begin : g_bad_sizes
    $error("fs_dma_control: FRAME_BYTES must be 1 to 2^30 - 1, CLASSES 1 to 2^28 - 1");
  end
  if (TIMEOUT_CYCLES < 16) begin : g_bad_timeout
    $error("fs_dma_control: TIMEOUT_CYCLES must be at least 16");
  end

  localparam int unsigned RESET_CYCLES = 16;
  localparam int unsigned FRAME_COUNT_BITS = 21;
  localparam int unsigned TIMER_BITS = $clog2(TIMEOUT_CYCLES + 1);
  // A buffer has less than 4 GiB. The top bit shows that a product has grown beyond; it then stays set.
  localparam int unsigned SIZE_BITS = 33;

  typedef enum logic [2:0] {
    IDLE,
    MULTIPLY,
    CHECK,
    LOAD,
    RUN,
    DRAIN,
    RESET
  } state_e;

  state_e state_q;
  logic [4:0] step_q;
  logic [FRAME_COUNT_BITS-1:0] bits_q;  // of the number of frames, the next one on top
  logic [FRAME_COUNT_BITS-1:0] frames_q;
  logic [28:0] read_address_q;
  logic [28:0] write_address_q;
  logic [SIZE_BITS-1:0] read_bytes_q;
  logic [SIZE_BITS-1:0] write_bytes_q;
  logic soft_q;  // a soft reset is under way
  logic [TIMER_BITS-1:0] timer_q;
  logic [31:0] frames_done_q;
  logic core_rst_n_q;
  logic timeout_q;

  logic done_q;
  logic read_error_q;
  logic write_error_q;
  logic zero_length_q;
  logic unaligned_q;
  logic start_while_busy_q;
  logic core_timeout_q;
  logic out_of_range_q;
  logic core_fault_q;

  logic running_q;
  logic starved_q;
  logic stalled_q;

  // -- sizes -------------------------------------------------------------------------------------

  wire [29:0] read_beats = 30'(read_bytes_q[32:3]) + 30'(read_bytes_q[2:0] != '0);
  wire [29:0] write_beats = 30'(write_bytes_q[32:3]) + 30'(write_bytes_q[2]);
  wire [30:0] read_end = 31'(read_address_q) + 31'(read_beats);
  wire [30:0] write_end = 31'(write_address_q) + 31'(write_beats);
  // In beats, memory ends at 2^29.
  wire read_beyond = read_bytes_q[32] || read_end > 31'h2000_0000;
  wire write_beyond = write_bytes_q[32] || write_end > 31'h2000_0000;

  // One step of a multiplication from the highest bit; what has once grown beyond the size stays beyond.
  wire [33:0] read_product = {read_bytes_q, 1'b0} + (bits_q[FRAME_COUNT_BITS-1] ? 34'(FRAME_BYTES) : '0);
  wire [33:0] write_product = {write_bytes_q, 1'b0} + (bits_q[FRAME_COUNT_BITS-1] ? 34'(4 * CLASSES) : '0);
  wire read_grown = read_bytes_q[32] || read_product[33];
  wire write_grown = write_bytes_q[32] || write_product[33];

  always_ff @(posedge clk) begin
    if (state_q == IDLE) begin
      bits_q <= frames[FRAME_COUNT_BITS-1:0];
      frames_q <= frames[FRAME_COUNT_BITS-1:0];
      read_address_q <= input_addr[31:3];
      write_address_q <= output_addr[31:3];
      read_bytes_q <= '0;
      write_bytes_q <= '0;
    end else if (state_q == MULTIPLY) begin
      bits_q <= bits_q << 1;
      read_bytes_q <= read_grown ? '1 : read_product[32:0];
      write_bytes_q <= write_grown ? '1 : write_product[32:0];
    end
  end

  // -- a core that does nothing -----------------------------------------------------------------------

  wire moves = (in_valid && in_ready) || (out_valid && out_ready);
  wire waits_for_memory = (in_ready && !in_valid && !fed) || (out_valid && !out_ready);

  always_ff @(posedge clk) begin
    if (state_q != RUN || moves) timer_q <= '0;
    else if (!waits_for_memory && !taken) timer_q <= timer_q + 1'b1;
    timeout_q <= state_q == RUN && timer_q == TIMER_BITS'(TIMEOUT_CYCLES);
  end

  // -- states ----------------------------------------------------------------------------------------

  wire refused = frames == '0 || input_addr[2:0] != '0 || output_addr[2:0] != '0 || frames > 32'h10_0000;
  wire accept = state_q == IDLE && start && !soft_reset && !refused;
  wire failed = read_failed || write_failed || faulty || timeout_q;

  always_ff @(posedge clk) begin
    if (!rst_n) begin
      state_q <= RESET;
      step_q  <= '0;
      soft_q  <= 1'b0;
    end else begin
      step_q <= step_q + 1'b1;
      case (state_q)
        MULTIPLY: if (step_q == 5'(FRAME_COUNT_BITS - 1)) state_q <= CHECK;
        CHECK: state_q <= read_beyond || write_beyond ? IDLE : LOAD;
        LOAD: state_q <= RUN;
        RUN: begin
          if (failed) state_q <= DRAIN;
          else if (taken && written) state_q <= IDLE;
        end
        DRAIN: begin
          step_q <= '0;
          if (read_quiet && write_quiet) state_q <= RESET;
        end
        RESET:
        if (step_q == 5'(RESET_CYCLES - 1)) begin
          state_q <= IDLE;
          soft_q  <= 1'b0;
        end
        default: begin
          step_q <= '0;
          if (accept) state_q <= MULTIPLY;
        end
      endcase
      if (soft_reset) begin
        state_q <= DRAIN;
        soft_q  <= 1'b1;
      end
    end
  end

  // -- flags -----------------------------------------------------------------------------------------

  // An error may come while another one is being dealt with; after a soft reset nobody wants to know.
  wire heed = (state_q == RUN || state_q == DRAIN) && !soft_q;

  always_ff @(posedge clk) begin
    if (!rst_n || clear || soft_reset) begin
      done_q <= 1'b0;
      read_error_q <= 1'b0;
      write_error_q <= 1'b0;
      zero_length_q <= 1'b0;
      unaligned_q <= 1'b0;
      start_while_busy_q <= 1'b0;
      core_timeout_q <= 1'b0;
      out_of_range_q <= 1'b0;
      core_fault_q <= 1'b0;
    end
    if (rst_n && !soft_reset) begin
      if (state_q == RUN && !failed && taken && written) done_q <= 1'b1;
      if (heed && read_failed) read_error_q <= 1'b1;
      if (heed && write_failed) write_error_q <= 1'b1;
      if (state_q == RUN && timeout_q) core_timeout_q <= 1'b1;
      if (state_q == RUN && faulty) core_fault_q <= 1'b1;
      if (state_q == IDLE && start) begin
        done_q <= 1'b0;
        if (frames == '0) zero_length_q <= 1'b1;
        if (input_addr[2:0] != '0 || output_addr[2:0] != '0) unaligned_q <= 1'b1;
        if (frames > 32'h10_0000) out_of_range_q <= 1'b1;
      end
      if (state_q == CHECK && (read_beyond || write_beyond)) out_of_range_q <= 1'b1;
    end
    if (rst_n && start && (state_q != IDLE || soft_reset)) start_while_busy_q <= 1'b1;
    if (!rst_n || soft_reset || state_q == LOAD) frames_done_q <= '0;
    else if (frame_done && state_q == RUN) frames_done_q <= frames_done_q + 1'b1;
  end

  wire counts = rst_n && !soft_reset;

  always_ff @(posedge clk) begin
    core_rst_n_q <= rst_n && state_q != RESET;
    running_q <= counts && (state_q == MULTIPLY || state_q == CHECK || state_q == LOAD || state_q == RUN);
    starved_q <= counts && state_q == RUN && in_ready && !in_valid && !fed;
    stalled_q <= counts && state_q == RUN && out_valid && !out_ready && !taken;
  end

  assign busy = state_q != IDLE;
  assign done = done_q;
  assign read_error = read_error_q;
  assign write_error = write_error_q;
  assign zero_length = zero_length_q;
  assign unaligned = unaligned_q;
  assign start_while_busy = start_while_busy_q;
  assign core_timeout = core_timeout_q;
  assign out_of_range = out_of_range_q;
  assign core_fault = core_fault_q;
  assign frames_done = frames_done_q;
  assign prepare = state_q == MULTIPLY;
  assign load = state_q == LOAD;
  assign load_frames = frames_q;
  assign load_read_address = read_address_q;
  assign load_read_beats = read_beats;
  assign load_write_address = write_address_q;
  assign load_write_beats = write_beats;
  assign load_write_half = write_bytes_q[2];
  assign stop = state_q != RUN;
  assign flush = state_q == RESET;
  assign core_rst_n = core_rst_n_q;
  assign counting = running_q;
  assign starved = starved_q;
  assign stalled = stalled_q;
endmodule

`default_nettype wire
