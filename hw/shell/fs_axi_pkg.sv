// The two AXI3 ports of a Zynq-7000 that the shell stands between, as structures: GP0 (registers, 32 bits, the shell
// is the slave) and HP0 (memory, 64 bits, the shell is the master). A request is all that a port's master drives, an
// answer all that its slave drives. Names are AXI's without the channel's letters.
`default_nettype none

package fs_axi_pkg;
  typedef struct packed {
    logic [11:0] id;
    logic [31:0] addr;
    logic [3:0] len;
    logic [2:0] size;
    logic [1:0] burst;
    logic [1:0] lock;
    logic valid;
  } gp_address_t;

  typedef struct packed {
    logic [11:0] id;
    logic [31:0] data;
    logic [3:0] strb;
    logic last;
    logic valid;
  } gp_write_t;

  typedef struct packed {
    logic [11:0] id;
    logic [1:0] resp;
    logic valid;
  } gp_written_t;

  typedef struct packed {
    logic [11:0] id;
    logic [31:0] data;
    logic [1:0] resp;
    logic last;
    logic valid;
  } gp_read_t;

  typedef struct packed {
    gp_address_t aw;
    gp_write_t w;
    logic b_ready;
    gp_address_t ar;
    logic r_ready;
  } gp_request_t;

  typedef struct packed {
    logic aw_ready;
    logic w_ready;
    gp_written_t b;
    logic ar_ready;
    gp_read_t r;
  } gp_answer_t;

  typedef struct packed {
    logic [5:0] id;
    logic [31:0] addr;
    logic [3:0] len;
    logic [2:0] size;
    logic [1:0] burst;
    logic [1:0] lock;
    logic [3:0] cache;
    logic [2:0] prot;
    logic [3:0] qos;
    logic valid;
  } hp_address_t;

  typedef struct packed {
    logic [5:0] id;
    logic [63:0] data;
    logic [7:0] strb;
    logic last;
    logic valid;
  } hp_write_t;

  typedef struct packed {
    logic [5:0] id;
    logic [1:0] resp;
    logic valid;
  } hp_written_t;

  typedef struct packed {
    logic [5:0] id;
    logic [63:0] data;
    logic [1:0] resp;
    logic last;
    logic valid;
  } hp_read_t;

  typedef struct packed {
    hp_address_t aw;
    hp_write_t w;
    logic b_ready;
    hp_address_t ar;
    logic r_ready;
  } hp_request_t;

  typedef struct packed {
    logic aw_ready;
    logic w_ready;
    hp_written_t b;
    logic ar_ready;
    hp_read_t r;
  } hp_answer_t;
endpackage

`default_nettype wire
