"""What a point of the space gives: training, front end, folding, estimates; synthesis and simulation.

A training is done once for all points that differ in folding only: it lies in ``models/<model>-<data set>``
of the study's folder, keyed by configuration, data and sources as every stage of the flow is, and whoever
needs one that another process works on waits for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finnspect.config import BuildConfig
from finnspect.errors import ConfigError, ResourceError, UnsupportedModelError
from finnspect.explore.objectives import figure
from finnspect.explore.settings import Settings
from finnspect.explore.space import Point, model_of
from finnspect.progress import Progress
from finnspect.stages import StageRunner

if TYPE_CHECKING:
    from finnspect.board import Board
    from finnspect.folding import Folding
    from finnspect.ir import DataflowGraph
    from finnspect.package import ModelPackage

#: Toolchain of a build that ends before any.
_NO_TOOLCHAIN = "none"
_CELLS = ("lut", "ff", "bram", "dsp")


class InfeasibleError(Exception):
    """A point that cannot be built; says why in one line."""


@dataclass(frozen=True)
class Outcome:
    """What a point gave.

    Attributes
    ----------
    figures
        Name -> value and kind; those of the objectives and more.
    folding
        PE and SIMD by layer.
    """

    figures: dict[str, dict[str, Any]]
    folding: dict[str, dict[str, int]]


class _Notes(Progress):
    """Stages' progress as notes of the trial that they belong to."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def note(self, text: str) -> None:
        self._say(text)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._say(title)
        yield


def evaluate(
    settings: Settings, point: Point, folder: Path, data: Path | None, say: Callable[[str], None]
) -> Outcome:
    """Train, compile, fold and estimate a point.

    Parameters
    ----------
    folder
        The study's folder on this machine.
    data
        Folder or archive of the data set on this machine.
    say
        Receives one line a step.

    Raises
    ------
    InfeasibleError
        The model cannot be compiled, or no folding meets the goal on the board.
    FlowError
        Data or tools are missing; a simulation differs from the reference.
    """
    from finnspect.board import load_board

    board = load_board(settings.board)
    try:
        package, run, graph = _model(settings, point, folder / "models", data, say)
        folding = choose(graph, board, settings, point)
    except (UnsupportedModelError, ResourceError, ConfigError) as error:
        raise InfeasibleError(error.message) from error
    metrics = json.loads((run / "metrics.json").read_text())
    figures = _accuracy(metrics) | estimate(graph, board, settings, folding)
    if settings.synth or settings.simulate:
        root = folder / "builds" / f"{model_of(point)}-{folding.digest[:16]}"
        figures |= _built(settings, package, board, folding, root, folder / "cache", say)
    return Outcome(figures, folding.to_json())


def _model(
    settings: Settings, point: Point, folder: Path, data: Path | None, say: Callable[[str], None]
) -> tuple[ModelPackage, Path, DataflowGraph]:
    """Return package, training run and graph of a point's model, made once for all foldings."""
    from finnspect.board import load_board
    from finnspect.build_stages import Build
    from finnspect.ir import DataflowGraph
    from finnspect.package import ModelPackage
    from finnspect.train_flow import train_and_export

    request = settings.training(model_of(point), data)
    exported, run = train_and_export(request, folder, _Notes(say))
    package = ModelPackage.load(exported)
    with StageRunner(folder / request.name, _Notes(say)) as runner:
        built = Build(runner, package, load_board(settings.board), _NO_TOOLCHAIN, BuildConfig())
        return package, run, DataflowGraph.load(built.frontend().folder)


def choose(graph: DataflowGraph, board: Board, settings: Settings, point: Point) -> Folding:
    """Return the folding that a point asks for.

    Raises
    ------
    ConfigError, ResourceError
        There is none: says what limits.
    """
    from finnspect import folding_stage
    from finnspect.folding import fastest_folding
    from finnspect.targets import core_budget

    if "budget" in point:
        whole = core_budget(board, graph)
        share = {name: int(point["budget"] * getattr(whole.limits, name)) for name in _CELLS}
        return fastest_folding(graph, replace(whole, limits=replace(whole.limits, **share))).folding
    goal = settings.space.goal
    value = int(point[goal]) if goal == "target_cycles" else point[goal]
    config = BuildConfig(clock_mhz=settings.clock_mhz, **{goal: value})
    return folding_stage.choose(graph, board, config)[0]


def _accuracy(metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures of a training. The search sees the validation part only; test is for the end."""
    lead = metrics["leading"]
    return {
        "accuracy": figure(lead["val"], "measured", metric=lead["metric"], part="validation"),
        "test_accuracy": figure(lead["test"], "measured", metric=lead["metric"], part="test"),
        "weight_bits": figure(metrics["weight_bits"], "computed"),
        "macs": figure(metrics["macs"], "computed"),
    }


def estimate(
    graph: DataflowGraph, board: Board, settings: Settings, folding: Folding
) -> dict[str, dict[str, Any]]:
    """Return the estimates of a folded graph: cells of the core, cycles, frames a second, latency."""
    from finnspect import analysis
    from finnspect.analysis.latency import latency_bound
    from finnspect.targets import clock_hz, link_fps

    clock = clock_hz(board, settings.clock_mhz)
    bound = analysis.folding_bound(graph, folding)
    tech = analysis.TECHNOLOGIES[board.part.family]
    parts = analysis.graph_resources(graph, folding, tech, board.dsp_budget)
    core = sum(parts.values(), analysis.Resources())
    latency = latency_bound(graph, folding)
    return {
        **{name: figure(getattr(core, name), "estimated") for name in _CELLS},
        "cycles": figure(bound.cycles, "estimated", limited_by=bound.layer),
        "clock_mhz": figure(clock / 1e6, "computed"),
        "fps": figure(clock / bound.cycles, "estimated"),
        "latency": figure(latency / clock * 1e6, "estimated"),
        "link_fps": figure(link_fps(board, graph, settings.clock_mhz), "computed"),
    }


def _built(
    settings: Settings,
    package: ModelPackage,
    board: Board,
    folding: Folding,
    root: Path,
    cache: Path,
    say: Callable[[str], None],
) -> dict[str, dict[str, Any]]:
    """Return the figures of the core as it is emitted, in place of the estimates."""
    from finnspect.analysis import TECHNOLOGIES
    from finnspect.build_stages import Build
    from finnspect.emit import Accelerator
    from finnspect.targets import clock_hz

    found: dict[str, dict[str, Any]] = {}
    config = BuildConfig(clock_mhz=settings.clock_mhz, folding=folding.to_json())
    with StageRunner(root, _Notes(say)) as runner:
        build = Build(runner, package, board, _NO_TOOLCHAIN, config)
        core = build.rtl()
        if settings.simulate:
            simulated = json.loads((build.simulation().folder / "simulation.json").read_text())
            clock = clock_hz(board, settings.clock_mhz)
            cycles, latency = simulated["cycles_per_frame"], simulated["latency_cycles"]
            found["cycles"] = figure(cycles, "simulated")
            found["fps"] = figure(clock / cycles, "simulated")
            found["latency"] = figure(latency / clock * 1e6, "simulated")
        if settings.synth:
            from finnspect.toolchains.core_synth import synthesise_core

            say("synthesis of the core")
            tech = TECHNOLOGIES[board.part.family]
            figures = synthesise_core(Accelerator.load(core.folder / "core"), tech, cache / "synth")
            found |= {name: figure(getattr(figures.total, name), "post-synthesis") for name in _CELLS}
    return found
