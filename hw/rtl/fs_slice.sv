// Register slice behind something that delivers a beat every APART cycles at most.
//
// APART 1: fs_skid. APART 2 and more: one register, as it is free again when the next beat comes.
// Latency 1 cycle. s_axis_tready depends on registers only.
`default_nettype none

module fs_slice #(
    parameter int unsigned WIDTH = 8,  // bits
    parameter int unsigned APART = 1  // cycles from beat to beat
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
  if (APART < 2) begin : g_skid
    fs_skid #(
        .WIDTH(WIDTH)
    ) u_skid (
        .clk,
        .rst_n,
        .s_axis_tdata,
        .s_axis_tvalid,
        .s_axis_tready,
        .m_axis_tdata,
        .m_axis_tvalid,
        .m_axis_tready
    );
  end else begin : g_register
    logic [WIDTH-1:0] out_q;
    logic out_valid_q;

    assign s_axis_tready = !out_valid_q;
    assign m_axis_tdata  = out_q;
    assign m_axis_tvalid = out_valid_q;

    always_ff @(posedge clk) if (!out_valid_q) out_q <= s_axis_tdata;

    always_ff @(posedge clk) begin
      if (!rst_n) out_valid_q <= 1'b0;
      else out_valid_q <= out_valid_q ? !m_axis_tready : s_axis_tvalid;
    end
  end
endmodule

`default_nettype wire
