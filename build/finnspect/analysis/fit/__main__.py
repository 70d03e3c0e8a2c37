"""Synthesise the grid, fit, check whole designs, and write ``costs_<technology>.json``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from finnspect.analysis.costs import FORMAT, FORMAT_VERSION, Costs, cost_file, load_costs
from finnspect.analysis.design import graph_resources
from finnspect.analysis.fit.grid import points
from finnspect.analysis.fit.samples import collect
from finnspect.analysis.fit.solve import fit_models
from finnspect.analysis.technology import TECHNOLOGIES, Resources, Technology
from finnspect.errors import ConfigError, FlowError
from finnspect.folding import Folding, LayerFolding
from finnspect.folding.options import units
from finnspect.ir import DataflowGraph, MatVec
from finnspect.paths import ROOT, RTL_DIR
from finnspect.stages import hash_path

#: Whole designs that are checked: network, cycles a frame that it is folded for, what its multipliers are.
DESIGNS = {
    "cnn5_w4a4-lut": ("cnn5_w4a4", 20_000, "lut"),
    "cnn5_w4a4-dsp": ("cnn5_w4a4", 10_000, "dsp"),
    "cnv_w4a4-lut": ("cnv_w4a4", 73_728, "lut"),
    "resnet8_w4a4-dsp": ("resnet8_w4a4", 41_000, "dsp"),
    "cnv_w1a1-lut": ("cnv_w1a1", 60_000, "lut"),
}
#: Shells are measured around this small network.
_SHELL_BOARDS = {"ecp5": "ulx3s-85f", "xc7": "pynq-z2"}


def _write(path: Path, document: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    part.replace(path)


def plain_folding(graph: DataflowGraph, target_cycles: int, tech: Technology) -> Folding:
    """Return the folding of least work for a target: the same whatever the costs are."""
    found: dict[str, LayerFolding] = {}
    for unit in units(graph, tech):
        rank = np.where(unit.cycles <= target_cycles, unit.work + 1e-3 * unit.takes, np.inf)
        found |= unit.chosen(int(rank.argmin()))
    return Folding.of({layer.name: found[layer.name] for layer in graph})


def check_designs(tech: Technology, cache: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return estimate, post-synthesis figure and error of whole cores that the fit did not see."""
    from finnspect.bench_networks import network
    from finnspect.emit import EmitOptions, emit_accelerator
    from finnspect.toolchains.core_synth import synthesise_core

    found = {}
    for name in names:
        which, target, style = DESIGNS[name]
        graph = network(which)
        folding = plain_folding(graph, target, tech)
        hard = [layer for layer in graph if isinstance(layer, MatVec) and not layer.bipolar]
        styles = {layer.name: style for layer in hard}
        options = EmitOptions(dsp_budget=0, mul_styles=styles, technology=tech.name)
        with tempfile.TemporaryDirectory() as folder:
            core = emit_accelerator(graph, folding, Path(folder) / "core", options)
            measured = synthesise_core(core, tech, cache).total
        estimated = sum(graph_resources(graph, folding, tech, styles=styles).values(), Resources())
        found[name] = {
            "target_cycles": target,
            "estimated": asdict(estimated),
            "post-synthesis": asdict(measured),
            "lut_error_percent": round(100 * (estimated.lut / measured.lut - 1), 1),
            "ff_error_percent": round(100 * (estimated.ff / measured.ff - 1), 1),
        }
    return found


def measure_shell(tech: Technology, cache: Path) -> dict[str, Any]:
    """Return what the shell of a technology's board takes around a small core."""
    from finnspect.analysis.fit.shells import shell_figures

    return shell_figures(_SHELL_BOARDS[tech.name], tech, cache)


def fit(
    tech: Technology,
    cache: Path,
    share: float,
    jobs: int,
    designs: Sequence[str],
    say: Callable[[str], None],
    cached_only: bool = False,
) -> Path:
    """Fit one technology and write its cost file; return the file."""
    from finnspect.toolchains.core_synth import DISTRIBUTION, tool_version

    path = cost_file(tech)
    samples = collect(points(), tech, cache, jobs, say, cached_only, share)
    if not samples:
        raise ConfigError(f"nothing synthesised for {tech.name} in {cache}", "leave out --cached-only")
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "technology": tech.name,
        "kind": "fitted to post-synthesis figures",
        "tools": {DISTRIBUTION: tool_version()},
        "rtl_sha256": hash_path(RTL_DIR),
        "models": fit_models(samples, tech),
        "shells": measure_shell(tech, cache),
    }
    Costs.of(document)
    _write(path, document)
    load_costs.cache_clear()
    say(f"{tech.name}: checking whole designs")
    _write(path, document | {"designs": check_designs(tech, cache, designs)})
    return path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fit; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m finnspect.analysis.fit", description=__doc__)
    parser.add_argument("--technology", nargs="+", choices=sorted(TECHNOLOGIES), default=sorted(TECHNOLOGIES))
    parser.add_argument("--share", type=float, default=1.0, help="share of the samples (default 1)")
    parser.add_argument("--jobs", type=int, default=2, help="syntheses at a time (default 2)")
    parser.add_argument("--designs", nargs="*", choices=sorted(DESIGNS), default=list(DESIGNS))
    parser.add_argument("--cached-only", action="store_true", help="fit to what is synthesised already")
    parser.add_argument("--cache", type=Path, default=ROOT / "out" / "cache" / "synth")
    arguments = parser.parse_args(argv)
    from finnspect.progress import for_terminal

    progress = for_terminal()
    try:
        for name in arguments.technology:
            with progress.step(f"costs of {name}"):
                tech = TECHNOLOGIES[name]
                path = fit(
                    tech,
                    arguments.cache,
                    arguments.share,
                    arguments.jobs,
                    arguments.designs,
                    progress.note,
                    arguments.cached_only,
                )
            progress.line(f"{path.relative_to(ROOT)} written")
            for design, entry in json.loads(path.read_text())["designs"].items():
                progress.line(f"  {design}: LUT {entry['lut_error_percent']:+.1f} % of post-synthesis")
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
