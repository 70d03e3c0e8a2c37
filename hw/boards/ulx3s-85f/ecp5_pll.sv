// Core clock of the ULX3S from its 25 MHz oscillator, by one EHXPLLL.
//
//   VCO = input * FEEDBACK_DIV * LOOP_DIV / INPUT_DIV,  clk_out = VCO / OUTPUT_DIV
//
// CLKOP closes the loop and CLKOS is the core clock, so that the phase detector can run as fast as the
// input allows. finnspect.toolchains.ecp5_pll chooses the dividers. `sim/ecp5_pll.sv` is the twin.
`default_nettype none

module ecp5_pll #(
    parameter int unsigned INPUT_DIV    = 1,   // CLKI_DIV
    parameter int unsigned FEEDBACK_DIV = 3,   // CLKFB_DIV
    parameter int unsigned LOOP_DIV     = 8,   // CLKOP_DIV
    parameter int unsigned OUTPUT_DIV   = 8    // CLKOS_DIV
) (
    input  wire logic clk_in,
    output logic      clk_out,
    output logic      locked
);
  logic loop;

  (* ICP_CURRENT = "12", LPF_RESISTOR = "8", MFG_ENABLE_FILTEROPAMP = "1", MFG_GMCREF_SEL = "2" *)
  EHXPLLL #(
      .CLKI_DIV        (INPUT_DIV),
      .CLKFB_DIV       (FEEDBACK_DIV),
      .FEEDBK_PATH     ("CLKOP"),
      .CLKOP_ENABLE    ("ENABLED"),
      .CLKOP_DIV       (LOOP_DIV),
      .CLKOP_CPHASE    (LOOP_DIV - 1),
      .CLKOP_FPHASE    (0),
      .CLKOS_ENABLE    ("ENABLED"),
      .CLKOS_DIV       (OUTPUT_DIV),
      .CLKOS_CPHASE    (OUTPUT_DIV - 1),
      .CLKOS_FPHASE    (0),
      .OUTDIVIDER_MUXA ("DIVA"),
      .OUTDIVIDER_MUXB ("DIVB"),
      .OUTDIVIDER_MUXC ("DIVC"),
      .OUTDIVIDER_MUXD ("DIVD"),
      .PLLRST_ENA      ("DISABLED"),
      .STDBY_ENABLE    ("DISABLED"),
      .DPHASE_SOURCE   ("DISABLED"),
      .INTFB_WAKE      ("DISABLED")
  ) u_pll (
      .CLKI        (clk_in),
      .CLKFB       (loop),
      .CLKOP       (loop),
      .CLKOS       (clk_out),
      .LOCK        (locked),
      .RST         (1'b0),
      .STDBY       (1'b0),
      .PHASESEL0   (1'b0),
      .PHASESEL1   (1'b0),
      .PHASEDIR    (1'b1),
      .PHASESTEP   (1'b1),
      .PHASELOADREG(1'b1),
      .PLLWAKESYNC (1'b0),
      .ENCLKOP     (1'b0),
      .ENCLKOS     (1'b0)
  );
endmodule

`default_nettype wire
