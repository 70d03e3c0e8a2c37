// Watches an AXI3 port and counts what the protocol forbids. It assumes in-order answers (one ID, or one
// burst at a time) and no write interleaving. STRICT adds what our own master promises: INCR only,
// whole-width beats, no locks.
`default_nettype none

module axi3_checker #(
    parameter string NAME = "axi",
    parameter int unsigned ID_BITS = 6,
    parameter int unsigned DATA_BITS = 64,
    parameter bit STRICT = 1'b1
) (
    input wire clk,
    input wire rst_n,
    input wire [ID_BITS-1:0] awid,
    input wire [31:0] awaddr,
    input wire [7:0] awlen,  // as wide as AXI4's, to see lengths that AXI3 has not
    input wire [2:0] awsize,
    input wire [1:0] awburst,
    input wire [1:0] awlock,
    input wire awvalid,
    input wire awready,
    input wire [ID_BITS-1:0] wid,
    input wire [DATA_BITS-1:0] wdata,
    input wire [DATA_BITS/8-1:0] wstrb,
    input wire wlast,
    input wire wvalid,
    input wire wready,
    input wire [ID_BITS-1:0] bid,
    input wire [1:0] bresp,
    input wire bvalid,
    input wire bready,
    input wire [ID_BITS-1:0] arid,
    input wire [31:0] araddr,
    input wire [7:0] arlen,
    input wire [2:0] arsize,
    input wire [1:0] arburst,
    input wire [1:0] arlock,
    input wire arvalid,
    input wire arready,
    input wire [ID_BITS-1:0] rid,
    input wire [DATA_BITS-1:0] rdata,
    input wire [1:0] rresp,
    input wire rlast,
    input wire rvalid,
    input wire rready,
    output int unsigned violations,
    output int unsigned read_bursts,
    output int unsigned write_bursts,
    output int unsigned longest,  // beats of the longest burst
    output int unsigned outstanding,  // bursts asked for and not answered
    output int unsigned most_reads  // read bursts under way at a time
);
  localparam int unsigned BYTES = DATA_BITS / 8;

  // Payloads of the clock before, with valid-but-not-ready on top.
  logic [ID_BITS+46:0] aw_q, ar_q;
  logic [ID_BITS+DATA_BITS+BYTES:0] w_q;
  logic [ID_BITS+1:0] b_q;
  logic [ID_BITS+DATA_BITS+2:0] r_q;
  logic aw_held_q, w_held_q, b_held_q, ar_held_q, r_held_q, reset_q;

  wire [ID_BITS+46:0] aw = {awid, awaddr, awlen, awsize, awburst, awlock};
  wire [ID_BITS+46:0] ar = {arid, araddr, arlen, arsize, arburst, arlock};
  wire [ID_BITS+DATA_BITS+BYTES:0] w = {wid, wdata, wstrb, wlast};
  wire [ID_BITS+1:0] b = {bid, bresp};
  wire [ID_BITS+DATA_BITS+2:0] r = {rid, rdata, rresp, rlast};

  typedef struct packed {
    logic [ID_BITS-1:0] id;
    logic [7:0] len;
  } burst_t;

  burst_t reads[$];
  burst_t writes[$];  // addresses whose data is not complete
  burst_t data[$];  // complete data without address
  logic [ID_BITS-1:0] answers[$];  // IDs whose address and data are complete
  int unsigned w_beats;
  int unsigned r_beats;
  logic [ID_BITS-1:0] w_id;

  function automatic bit crosses(logic [31:0] addr, logic [7:0] len, logic [2:0] size);
    logic [31:0] first = addr & ~((32'd1 << size) - 1);
    logic [31:0] last = first + (32'(len) + 1) * (32'd1 << size) - 1;
    return first[31:12] != last[31:12];
  endfunction

  task automatic must(bit holds, string what);
    if (!holds) begin
      violations = violations + 1;
      $display("%s at %0t: %s", NAME, $time, what);
    end
  endtask

  task automatic address(string channel, logic [31:0] addr, logic [7:0] len, logic [2:0] size,
                         logic [1:0] burst, logic [1:0] lock);
    must(len <= 15, {channel, "LEN is at most 15"});
    must((32'd1 << size) <= BYTES, {channel, "SIZE is at most the bus"});
    must(burst != 2'b11, {channel, "BURST 3 is reserved"});
    must(lock != 2'b11, {channel, "LOCK 3 is reserved"});
    must(burst != 2'b01 || !crosses(addr, len, size), {channel, ": a burst crosses 4 KiB"});
    must(burst != 2'b10 || len inside {1, 3, 7, 15}, {channel, "LEN of a WRAP burst"});
    if (STRICT) begin
      must(burst == 2'b01 && (32'd1 << size) == BYTES && lock == 0, {channel, ": not INCR, whole and free"});
      must((addr & (BYTES - 1)) == 0, {channel, "ADDR is aligned"});
    end
    if (32'(len) + 1 > longest) longest = 32'(len) + 1;
  endtask

  always @(posedge clk) begin
    reset_q <= !rst_n;
    aw_held_q <= awvalid && !awready;
    w_held_q <= wvalid && !wready;
    b_held_q <= bvalid && !bready;
    ar_held_q <= arvalid && !arready;
    r_held_q <= rvalid && !rready;
    aw_q <= aw;
    w_q <= w;
    b_q <= b;
    ar_q <= ar;
    r_q <= r;
    if (!rst_n) begin
      reads.delete();
      writes.delete();
      data.delete();
      answers.delete();
      w_beats = 0;
      r_beats = 0;
      if (reset_q) begin
        must(!awvalid && !wvalid && !arvalid, "a request in reset");
        must(!bvalid && !rvalid, "an answer in reset");
      end
    end else if (!reset_q) begin
      must(!aw_held_q || (awvalid && aw == aw_q), "AW changed while it waited");
      must(!w_held_q || (wvalid && w == w_q), "W changed while it waited");
      must(!b_held_q || (bvalid && b == b_q), "B changed while it waited");
      must(!ar_held_q || (arvalid && ar == ar_q), "AR changed while it waited");
      must(!r_held_q || (rvalid && r == r_q), "R changed while it waited");

      // Answers first: they may only be to what was complete before this clock.
      if (bvalid) must(answers.size() > 0, "B without a complete burst");
      if (bvalid && bready && answers.size() > 0) begin
        must(bid == answers[0], "BID is not the burst's");
        void'(answers.pop_front());
      end
      if (rvalid) must(reads.size() > 0, "R without a burst");
      if (rvalid && rready && reads.size() > 0) begin
        must(rid == reads[0].id, "RID is not the burst's");
        must(rlast == (r_beats == 32'(reads[0].len)), "RLAST is not at the burst's end");
        r_beats = r_beats + 1;
        if (rlast || r_beats > 32'(reads[0].len)) begin
          void'(reads.pop_front());
          r_beats = 0;
        end
      end

      if (awvalid && awready) begin
        address("AW", awaddr, awlen, awsize, awburst, awlock);
        writes.push_back('{id: awid, len: awlen});
        write_bursts = write_bursts + 1;
      end
      if (arvalid && arready) begin
        address("AR", araddr, arlen, arsize, arburst, arlock);
        reads.push_back('{id: arid, len: arlen});
        read_bursts = read_bursts + 1;
      end
      if (wvalid && wready) begin
        if (w_beats == 0) w_id = wid;
        must(wid == w_id, "WID changed inside a burst");
        if (wlast || w_beats == 255) begin
          data.push_back('{id: w_id, len: 8'(w_beats)});
          w_beats = 0;
        end else w_beats = w_beats + 1;
      end
      while (writes.size() > 0 && data.size() > 0) begin
        must(data[0].id == writes[0].id, "WID is not the burst's");
        must(data[0].len == writes[0].len, "WLAST is not at the burst's end");
        answers.push_back(writes[0].id);
        void'(writes.pop_front());
        void'(data.pop_front());
      end
      if (reads.size() > most_reads) most_reads = reads.size();
    end
    outstanding = reads.size() + writes.size() + data.size() + answers.size();
  end
endmodule

`default_nettype wire
