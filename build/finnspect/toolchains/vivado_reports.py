"""What Vivado says: its reports of use, timing and power, and the lines of its log that matter."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from finnspect.board import Board
from finnspect.errors import FlowError, ResourceError, TimingError, ToolError
from finnspect.toolchains.ecp5_reports import CriticalPath

#: Row of the utilisation report -> our name.
_ROWS = {
    "Slice LUTs": "LUT",
    "LUT as Memory": "LUTRAM",
    "Slice Registers": "FF",
    "Block RAM Tile": "BRAM36",
    "RAMB36/FIFO": "RAMB36E1",
    "RAMB18": "RAMB18E1",
    "DSPs": "DSP48E1",
}
_BIGGER = "fold more (a larger target_cycles makes it smaller), or take a smaller model"
_PROGRESS = re.compile(r"^finnspect: (.+)$")
_PHASE = re.compile(r"^(Phase [\d.]+ .+?)(?: \| Checksum.*)?$")
#: What a line of the log means: pattern, kind of error, remedy.
_KNOWN: tuple[tuple[re.Pattern[str], type[FlowError], str], ...] = (
    (
        re.compile(r"\[Common 17-345\]|valid license was not found", re.IGNORECASE),
        ToolError,
        "the free edition of Vivado serves the xc7z020: install that one, or set up a licence",
    ),
    (
        re.compile(
            r"\[Common 17-69\].*part|[Pp]art '[^']*' (?:was )?not found|no parts matched", re.IGNORECASE
        ),
        ToolError,
        "add Zynq-7000 to the devices of the Vivado installation (Help > Add Design Tools or Devices)",
    ),
    (
        re.compile(r"\[DRC UTLZ-1\]|\[Place 30-(?:640|415|487|1005)\]|over-?utilized", re.IGNORECASE),
        ResourceError,
        _BIGGER,
    ),
    (re.compile(r"\[Synth 8-4445\]"), ToolError, "build again: a memory image is missing in the folder"),
    (
        re.compile(r"[Nn]o space left|\[Common 17-680\]"),
        ToolError,
        "make room on the disk",
    ),
)


@dataclass(frozen=True)
class Timing:
    """The timing summary.

    Parameters
    ----------
    setup_ns, hold_ns, pulse_ns
        Worst slack of setup, hold and pulse width; negative where it was missed.
    failing
        Endpoints that miss one of them.
    unclocked
        Registers that no clock reaches.
    period_ns
        Of the slowest path's clock.
    path
        The slowest path.
    """

    setup_ns: float
    hold_ns: float
    pulse_ns: float
    failing: int
    unclocked: int
    period_ns: float
    path: CriticalPath

    @property
    def met(self) -> bool:
        """Whether every path was timed and is met."""
        worst = min(self.setup_ns, self.hold_ns, self.pulse_ns)
        return worst >= 0 and not self.failing and not self.unclocked

    @property
    def fmax_mhz(self) -> float:
        """The clock at which the slowest path would just be met."""
        return 1000 / (self.period_ns - self.setup_ns)


def _bad(report: str, reason: str) -> ToolError:
    return ToolError(f"{report} is not a report as Vivado writes it: {reason}", "check Vivado's version")


def parse_utilization(text: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return cells taken and cells in the device, by our names.

    Columns are found by their titles: versions differ in them.

    Raises
    ------
    ToolError
        It is no such report.
    """
    used, available = {}, {}
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if "Site Type" in cells and "Available" in cells:
            header = cells
        name = _ROWS.get(cells[0].rstrip("*")) if header and len(cells) == len(header) else None
        if name is None or name in used:
            continue
        row = dict(zip(header, cells, strict=True))
        # Half a tile of block RAM is one that nothing else can use whole.
        used[name], available[name] = math.ceil(float(row["Used"])), int(row["Available"])
    missing = {"LUT", "FF", "BRAM36", "DSP48E1"} - used.keys()
    if missing:
        raise _bad("the utilisation report", f"no row for {', '.join(sorted(missing))}")
    return used, available


def _summary(text: str) -> dict[str, float]:
    lines = text.splitlines()
    for index, line in enumerate(lines):
        names = re.split(r"\s{2,}", line.strip())
        if names[0] == "WNS(ns)" and index + 2 < len(lines):
            values = lines[index + 2].split()
            if len(values) == len(names) and "NA" not in values:
                return {name: float(value) for name, value in zip(names, values, strict=True)}
    raise _bad("the timing report", "its summary has no figures")


def parse_timing(text: str) -> Timing:
    """Read ``report_timing_summary``.

    Raises
    ------
    ToolError
        It is no such report, or nothing was timed.
    """
    summary = _summary(text)
    # The first path is the one with the least setup slack.
    slack = re.search(r"^Slack \((?:MET|VIOLATED)\) :\s+-?[\d.]+ns", text, re.MULTILINE)
    details = text[slack.start() :] if slack else ""
    source = re.search(r"^\s+Source:\s+(\S+)", details, re.MULTILINE)
    sink = re.search(r"^\s+Destination:\s+(\S+)", details, re.MULTILINE)
    period = re.search(r"^\s+Requirement:\s+([\d.]+)ns", details, re.MULTILINE)
    delay = re.search(
        r"^\s+Data Path Delay:\s+([\d.]+)ns\s+\(logic ([\d.]+)ns \([^)]*\)\s+route ([\d.]+)ns",
        details,
        re.MULTILINE,
    )
    if not (source and sink and period and delay):
        raise _bad("the timing report", "it shows no slowest path")
    unclocked = re.search(r"There (?:are|is) (\d+) register/latch pins? with no clock", text)
    try:
        return Timing(
            setup_ns=summary["WNS(ns)"],
            hold_ns=summary["WHS(ns)"],
            pulse_ns=summary["WPWS(ns)"],
            failing=int(sum(summary[f"{kind} Failing Endpoints"] for kind in ("TNS", "THS", "TPWS"))),
            unclocked=int(unclocked[1]) if unclocked else 0,
            period_ns=float(period[1]),
            path=CriticalPath(source[1], sink[1], *(float(delay[group]) for group in (1, 2, 3))),
        )
    except KeyError as error:
        raise _bad("the timing report", f"no column {error}") from error


def parse_power(text: str) -> float:
    """Return the total on-chip power in W as ``report_power`` estimates it.

    Raises
    ------
    ToolError
        It is no such report.
    """
    match = re.search(r"^\| Total On-Chip Power \(W\)\s*\|\s*([\d.]+)", text, re.MULTILINE)
    if match is None:
        raise _bad("the power report", "no total")
    return float(match[1])


def check_timing(timing: Timing, clock_mhz: float) -> None:
    """Raise TimingError when a path was missed or not timed: wanted, got, and the slowest path."""
    if timing.met:
        return
    remedy = "lower clock_mhz in the configuration, or fold more"
    if timing.unclocked:
        raise TimingError(
            f"{timing.unclocked} registers have no clock: they were not timed",
            "report this: a constraint is lost",
        )
    reached = f"the clock reaches {timing.fmax_mhz:.2f} MHz, {clock_mhz:.2f} MHz wanted"
    if timing.setup_ns >= 0 and timing.hold_ns >= 0:
        reached = (
            f"pulse width slack {timing.pulse_ns:.3f} ns, the clock is too fast for a cell of the device"
        )
    elif timing.setup_ns >= 0:
        reached, remedy = f"hold slack {timing.hold_ns:.3f} ns", "try another seed, or another clock_mhz"
    raise TimingError(
        f"timing was missed: {reached} ({timing.failing} endpoints); slowest path {timing.path}", remedy
    )


def describe(line: str) -> str | None:
    """Turn a line of the log into words of progress."""
    if match := _PROGRESS.match(line):
        return match[1]
    return match[1][:60] if (match := _PHASE.match(line)) else None


def critical_warnings(log: str) -> list[str]:
    """Return the critical warnings of a log, each once."""
    return list(dict.fromkeys(re.findall(r"^CRITICAL WARNING: (.+)$", log, re.MULTILINE)))


def tool_failure(code: int, log: str, board: Board, where: str) -> FlowError:
    """Return the error for a run that failed: Vivado's own lines, and the remedy where it is known.

    Parameters
    ----------
    where
        The whole log.
    """
    errors = [line.strip() for line in log.splitlines() if line.startswith("ERROR:")]
    for pattern, kind, remedy in _KNOWN:
        found = [line for line in errors if pattern.search(line)]
        if found and kind is ResourceError:
            return ResourceError(
                f"the design does not fit {board.name} ({board.part.name}): " + "; ".join(found[:3]), remedy
            )
        if found:
            return kind(f"Vivado failed (exit {code}):\n  {found[0]}", remedy)
    lines = errors or [line for line in log.splitlines() if line.strip()][-12:]
    shown = "\n".join(f"  {line}" for line in lines[:12])
    return ToolError(f"Vivado failed (exit {code}):\n{shown}", f"the whole log is {where}")
