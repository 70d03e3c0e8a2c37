"""What the pages show beyond the figures of a build: streams, bottleneck, slack, cells, FINN."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finnspect import __version__, analysis
from finnspect.board import Board
from finnspect.emit import Accelerator
from finnspect.folding import Folding, LayerFolding
from finnspect.folding.options import Unit, units
from finnspect.ir import DataflowGraph
from finnspect.report.instances import NETLIST, cells_by_layer, instance_layers
from finnspect.report.model import Bottleneck, Detail, Edge, Figure, FinnEstimates, Timing
from finnspect.targets import device
from finnspect.toolchains.result import BitstreamResult

logger = logging.getLogger(__name__)

#: Ends of the network in the list of streams.
INPUT, OUTPUT = "input", "output"

_SPLIT = re.compile(r"\((\d+(?:\.\d+)?) logic, (\d+(?:\.\d+)?) routing\)")
_RESOURCES = ("lut", "ff", "bram", "dsp")


def make_detail(
    graph: DataflowGraph,
    core: Accelerator,
    board: Board,
    bits: BitstreamResult,
    folders: Mapping[str, Path],
    made_by: str,
) -> Detail:
    """Return what goes beyond the figures.

    Parameters
    ----------
    folders
        Stage -> its folder; ``folding`` and ``bitstream`` are read.
    made_by
        What made the package.
    """
    folding = Folding.load(folders["folding"] / "folding.json")
    ours = bits.cycles_per_frame is None  # else the hardware is not the core of this folding
    return Detail(
        edges=edges(graph),
        bottleneck=bottleneck(graph, folding, board, core.manifest["mul_styles"]),
        timing=_timing(bits),
        cells=cells_by_layer(
            folders["bitstream"] / NETLIST, instance_layers(core.manifest), board.part.family
        )
        if ours
        else {},
        finn=_finn(graph, folding, core.manifest["mul_styles"]),
        reproduce=_reproduce(folders, board, bits, made_by),
    )


def edges(graph: DataflowGraph) -> list[Edge]:
    """Return the streams of a graph, each from the layer that makes it to one that reads it."""
    found = []
    for name, tensor in graph.tensors.items():
        maker = graph.producer(name)
        readers = [layer.name for layer in graph.consumers(name)]
        if name == graph.output:
            readers.append(OUTPUT)
        found += [
            Edge(
                source=maker.name if maker else INPUT,
                target=reader,
                shape=tensor.shape,
                type=str(tensor.dtype),
            )
            for reader in readers
        ]
    return found


# -- the bottleneck -------------------------------------------------------------------------------


def _next(unit: Unit, present: LayerFolding, bound: int, hard: bool) -> int | None:
    """Return the index of the next folding that is faster than the bound: the nearest, then the cheapest."""
    faster = [index for index, cycles in enumerate(unit.cycles) if cycles < bound]
    if not faster:
        return None
    cost = unit.hard if hard else unit.soft
    now = present.to_json()

    def far(index: int) -> tuple[float, ...]:
        own = unit.foldings[index].to_json()
        # Attributes that shrink would move the neighbours' streams as well.
        shrunk = sum(own[name] < now[name] for name in own)
        return shrunk, -unit.cycles[index], cost[index][0] + 50 * cost[index][1], unit.work[index]

    return min(faster, key=far)


def bottleneck(graph: DataflowGraph, folding: Folding, board: Board, styles: Mapping[str, str]) -> Bottleneck:
    """Return the slowest layers, and what the next folding that is faster costs; all of it estimated.

    Parameters
    ----------
    styles
        Layer -> ``lut`` or ``dsp``, what its products are made of.
    """
    tech = analysis.TECHNOLOGIES[board.part.family]
    bound = analysis.folding_bound(graph, folding).cycles
    cycles = analysis.graph_cycles(graph, folding)
    slowest = [name for name, own in cycles.items() if own == bound]
    if not slowest:
        return Bottleneck(layers=[], words="The output stream limits: one logit leaves a cycle.")
    changed: dict[str, LayerFolding] = dict(folding)
    for unit in units(graph, tech):
        names = [unit.layer.name] + ([unit.window.name] if unit.window else [])
        if not set(names) & set(slowest):
            continue
        index = _next(unit, folding[unit.layer.name], bound, styles.get(unit.layer.name) in ("dsp", "mixed"))
        if index is None:
            return Bottleneck(
                layers=slowest,
                words=f"{unit.layer.name} is as parallel as it can be: no folding is faster.",
            )
        changed |= unit.chosen(index)
    moved = Folding.of({layer.name: changed[layer.name] for layer in graph})
    after = analysis.folding_bound(graph, moved)
    was, now = (_total(graph, each, board) for each in (folding, moved))
    there, shell = device(board), analysis.shell_resources(board.shell, tech)
    fits = all(getattr(now, name) + getattr(shell, name) <= there[name] for name in there)
    return Bottleneck(
        layers=slowest,
        moves=_moves(folding, moved),
        cycles=_estimated(after.cycles, "cycles"),
        costs={name: _estimated(getattr(now, name) - getattr(was, name), "cells") for name in _RESOURCES},
        fits=fits,
        words=f"{len(slowest)} of {len(cycles)} layers need {bound:,} cycles a frame (estimated); all of "
        f"them must move to reach {after.cycles:,} (estimated), which {after.layer} needs.",
    )


def _estimated(value: float, unit: str) -> Figure:
    return Figure(value=value, unit=unit, kind="estimated")


def _total(graph: DataflowGraph, folding: Folding, board: Board) -> analysis.Resources:
    tech = analysis.TECHNOLOGIES[board.part.family]
    parts = analysis.graph_resources(graph, folding, tech, board.dsp_budget)
    return sum(parts.values(), analysis.Resources())


def _moves(before: Folding, after: Folding) -> dict[str, dict[str, str]]:
    found = {}
    for name in after:
        old, new = before[name].to_json(), after[name].to_json()
        steps = {key: f"{old[key]} -> {new[key]}" for key in new if new[key] != old[key]}
        if steps:
            found[name] = steps
    return found


# -- timing ---------------------------------------------------------------------------------------


def _timing(bits: BitstreamResult) -> Timing:
    period = 1e3 / bits.clock_mhz
    if bits.fmax_mhz is None:
        return Timing(period=Figure(value=period, unit="ns", kind="computed", source="clock asked for"))
    split = _SPLIT.search(bits.critical_path)
    source = bits.tools["post-route"]

    def routed(value: float) -> Figure:
        return Figure(value=value, unit="ns", kind="post-route", source=source)

    return Timing(
        period=Figure(value=period, unit="ns", kind="computed", source="1 / clock"),
        slack=routed(period - 1e3 / bits.fmax_mhz),
        logic=routed(float(split[1])) if split else None,
        routing=routed(float(split[2])) if split else None,
    )


# -- FINN -----------------------------------------------------------------------------------------


def _finn(graph: DataflowGraph, folding: Folding, styles: Mapping[str, str]) -> FinnEstimates | None:
    """Return FINN's estimates, None where FINN is not there or takes no such layer."""
    try:
        from finnspect.toolchains.finn_estimates import finn_estimates

        found = finn_estimates(graph, folding, styles)
    except Exception:  # whatever FINN raises: its opinion is an extra
        logger.info("FINN has no estimates for this network", exc_info=True)
        return None

    def cells(counts: Mapping[str, Any]) -> dict[str, Figure]:
        return {
            name: Figure(value=float(counts[name]), unit="cells", kind="estimated", source="FINN")
            for name in ("LUT", "DSP", "BRAM_18K")
        }

    return FinnEstimates(
        source=found["source"],
        total=cells(found),
        layers={name: cells(each) for name, each in found["layers"].items()},
        cycles=Figure(value=found["cycles"], unit="cycles", kind="estimated", source="FINN"),
    )


# -- how to make it again -------------------------------------------------------------------------


def _reproduce(folders: Mapping[str, Path], board: Board, bits: BitstreamResult, made_by: str) -> list[str]:
    """Return what to run, and the two files that it reads; the package is told by its digest."""
    folding = json.loads((folders["folding"] / "folding.json").read_text())
    asked = json.loads((folders["folding"] / "stage.json").read_text())["inputs"]
    settings = [("clock_mhz", asked.get("clock_mhz")), ("seed", bits.seed)]
    return [
        f"finnspect {__version__} and its tools, at the versions below",
        f"PACKAGE: {made_by}",
        f"finnspect build --package PACKAGE --board {board.name} --toolchain {bits.toolchain} "
        "--config build.toml --folding folding.json",
        "build.toml:",
        *(f"{name} = {value:g}" for name, value in settings if value is not None),
        "folding.json:",
        json.dumps(folding, separators=(", ", ": ")),
    ]
