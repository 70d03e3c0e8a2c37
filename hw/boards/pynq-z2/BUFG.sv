// Declaration of the clock buffer primitive; the tools know the cell.
`default_nettype none

(* blackbox *)
module BUFG (
    input  wire I,
    output wire O
);
endmodule

`default_nettype wire
