"""What yosys and nextpnr-ecp5 say: resources, clock, critical path."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finnspect.board import Board
from finnspect.errors import ResourceError, TimingError, ToolError

#: LUT sites that a carry cell and a 16x4 distributed memory take.
_LUTS_A_CARRY = 2
_LUTS_A_RAM = 6

_YOSYS_PASS = re.compile(r"^(\d+(?:\.\d+)*)\. Executing (.*?)\.?$")
_PLACER = re.compile(r"^Info:\s+at iteration #(\d+), type \w+: .*legal = (\d+)")
_REFINE = re.compile(r"^Info:\s+at iteration #(\d+): temp = .*wirelen = (\d+)")
_ROUTER = re.compile(r"^Info:\s+(\d+)\s*\|\s*\d+\s+\d+\s*\|.*\|\s*(\d+)\s*\|")
_NO_ROOM = re.compile(
    r"no (?:B|b)els remaining to implement cell type '(\w+)'"
    r"|[Uu]nable to find legal placement"
    r"|design is probably at utilisation limit"
    r"|[Uu]nable to place cell"
)


def describe_yosys(line: str) -> str | None:
    """Turn a line of yosys' log into words of progress."""
    match = _YOSYS_PASS.match(line)
    return f"{match[1]} {match[2]}"[:60] if match else None


def describe_nextpnr(line: str) -> str | None:
    """Turn a line of nextpnr's log into words of progress."""
    if match := _PLACER.match(line):
        return f"placing, iteration {match[1]}, wire length {match[2]}"
    if match := _REFINE.match(line):
        return f"refining the placement, iteration {match[1]}, wire length {match[2]}"
    if match := _ROUTER.match(line):
        return f"routing, {match[2]} arcs to go"
    return "reading and packing the design" if line.startswith("Info: Packing") else None


def post_synthesis(cells: Mapping[str, int]) -> dict[str, int]:
    """Return resources by name from yosys' cell counts.

    ``LUT4`` is every LUT site taken: logic, two for a carry cell, six for a 16x4 distributed memory.
    """
    return {
        "LUT4": cells.get("LUT4", 0)
        + _LUTS_A_CARRY * cells.get("CCU2C", 0)
        + _LUTS_A_RAM * cells.get("TRELLIS_DPR16X4", 0),
        "CCU2C": cells.get("CCU2C", 0),
        "FF": cells.get("TRELLIS_FF", 0),
        "DP16KD": cells.get("DP16KD", 0),
        "MULT18X18D": cells.get("MULT18X18D", 0),
    }


def check_fit(used: Mapping[str, int], board: Board) -> None:
    """Compare resources with what the board has.

    Raises
    ------
    ResourceError
        Something does not fit: names every such resource and by how much.
    """
    over = [
        f"{name}: {used[name]} needed, {available} there, {used[name] - available} too many "
        f"({100 * used[name] / available:.0f} %)"
        for name, available in board.resources.items()
        if used.get(name, 0) > available
    ]
    if over:
        raise ResourceError(
            f"the design does not fit {board.name} ({board.part.name}): " + "; ".join(over),
            "fold more (a larger target_cycles makes it smaller), or take a smaller model",
        )


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path from register to register of the core clock.

    Parameters
    ----------
    source, sink
        Cell and port it starts and ends at.
    delay_ns, logic_ns, routing_ns
        Its length, and how much of it is in cells and in wires.
    """

    source: str
    sink: str
    delay_ns: float
    logic_ns: float
    routing_ns: float

    def __str__(self) -> str:
        return (
            f"{self.source} -> {self.sink}: {self.delay_ns:.2f} ns "
            f"({self.logic_ns:.2f} logic, {self.routing_ns:.2f} routing)"
        )


@dataclass(frozen=True)
class PnrReport:
    """nextpnr's ``report.json``.

    Parameters
    ----------
    clock
        Name of the slowest clock net.
    fmax_mhz, wanted_mhz
        What it reached and what was asked for.
    path
        Its slowest path.
    resources
        Post-route use by the board's names, LUT sites as ``LUT4``.
    """

    clock: str
    fmax_mhz: float
    wanted_mhz: float
    path: CriticalPath
    resources: dict[str, int]

    @property
    def met(self) -> bool:
        """Whether the clock was met."""
        return self.fmax_mhz >= self.wanted_mhz


def _path(document: Mapping, clock: str) -> CriticalPath:
    domain = f"posedge {clock}"
    for path in document["critical_paths"]:
        if path["from"] == domain and path["to"] == domain:
            steps = path["path"]
            routing = sum(step["delay"] for step in steps if step["type"] == "routing")
            total = sum(step["delay"] for step in steps)
            ends = (steps[0]["from"], steps[-1]["to"])
            source, sink = (f"{end['cell']}.{end['port']}" for end in ends)
            return CriticalPath(source, sink, total, total - routing, routing)
    raise KeyError(domain)


def read_pnr_report(path: Path) -> PnrReport:
    """Read the report of a finished place and route.

    Raises
    ------
    ToolError
        It is missing or not as expected.
    """
    try:
        document = json.loads(path.read_text())
        # The clock that misses by most, or has least to spare.
        clock, figures = min(
            document["fmax"].items(), key=lambda item: item[1]["achieved"] / item[1]["constraint"]
        )
        used = {name: cell["used"] for name, cell in document["utilization"].items()}
        return PnrReport(
            clock=clock,
            fmax_mhz=figures["achieved"],
            wanted_mhz=figures["constraint"],
            path=_path(document, clock),
            resources={
                "LUT4": used["TRELLIS_COMB"],
                "FF": used["TRELLIS_FF"],
                "DP16KD": used["DP16KD"],
                "MULT18X18D": used["MULT18X18D"],
            },
        )
    except (OSError, ValueError, KeyError) as error:
        raise ToolError(
            f"{path} is not a report of nextpnr-ecp5: {error!r}", "check the tool's version"
        ) from error


def check_timing(report: PnrReport) -> None:
    """Raise TimingError when the clock was missed: names it, wanted, got, and the slowest path."""
    if not report.met:
        raise TimingError(
            f"timing was missed: clock {report.clock} reaches {report.fmax_mhz:.2f} MHz, "
            f"{report.wanted_mhz:.2f} MHz wanted; slowest path {report.path}",
            "lower clock_mhz in the configuration, or try another seed",
        )


def check_placed(log: str, board: Board) -> None:
    """Raise ResourceError when nextpnr's log says that there was no room."""
    match = _NO_ROOM.search(log)
    if match is None:
        return
    usage = re.findall(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)", log, re.MULTILINE)
    over = [
        f"{name}: {used} needed, {there} there, {int(used) - int(there)} too many"
        for name, used, there in usage
        if int(used) > int(there)
    ]
    line = next(text for text in log.splitlines() if _NO_ROOM.search(text))
    raise ResourceError(
        f"the design does not fit {board.name} ({board.part.name}): {'; '.join(over) or line.strip()}",
        "fold more (a larger target_cycles makes it smaller), or take a smaller model",
    )
