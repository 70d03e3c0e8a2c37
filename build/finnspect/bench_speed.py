"""Speed of the simulation: clock cycles of ``cnv_w4a4`` that Verilator simulates in a second (``measured``).

The core is the default build's. Each figure is the best of a few runs, and says how many cores the simulation
was kept to: one, or as many as it has threads (of one simulation) or processes (each with its share of the
frames). Beside the time that passed there is the processor time that it took: on a machine with other work
the first says little.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from finnspect.emit import EmitOptions, emit_accelerator

NETWORK, BOARD = "cnv_w4a4", "ulx3s-85f"
#: (threads, processes)
WAYS = ((1, 1), (1, 2), (1, 4), (2, 1))
#: At least so many cycles a second on one core.
CYCLES_PER_SECOND = 300_000
FRAMES, REPEATS = 8, 3


@contextmanager
def kept_to(cores: int) -> Iterator[int]:
    """Keep this process, and those it starts, to so many cores where the system can; yield how many."""
    if not hasattr(os, "sched_setaffinity"):
        yield os.cpu_count() or 1
        return
    before = os.sched_getaffinity(0)
    chosen = sorted(before)[-cores:]
    os.sched_setaffinity(0, chosen)
    try:
        yield len(chosen)
    finally:
        os.sched_setaffinity(0, before)


def default_core(folder: Path) -> Any:
    """Emit the core that the default build of the shipped package has."""
    from finnspect.analysis import ECP5
    from finnspect.bench_networks import network
    from finnspect.board import load_board
    from finnspect.config import load_config
    from finnspect.folding_stage import choose

    graph, board = network(NETWORK), load_board(BOARD)
    folding, _ = choose(graph, board, load_config(NETWORK, BOARD))
    options = EmitOptions(dsp_budget=board.dsp_budget, technology=ECP5.name)
    return emit_accelerator(graph, folding, folder / "core", options)


def busy(cores: int) -> bool:
    """Return whether other programs leave fewer cores than these."""
    return os.getloadavg()[0] + cores > (os.cpu_count() or 1) + 0.5


def _timed(sim: Any, images: np.ndarray, processes: int) -> tuple[Any, float]:
    """Return a simulation's result, and the processor time that it took, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = sim.run(images, processes=processes)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return result, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_speed(
    folder: Path,
    say: Callable[[str], None],
    ways: Sequence[tuple[int, int]] = WAYS,
    repeats: int = REPEATS,
    core: Any = None,
) -> list[dict[str, Any]]:
    """Return a row for each number of threads and processes.

    Parameters
    ----------
    folder
        Where simulators are built and kept.
    core
        Another accelerator than the default build's.

    Raises
    ------
    FlowError
        Verilator failed, or the simulation did.
    """
    from finnspect.sim.core import build_core

    core = core or default_core(folder)
    shape = tuple(core.manifest["input"]["shape"])
    rows = []
    for threads, processes in ways:
        if threads > 1 and busy(threads):
            # they wait for each other in loops: a thousandth of the speed where one of them has no core
            say(f"simulation speed: {threads} threads left out, the machine is busy")
            continue
        say(f"simulation speed: {threads} threads, {processes} processes")
        sim = build_core(core, folder / f"threads{threads}", threads=threads)
        images = np.random.default_rng(0).integers(0, 256, (FRAMES * processes, *shape)).astype(np.uint8)
        load = round(os.getloadavg()[0], 1)
        with kept_to(threads * processes) as cores:
            # of processes that ran at the same time, the slowest counts; all their cycles do
            runs = [_timed(sim, images, processes) for _ in range(repeats)]
        best = max(run.cycles / run.seconds for run, _ in runs)
        rows.append(
            {
                "kind": "measured",
                "network": core.manifest["name"],
                "threads": threads,
                "processes": processes,
                "cores": cores,
                "load_before": load,
                "cycles_per_second": round(best),
                "cycles_per_cpu_second": round(max(run.cycles / seconds for run, seconds in runs)),
            }
        )
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""
    names = ("network", "threads", "processes", "cores", "load_before", "cycles_per_second")
    names += ("cycles_per_cpu_second",)
    head = ("simulation of", "threads", "processes", "cores", "load before", "cycles/s")
    head += ("cycles in a second of processor time",)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in names]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
