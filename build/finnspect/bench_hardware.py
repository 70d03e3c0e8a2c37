"""Benchmark of the hardware: cells, cycles, simulation speed of the bench networks, beside FINN's estimates.

Run as ``python -m finnspect.bench_hardware``; ``make bench`` does. Whole, it goes on with matrix-vector
units by themselves (``bench_macs``), the default build placed and routed (``bench_route``), the pace of
every model (``bench_pace``) and the simulator's speed (``bench_speed``), and ends in one table of goals.
Every figure says what it is: ``estimated`` (ours, FINN's), ``post-synthesis`` (yosys, core without shell),
``post-route`` (nextpnr), ``simulated`` (Verilator), ``measured`` (this machine).
Syntheses, paces and simulator builds are kept in ``out/cache`` and made again only when the core changes: an
interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from finnspect import analysis, bench_goals, bench_macs, bench_pace, bench_route, bench_speed
from finnspect.analysis import TECHNOLOGIES, Resources, Technology
from finnspect.analysis.latency import latency_bound
from finnspect.analysis.styles import MULTIPLIER_BITS, hard_rows
from finnspect.errors import ConfigError, FlowError, VerificationError
from finnspect.folding import choose_folding
from finnspect.ir import DataflowGraph, Depthwise, Layer, MatVec
from finnspect.paths import ROOT
from finnspect.stages import write_whole

#: Cells of a xc7z020; and four fifths of it, the most that a network may take.
XC7Z020 = {"lut": 53_200, "ff": 106_400, "bram": 280, "dsp": 220}
FOUR_FIFTHS = tuple((name, 0.8 * cells) for name, cells in XC7Z020.items())
#: What there is at most of hard multipliers, whatever a case may use: a LFE5U-85F's.
MULTIPLIERS = {"ecp5": 156}


@dataclass(frozen=True)
class Case:
    """One network, the cycles a frame that it is folded for, and how many hard multipliers it may use.

    Parameters
    ----------
    at_most
        Goals: post-synthesis cells for xc7, and ``lut_a_mac``.
    """

    network: str
    target_cycles: int
    dsp_budget: int
    at_most: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """Name of the row."""
        return f"{self.network}-{self.target_cycles}-{self.dsp_budget}dsp"


#: 37 multipliers as FINN's own RTL was measured with, 176 are four fifths of a xc7z020's; 44 and 6.6 LUTs are
#: what FINN's formula gives for a product of 4 bits and of one.
CASES = (
    Case("cnn5_w4a4", 10_000, 37, (("lut", 3_300), ("dsp", 37))),
    Case("cnn5_w4a4", 10_000, 0, (("lut_a_mac", 44),)),
    Case("cnv_w4a4", 73_728, 0, (("lut_a_mac", 44),)),
    Case("cnv_w4a4", 12_288, 176, FOUR_FIFTHS),
    Case("resnet8_w4a4", 20_000, 176, FOUR_FIFTHS),
    Case("cnv_w1a1", 28_800, 0, (*FOUR_FIFTHS, ("lut_a_mac", 6.6))),
)
QUICK = CASES[:1]


@dataclass
class Row:
    """Figures of one case; cells by technology, ``hard_macs`` the products a cycle in hard multipliers."""

    case: str
    parallel_macs: int
    bound_cycles: int
    bound_layer: str
    latency_bound_cycles: int
    estimated: dict[str, dict[str, int]] = field(default_factory=dict)
    finn: dict[str, Any] = field(default_factory=dict)
    synthesised: dict[str, dict[str, int]] = field(default_factory=dict)
    simulated: dict[str, Any] = field(default_factory=dict)
    hard_macs: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the figures, each group with its kind."""
        document = asdict(self)
        for tech, cells in document["synthesised"].items():
            cells["lut_a_mac"] = round(cells["lut"] / self.parallel_macs, 2)
            cells["macs_a_dsp"] = round(self.hard_macs[tech] / cells["dsp"], 2) if cells["dsp"] else None
        return document


def parallel_macs(graph: DataflowGraph, folding: Any) -> dict[str, int]:
    """Return the products a cycle of every layer that multiplies."""
    return {
        layer.name: (folding[layer.name].PE or 1) * (folding[layer.name].SIMD or 1)
        for layer in graph
        if isinstance(layer, MatVec | Depthwise)
    }


def hard_macs(graph: DataflowGraph, layer: Layer, folding: Any, tech: Technology, style: str) -> int:
    """Return the products a cycle of a layer that hard multipliers make."""
    if not isinstance(layer, MatVec):
        return 0
    chosen, a_bits = folding[layer.name], graph.tensors[layer.input].dtype.bits
    rows = hard_rows(layer, a_bits, chosen.PE, MULTIPLIER_BITS.get(tech.name, 18), style)
    return rows * chosen.SIMD


def _cells(resources: Resources, kind: str) -> dict[str, Any]:
    return {"kind": kind} | {name: getattr(resources, name) for name in ("lut", "ff", "bram", "dsp")}


def simulate(accelerator: Any, graph: DataflowGraph, frames: int, folder: Path) -> dict[str, Any]:
    """Run random frames back to back on one core, compare the output with the reference, return the figures.

    Raises
    ------
    VerificationError
        An output differs from the integer reference.
    """
    from finnspect.reference import Reference
    from finnspect.sim.core import build_core

    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(0).integers(0, 256, (frames, *shape)).astype(np.uint8)
    result = build_core(accelerator, folder, jobs=2).run(images)
    expected = Reference(graph).logits(images)
    wrong = np.argwhere(result.logits != expected)
    if len(wrong):
        image, index = (int(v) for v in wrong[0])
        raise VerificationError(
            "benchmark",
            "logits",
            image,
            (index,),
            int(result.logits[image, index]),
            int(expected[image, index]),
        )
    return {
        "kind": "simulated",
        "frames": frames,
        "cycles_per_frame": result.cycles_per_frame,
        "efficiency": result.efficiency,
        "first_frame_cycles": result.latency_cycles,
        "cycles_per_second": round(result.cycles / result.seconds),
    }


def measure(
    case: Case, technologies: Sequence[Technology], frames: int, cache: Path, say: Callable[[str], None]
) -> Row:
    """Return the figures of one case; ``frames`` 0 leaves out the simulation, no technologies the syntheses.

    Raises
    ------
    FlowError
        A tool failed, or an output is wrong.
    """
    from finnspect.bench_networks import network
    from finnspect.emit import EmitOptions, emit_accelerator
    from finnspect.toolchains.core_synth import synthesise_core
    from finnspect.toolchains.finn_estimates import finn_estimates

    graph = network(case.network)
    shared = technologies[0] if technologies else analysis.XC7
    folding = choose_folding(graph, case.target_cycles, shared)
    bound, macs = analysis.folding_bound(graph, folding), parallel_macs(graph, folding)
    row = Row(case.name, sum(macs.values()), bound.cycles, bound.layer, latency_bound(graph, folding))
    for tech in technologies or (shared,):
        say(f"{case.name}: {tech.name}")
        multipliers = min(case.dsp_budget, MULTIPLIERS.get(tech.name, case.dsp_budget))
        options = EmitOptions(dsp_budget=multipliers, technology=tech.name)
        core = emit_accelerator(graph, folding, cache / "bench" / case.name / tech.name / "core", options)
        parts = analysis.graph_resources(graph, folding, tech, multipliers)
        row.estimated[tech.name] = _cells(sum(parts.values(), Resources()), "estimated")
        styles = core.manifest["mul_styles"]
        row.hard_macs[tech.name] = sum(
            hard_macs(graph, layer, folding, tech, styles.get(layer.name, "lut")) for layer in graph
        )
        if technologies:
            figures = synthesise_core(core, tech, cache / "synth").total
            row.synthesised[tech.name] = _cells(figures, "post-synthesis")
        if tech is shared:
            row.finn = finn_estimates(graph, folding, styles)
            if frames:
                say(f"{case.name}: simulation")
                row.simulated = simulate(core, graph, frames, cache / "bench" / case.name / "sim")
    return row


def table(rows: Sequence[Row]) -> str:
    """Return the figures as a Markdown table, a line a case and technology."""
    head = (
        *("case", "for", "MACs a cycle", "LUT", "FF", "BRAM18", "DSP", "LUT a MAC", "MACs a DSP"),
        *("our estimate", "FINN's estimate", "bound", "cycles a frame", "first frame", "its bound"),
        "cycles/s",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        document = row.to_json()
        for tech, estimate in row.estimated.items():
            made = document["synthesised"].get(tech, {})
            run = row.simulated if tech == next(iter(row.estimated)) else {}
            cells = [made.get(name, "") for name in ("lut", "ff", "bram", "dsp", "lut_a_mac", "macs_a_dsp")]
            cells = [
                f"{cell:,}" if isinstance(cell, int) else ("" if cell is None else cell) for cell in cells
            ]
            line = [row.case, tech, row.parallel_macs, *cells, _estimate(estimate)]
            names = {"lut": "LUT", "bram": "BRAM_18K", "dsp": "DSP"}
            finn = {short: row.finn[name] for short, name in names.items()}
            line += [
                _estimate(finn) if tech == "xc7" else "",
                f"{row.bound_cycles:,}",
                _number(run, "cycles_per_frame"),
                _number(run, "first_frame_cycles"),
            ]
            line += [f"{row.latency_bound_cycles:,}", _number(run, "cycles_per_second")]
            lines.append("| " + " | ".join(map(str, line)) + " |")
    return "\n".join(lines)


def _number(figures: dict[str, Any], name: str) -> str:
    return f"{figures[name]:,.0f}" if name in figures else ""


def _estimate(cells: dict[str, Any]) -> str:
    return f"{cells['lut']:,.0f} LUT, {cells['bram']:,.0f} BRAM18, {cells['dsp']:,.0f} DSP"


def goals_of(case: Case, row: Row) -> list[bench_goals.Goal]:
    """Return what a row's figures are held against, as far as they were taken."""
    goals = []
    if "xc7" in row.synthesised:
        goals += bench_goals.of_cells(case.name, case.at_most, row.to_json()["synthesised"]["xc7"])
    for tech, cells in row.synthesised.items():
        goals += bench_goals.of_estimates(case.name, row.estimated[tech], cells, tech)
    if row.simulated:
        cycles = row.simulated["cycles_per_frame"]
        goals += bench_goals.of_cycles(case.name, cycles, case.target_cycles, row.bound_cycles)
    return goals


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    from finnspect.bench_networks import NETWORKS

    parser = argparse.ArgumentParser(
        prog="python -m finnspect.bench_hardware", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--network", nargs="+", choices=sorted(NETWORKS), help="only these networks' table")
    parser.add_argument("--target-cycles", type=int, help="cycles a frame to fold for, instead of the cases'")
    parser.add_argument("--quick", action="store_true", help="a little of everything, in minutes")
    parser.add_argument(
        "--technology", nargs="*", choices=sorted(TECHNOLOGIES), default=["xc7", "ecp5"],
        help="synthesise for these, folded by the first one's costs (default xc7 ecp5); none without a name",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, default=6, help="frames to simulate, 0 for none (default 6)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--cache", type=Path, default=ROOT / "out" / "cache")
    arguments = parser.parse_args(argv)
    if arguments.frames and arguments.frames < 4:
        parser.error(f"{arguments.frames} frames show no steady pace: use 4 or more, or 0 for none")
    arguments.cache = arguments.cache.resolve()  # the tools run in folders of their own
    return arguments


def chosen_cases(arguments: argparse.Namespace) -> list[Case]:
    """Return the cases that the options ask for; another target in cycles has no goals in cells.

    Raises
    ------
    ConfigError
        There are none.
    """
    cases = list(QUICK if arguments.quick else CASES)
    if arguments.network:
        cases = [case for case in CASES if case.network in arguments.network]
    if arguments.target_cycles:
        moved = (replace(each, target_cycles=arguments.target_cycles, at_most=()) for each in cases)
        cases = list(dict.fromkeys(moved))
    if not cases:
        raise ConfigError(f"no case has the network {arguments.network}", "see --help")
    return cases


def measure_rest(arguments: argparse.Namespace, say: Callable[[str], None]) -> tuple[dict[str, Any], list]:
    """Return the figures of units, paces and simulation speed by name, and their goals.

    Raises
    ------
    FlowError
        A tool failed.
    """
    quick, found, goals = arguments.quick, {}, []
    if arguments.technology:
        units = {
            name: chosen
            for name, chosen in (bench_macs.QUICK if quick else bench_macs.UNITS).items()
            if name in arguments.technology
        }
        found["units"] = bench_macs.measure_units(arguments.cache / "synth", units, say)
        goals += bench_goals.of_units(units, found["units"])
    if "ecp5" in arguments.technology and not quick:
        found["routes"] = bench_route.measure_route(arguments.cache / "bench" / "route", say)
        goals += bench_goals.of_routes(found["routes"])
    if arguments.frames:
        names = bench_pace.default_networks(quick)
        found["paces"] = bench_pace.paces(names, arguments.frames, arguments.cache, say)
        goals += bench_goals.of_paces(found["paces"])
        ways = bench_speed.WAYS[:1] if quick else bench_speed.WAYS
        found["speed"] = bench_speed.measure_speed(arguments.cache / "bench" / "speed", say, ways)
        goals += [] if quick else bench_goals.of_speed(found["speed"])  # a loaded machine says nothing
    return found, goals


def report(rows: Sequence[Row], rest: dict[str, Any], goals: Sequence[bench_goals.Goal]) -> str:
    """Return all tables, each with the kinds of its figures."""
    kinds = (
        "LUT to DSP: post-synthesis (yosys, core without shell); estimates and bounds: estimated; "
        "cycles a frame, first frame, cycles/s: simulated"
    )
    parts = [table(rows), kinds]
    if rest.get("units"):
        parts += [
            bench_macs.table(rest["units"]),
            bench_macs.KINDS,
        ]
    if rest.get("routes"):
        parts += [bench_route.table(rest["routes"]), bench_route.KINDS]
    if rest.get("paces"):
        parts += [bench_pace.table(rest["paces"]), bench_pace.KINDS]
    if rest.get("speed"):
        parts += [bench_speed.table(rest["speed"]), "measured, kept to so many cores"]
    return "\n\n".join([*parts, bench_goals.table(goals)])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    from finnspect.progress import for_terminal

    arguments = _arguments(argv)
    technologies = [TECHNOLOGIES[name] for name in arguments.technology]
    progress, rows, goals, rest = for_terminal(), [], [], {}
    try:
        with progress.step("hardware benchmark"):
            for case in chosen_cases(arguments):
                rows.append(measure(case, technologies, arguments.frames, arguments.cache, progress.note))
                goals += goals_of(case, rows[-1])
            if not arguments.network and not arguments.target_cycles:
                rest, more = measure_rest(arguments, progress.note)
                goals += more
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(report(rows, rest, goals))
    if arguments.json is not None:
        document = {"networks": [row.to_json() for row in rows]} | rest
        document["paces"] = [asdict(pace) | {"kind": "simulated"} for pace in rest.get("paces", [])]
        document["goals"] = [asdict(goal) | {"met": goal.met} for goal in goals]
        write_whole(arguments.json, json.dumps(document, indent=1) + "\n")
    missed = [goal for goal in goals if not goal.met]
    for goal in missed:
        print(f"error: {goal}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
