// Takes the core's logits, counts frames, and packs pairs of logits into 64-bit beats.
//
// Contract
//   * `load` (one clock) takes the number of frames. Exactly CLASSES logits for each of them are
//     taken; then `taken` is high, and no more are. The first logit of a pair is in the low half; if
//     their number is odd, the last beat's high half is zero.
//   * `frame_done`: high for one clock for each frame, one clock after its last logit was taken.
//   * `fault`: high for one clock if the core marks another logit than a frame's last with `tlast`, or
//     offers one more than it should have.
//   * `clear` forgets it all, and takes nothing until the next `load`.
`default_nettype none

module fs_dma_pack #(
    parameter int unsigned CLASSES = 6  // logits a frame
) (
    input wire clk,
    input wire rst_n,
    input wire clear,
    input wire load,
    input wire [20:0] load_frames,
    output wire taken,
    output wire frame_done,
    output wire fault,

    input wire [31:0] s_axis_tdata,
    input wire s_axis_tvalid,
    output wire s_axis_tready,
    input wire s_axis_tlast,

    output wire [63:0] m_axis_tdata,
    output wire m_axis_tvalid,
    input wire m_axis_tready
);
  if (CLASSES < 1) begin : g_bad_classes
    $error("fs_dma_pack: CLASSES is at least 1");
  end

  localparam int unsigned INDEX_BITS = CLASSES > 1 ? $clog2(CLASSES) : 1;

  logic [INDEX_BITS-1:0] index_q;
  logic [20:0] frames_q;  // frames whose last logit was not taken
  logic taken_q;
  logic loaded_q;
  logic frame_done_q;
  logic fault_q;
  logic [31:0] low_q;
  logic [63:0] out_q;
  logic half_q;  // low_q holds a logit that waits for its partner
  logic valid_q;

  wire take = s_axis_tvalid && s_axis_tready;
  wire last_class = index_q == INDEX_BITS'(CLASSES - 1);
  wire last_logit = last_class && frames_q == 21'd1;
  wire completes = half_q || last_logit;

  always_ff @(posedge clk) begin
    if (take) low_q <= s_axis_tdata;
    if (take && completes) out_q <= half_q ? {s_axis_tdata, low_q} : {32'd0, s_axis_tdata};
  end

  always_ff @(posedge clk) begin
    if (!rst_n || clear) begin
      index_q <= '0;
      frames_q <= '0;
      taken_q <= 1'b1;
      loaded_q <= 1'b0;
      half_q <= 1'b0;
      valid_q <= 1'b0;
      frame_done_q <= 1'b0;
      fault_q <= 1'b0;
    end else begin
      frame_done_q <= take && last_class;
      fault_q <= (take && s_axis_tlast != last_class) || (loaded_q && taken_q && s_axis_tvalid);
      if (m_axis_tready) valid_q <= 1'b0;
      if (load) begin
        frames_q <= load_frames;
        taken_q  <= 1'b0;
        loaded_q <= 1'b1;
      end else if (take) begin
        index_q <= last_class ? '0 : index_q + 1'b1;
        if (last_class) frames_q <= frames_q - 1'b1;
        taken_q <= last_logit;
        half_q  <= !completes;
        if (completes) valid_q <= 1'b1;
      end
    end
  end

  assign taken = taken_q;
  assign frame_done = frame_done_q;
  assign fault = fault_q;
  assign s_axis_tready = !taken_q && !(completes && valid_q);
  assign m_axis_tdata = out_q;
  assign m_axis_tvalid = valid_q;
endmodule

`default_nettype wire
