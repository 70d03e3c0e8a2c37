"""Dividers of the ECP5's EHXPLLL."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from finnspect.board import Clock
from finnspect.errors import ConfigError

#: The loop filter is happiest in the middle of the oscillator's range.
_VCO_MIDDLE_MHZ = 600
#: A clock further than this from the one asked for is refused.
MAX_ERROR = Fraction(1, 200)


@dataclass(frozen=True)
class PllSettings:
    """Dividers: VCO = input * feedback * loop / input_div, output = VCO / output_div.

    Parameters
    ----------
    input_mhz, output_mhz
        Exact frequencies.
    """

    input_mhz: Fraction
    input_div: int
    feedback_div: int
    loop_div: int
    output_div: int

    @property
    def phase_detector_mhz(self) -> Fraction:
        """Frequency at which the loop compares phases."""
        return self.input_mhz / self.input_div

    @property
    def vco_mhz(self) -> Fraction:
        """Frequency of the oscillator."""
        return self.phase_detector_mhz * self.feedback_div * self.loop_div

    @property
    def output_mhz(self) -> Fraction:
        """The core clock."""
        return self.vco_mhz / self.output_div

    @property
    def clock_hz(self) -> int:
        """The core clock in Hz, rounded."""
        return round(self.output_mhz * 1_000_000)


def _within(value: Fraction, limits: tuple[float, float]) -> bool:
    return Fraction(limits[0]) <= value <= Fraction(limits[1])


def _multipliers(clock: Clock, input_div: int) -> dict[int, tuple[int, int]]:
    """Return the products feedback * loop that the limits allow, each with one such pair."""
    pll = clock.pll
    detector = Fraction(str(clock.input_mhz)) / input_div
    pairs: dict[int, tuple[int, int]] = {}
    for feedback in range(1, pll.feedback_divider_max + 1):
        if not _within(detector * feedback, pll.output_mhz):  # what CLKOP runs at
            continue
        for loop in range(1, pll.output_divider_max + 1):
            if _within(detector * feedback * loop, pll.vco_mhz):
                pairs.setdefault(feedback * loop, (feedback, loop))
    return pairs


def solve_pll(clock: Clock, wanted_mhz: float) -> PllSettings:
    """Return the settings whose output is nearest to ``wanted_mhz``.

    Among equals the phase detector runs as fast as it may (least jitter), then the oscillator as near to
    the middle of its range as it can.

    Raises
    ------
    ConfigError
        The clock is out of range, or no setting comes within :data:`MAX_ERROR` of it.
    """
    pll = clock.pll
    wanted = Fraction(str(wanted_mhz))
    source = Fraction(str(clock.input_mhz))
    if not _within(wanted, pll.output_mhz):
        low, high = pll.output_mhz
        raise ConfigError(
            f"a clock of {wanted_mhz:g} MHz is out of the PLL's range",
            f"ask for {low:g} to {high:g} MHz",
        )
    best: tuple[Fraction, Fraction, Fraction] | None = None
    settings: PllSettings | None = None
    for input_div in range(1, pll.input_divider_max + 1):
        detector = source / input_div
        if not _within(detector, pll.phase_detector_mhz):
            continue
        for product, (feedback, loop) in _multipliers(clock, input_div).items():
            vco = detector * product
            # Only the two dividers around the exact one can be nearest.
            exact = int(vco / wanted)
            for output_div in (exact, exact + 1):
                if not 1 <= output_div <= pll.output_divider_max:
                    continue
                output = vco / output_div
                if not _within(output, pll.output_mhz):
                    continue
                rank = (abs(output - wanted), -detector, abs(vco - _VCO_MIDDLE_MHZ))
                if best is None or rank < best:
                    best = rank
                    settings = PllSettings(source, input_div, feedback, loop, output_div)
    if settings is None or abs(settings.output_mhz - wanted) > wanted * MAX_ERROR:
        near = f"the nearest is {float(settings.output_mhz):.4f} MHz" if settings else "there is none"
        raise ConfigError(
            f"the PLL cannot make {wanted_mhz:g} MHz from {clock.input_mhz:g} MHz: {near}",
            "ask for that clock",
        )
    return settings
