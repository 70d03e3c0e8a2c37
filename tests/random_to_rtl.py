"""Random networks from a QONNX file to simulated RTL: equal to the executed file, at the folding's pace.

:func:`qonnx_to_rtl` takes one; a few run with the tests. Many, in ``--jobs`` processes, by::

    python tests/random_to_rtl.py --seeds 0 500 --jobs 4

which names each seed that fails and why, and returns how many did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from dags import dag_folding
from finnspect import reference
from finnspect.board import load_board
from finnspect.config import BuildConfig
from finnspect.emit import EmitOptions, emit_accelerator
from finnspect.folding import Folding
from finnspect.folding_stage import choose
from finnspect.frontend import load_qonnx, read_network
from finnspect.frontend.check import check_model
from finnspect.frontend.lower import dataflow_graph
from finnspect.ir import DataflowGraph
from finnspect.sim.core import build_core
from finnspect.verify import locate_divergence
from random_networks import random_network

#: Images of a network: the extremes of ``random_networks.images_of`` and noise, more than a frame at a time.
IMAGES = 10
#: Cycles a frame over the folding bound.
SLACK = 0.01


def folding_of(graph: DataflowGraph, seed: int) -> Folding:
    """Return a folding: by seed that of the search for a board, a middling one, or one at random."""
    rng = np.random.default_rng(seed)
    if seed % 4 == 0:
        return choose(graph, load_board("pynq-z2"), BuildConfig())[0]
    if seed % 4 == 1:
        return dag_folding(graph, lambda values: max(v for v in values if v <= 6))
    return dag_folding(graph, lambda values: int(rng.choice([v for v in values if v <= 24])))


def equal_in_rtl(graph: DataflowGraph, seed: int, images: np.ndarray, folder: Path) -> None:
    """Emit, simulate without and with stalls, compare every stream; the pace is that of the slowest layer."""
    expected = reference.logits(graph, images)
    options = EmitOptions(dsp_budget=64 if seed % 2 else 0)
    accelerator = emit_accelerator(graph, folding_of(graph, seed), folder / "acc", options)
    # Registers start at random: the core may rely on its reset only.
    sim = build_core(accelerator, folder / "sim", probe=True, optimize="-O0", random_init=True)
    result = sim.run(images, seed=seed)
    locate_divergence(graph, images, result.streams, accelerator.streams)
    assert np.array_equal(result.logits, expected)
    bound, achieved = result.bound, result.cycles_per_frame
    assert bound <= achieved <= (1 + SLACK) * bound, f"{achieved} cycles a frame, the bound is {bound}"
    stalls = np.random.default_rng(seed).random(2) * 0.7
    again = sim.run(images, stall_in=stalls[0], stall_out=stalls[1], seed=seed + 1)
    for net, carried in result.streams.items():
        assert np.array_equal(again.streams[net], carried), net
    assert np.array_equal(again.logits, expected)


def qonnx_to_rtl(seed: int, folder: Path) -> None:
    """Take a random network through the front end, the folding and emission, and simulate it.

    The integers of every layer equal those of the executed file, and every stream of the hardware equals
    them, without and with stalls.
    """
    drawn = random_network(seed)
    model = load_qonnx(drawn.save(folder / "m.onnx"))
    network = read_network(model)
    graph = dataflow_graph(network, f"random{seed}")
    images = drawn.images(IMAGES)
    check = check_model(graph, model, network, images)
    assert check.changed_predictions <= check.rounding_images
    equal_in_rtl(graph, seed, images, folder)


def _failure(seed: int) -> str | None:
    with tempfile.TemporaryDirectory() as name:
        try:
            qonnx_to_rtl(seed, Path(name))
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return None


def main() -> int:
    """Run a range of seeds; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 100), metavar=("FIRST", "END"))
    parser.add_argument("--jobs", type=int, default=2, help="processes (default 2)")
    arguments = parser.parse_args()
    seeds, failed = range(*arguments.seeds), 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        futures = {pool.submit(_failure, seed): seed for seed in seeds}
        for future in as_completed(futures):
            if (why := future.result()) is not None:
                failed += 1
                print(f"seed {futures[future]}: {why}", flush=True)
    print(f"{len(seeds) - failed} of {len(seeds)} networks are equal, at their bound")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 100))
