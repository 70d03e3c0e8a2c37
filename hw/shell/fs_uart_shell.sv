// Serial shell: requests in on a UART pin, images through the core, replies out on a UART pin.
//
// Contract
//   * Protocol: docs/uart.md. The core is a `finnspect_core`: 8 x SIMD pixels in, int32 logits out with
//     `tlast` on the last class; it must be reset by `core_rst_n`, which the shell drives.
//   * An image reaches the core only after its CRC was found right. Images are buffered in block RAM
//     of BUFFER_BYTES (a power of two, at least FRAME_BYTES): with room for two, the next one
//     arrives while one is computed.
//   * At most four requests may wait for their reply; more are lost without one.
//   * `busy`: a frame is arriving, or a request is not yet answered. `replied_ok`, `replied_error`:
//     one clock when a reply begins.
`default_nettype none

module fs_uart_shell #(
    parameter int unsigned  FRAME_BYTES         = 4096,        // bytes of one image, H * W * C
    parameter int unsigned  CLASSES             = 6,           // logits a frame
    parameter int unsigned  IN_WIDTH            = 8,           // bits of one beat into the core
    parameter int unsigned  BUFFER_BYTES        = 8192,        // a power of two
    parameter int unsigned  DIVIDER             = 25,          // clocks a bit
    parameter int unsigned  CLOCK_HZ            = 75_000_000,  // only reported
    parameter int unsigned  TIMEOUT_CYCLES      = 18_750_000,  // clocks of silence that end a frame
    parameter int unsigned  CORE_TIMEOUT_CYCLES = 1 << 26,     // clocks one inference may take
    parameter logic [127:0] BUILD_ID            = '0
) (
    input  wire logic                clk,
    input  wire logic                rst_n,
    input  wire logic                rxd,
    output logic                     txd,
    output logic                     core_rst_n,
    output logic      [IN_WIDTH-1:0] m_axis_tdata,
    output logic                     m_axis_tvalid,
    input  wire logic                m_axis_tready,
    input  wire logic [        31:0] s_axis_tdata,
    input  wire logic                s_axis_tvalid,
    output logic                     s_axis_tready,
    input  wire logic                s_axis_tlast,
    output logic                     busy,
    output logic                     replied_ok,
    output logic                     replied_error
);
  localparam int unsigned REQUEST_BITS = fs_uart_pkg::REQUEST_BITS;
  localparam int unsigned REQUESTS = 4;
  localparam int unsigned INDEX_BITS = (CLASSES > 1) ? $clog2(CLASSES) : 1;

  logic [7:0] rx_data;
  logic rx_valid;
  logic rx_error;
  logic [$clog2(BUFFER_BYTES):0] free_bytes;
  logic wr_valid;
  logic [7:0] wr_data;
  logic commit;
  logic rollback;
  logic [REQUEST_BITS-1:0] req_tdata;
  logic req_tvalid;
  logic req_tready;
  logic [REQUEST_BITS-1:0] job_tdata;
  logic job_tvalid;
  logic job_tready;
  logic [7:0] pixel_tdata;
  logic pixel_tvalid;
  logic pixel_tready;
  logic [7:0] tx_tdata;
  logic tx_tvalid;
  logic tx_tready;
  logic run_start;
  logic run_done;
  logic run_fault;
  logic [31:0] run_cycles;
  logic [INDEX_BITS-1:0] logit_index;
  logic [31:0] logit_data;
  logic in_frame;
  logic replying;

  fs_uart_rx #(
      .DIVIDER(DIVIDER)
  ) u_rx (
      .clk          (clk),
      .rst_n        (rst_n),
      .rxd          (rxd),
      .data         (rx_data),
      .valid        (rx_valid),
      .framing_error(rx_error)
  );

  fs_uart_request #(
      .FRAME_BYTES   (FRAME_BYTES),
      .BUFFER_BYTES  (BUFFER_BYTES),
      .TIMEOUT_CYCLES(TIMEOUT_CYCLES)
  ) u_request (
      .clk       (clk),
      .rst_n     (rst_n),
      .rx_data   (rx_data),
      .rx_valid  (rx_valid),
      .rx_error  (rx_error),
      .free_bytes(free_bytes),
      .wr_valid  (wr_valid),
      .wr_data   (wr_data),
      .commit    (commit),
      .rollback  (rollback),
      .req_data  (req_tdata),
      .req_valid (req_tvalid),
      .req_ready (req_tready),
      .in_frame  (in_frame)
  );

  fs_frame_buffer #(
      .DEPTH(BUFFER_BYTES)
  ) u_buffer (
      .clk          (clk),
      .rst_n        (rst_n),
      .wr_valid     (wr_valid),
      .wr_data      (wr_data),
      .commit       (commit),
      .rollback     (rollback),
      .free_bytes   (free_bytes),
      .m_axis_tdata (pixel_tdata),
      .m_axis_tvalid(pixel_tvalid),
      .m_axis_tready(pixel_tready)
  );

  fs_fifo #(
      .WIDTH(REQUEST_BITS),
      .DEPTH(REQUESTS)
  ) u_requests (
      .clk          (clk),
      .rst_n        (rst_n),
      .s_axis_tdata (req_tdata),
      .s_axis_tvalid(req_tvalid),
      .s_axis_tready(req_tready),
      .m_axis_tdata (job_tdata),
      .m_axis_tvalid(job_tvalid),
      .m_axis_tready(job_tready)
  );

  fs_core_runner #(
      .FRAME_BYTES   (FRAME_BYTES),
      .CLASSES       (CLASSES),
      .IN_WIDTH      (IN_WIDTH),
      .TIMEOUT_CYCLES(CORE_TIMEOUT_CYCLES)
  ) u_runner (
      .clk            (clk),
      .rst_n          (rst_n),
      .start          (run_start),
      .done           (run_done),
      .fault          (run_fault),
      .cycles         (run_cycles),
      .logit_index    (logit_index),
      .logit_data     (logit_data),
      .s_axis_tdata   (pixel_tdata),
      .s_axis_tvalid  (pixel_tvalid),
      .s_axis_tready  (pixel_tready),
      .core_rst_n     (core_rst_n),
      .core_in_tdata  (m_axis_tdata),
      .core_in_tvalid (m_axis_tvalid),
      .core_in_tready (m_axis_tready),
      .core_out_tdata (s_axis_tdata),
      .core_out_tvalid(s_axis_tvalid),
      .core_out_tready(s_axis_tready),
      .core_out_tlast (s_axis_tlast)
  );

  fs_uart_reply #(
      .FRAME_BYTES (FRAME_BYTES),
      .CLASSES     (CLASSES),
      .BUFFER_BYTES(BUFFER_BYTES),
      .CLOCK_HZ    (CLOCK_HZ),
      .BUILD_ID    (BUILD_ID)
  ) u_reply (
      .clk          (clk),
      .rst_n        (rst_n),
      .s_axis_tdata (job_tdata),
      .s_axis_tvalid(job_tvalid),
      .s_axis_tready(job_tready),
      .run_start    (run_start),
      .run_done     (run_done),
      .run_fault    (run_fault),
      .run_cycles   (run_cycles),
      .logit_index  (logit_index),
      .logit_data   (logit_data),
      .m_axis_tdata (tx_tdata),
      .m_axis_tvalid(tx_tvalid),
      .m_axis_tready(tx_tready),
      .busy         (replying),
      .replied_ok   (replied_ok),
      .replied_error(replied_error)
  );

  fs_uart_tx #(
      .DIVIDER(DIVIDER)
  ) u_tx (
      .clk          (clk),
      .rst_n        (rst_n),
      .s_axis_tdata (tx_tdata),
      .s_axis_tvalid(tx_tvalid),
      .s_axis_tready(tx_tready),
      .txd          (txd)
  );

  assign busy = in_frame || job_tvalid || replying || !tx_tready;
endmodule

`default_nettype wire
