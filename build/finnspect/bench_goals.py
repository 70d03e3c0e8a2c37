"""What the hardware benchmark's figures are held against, as one table: goal, figure, met or missed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from finnspect.bench_macs import Unit
from finnspect.bench_pace import SLACK, Pace
from finnspect.bench_route import FMAX_MHZ
from finnspect.bench_speed import CYCLES_PER_SECOND

#: Names of cells and rates.
_TITLES = {
    "lut": "LUT",
    "ff": "FF",
    "bram": "BRAM18",
    "dsp": "DSP48E1",
    "lut_a_mac": "LUT a MAC",
    "macs_a_dsp": "MACs a DSP",
}


#: Of the cost models on a whole network.
MAX_ERROR_PERCENT = 15


@dataclass(frozen=True)
class Goal:
    """A figure and its limit.

    Parameters
    ----------
    kind
        Of the figure: ``post-synthesis``, ``post-route``, ``simulated`` or ``measured``.
    at_least
        The limit is the least, not the most.
    """

    what: str
    figure: float
    limit: float
    kind: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure keeps the limit."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        return f"{self.what}: {self.figure:,.12g}, {bound} {self.limit:,.12g} wanted"


def of_cells(
    case: str, limits: Iterable[tuple[str, float]], cells: dict[str, Any], tech: str = "xc7"
) -> list[Goal]:
    """Return the goals of a network's cells, ``post-synthesis``."""
    return [
        Goal(f"{case}, {tech}: {_TITLES[name]}", cells[name], limit, "post-synthesis")
        for name, limit in limits
    ]


def of_estimates(case: str, estimated: dict[str, Any], cells: dict[str, Any], tech: str) -> list[Goal]:
    """Return the goal of our estimate: how far its LUTs are from synthesis, in percent."""
    error = round(100 * abs(estimated["lut"] / cells["lut"] - 1), 1)
    return [
        Goal(f"{case}, {tech}: % error of the LUTs estimated", error, MAX_ERROR_PERCENT, "post-synthesis")
    ]


def of_cycles(case: str, cycles: float, target: int, bound: int) -> list[Goal]:
    """Return the goals of a network's cycles a frame: the target, and the folding bound."""
    over = round(100 * (cycles / bound - 1), 3)
    return [
        Goal(f"{case}: cycles a frame", cycles, target, "simulated"),
        Goal(f"{case}: % over the folding bound", over, 100 * SLACK, "simulated"),
    ]


def of_units(units: dict[str, Sequence[Unit]], rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """Return the goals of matrix-vector units by themselves."""
    found = {(row["technology"], row["unit"]): row for row in rows}
    goals = []
    for tech, unit in ((tech, unit) for tech, chosen in units.items() for unit in chosen):
        row = found[tech, unit.name]
        for name, limit in (("lut_a_mac", unit.lut_a_mac), ("macs_a_dsp", unit.macs_a_dsp)):
            if limit is not None:
                figure = row[name] if row[name] is not None else 0.0
                what = f"{unit.name}, {tech}: {_TITLES[name]}"
                goals.append(Goal(what, figure, limit, "post-synthesis", at_least=name == "macs_a_dsp"))
    return goals


def of_paces(rows: Sequence[Pace]) -> list[Goal]:
    """Return one goal for the slowest of all networks, in percent over its bound."""
    if not rows:
        return []
    worst = max(rows, key=lambda row: row.over)
    what = f"{len(rows)} foldings of {len({row.network for row in rows})} networks: % over the folding bound"
    if worst.over > SLACK:
        what += f" ({worst.network})"
    return [Goal(what, round(100 * worst.over, 3), 100 * SLACK, "simulated")]


def of_speed(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """Return the goals of the simulator: a speed on one core, and more with more cores."""
    one = [row for row in rows if row["cores"] == 1]
    more = [row["cycles_per_second"] for row in rows if row["cores"] > 1]
    goals = []
    if one:
        what = f"simulation of {one[0]['network']} on one core: cycles a second of processor time"
        fastest = one[0]["cycles_per_cpu_second"]
        goals.append(Goal(what, fastest, CYCLES_PER_SECOND, "measured", at_least=True))
    if one and more:
        what = "the same on more cores, the fastest way: cycles/s"
        goals.append(Goal(what, max(more), one[0]["cycles_per_second"], "measured", at_least=True))
    return goals


def of_routes(rows: Sequence[dict[str, Any]]) -> list[Goal]:
    """Return the goal of the default build's clock, in MHz."""
    return [
        Goal(f"{row['package']} on {row['board']}: Fmax in MHz", row["fmax_mhz"], FMAX_MHZ, row["kind"], True)
        for row in rows
    ]


def table(goals: Sequence[Goal]) -> str:
    """Return goals as a Markdown table."""
    lines = ["| goal | figure | wanted | kind | |", "| --- | --- | --- | --- | --- |"]
    for goal in goals:
        bound = "at least" if goal.at_least else "at most"
        cells = (goal.what, f"{goal.figure:,.12g}", f"{bound} {goal.limit:,.12g}", goal.kind)
        lines.append("| " + " | ".join((*cells, "met" if goal.met else "**missed**")) + " |")
    return "\n".join(lines)
