// Declaration of the ECP5 PLL primitive, the parameters and ports that ecp5_pll.sv uses; the place and
// route tool knows the cell.
`default_nettype none

(* blackbox *)
module EHXPLLL #(
    parameter int    CLKI_DIV        = 1,
    parameter int    CLKFB_DIV       = 1,
    parameter string FEEDBK_PATH     = "CLKOP",
    parameter string CLKOP_ENABLE    = "ENABLED",
    parameter int    CLKOP_DIV       = 8,
    parameter int    CLKOP_CPHASE    = 0,
    parameter int    CLKOP_FPHASE    = 0,
    parameter string CLKOS_ENABLE    = "DISABLED",
    parameter int    CLKOS_DIV       = 8,
    parameter int    CLKOS_CPHASE    = 0,
    parameter int    CLKOS_FPHASE    = 0,
    parameter string OUTDIVIDER_MUXA = "DIVA",
    parameter string OUTDIVIDER_MUXB = "DIVB",
    parameter string OUTDIVIDER_MUXC = "DIVC",
    parameter string OUTDIVIDER_MUXD = "DIVD",
    parameter string PLLRST_ENA      = "DISABLED",
    parameter string STDBY_ENABLE    = "DISABLED",
    parameter string DPHASE_SOURCE   = "DISABLED",
    parameter string INTFB_WAKE      = "DISABLED"
) (
    input  wire logic CLKI,
    input  wire logic CLKFB,
    input  wire logic RST,
    input  wire logic STDBY,
    input  wire logic PHASESEL0,
    input  wire logic PHASESEL1,
    input  wire logic PHASEDIR,
    input  wire logic PHASESTEP,
    input  wire logic PHASELOADREG,
    input  wire logic PLLWAKESYNC,
    input  wire logic ENCLKOP,
    input  wire logic ENCLKOS,
    output wire logic CLKOP,
    output wire logic CLKOS,
    output wire logic LOCK
);
endmodule

`default_nettype wire
