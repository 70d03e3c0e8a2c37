"""Benchmark of the pace: cycles a frame against the folding bound, and the first frame against its own.

Run as ``python -m finnspect.bench_pace``; ``python -m finnspect.bench_hardware`` does it too. Every model of
the registry, with random weights, and the bench networks, each with the folding that the search finds for a
board and with a cheaper one, are emitted and simulated in Verilator, random frames back to back
(``simulated``). No handshake depends on data, so the simulations leave products out. Figures are kept in
``out/cache`` until the core or the frames change.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from finnspect.errors import ConfigError, FlowError
from finnspect.ir import DataflowGraph
from finnspect.paths import ROOT

#: Cycles a frame over the folding bound.
SLACK = 0.01
#: What a quick run takes.
QUICK = ("mlp_w4a4", "cnv_tiny_w2a2")
#: Foldings for so many times the fastest one's cycles a frame.
CHEAPER = (8,)
BOARD = "pynq-z2"
KINDS = "cycles a frame, first frame: simulated; bounds: estimated"


@dataclass(frozen=True)
class Pace:
    """What a network takes with one folding, in cycles.

    Parameters
    ----------
    bound_cycles, bound_layer
        A frame's, and the layer that needs them (``estimated``).
    cycles_per_frame, first_frame_cycles
        ``simulated``.
    latency_bound_cycles
        Of the first frame (``estimated``).
    """

    network: str
    bound_cycles: int
    bound_layer: str
    cycles_per_frame: float
    first_frame_cycles: int
    latency_bound_cycles: int
    fifos: int

    @property
    def over(self) -> float:
        """Share over the bound."""
        return self.cycles_per_frame / self.bound_cycles - 1


def zoo_graph(name: str, shape: tuple[int, int, int] | None = None, classes: int = 6) -> DataflowGraph:
    """Return the dataflow graph of a model of the registry, not trained.

    Parameters
    ----------
    shape
        Height, width, channels; None: the family's own size, in colour up to 32 pixels.
    """
    from finnspect.frontend import load_qonnx, read_network
    from finnspect.frontend.lower import dataflow_graph
    from quant_models.compilable import random_images, settle
    from quant_models.export import export_qonnx_graph
    from quant_models.models import build_float_twin, build_model, default_image_size

    if shape is None:
        side = default_image_size(name)
        shape = (side, side, 3 if side == 32 else 1)
    model, twin = (make(name, classes, shape) for make in (build_model, build_float_twin))
    exported = export_qonnx_graph(settle(model, twin, random_images(shape)), shape, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.qonnx.onnx"
        path.write_bytes(exported.model.SerializeToString())
        return dataflow_graph(read_network(load_qonnx(path)), name)


def measure_pace(
    graph: DataflowGraph, folding: object, frames: int, folder: Path, cache: Path | None = None
) -> Pace:
    """Emit a graph with a folding and its FIFOs' default depths, and stream frames through it.

    Parameters
    ----------
    cache
        Folder of figures; what is there already is not simulated again.
    """
    from finnspect.analysis.latency import latency_bound
    from finnspect.emit import emit_accelerator
    from finnspect.sim.core import build_core
    from finnspect.stages import digest_of, write_whole

    core = emit_accelerator(graph, folding, folder / "core")
    key = digest_of({"core": core.digest, "frames": frames, "verilator": version("verilator")})
    kept = None if cache is None else cache / "pace" / f"{key[:32]}.json"
    if kept is not None and kept.is_file():
        return Pace(**json.loads(kept.read_text()))
    sim = build_core(core, folder / "sim", pace_only=True, optimize="-O1")
    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(0).integers(0, 256, (frames, *shape)).astype(np.uint8)
    result = sim.run(images, quiet_cycles=max(20_000, 2 * core.bound.cycles))
    pace = Pace(
        graph.name,
        core.bound.cycles,
        core.bound.layer,
        result.cycles_per_frame,
        result.latency_cycles,
        latency_bound(graph, folding),
        len(core.fifos),
    )
    if kept is not None:
        write_whole(kept, json.dumps(asdict(pace)))
    return pace


def foldings(graph: DataflowGraph, cheaper: Sequence[float] = CHEAPER) -> Iterator[object]:
    """Yield the fastest folding for :data:`BOARD`, and cheap ones for multiples of its cycles."""
    from finnspect.analysis import folding_bound
    from finnspect.board import load_board
    from finnspect.config import BuildConfig
    from finnspect.folding import choose_folding
    from finnspect.folding_stage import choose

    fastest = choose(graph, load_board(BOARD), BuildConfig())[0]
    yield fastest
    bound = folding_bound(graph, fastest).cycles
    for factor in cheaper:
        yield choose_folding(graph, int(bound * factor))


def table(rows: Sequence[Pace]) -> str:
    """Return the figures as a Markdown table."""
    head = ("network", "bound", "of", "cycles a frame", "over", "first frame", "its bound", "FIFOs")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [row.network, f"{row.bound_cycles:,}", row.bound_layer, f"{row.cycles_per_frame:,.0f}"]
        cells += [f"{100 * row.over:.1f} %", f"{row.first_frame_cycles:,}"]
        cells += [f"{row.latency_bound_cycles:,}", str(row.fifos)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _graph(name: str) -> DataflowGraph:
    from finnspect.bench_networks import network

    return network(name.removeprefix("bench:")) if name.startswith("bench:") else zoo_graph(name)


def default_networks(quick: bool = False) -> list[str]:
    """Return every model of the registry and ``bench:<name>`` of every bench network."""
    from finnspect.bench_networks import NETWORKS
    from quant_models.models import available_models

    return list(QUICK) if quick else [*available_models(), *(f"bench:{name}" for name in NETWORKS)]


def paces(
    names: Sequence[str],
    frames: int,
    cache: Path | None,
    say: Callable[[str], None],
    cheaper: Sequence[float] = CHEAPER,
) -> list[Pace]:
    """Return a row for each network and folding.

    Raises
    ------
    FlowError
        There is no such network, or a simulation failed.
    """
    rows = []
    for index, name in enumerate(names):
        graph = _graph(name)
        for folding in foldings(graph, cheaper):
            with tempfile.TemporaryDirectory() as folder:
                rows.append(measure_pace(graph, folding, frames, Path(folder), cache))
        worst = 100 * max(row.over for row in rows)
        say(f"pace: {index + 1} of {len(names)} networks, {name}; at most {worst:.2f} % over")
    return rows


def too_slow(row: Pace) -> str | None:
    """Return a complaint where the core needs over 1 % more than the folding bound."""
    if row.over <= SLACK:
        return None
    return (
        f"{row.network}: {row.cycles_per_frame:.0f} cycles a frame, {100 * row.over:.1f} % above "
        f"the bound of {row.bound_cycles}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    from finnspect.progress import for_terminal

    parser = argparse.ArgumentParser(
        prog="python -m finnspect.bench_pace", description=__doc__.split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--network", nargs="+", help="models, bench:<bench network> (default all)")
    parser.add_argument("--frames", type=int, default=6, help="frames back to back (default 6)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--cache", type=Path, default=ROOT / "out" / "cache")
    arguments = parser.parse_args(argv)
    progress = for_terminal()
    try:
        if arguments.frames < 4:
            raise ConfigError(f"{arguments.frames} frames show no steady pace", "use 4 or more")
        with progress.step("pace"):
            names = arguments.network or default_networks()
            rows = paces(names, arguments.frames, arguments.cache, progress.note)
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table(rows))
    print(f"\n{KINDS}")
    if arguments.json is not None:
        figures = [asdict(row) | {"over": round(row.over, 4)} for row in rows]
        arguments.json.write_text(json.dumps({"kind": "simulated", "rows": figures}, indent=1) + "\n")
    slow = [text for text in map(too_slow, rows) if text]
    for text in slow:
        print(f"error: {text}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
