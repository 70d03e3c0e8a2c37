"""The stage ``folding``: a hand-written folding checked, a target met cheaply, or the fastest that fits."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Any

from finnspect import analysis
from finnspect.analysis import TECHNOLOGIES, Resources
from finnspect.board import Board
from finnspect.config import BuildConfig
from finnspect.errors import ConfigError, ResourceError
from finnspect.folding import (
    Folding,
    cheapest_folding,
    check_folding,
    complete_folding,
    fastest_folding,
)
from finnspect.ir import DataflowGraph
from finnspect.targets import RATE_MARGIN, clock_hz, core_budget, device, link_fps, shell_share, target_cycles


def _by_fps(graph: DataflowGraph, board: Board, config: BuildConfig) -> Folding:
    """Return the cheapest folding for ``target_fps``; errors say the best frame rate too."""
    cycles = target_cycles(board, graph, config.target_fps, config.clock_mhz)
    budget = core_budget(board, graph)
    try:
        return cheapest_folding(graph, cycles, budget).folding
    except (ConfigError, ResourceError) as error:
        best = fastest_folding(graph, budget).cycles
        fps = floor(100 * RATE_MARGIN * clock_hz(board, config.clock_mhz) / best) / 100
        raise type(error)(
            f"{config.target_fps:,.10g} frames a second on {board.name}: {error.message}",
            f"ask for at most {fps:,.10g} frames a second ({best} cycles a frame), the best that fits",
        ) from error


def choose(graph: DataflowGraph, board: Board, config: BuildConfig) -> tuple[Folding, str]:
    """Return the folding that a configuration asks for, and in words where it comes from.

    Raises
    ------
    ConfigError
        The folding does not suit the graph, or the target cannot be met whatever the board.
    ResourceError
        No folding that meets the target fits: says what limits and the best that can be had.
    """
    if config.folding is not None:
        folding = complete_folding(config.folding, graph)
        check_folding(graph, folding)
        return folding, "as given"
    if config.target_fps is not None:
        return _by_fps(graph, board, config), f"cheapest for {config.target_fps:,.10g} frames a second"
    budget = core_budget(board, graph)
    if config.target_cycles is not None:
        found = cheapest_folding(graph, config.target_cycles, budget)
        return found.folding, f"cheapest for {config.target_cycles} cycles a frame"
    return fastest_folding(graph, budget).folding, f"fastest within the budget of {board.name}"


def fold(
    graph: DataflowGraph, board: Board, config: BuildConfig, say: Callable[[str], None] = lambda line: None
) -> tuple[Folding, dict[str, Any]]:
    """Return the folding of a build and its estimates, JSON-able.

    Raises
    ------
    ConfigError, ResourceError
        As of :func:`choose`; a hand-written folding may take the whole device.
    """
    folding, origin = choose(graph, board, config)
    tech, dsp_budget = TECHNOLOGIES[board.part.family], board.dsp_budget
    available = device(board)
    shell = shell_share(board, graph)
    total = analysis.check_fit(graph, folding, available, board.name, tech, dsp_budget, shell)
    bound = analysis.folding_bound(graph, folding)
    layers = analysis.graph_resources(graph, folding, tech, dsp_budget) | {analysis.SHELL: shell}
    clock = clock_hz(board, config.clock_mhz)
    fps, carried = clock / bound.cycles, link_fps(board, graph, config.clock_mhz)
    say(f"folding: {origin}; {bound.cycles:,} cycles a frame (estimated), limited by {bound.layer}")
    if carried < fps:
        say(f"the link of {board.name} carries {carried:,.0f} of the core's {fps:,.0f} frames a second")
    core = sum((each for name, each in layers.items() if name != analysis.SHELL), Resources())
    return folding, {
        "kind": "estimated",
        "origin": origin,
        "technology": tech.name,
        "bound": {"layer": bound.layer, "cycles": bound.cycles},
        "cycles": analysis.graph_cycles(graph, folding),
        "resources": {name: each.to_json() for name, each in layers.items()},
        "core": core.to_json(),
        "total": total.to_json(),
    }
