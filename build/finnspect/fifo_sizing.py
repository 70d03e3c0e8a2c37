"""FIFO depths from simulation: measure what each FIFO holds, make it as deep, and check that.

The graph is emitted with the depths of :func:`finnspect.fifo.default_depths`, with which no branch ever
waits for room, and simulated at its folding bound: a frame's pixels come evenly over as many cycles as the
slowest layer needs, so that buffers fill only as far as the rhythm of the layers makes them. The most beats
that each FIFO held are its new depth. A second simulation of the accelerator with these depths, its input as
fast as it is taken, must neither hang nor be slower than the folding allows; else the depths are those that
a saturated input fills. No handshake depends on data: the simulations leave out products and memory images,
which makes them quick.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from finnspect.analysis import folding_bound
from finnspect.emit import Accelerator, EmitOptions, emit_accelerator
from finnspect.errors import FlowError
from finnspect.fifo import default_depths, rounded
from finnspect.folding import Folding
from finnspect.ir import DataflowGraph
from finnspect.sim.core import build_core
from finnspect.sim.result import SimResult, SimulationError

log = logging.getLogger(__name__)

#: Frames of each simulation: enough for the deepest pipeline to be full for several of them.
FRAMES = 8
#: Cycles a frame over the folding bound that are not the FIFOs' fault.
SLACK = 0.01


class FifoError(FlowError):
    """No depths were found with which the accelerator keeps its pace."""


@dataclass(frozen=True)
class SizedFifo:
    """One FIFO before and after.

    Parameters
    ----------
    key
        As in ``EmitOptions.fifo_depths``.
    width
        Bits of a beat.
    default
        Depth that needs no simulation.
    peak
        Most beats that it held.
    depth
        Chosen depth.
    """

    key: str
    width: int
    default: int
    peak: int
    depth: int

    def to_json(self) -> dict[str, int | str]:
        """Return the fields."""
        return dict(vars(self))


@dataclass(frozen=True)
class Sizing:
    """The FIFOs of a graph, and how fast the accelerator runs with them.

    Parameters
    ----------
    bound
        Folding bound in cycles a frame.
    cycles_per_frame
        Simulated, with the chosen depths; None where there is no FIFO and nothing was simulated.
    """

    fifos: tuple[SizedFifo, ...]
    bound: int
    cycles_per_frame: float | None = None

    @property
    def depths(self) -> dict[str, int]:
        """``EmitOptions.fifo_depths``."""
        return {fifo.key: fifo.depth for fifo in self.fifos}

    @property
    def bits(self) -> int:
        """Bits of storage of all FIFOs."""
        return sum(fifo.depth * fifo.width for fifo in self.fifos)

    @property
    def default_bits(self) -> int:
        """The same with the depths that need no simulation."""
        return sum(fifo.default * fifo.width for fifo in self.fifos)

    def to_json(self) -> dict[str, Any]:
        """Return everything, labelled as simulated."""
        return {
            "kind": "simulated",
            "fifos": [fifo.to_json() for fifo in self.fifos],
            "bits": self.bits,
            "unsized_bits": self.default_bits,
            "bound_cycles": self.bound,
            "cycles_per_frame": self.cycles_per_frame,
        }


def size_fifos(
    graph: DataflowGraph,
    folding: Folding,
    build_dir: Path,
    *,
    options: EmitOptions | None = None,
    frames: int = FRAMES,
    jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> Sizing:
    """Return depths for every FIFO of a graph; those of a chain are none, at once.

    Parameters
    ----------
    build_dir
        Folder for the accelerators and simulations that are made on the way.
    options
        Of the emission, apart from the depths.
    frames
        Frames of each simulation; what they hold decides nothing.

    Raises
    ------
    SimulationError
        The accelerator hangs even with the default depths; names streams, FIFOs and layers.
    FifoError
        It is slower than its folding bound allows, with any depth.
    """
    say = progress or log.info
    options = options or EmitOptions()
    defaults = default_depths(graph, folding)
    shape = graph.tensors[graph.input].shape
    images = np.zeros((frames, *shape), np.uint8)

    def simulate(
        depths: Mapping[str, int], name: str, *, steady: bool
    ) -> tuple[Accelerator, list[SimResult]]:
        folder = build_dir / name
        accelerator = emit_accelerator(graph, folding, folder / "core", replace(options, fifo_depths=depths))
        sim = build_core(
            accelerator, folder / "sim", pace_only=True, jobs=jobs, optimize="-O1", progress=progress
        )
        quiet = max(20_000, 2 * accelerator.bound.cycles)
        intervals = (accelerator.bound.cycles, 0) if steady else (0,)
        return accelerator, [sim.run(images, interval=i, quiet_cycles=quiet) for i in intervals]

    if not defaults:
        return Sizing((), folding_bound(graph, folding).cycles)
    say(f"measuring {len(defaults)} FIFOs")
    wide, (evenly, saturated) = simulate(defaults, "wide", steady=True)
    limit = (1 + SLACK) * wide.bound.cycles
    if saturated.cycles_per_frame > limit:
        raise FifoError(
            f"{graph.name} takes {saturated.cycles_per_frame:.0f} cycles a frame with FIFOs that never fill, "
            f"its folding bound is {wide.bound.cycles}",
            "the slowest layer waits for another one: this is a fault of finnspect, report it",
        )
    for measured, name in ((evenly, "sized"), (saturated, "saturated")):
        depths = {key: rounded(max(peak, 2)) for key, peak in measured.fifo_peaks.items()}
        try:
            _, (checked,) = simulate(depths, name, steady=False)
        except SimulationError as error:
            say(f"the {name} depths hang: {error}")
            continue
        if checked.cycles_per_frame <= limit:
            fifos = tuple(
                SizedFifo(f.key, f.width, f.depth, measured.fifo_peaks[f.key], depths[f.key])
                for f in wide.fifos
            )
            sizing = Sizing(fifos, wide.bound.cycles, checked.cycles_per_frame)
            say(f"{len(fifos)} FIFOs hold {sizing.bits} bits, unsized {sizing.default_bits}")
            return sizing
        say(f"the {name} depths take {checked.cycles_per_frame:.0f} cycles a frame, {limit:.0f} are allowed")
    raise FifoError(
        f"{graph.name} keeps its pace with the default FIFO depths, but with none that were measured",
        "give the depths by hand, or keep the defaults",
    )
