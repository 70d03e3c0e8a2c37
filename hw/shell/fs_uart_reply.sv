// Answers requests one by one: runs the core for an inference, builds the reply frame, checks it in.
//
// Contract
//   * Requests are taken in order; each gets exactly one reply frame: SYNC_B SYNC_A code tag
//     length[4] payload[length] crc[4], numbers lowest byte first, the CRC over code to payload.
//   * `run_start`, `run_done`, `run_fault`, `run_cycles`, `logit_*` belong to fs_core_runner; its
//     results must stay until the next `run_start`.
//   * The payload of an inference is the logits, class 0 first, then the core clocks it took.
//   * Three clocks a byte at most beside what the transmitter takes.
//   * `replied_ok` and `replied_error` are high for one clock when a reply begins.
`default_nettype none

module fs_uart_reply #(
    parameter  int unsigned  FRAME_BYTES  = 4096,                               // bytes of one image
    parameter  int unsigned  CLASSES      = 6,                                  // logits a frame
    parameter  int unsigned  BUFFER_BYTES = 8192,                               // depth of the frame buffer
    parameter  int unsigned  CLOCK_HZ     = 75_000_000,                         // core clock
    parameter  logic [127:0] BUILD_ID     = '0,
    localparam int unsigned  INDEX_BITS   = (CLASSES > 1) ? $clog2(CLASSES) : 1
) (
    input  wire logic                                 clk,
    input  wire logic                                 rst_n,
    input  wire logic [fs_uart_pkg::REQUEST_BITS-1:0] s_axis_tdata,
    input  wire logic                                 s_axis_tvalid,
    output logic                                      s_axis_tready,
    output logic                                      run_start,
    input  wire logic                                 run_done,
    input  wire logic                                 run_fault,
    input  wire logic [                         31:0] run_cycles,
    output logic      [               INDEX_BITS-1:0] logit_index,
    input  wire logic [                         31:0] logit_data,
    output logic      [                          7:0] m_axis_tdata,
    output logic                                      m_axis_tvalid,
    input  wire logic                                 m_axis_tready,
    output logic                                      busy,
    output logic                                      replied_ok,
    output logic                                      replied_error
);
  localparam int unsigned LOGIT_BYTES = 4 * CLASSES;
  localparam int unsigned INFER_BYTES = LOGIT_BYTES + 4;
  localparam int unsigned MAX_BYTES = (INFER_BYTES > fs_uart_pkg::INFO_BYTES) ? INFER_BYTES
                                                                              : fs_uart_pkg::INFO_BYTES;
  localparam int unsigned LENGTH_BITS = $clog2(MAX_BYTES + 1);

  // Byte 0 in the low bits, and all numbers go lowest byte first.
  localparam logic [8*fs_uart_pkg::INFO_BYTES-1:0] INFO = {
    32'(BUFFER_BYTES),
    32'(CLOCK_HZ),
    32'(CLASSES),
    32'(FRAME_BYTES),
    BUILD_ID,
    16'd0,
    fs_uart_pkg::INTERFACE_VERSION,
    fs_uart_pkg::MAGIC
  };

  typedef enum logic [2:0] {
    IDLE,
    WAIT_CORE,
    BEGIN_REPLY,
    FETCH,
    PICK,
    PUSH
  } state_e;

  typedef enum logic [1:0] {
    HEADER,
    PAYLOAD,
    TRAILER
  } part_e;

  state_e state_q;
  part_e part_q;
  fs_uart_pkg::request_t request_q;
  logic [LENGTH_BITS-1:0] index_q;  // byte within the part
  logic [LENGTH_BITS-1:0] length_q;
  logic [7:0] code_q;
  logic [7:0] byte_q;
  logic [7:0] byte_d;
  logic ok_q;
  logic error_q;
  logic [31:0] crc;
  logic unused_ok;
  logic sent;
  logic part_end;
  logic is_error;
  logic wants_run;

  // request_t: error, infer, tag
  assign wants_run = s_axis_tdata[8]
      && s_axis_tdata[9+:fs_uart_pkg::ERROR_BITS] == fs_uart_pkg::ERROR_NONE;
  assign is_error = (request_q.error != fs_uart_pkg::ERROR_NONE);
  assign sent = (state_q == PUSH) && m_axis_tready;

  fs_crc32 u_crc (
      .clk       (clk),
      .clear     (state_q == BEGIN_REPLY),
      .valid     (sent && (part_q == PAYLOAD || (part_q == HEADER && index_q >= LENGTH_BITS'(2)))),
      .data      (byte_q),
      .crc       (crc),
      .residue_ok(unused_ok)
  );

  assign logit_index = INDEX_BITS'(index_q >> 2);

  always_comb begin
    byte_d = 8'd0;
    case (part_q)
      HEADER: begin
        case (index_q[2:0])
          3'd0: byte_d = fs_uart_pkg::SYNC_B;
          3'd1: byte_d = fs_uart_pkg::SYNC_A;
          3'd2: byte_d = code_q;
          3'd3: byte_d = request_q.tag;
          default: byte_d = 8'(32'(length_q) >> {index_q[1:0], 3'd0});  // bytes 4 to 7
        endcase
      end
      PAYLOAD: begin
        if (is_error) byte_d = 8'(request_q.error);
        else if (!request_q.infer) byte_d = INFO[8*9'(index_q)+:8];
        else if (index_q < LENGTH_BITS'(LOGIT_BYTES)) byte_d = logit_data[8*index_q[1:0]+:8];
        else byte_d = run_cycles[8*index_q[1:0]+:8];
      end
      default: byte_d = crc[8*index_q[1:0]+:8];
    endcase
  end

  always_comb begin
    case (part_q)
      HEADER:  part_end = (index_q == LENGTH_BITS'(7));
      PAYLOAD: part_end = (index_q == length_q - 1'b1);
      default: part_end = (index_q == LENGTH_BITS'(3));
    endcase
  end

  always_ff @(posedge clk) begin
    ok_q    <= 1'b0;
    error_q <= 1'b0;
    case (state_q)
      IDLE: begin
        request_q <= s_axis_tdata;
        if (s_axis_tvalid) state_q <= BEGIN_REPLY;
        if (s_axis_tvalid && run_start) state_q <= WAIT_CORE;
      end
      WAIT_CORE:
      if (run_done) begin
        if (run_fault) request_q.error <= fs_uart_pkg::ERROR_CORE;
        state_q <= BEGIN_REPLY;
      end
      BEGIN_REPLY: begin
        ok_q    <= !is_error;
        error_q <= is_error;
        part_q  <= HEADER;
        index_q <= '0;
        if (is_error) begin
          code_q   <= fs_uart_pkg::REPLY_ERROR;
          length_q <= LENGTH_BITS'(1);
        end else if (request_q.infer) begin
          code_q   <= fs_uart_pkg::REPLY_INFER;
          length_q <= LENGTH_BITS'(INFER_BYTES);
        end else begin
          code_q   <= fs_uart_pkg::REPLY_INFO;
          length_q <= LENGTH_BITS'(fs_uart_pkg::INFO_BYTES);
        end
        state_q <= FETCH;
      end
      FETCH: state_q <= PICK;  // the logit memory takes a clock
      PICK: begin
        byte_q  <= byte_d;
        state_q <= PUSH;
      end
      PUSH:
      if (m_axis_tready) begin
        index_q <= index_q + 1'b1;
        state_q <= FETCH;
        if (part_end) begin
          index_q <= '0;
          case (part_q)
            HEADER: part_q <= PAYLOAD;
            PAYLOAD: part_q <= TRAILER;
            default: state_q <= IDLE;
          endcase
        end
      end
      default: state_q <= IDLE;
    endcase
    if (!rst_n) begin
      state_q <= IDLE;
      ok_q    <= 1'b0;
      error_q <= 1'b0;
    end
  end

  assign run_start = (state_q == IDLE) && s_axis_tvalid && wants_run;
  assign s_axis_tready = (state_q == IDLE);
  assign m_axis_tdata = byte_q;
  assign m_axis_tvalid = (state_q == PUSH);
  assign busy = (state_q != IDLE);
  assign replied_ok = ok_q;
  assign replied_error = error_q;
endmodule

`default_nettype wire
