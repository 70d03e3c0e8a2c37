"""Verification: the simulated hardware against the integer reference, to the bit.

When logits differ, a second simulation records every stream of the first bad image and the error names
the first layer, in topological order, whose output differs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from finnspect import reference
from finnspect.emit.accelerator import Accelerator
from finnspect.emit.network import Stream
from finnspect.errors import VerificationError
from finnspect.ir import DataflowGraph
from finnspect.sim.core import build_core
from finnspect.sim.result import SimResult

log = logging.getLogger(__name__)

WHERE = "rtl vs reference"
REMEDY = "the hardware of this layer, or its memory images, do not compute what the graph says"


def verify_simulation(
    graph: DataflowGraph,
    accelerator: Accelerator,
    images: np.ndarray,
    build_dir: Path,
    *,
    stall_in: float = 0.0,
    stall_out: float = 0.0,
    seed: int = 1,
    processes: int = 1,
    jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> SimResult:
    """Simulate every image and compare every logit with the reference.

    Parameters
    ----------
    graph
        What the hardware must compute.
    images
        uint8, shape (N, H, W, C).
    build_dir
        Folder for the simulation's build (``core``, and ``probe`` after a mismatch); reused when it fits.
    stall_in, stall_out, seed
        Random stalls at both ends; see :meth:`finnspect.sim.core.CoreSim.run`.
    processes
        Simulations at a time, each with a slice of the images.
    jobs
        Compilers at a time.
    progress
        Called with one line a step.

    Returns
    -------
    SimResult
        Of the simulation, all of whose logits equal the reference.

    Raises
    ------
    VerificationError
        Names the first layer that differs, the image, the index (y, x, channel), got and expected.
    SimulationError
        The core hung or broke a stream's protocol.
    """
    say = progress or log.info
    expected = reference.logits(graph, images)
    sim = build_core(accelerator, build_dir / "core", jobs=jobs, progress=progress)
    say(f"simulating {len(images)} images")
    result = sim.run(
        images,
        stall_in=stall_in,
        stall_out=stall_out,
        seed=seed,
        processes=processes,
        progress=lambda done, total: say(f"simulated {done} of {total} images"),
    )
    compare_logits(graph, accelerator, images, result.logits, expected, build_dir, progress=progress)
    return result


def compare_logits(
    graph: DataflowGraph,
    accelerator: Accelerator,
    images: np.ndarray,
    got: np.ndarray,
    expected: np.ndarray,
    build_dir: Path,
    *,
    progress: Callable[[str], None] | None = None,
) -> None:
    """Return if all logits are equal, else find the first diverging layer and raise.

    Parameters
    ----------
    got, expected
        Integers, shape (N, classes).

    Raises
    ------
    VerificationError
        They differ.
    """
    wrong = got != expected
    if not wrong.any():
        return
    bad = int(np.argmax(wrong.any(axis=1)))
    say = progress or log.info
    count = int(wrong.any(axis=1).sum())
    say(f"{count} of {len(got)} images differ; looking for the first layer in image {bad}")
    probe = build_core(accelerator, build_dir / "probe", probe=True, optimize="-O1", progress=progress)
    # The image with its predecessor first: what one frame leaves behind may spoil the next.
    for first in dict.fromkeys((max(0, bad - 1), 0)):
        window = images[first : bad + 1]
        locate_divergence(graph, window, probe.run(window).streams, accelerator.streams, first)
    column = int(np.argmax(wrong[bad]))
    raise VerificationError(
        WHERE,
        graph.producer(graph.output).name,
        bad,
        (0, 0, column),
        int(got[bad, column]),
        int(expected[bad, column]),
        "every stream of a recorded run agrees: the fault shows only with these stalls or earlier images",
    )


def locate_divergence(
    graph: DataflowGraph,
    images: np.ndarray,
    recorded: dict[str, np.ndarray],
    streams: tuple[Stream, ...],
    first_image: int = 0,
) -> None:
    """Compare recorded streams with the reference and raise at the first, in order, that differs.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C): what was simulated.
    recorded
        Net -> integers (N, beats, elements).
    first_image
        Number of ``images[0]`` in the error.

    Raises
    ------
    VerificationError
        Names the layer that makes the stream's tensor.
    """
    values = reference.evaluate(graph, images)
    for stream in streams:
        expected = values[stream.tensor].astype(np.int64)
        height, width, channels = expected.shape[1:]
        folds = channels // stream.elements
        # what is sent for a pixel, and where each of its elements belongs
        expected = stream.arrange(expected)
        places = stream.arrange(np.arange(channels))
        # (image, y, x, repeat, fold, element) -> (image, y, x, repeat, place)
        got = recorded[stream.net].reshape(len(images), height, width, stream.repeat, folds * stream.elements)
        differs = got != expected[:, :, :, None, :]
        if not differs.any():
            continue
        image, y, x, repeat, place = (int(i) for i in np.argwhere(differs)[0])
        layer = stream.layer if stream.role == "layer" else f"{stream.layer} ({stream.net})"
        raise VerificationError(
            WHERE,
            layer,
            first_image + image,
            (y, x, int(places[place])),
            int(got[image, y, x, repeat, place]),
            int(expected[image, y, x, place]),
            REMEDY,
        )
