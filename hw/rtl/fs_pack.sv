// Packs N numbers into one: y = (x[N-1] << (N-1)K) + ... + (x[1] << K) + x[0], signed.
//
// Combinational. x[i] sits at x[i*BITS +: BITS]. A negative number borrows one from those above it.
`default_nettype none

module fs_pack #(
    parameter int unsigned N = 2,  // numbers
    parameter int unsigned BITS = 4,  // of one number
    parameter int unsigned SIGNED = 1,
    parameter int unsigned K = 8,  // bits from one to the next, more than BITS
    localparam int unsigned OUT_BITS = (N - 1) * K + BITS + 1
) (
    input wire [N*BITS-1:0] x,
    output wire [OUT_BITS-1:0] y
);
  wire [N:0] borrow;
  wire [N*K-1:0] fields;
  assign borrow[0] = 1'b0;
  for (genvar i = 0; i < N; i++) begin : g_field
    wire signed [BITS:0] value = {(SIGNED != 0) & x[i*BITS+BITS-1], x[i*BITS+:BITS]};
    wire signed [BITS:0] field = value - (BITS + 1)'({1'b0, borrow[i]});
    assign borrow[i+1] = field[BITS];
    assign fields[i*K+:K] = K'(field);
  end
  assign y = fields[OUT_BITS-1:0];
  wire unused = &{1'b0, borrow[N], fields};
endmodule

`default_nettype wire
