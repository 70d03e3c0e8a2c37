// Proof of fs_fork: each of its readers gets every beat once, in order, at its own pace.
`default_nettype none

module fv_fork #(
    parameter int unsigned WIDTH = 1,
    parameter int unsigned N = 2
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] s_axis_tdata,
    input wire s_axis_tvalid,
    input wire [N-1:0] m_axis_tready
);
  wire past;
  wire s_axis_tready;
  wire [N-1:0] m_axis_tvalid;
  wire [N-1:0][WIDTH-1:0] m_axis_tdata;

  fs_fork #(
      .WIDTH(WIDTH),
      .N(N)
  ) u_dut (
      .*
  );
  fv_reset u_reset (.*);

  wire [N-1:0] has_two;  // queues that hold as much as the fork can
  for (genvar i = 0; i < N; i++) begin : g_reader
    wire [2*WIDTH-1:0] held;
    wire [1:0] count;
    fv_queue #(
        .WIDTH(WIDTH),
        .CAPACITY(2)
    ) u_queue (
        .clk,
        .rst_n,
        .push(s_axis_tvalid && s_axis_tready),
        .in(s_axis_tdata),
        .pop(m_axis_tvalid[i] && m_axis_tready[i]),
        .elements(held),
        .count(count)
    );
    // A reader may have to wait for one that is slower only when it has all that was taken in.
    fv_output #(
        .WIDTH(WIDTH),
        .LIMIT(1)
    ) u_output (
        .clk,
        .rst_n,
        .past,
        .tdata(m_axis_tdata[i]),
        .tvalid(m_axis_tvalid[i]),
        .tready(m_axis_tready[i]),
        .pending(count == 2 - 2'(u_dut.taken_q[i]) && count != 0 && !u_dut.taken_q[i])
    );
    assign has_two[i] = count == 2;
    wire [1:0] stored = 2'(u_dut.u_skid.out_valid_q) + 2'(!u_dut.u_skid.ready_q);
    always_ff @(posedge clk) begin
      if (rst_n && past) begin
        if (m_axis_tvalid[i]) assert (m_axis_tdata[i] == held[WIDTH-1:0]);
        assert (count == stored - 2'(u_dut.taken_q[i]));
        assert (!u_dut.taken_q[i] || u_dut.u_skid.out_valid_q);
        if (!u_dut.u_skid.ready_q) begin
          assert (u_dut.u_skid.out_valid_q);
          assert (u_dut.u_skid.skid_q == held[(u_dut.taken_q[i]?0 : WIDTH)+:WIDTH]);
        end
      end
    end
  end

  // some reader always still wants the beat that shows, so all_taken cannot be missed
  always_ff @(posedge clk) begin
    if (rst_n && past) assert (!(&u_dut.taken_q));
  end
  // room for a beat comes within a cycle as soon as no reader holds two
  fv_input #(.LIMIT(1)) u_input (.clk, .rst_n, .tready(s_axis_tready), .room(u_dut.u_skid.ready_q && !(&has_two)));
endmodule

`default_nettype wire
