// Parses request frames from received bytes; image bytes go to the frame buffer.
//
// Contract
//   * A request is SYNC_A SYNC_B command tag length[4] payload[length] crc[4], numbers lowest byte
//     first, the CRC over command to payload.
//   * Image bytes are written while they arrive and committed only when the CRC is right.
//   * Every frame whose two sync bytes were seen ends in one `req_valid` clock, with the error that it
//     met or ERROR_NONE; while `req_ready` is low the request is lost (and its image rolled back).
//     An inference is announced in the clock in which its image is committed.
//   * The parser hunts for the sync bytes outside a frame. After a length that no command can have or
//     a framing error nothing more can be trusted: it waits for a silence of TIMEOUT_CYCLES, then
//     answers and hunts. The same silence inside a frame ends it as truncated.
//   * `rx_valid` and `rx_error` come at most every 4 clocks.
`default_nettype none

module fs_uart_request #(
    parameter  int unsigned FRAME_BYTES    = 4096,               // bytes of one image
    parameter  int unsigned BUFFER_BYTES   = 8192,               // depth of the frame buffer
    parameter  int unsigned TIMEOUT_CYCLES = 1000,               // clocks of silence that end a frame
    localparam int unsigned FREE_BITS      = $clog2(BUFFER_BYTES) + 1
) (
    input  wire logic                                 clk,
    input  wire logic                                 rst_n,
    input  wire logic [                          7:0] rx_data,
    input  wire logic                                 rx_valid,
    input  wire logic                                 rx_error,
    input  wire logic [                FREE_BITS-1:0] free_bytes,
    output logic                                      wr_valid,
    output logic      [                          7:0] wr_data,
    output logic                                      commit,
    output logic                                      rollback,
    output logic      [fs_uart_pkg::REQUEST_BITS-1:0] req_data,
    output logic                                      req_valid,
    input  wire logic                                 req_ready,
    output logic                                      in_frame
);
  localparam int unsigned LEFT_BITS = $clog2(FRAME_BYTES + 1);
  localparam int unsigned IDLE_BITS = $clog2(TIMEOUT_CYCLES + 1);

  if (FRAME_BYTES < 1 || FRAME_BYTES > BUFFER_BYTES) begin : g_check_frame
    $error("fs_uart_request: FRAME_BYTES must be 1 to BUFFER_BYTES");
  end

  typedef enum logic [2:0] {
    HUNT,
    SYNC,
    HEADER,
    CHECK,
    PAYLOAD,
    TRAILER,
    DRAIN,
    EMIT
  } state_e;

  state_e state_q;
  logic [2:0] index_q;  // byte of the header or of the trailer
  logic [7:0] command_q;
  logic [7:0] tag_q;
  logic [31:0] length_q;
  logic [LEFT_BITS-1:0] left_q;  // payload bytes still to come
  logic store_q;  // the payload is an image for which there is room
  logic judge_q;  // the frame came whole: its CRC decides
  logic [fs_uart_pkg::ERROR_BITS-1:0] error_q;  // error found before the CRC
  logic [fs_uart_pkg::ERROR_BITS-1:0] error;
  logic [IDLE_BITS-1:0] idle_q;
  logic silent;
  logic crc_ok;
  logic [31:0] crc_unused;
  fs_uart_pkg::request_t request;

  assign silent = (idle_q == IDLE_BITS'(TIMEOUT_CYCLES));

  always_ff @(posedge clk) begin
    if (!rst_n || rx_valid || rx_error) idle_q <= '0;
    else if (!silent) idle_q <= idle_q + 1'b1;
  end

  fs_crc32 u_crc (
      .clk       (clk),
      .clear     (state_q == SYNC),
      .valid     (rx_valid && (state_q == HEADER || state_q == PAYLOAD || state_q == TRAILER)),
      .data      (rx_data),
      .crc       (crc_unused),
      .residue_ok(crc_ok)
  );

  always_ff @(posedge clk) begin
    case (state_q)
      HUNT: begin
        judge_q <= 1'b0;
        error_q <= fs_uart_pkg::ERROR_NONE;
        tag_q   <= '0;
        index_q <= '0;
        store_q <= 1'b0;
        if (rx_valid && rx_data == fs_uart_pkg::SYNC_A) state_q <= SYNC;
      end
      SYNC:
      if (rx_valid) begin
        if (rx_data == fs_uart_pkg::SYNC_B) state_q <= HEADER;
        else if (rx_data != fs_uart_pkg::SYNC_A) state_q <= HUNT;
      end
      HEADER:
      if (rx_valid) begin
        index_q <= index_q + 1'b1;
        if (index_q == 3'd0) command_q <= rx_data;
        else if (index_q == 3'd1) tag_q <= rx_data;
        else length_q <= {rx_data, length_q[31:8]};
        if (index_q == 3'd5) state_q <= CHECK;
      end
      CHECK: begin
        index_q <= '0;
        left_q  <= LEFT_BITS'(length_q);
        state_q <= (length_q == '0) ? TRAILER : PAYLOAD;
        if (command_q == fs_uart_pkg::COMMAND_INFO) begin
          if (length_q != '0) error_q <= fs_uart_pkg::ERROR_LENGTH;
        end else if (command_q == fs_uart_pkg::COMMAND_INFER) begin
          if (length_q != 32'(FRAME_BYTES)) error_q <= fs_uart_pkg::ERROR_LENGTH;
          else if (32'(free_bytes) < 32'(FRAME_BYTES)) error_q <= fs_uart_pkg::ERROR_BUSY;
          else store_q <= 1'b1;
        end else error_q <= fs_uart_pkg::ERROR_COMMAND;
        if (length_q > 32'(FRAME_BYTES)) begin
          error_q <= fs_uart_pkg::ERROR_LENGTH;
          state_q <= DRAIN;
        end
      end
      PAYLOAD:
      if (rx_valid) begin
        left_q <= left_q - 1'b1;
        if (left_q == LEFT_BITS'(1)) state_q <= TRAILER;
      end
      TRAILER:
      if (rx_valid) begin
        index_q <= index_q + 1'b1;
        judge_q <= (index_q == 3'd3);
        if (index_q == 3'd3) state_q <= EMIT;
      end
      DRAIN: if (silent) state_q <= EMIT;
      default: state_q <= HUNT;  // EMIT lasts one clock
    endcase

    if (state_q == SYNC && (silent || rx_error)) state_q <= HUNT;
    if (state_q == HEADER || state_q == PAYLOAD || state_q == TRAILER) begin
      if (rx_error) begin
        error_q <= fs_uart_pkg::ERROR_FRAMING;
        state_q <= DRAIN;
      end else if (silent && !rx_valid) begin
        error_q <= fs_uart_pkg::ERROR_TRUNCATED;
        state_q <= EMIT;
      end
    end

    if (!rst_n) state_q <= HUNT;
  end

  // A frame that came whole but does not match its CRC has no other error: its fields mean nothing.
  assign error = (judge_q && !crc_ok) ? fs_uart_pkg::ERROR_CRC : error_q;

  assign request.error = error;
  assign request.infer = store_q;
  assign request.tag = tag_q;
  assign req_data = request;
  assign req_valid = (state_q == EMIT);

  assign wr_valid = rx_valid && state_q == PAYLOAD && store_q;
  assign wr_data = rx_data;
  assign commit = req_valid && req_ready && store_q && error == fs_uart_pkg::ERROR_NONE;
  assign rollback = req_valid && !commit;
  assign in_frame = (state_q != HUNT);
endmodule

`default_nettype wire
