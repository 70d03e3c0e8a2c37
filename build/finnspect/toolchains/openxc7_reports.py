"""What nextpnr says of a 7-series design: cells, clocks, slowest path; and what its known errors mean.

Both nextpnr-xilinx and upstream's himbaechel are read, from their logs: they write the same things in
slightly different columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from finnspect.board import Board
from finnspect.errors import FlowError, ResourceError, TimingError, ToolError
from finnspect.toolchains.ecp5_reports import CriticalPath

#: nextpnr's name -> ours. Two of its LUT places make one LUT of the device.
_CELLS = {
    "SLICE_LUTX": "SLICE_LUTX",
    "SLICE_FFX": "FF",
    "CARRY4": "CARRY4",
    "RAMB18E1_RAMB18E1": "RAMB18E1",
    "RAMB36E1_RAMB36E1": "RAMB36E1",
    "DSP48E1_DSP48E1": "DSP48E1",
    # as nextpnr-xilinx writes them
    "RAMB18E1": "RAMB18E1",
    "RAMB36E1": "RAMB36E1",
    "DSP48E1": "DSP48E1",
}
_USAGE = re.compile(r"^Info:\s+(\w+):\s*(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_FMAX = re.compile(
    r"^(?:Info|Warning|ERROR): Max frequency for clock\s+'([^']+)':\s+([\d.]+) MHz "
    r"\((?:PASS|FAIL) at ([\d.]+) MHz\)",
    re.MULTILINE,
)
_PATH = re.compile(r"^Info: Critical path report for clock '([^']+)' \(posedge -> posedge\):$", re.MULTILINE)
_STEP = re.compile(r"^Info:\s+(?:[a-z-]+\s+)?[\d.]+\s+[\d.]+\s+(?:Source|Setup)\s+(\S+)$", re.MULTILINE)
_SUM = re.compile(r"^Info: ([\d.]+) ns logic, ([\d.]+) ns routing$", re.MULTILINE)

_BIGGER = "fold more (a larger target_cycles makes it smaller), or take a smaller model"
#: What a line of a tool means: pattern, kind of error, remedy.
_KNOWN: tuple[tuple[re.Pattern[str], type[FlowError], str], ...] = (
    (
        re.compile(r"no Bels remaining of type '?\$scopeinfo"),
        ToolError,
        "the netlist still holds $scopeinfo cells: `delete t:$scopeinfo` before write_json",
    ),
    (
        re.compile(r"No wire found for port Q31"),
        ToolError,
        "a shift register is deeper than these tools can place: synthesise with -nosrl",
    ),
    (
        re.compile(
            r"no Bels remaining|[Uu]nable to find legal placement|design is probably at utilisation limit"
        ),
        ResourceError,
        _BIGGER,
    ),
    (
        re.compile(
            r"[Ff]ailed to (?:open|load|read|map) (?:the )?chip ?d(?:ata)?b|chipdb.*(?:version|invalid)"
        ),
        ToolError,
        "the chip database is missing or of another version: make it again with the nextpnr that reads it",
    ),
    (
        re.compile(r"FasmLookupError|FasmInconsistentBits|segbits"),
        ToolError,
        "nextpnr and prjxray-db do not fit together: take both from one release of the tools",
    ),
    (
        re.compile(r"ModuleNotFoundError|No module named"),
        ToolError,
        "fasm2frames lacks its Python modules: set PYTHONPATH as the tools' own set-up does",
    ),
)


@dataclass(frozen=True)
class Xc7Report:
    """What place and route gave.

    Parameters
    ----------
    clocks
        Clock net -> (reached, wanted) in MHz.
    paths
        Clock net -> its slowest path.
    resources, available
        Cells taken, and cells in the device.
    """

    clocks: dict[str, tuple[float, float]]
    paths: dict[str, CriticalPath]
    resources: dict[str, int]
    available: dict[str, int]

    @property
    def clock(self) -> str:
        """The clock that misses by most, or has least to spare."""
        return min(self.clocks, key=lambda name: self.clocks[name][0] / self.clocks[name][1])

    @property
    def fmax_mhz(self) -> float:
        """What that clock reached."""
        return self.clocks[self.clock][0]

    @property
    def wanted_mhz(self) -> float:
        """What was asked of it."""
        return self.clocks[self.clock][1]

    @property
    def met(self) -> bool:
        """Whether every clock was met."""
        return all(reached >= wanted for reached, wanted in self.clocks.values())

    @property
    def path(self) -> str:
        """The slowest path in words."""
        path = self.paths.get(self.clock)
        return str(path) if path else ""


def _paths(log: str) -> dict[str, CriticalPath]:
    paths = {}
    for match in _PATH.finditer(log):
        total = _SUM.search(log, match.end())
        if total is None:
            continue
        steps = _STEP.findall(log, match.end(), total.start())
        logic, routing = float(total[1]), float(total[2])
        if steps:
            paths[match[1]] = CriticalPath(steps[0], steps[-1], logic + routing, logic, routing)
    return paths


def parse_pnr_log(log: str) -> Xc7Report:
    """Read the log of a finished place and route.

    Raises
    ------
    ToolError
        It names no clock or no cells: it is not such a log.
    """
    # Each is given after placement and, for good, after routing.
    clocks = {name: (float(reached), float(wanted)) for name, reached, wanted in _FMAX.findall(log)}
    usage = {name: (int(used), int(there)) for name, used, there in _USAGE.findall(log)}
    if not clocks or "SLICE_LUTX" not in usage:
        raise ToolError(
            "the log of place and route names no clock or no cells", "check the version of nextpnr"
        )
    known = {ours: usage[name] for name, ours in _CELLS.items() if name in usage}
    return Xc7Report(
        clocks=clocks,
        paths=_paths(log),
        resources={name: used for name, (used, _) in known.items()},
        available={name: there for name, (_, there) in known.items()},
    )


def check_timing(report: Xc7Report) -> None:
    """Raise TimingError when a clock was missed: names it, wanted, got, and the slowest path."""
    if not report.met:
        path = f"; slowest path {report.path}" if report.path else ""
        raise TimingError(
            f"timing was missed: clock {report.clock} reaches {report.fmax_mhz:.2f} MHz, "
            f"{report.wanted_mhz:.2f} MHz wanted{path}",
            "lower clock_mhz in the configuration, or try another seed",
        )


def tool_failure(what: str, code: int, text: str, board: Board, log: str) -> FlowError:
    """Return the error for a tool that failed: its own lines, and the remedy where it is known.

    Parameters
    ----------
    what
        The step.
    text
        What the tool said.
    log
        Where the whole of it is.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern, kind, remedy in _KNOWN:
        found = [line for line in lines if pattern.search(line)]
        if not found:
            continue
        if kind is ResourceError:
            return ResourceError(
                f"the design does not fit {board.name} ({board.part.name}): {_over(text) or found[0]}", remedy
            )
        return kind(f"{what} failed (exit {code}):\n  {found[0]}", remedy)
    errors = [line for line in lines if re.match(r"ERROR|.*\b[Ee]rror\b", line)] or lines[-12:]
    shown = "\n".join(f"  {line}" for line in errors[:12])
    return ToolError(f"{what} failed (exit {code}):\n{shown}", f"the whole log is {log}")


def _over(text: str) -> str:
    return "; ".join(
        f"{name}: {used} needed, {there} there, {int(used) - int(there)} too many"
        for name, used, there in _USAGE.findall(text)
        if int(used) > int(there)
    )


def _number(value: str | int) -> int:
    """Return a parameter of a cell in yosys' JSON: a number, or its bits as text."""
    if isinstance(value, int):
        return value
    bits = value.strip().replace("x", "0").replace("z", "0")
    return int(bits, 2) if re.fullmatch(r"[01]+", bits) else 0


def netlist_cells(document: Mapping, top: str) -> dict[str, list[dict[str, int]]]:
    """Return the memory cells of a yosys netlist: type -> parameters of each."""
    cells: dict[str, list[dict[str, int]]] = {}
    for cell in document["modules"][top]["cells"].values():
        if cell["type"].startswith("RAM"):
            parameters = {name: _number(value) for name, value in cell.get("parameters", {}).items()}
            cells.setdefault(cell["type"], []).append(parameters)
    return cells


def initialised_lut_ram(cells: Mapping[str, list[dict[str, int]]]) -> int:
    """Return how many 64-deep LUT memories start with something else than zeros."""
    return sum(
        any(name.startswith("INIT") and value for name, value in each.items())
        for kind, found in cells.items()
        if kind.startswith("RAM64")
        for each in found
    )


def nine_bit_block_ram(cells: Mapping[str, list[dict[str, int]]]) -> int:
    """Return how many block memories have a port of 9-bit words."""
    ports = ("READ_WIDTH_A", "READ_WIDTH_B")
    return sum(
        any(each.get(port) == 9 for port in ports)
        for kind, found in cells.items()
        if kind.startswith("RAMB")
        for each in found
    )
