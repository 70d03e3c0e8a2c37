// Constants of the serial protocol; docs/uart.md explains them, finnspect_driver/uart.py repeats them
// and tests/driver/test_uart_protocol.py compares the two.
`default_nettype none

package fs_uart_pkg;
  localparam logic [15:0] INTERFACE_VERSION = 16'd1;
  localparam logic [31:0] MAGIC = 32'h5053_4E46;  // "FNSP", lowest byte first

  // First and second byte of a request; a reply has them the other way round, so that an echo of a
  // request is never taken for a reply.
  localparam logic [7:0] SYNC_A = 8'hA5;
  localparam logic [7:0] SYNC_B = 8'h5A;

  localparam logic [7:0] COMMAND_INFO = 8'h01;
  localparam logic [7:0] COMMAND_INFER = 8'h02;
  localparam logic [7:0] REPLY_INFO = 8'h81;
  localparam logic [7:0] REPLY_INFER = 8'h82;
  localparam logic [7:0] REPLY_ERROR = 8'hFF;

  localparam int unsigned ERROR_BITS = 3;
  localparam logic [ERROR_BITS-1:0] ERROR_NONE = 3'd0;
  localparam logic [ERROR_BITS-1:0] ERROR_CRC = 3'd1;
  localparam logic [ERROR_BITS-1:0] ERROR_LENGTH = 3'd2;
  localparam logic [ERROR_BITS-1:0] ERROR_COMMAND = 3'd3;
  localparam logic [ERROR_BITS-1:0] ERROR_BUSY = 3'd4;
  localparam logic [ERROR_BITS-1:0] ERROR_TRUNCATED = 3'd5;
  localparam logic [ERROR_BITS-1:0] ERROR_FRAMING = 3'd6;
  localparam logic [ERROR_BITS-1:0] ERROR_CORE = 3'd7;

  localparam int unsigned INFO_BYTES = 40;

  // What the request parser tells the reply builder.
  typedef struct packed {
    logic [ERROR_BITS-1:0] error;
    logic                  infer;  // an inference, not an information request
    logic [7:0]            tag;
  } request_t;

  localparam int unsigned REQUEST_BITS = ERROR_BITS + 9;
endpackage

`default_nettype wire
