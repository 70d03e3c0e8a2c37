"""Benchmark of the hardware: cells, cycles, simulation speed of the bench networks, beside FINN's estimates.

Run as ``python -m finnspect.bench_hardware``; ``make bench`` does. Every figure says what it is:
``estimated`` (ours, FINN's), ``post-synthesis`` (yosys, core without shell), ``simulated`` (Verilator).
Syntheses and simulator builds are kept in ``out/cache`` and made again only when the core changes.
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

from finnspect import analysis, bench_macs
from finnspect.analysis import TECHNOLOGIES, Resources, Technology
from finnspect.analysis.latency import latency_bound
from finnspect.analysis.styles import MULTIPLIER_BITS, hard_rows
from finnspect.errors import FlowError, VerificationError
from finnspect.folding import choose_folding
from finnspect.ir import DataflowGraph, Depthwise, Layer, MatVec
from finnspect.paths import ROOT

#: More than this above the folding bound is too slow.
MAX_OVER_BOUND = 0.01


@dataclass(frozen=True)
class Case:
    """One network, the cycles a frame that it is folded for, and how many hard multipliers it may use."""

    network: str
    target_cycles: int
    dsp_budget: int

    @property
    def name(self) -> str:
        """Name of the row."""
        return f"{self.network}-{self.target_cycles}-{self.dsp_budget}dsp"


#: Two fifths to four fifths of the xc7z020's multipliers; the first as FINN's own RTL was measured.
CASES = (
    Case("cnn5_w4a4", 10_000, 37),
    Case("cnn5_w4a4", 10_000, 0),
    Case("cnv_w4a4", 73_728, 0),
    Case("cnv_w4a4", 16_384, 176),
    Case("resnet8_w4a4", 41_000, 176),
    Case("cnv_w1a1", 28_800, 0),
)
QUICK = (Case("cnn5_w4a4", 10_000, 37),)


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
        options = EmitOptions(dsp_budget=case.dsp_budget, technology=tech.name)
        core = emit_accelerator(graph, folding, cache / "bench" / case.name / tech.name / "core", options)
        parts = analysis.graph_resources(graph, folding, tech, case.dsp_budget)
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
        *(
            "our estimate",
            "FINN's estimate",
            "bound",
            "cycles a frame",
            "first frame",
            "its bound",
            "cycles/s",
        ),
    )
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        document = row.to_json()
        for tech, estimate in row.estimated.items():
            made = document["synthesised"].get(tech, {})
            run = row.simulated if tech == next(iter(row.estimated)) else {}
            cells = [made.get(name, "") for name in ("lut", "ff", "bram", "dsp", "lut_a_mac", "macs_a_dsp")]
            finn = f"{row.finn['LUT']:,.0f} LUT, {row.finn['DSP']:,.0f} DSP" if tech == "xc7" else ""
            cells = [
                f"{cell:,}" if isinstance(cell, int) else ("" if cell is None else cell) for cell in cells
            ]
            line = [row.case, tech, row.parallel_macs, *cells, f"{estimate['lut']:,} LUT", finn]
            line += [
                f"{row.bound_cycles:,}",
                _number(run, "cycles_per_frame"),
                _number(run, "first_frame_cycles"),
            ]
            line += [f"{row.latency_bound_cycles:,}", _number(run, "cycles_per_second")]
            lines.append("| " + " | ".join(map(str, line)) + " |")
    return "\n".join(lines)


def _number(figures: dict[str, Any], name: str) -> str:
    return f"{figures[name]:,.0f}" if name in figures else ""


def too_slow(row: Row) -> str | None:
    """Return a complaint where a simulated core needs over 1 % more than the folding bound."""
    achieved = row.simulated.get("cycles_per_frame")
    if achieved is None or achieved <= row.bound_cycles * (1 + MAX_OVER_BOUND):
        return None
    over = 100 * (achieved / row.bound_cycles - 1)
    return f"{row.case}: {achieved:.0f} cycles a frame, {over:.1f} % above the bound of {row.bound_cycles}"


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    from finnspect.bench_networks import NETWORKS

    parser = argparse.ArgumentParser(
        prog="python -m finnspect.bench_hardware", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--network", nargs="+", choices=sorted(NETWORKS), help="only these networks")
    parser.add_argument("--target-cycles", type=int, help="cycles a frame to fold for, instead of the cases'")
    parser.add_argument("--quick", action="store_true", help="one small network")
    parser.add_argument(
        "--technology", nargs="*", choices=sorted(TECHNOLOGIES), default=["xc7"],
        help="synthesise for these (default xc7); none without a name",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, default=6, help="frames to simulate, 0 for none (default 6)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--cache", type=Path, default=ROOT / "out" / "cache")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    from finnspect.progress import for_terminal

    arguments = _arguments(argv)
    cases = QUICK if arguments.quick else CASES
    if arguments.network:
        cases = [case for case in CASES if case.network in arguments.network]
    if arguments.target_cycles:
        cases = list({replace(case, target_cycles=arguments.target_cycles): None for case in cases})
    technologies = [TECHNOLOGIES[name] for name in arguments.technology]
    progress, rows, units = for_terminal(), [], []
    try:
        with progress.step("hardware benchmark"):
            for case in cases:
                rows.append(measure(case, technologies, arguments.frames, arguments.cache, progress.note))
            if not arguments.network and not arguments.quick and technologies:
                progress.note("matrix-vector units")
                units = bench_macs.measure_units(technologies, arguments.cache / "synth")
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table(rows))
    print(
        "\nLUT to DSP: post-synthesis (yosys, core without shell); estimates and bounds: estimated; "
        "cycles a frame, first frame, cycles/s: simulated"
    )
    if units:
        print(f"\n{bench_macs.table(units)}\n\npost-synthesis, each unit by itself with all that it needs")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([*(row.to_json() for row in rows), *units], indent=1) + "\n")
    complaints = [text for text in map(too_slow, rows) if text]
    for text in complaints:
        print(f"error: {text}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
