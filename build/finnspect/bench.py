"""Benchmark: the integer reference against QONNX's own execution of the same file and images.

Run as ``python -m finnspect.bench``; ``make bench`` does. Both sides get the same processor cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from finnspect.errors import FlowError, VerificationError
from finnspect.package import ModelPackage
from finnspect.paths import PACKAGES_DIR

#: Share of images that float32 may round otherwise; sides that do different things differ in nearly all.
MAX_ROUNDED = 0.5
DEFAULT_PACKAGE = PACKAGES_DIR / "cnv_w4a4-synthetic"


@dataclass(frozen=True)
class Benchmark:
    """Measured images a second, the best of several runs.

    Attributes
    ----------
    qonnx_fps
        QONNX's executor on the file as exported, one image after another.
    qonnx_batched_fps
        QONNX's executor on the file rewritten for one batch of all images.
    reference_fps
        The integer reference, all images in one call, the staircase tables already made.
    rounded
        Images whose logits differ: QONNX computes in float32, which rounds some values next to a threshold
        onto it (noise has more of them than pictures). The reference is exact.
    """

    package: str
    images: int
    macs: int
    cores: int
    qonnx_fps: float
    qonnx_batched_fps: float
    reference_fps: float
    rounded: int

    @property
    def speedup(self) -> float:
        """Reference over QONNX as exported."""
        return self.reference_fps / self.qonnx_fps

    @property
    def batched_speedup(self) -> float:
        """Reference over QONNX on one batch."""
        return self.reference_fps / self.qonnx_batched_fps


def best_seconds(run: Callable[[], object], repeats: int) -> float:
    """Return the least time of ``repeats`` calls, after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def benchmark(package: ModelPackage, images: int, repeats: int, cores: int) -> Benchmark:
    """Measure; the logits of both sides are compared first.

    Parameters
    ----------
    package
        The model package.
    images
        Random images in the batch.
    repeats
        Runs of each side; the best counts.
    cores
        Recorded in the result; :func:`main` keeps the process to them.
    """
    import numpy as np

    from finnspect.frontend import compile_package, load_qonnx
    from finnspect.frontend.execution import BatchRunner
    from finnspect.ir import MatVec
    from finnspect.reference import Reference, real_logits

    with tempfile.TemporaryDirectory() as folder:
        graph = compile_package(package, Path(folder)).graph
    batch = np.random.default_rng(0).integers(0, 256, (images, *package.input_shape)).astype(np.uint8)
    reference, model = Reference(graph), load_qonnx(package.model_path)
    single, whole = BatchRunner(model, 1), BatchRunner(model, images)
    few = batch[: max(1, images // 8)]
    got, expected = real_logits(graph, reference.logits(batch)), whole.run(batch)
    # Not the exactness check (compiling made that): the two sides must do the same work.
    differs = np.abs(got - expected).max(axis=1) > 1e-3 * np.abs(graph.logit_scale).max() + 1e-3
    if differs.mean() > MAX_ROUNDED:
        image = int(differs.argmax())
        index = int(np.abs(got - expected)[image].argmax())
        pair = (round(float(each[image, index] / graph.logit_scale[index])) for each in (got, expected))
        raise VerificationError("benchmark", "logits", image, (index,), *pair)
    return Benchmark(
        package=package.info.name,
        images=images,
        macs=sum(
            layer.weights.size * graph.tensors[layer.output].size // layer.MH
            for layer in graph
            if isinstance(layer, MatVec)
        ),
        cores=cores,
        qonnx_fps=len(few) / best_seconds(lambda: single.run(few), max(1, repeats // 3)),
        qonnx_batched_fps=images / best_seconds(lambda: whole.run(batch), repeats),
        reference_fps=images / best_seconds(lambda: reference.logits(batch), repeats),
        rounded=int(differs.sum()),
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m finnspect.bench", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--package", type=Path, default=DEFAULT_PACKAGE, help="model package (default: shipped)"
    )
    parser.add_argument("--images", type=int, default=64, help="images in the batch (default 64)")
    parser.add_argument("--repeats", type=int, default=7, help="runs, the best counts (default 7)")
    parser.add_argument("--cores", type=int, default=2, help="processor cores for both sides (default 2)")
    parser.add_argument("--at-least", type=float, default=25.0, help="fail below this ratio (default 25)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args(argv)


def _keep_to_cores(count: int) -> int:
    """Keep this process to ``count`` cores where the system can; before any thread pool is made."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    cores = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, cores)
    return len(cores)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    arguments = _arguments(argv)
    cores = _keep_to_cores(max(1, arguments.cores))
    try:
        package = ModelPackage.load(arguments.package)
        result = benchmark(package, max(1, arguments.images), max(1, arguments.repeats), cores)
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{result.package}: {result.macs / 1e6:.1f} M MACs an image, {result.images} images, {cores} cores")
    print(f"  images that float32 rounds otherwise {result.rounded:5d}")
    print(f"  QONNX, one image after another  {result.qonnx_fps:10.1f} images/s")
    print(f"  QONNX, one batch                {result.qonnx_batched_fps:10.1f} images/s")
    print(f"  integer reference               {result.reference_fps:10.1f} images/s")
    print(f"  reference / QONNX               {result.speedup:10.1f} x (as exported)")
    print(f"                                  {result.batched_speedup:10.1f} x (one batch)")
    if arguments.json is not None:
        figures = asdict(result) | {"speedup": result.speedup, "batched_speedup": result.batched_speedup}
        arguments.json.write_text(json.dumps({"kind": "measured", **figures}, indent=1) + "\n")
    if result.speedup < arguments.at_least:
        print(f"error: the reference is less than {arguments.at_least:g} times faster", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
