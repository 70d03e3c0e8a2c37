"""The integer reference: exact, vectorised evaluation of a dataflow graph with numpy.

A new kind of layer registers its evaluation from outside with ``evaluate_layer.register``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from threadpoolctl import ThreadpoolController

from finnspect.errors import ConfigError, UnsupportedModelError
from finnspect.ir import (
    Add,
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    SumPool,
    Threshold,
)
from finnspect.kernels import (
    ChannelKernel,
    MatVecKernel,
    accumulator_bounds,
    channel_kernel,
    max_pool,
    output_size,
    sliding_windows,
)
from finnspect.staircase import Workspace, apply_staircase, storage_dtype

__all__ = [
    "MatVecKernel",
    "Reference",
    "Workspace",
    "accumulator_bounds",
    "apply_staircase",
    "evaluate",
    "evaluate_layer",
    "logits",
    "max_pool",
    "output_size",
    "predictions",
    "real_logits",
    "sliding_windows",
    "storage_dtype",
]

#: Images that go through the layers together.
BATCH = 16
#: Elements of one block of windows and products: keeps a block in the second-level cache.
BLOCK = 1 << 18


@singledispatch
def evaluate_layer(
    layer: Layer, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, ...]:
    """Evaluate one layer on whole batches; register an implementation for each class of layer.

    Parameters
    ----------
    layer, graph
        The layer and the graph it belongs to (for tensor types).
    inputs
        One array (N, H, W, C) of the tensor's storage type for each of ``layer.inputs``.

    Returns
    -------
    tuple of numpy.ndarray
        One array for each of ``layer.outputs``.
    """
    raise UnsupportedModelError(
        layer.name,
        f"the reference has no evaluation for layers of kind {layer.kind!r}",
        "register one with finnspect.reference.evaluate_layer.register",
    )


@evaluate_layer.register
def _(layer: SlidingWindow, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    (x,) = inputs
    return (sliding_windows(layer, x, x.dtype),)


@evaluate_layer.register
def _(layer: MaxPool, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return (max_pool(layer, inputs[0], graph.tensors[layer.input].dtype.min),)


@evaluate_layer.register
def _(layer: Concat, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return (np.concatenate(inputs, axis=-1),)


@evaluate_layer.register
def _(layer: ArgMax, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    best = np.argmax(layer.scores(inputs[0]), axis=-1, keepdims=True)
    return (best.astype(storage_dtype(graph.tensors[layer.output].dtype)),)


@evaluate_layer.register(Depthwise)
@evaluate_layer.register(SumPool)
@evaluate_layer.register(Add)
@evaluate_layer.register(Threshold)
def _(layer: Layer, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return (channel_kernel(layer, graph)(inputs, Workspace()),)


@evaluate_layer.register
def _(layer: MatVec, graph: DataflowGraph, inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    kernel = MatVecKernel(layer, graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype)
    return (_run_matvec(kernel, None, inputs[0], Workspace()),)


def _run_matvec(
    kernel: MatVecKernel,
    window: SlidingWindow | None,
    x: np.ndarray,
    work: Workspace,
    pool: MaxPool | None = None,
) -> np.ndarray:
    """Run a kernel on maps (N, H, W, C), block by block.

    Parameters
    ----------
    window
        Its windows are made on the fly; None where ``x`` holds vectors.
    pool
        Applied to the accumulators: a staircase is monotone, so the maximum may come before it.
    """
    layer = kernel.layer
    oh, ow = x.shape[1:3] if window is None else output_size(window, *x.shape[1:3])
    out_map = (oh, ow) if pool is None else output_size(pool, oh, ow)
    out = np.empty((len(x), *out_map, layer.MH), kernel.output_dtype)
    block = max(1, BLOCK // (oh * ow * (layer.MW + layer.MH)))
    for i in range(0, len(x), block):
        part = x[i : i + block]
        if window is None:
            vectors = work.array("windows", part.shape, kernel.dtype)
            vectors[...] = part
        else:
            vectors = sliding_windows(window, part, kernel.dtype, work)
        acc = kernel.accumulate(vectors.reshape(-1, layer.MW), work)
        if pool is not None:
            smallest = np.iinfo(acc.dtype).min if acc.dtype.kind == "i" else -np.inf  # never wins
            acc = max_pool(pool, acc.reshape(len(part), oh, ow, layer.MH), smallest)
        kernel.activate(acc.reshape(-1, layer.MH), out[i : i + block].reshape(-1, layer.MH), work)
    return out


@dataclass(frozen=True)
class _Step:
    """One call of the plan: a layer, or a matrix product with its windows before and its pool after."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]
    layer: Layer
    window: SlidingWindow | None = None
    pool: MaxPool | None = None


class Reference:
    """A graph made ready to be evaluated many times.

    Parameters
    ----------
    graph
        The dataflow graph.
    """

    def __init__(self, graph: DataflowGraph) -> None:
        self.graph = graph
        self._kernels: dict[str, MatVecKernel | ChannelKernel] = {
            layer.name: MatVecKernel(
                layer, graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype
            )
            if isinstance(layer, MatVec)
            else channel_kernel(layer, graph)
            for layer in graph
            if isinstance(layer, MatVec | Depthwise | SumPool | Add | Threshold)
        }
        # The products are small: on a busy machine, threads that wait for each other inside every one
        # of them cost far more than they bring.
        self._pools = ThreadpoolController()
        self._whole = [_Step(layer.inputs, layer.outputs, layer) for layer in graph]
        self._fused = self._fuse()

    def _fuse(self) -> list[_Step]:
        """Return the steps that make the logits, keeping only tensors that several layers read."""
        steps: list[_Step] = []
        inside: set[str] = set()  # layers that a matrix product's step covers
        for layer in self.graph:
            if isinstance(layer, MatVec):
                window, pool = self.graph.producer(layer.input), self._only_reader(layer)
                window = window if isinstance(window, SlidingWindow) and self._only_reader(window) else None
                # with every window at least in part on the map, padding is never a maximum
                inside_map = isinstance(pool, MaxPool) and all(
                    pad < size for pad, size in zip(pool.pad, pool.kernel * 2, strict=True)
                )
                pool = pool if inside_map and layer.activation is not None else None
                inside |= {fused.name for fused in (window, pool) if fused is not None}
                reads = layer.inputs if window is None else window.inputs
                makes = layer.outputs if pool is None else pool.outputs
                steps.append(_Step(reads, makes, layer, window, pool))
            else:
                steps.append(_Step(layer.inputs, layer.outputs, layer))
        return [step for step in steps if step.layer.name not in inside]

    def _only_reader(self, layer: Layer) -> Layer | None:
        readers = self.graph.consumers(layer.output)
        return readers[0] if len(readers) == 1 and layer.output != self.graph.output else None

    def _check(self, images: np.ndarray) -> None:
        expected = self.graph.tensors[self.graph.input].shape
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != expected:
            raise ConfigError(
                f"the reference got images of type {images.dtype} and shape {images.shape}, "
                f"expected uint8 (N, {', '.join(map(str, expected))})",
                "preprocess the images as the model package says",
            )

    def evaluate(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Return every tensor's integers, (N, H, W, C) in the tensor's storage type, by name.

        Parameters
        ----------
        images
            uint8, shape (N, H, W, C).
        """
        self._check(images)
        with self._pools.limit(limits=1, user_api="blas"):
            return self._run(self._whole, images, Workspace())

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the integer logits, shape (N, classes), for uint8 images (N, H, W, C)."""
        self._check(images)
        out = self.graph.tensors[self.graph.output]
        result = np.empty((len(images), out.size), storage_dtype(out.dtype))
        work = Workspace()
        with self._pools.limit(limits=1, user_api="blas"):
            for i in range(0, len(images), BATCH):
                values = self._run(self._fused, images[i : i + BATCH], work)
                result[i : i + BATCH] = values[self.graph.output].reshape(-1, out.size)
        return result

    def _run(self, steps: list[_Step], images: np.ndarray, work: Workspace) -> dict[str, np.ndarray]:
        values = {self.graph.input: images}
        for step in steps:
            inputs = tuple(values[name] for name in step.reads)
            kernel = self._kernels.get(step.layer.name)
            if isinstance(kernel, MatVecKernel):
                made = (_run_matvec(kernel, step.window, inputs[0], work, step.pool),)
            elif kernel is not None:
                made = (kernel(inputs, work),)
            else:
                made = evaluate_layer(step.layer, self.graph, inputs)
            values.update(zip(step.makes, made, strict=True))
        return values


def evaluate(graph: DataflowGraph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return every tensor's integers by name; see :meth:`Reference.evaluate`."""
    return Reference(graph).evaluate(images)


def logits(graph: DataflowGraph, images: np.ndarray) -> np.ndarray:
    """Return the integer logits, shape (N, classes); see :meth:`Reference.logits`."""
    return Reference(graph).logits(images)


def predictions(graph: DataflowGraph, integer_logits: np.ndarray) -> np.ndarray:
    """Return the class of each row, int64 (N,): ties go to the lowest index.

    The comparison is made on ``logit * scale + bias`` in float64. Where the graph ends in an ArgMax, its
    output is the class.
    """
    if isinstance(graph.producer(graph.output), ArgMax):
        return integer_logits[:, 0].astype(np.int64)
    return np.argmax(real_logits(graph, integer_logits), axis=1)


def real_logits(graph: DataflowGraph, integer_logits: np.ndarray) -> np.ndarray:
    """Return float64 logits, shape (N, classes): integer logit * scale + bias."""
    return integer_logits.astype(np.float64) * graph.logit_scale + graph.logit_bias
