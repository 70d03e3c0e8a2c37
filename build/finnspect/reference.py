"""The integer reference: exact, vectorised evaluation of a dataflow graph with numpy.

Float matrix products are used only where a bound on every partial sum proves them exact (below 2^24
in float32, below 2^53 in float64); otherwise the product runs in int64. No result is ever rounded.

A new kind of layer registers its evaluation from outside with ``evaluate_layer.register``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.lib.stride_tricks import as_strided
from threadpoolctl import ThreadpoolController

from finnspect.errors import ConfigError, UnsupportedModelError
from finnspect.ir import DataflowGraph, IntType, Layer, MatVec, MaxPool, SlidingWindow, Staircase

#: Images that go through the layers together.
BATCH = 16
#: Elements of one block of windows and products: keeps a block in the second-level cache.
BLOCK = 1 << 18
#: Largest staircase table (entries over all channels) that replaces a search.
TABLE_LIMIT = 1 << 22
#: Pixels whose table offsets are added at once.
TILE = 64

_FLOAT_EXACT = ((np.float32, 1 << 24), (np.float64, 1 << 53))


def storage_dtype(dtype: IntType) -> np.dtype:
    """Return the narrowest numpy integer type that holds ``dtype``."""
    for bits in (8, 16, 32, 64):
        if dtype.bits <= bits:
            return np.dtype(f"{'int' if dtype.signed else 'uint'}{bits}")
    raise AssertionError(dtype)


def apply_staircase(activation: Staircase, accumulators: np.ndarray) -> np.ndarray:
    """Return ``base + sum(acc >= t)`` of every accumulator.

    Parameters
    ----------
    accumulators
        Integers of any dtype, shape (..., channels).

    Returns
    -------
    numpy.ndarray
        int64, the same shape.
    """
    codes = np.empty(accumulators.shape, np.int64)
    for channel, thresholds in enumerate(activation.thresholds):
        codes[..., channel] = np.searchsorted(thresholds, accumulators[..., channel], side="right")
    codes += activation.base
    return codes


def accumulator_bounds(weights: np.ndarray, input_dtype: IntType) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest value of each row's dot product, int64 arrays of shape (MH,)."""
    at_min, at_max = weights * input_dtype.min, weights * input_dtype.max
    return np.minimum(at_min, at_max).sum(axis=1), np.maximum(at_min, at_max).sum(axis=1)


class Workspace:
    """Buffers that are reused from call to call, so that memory is neither allocated nor cleared.

    Not to be shared between threads.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return the uninitialised array called ``name``; valid until it is asked for again."""
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size or buffer.dtype != dtype:
            buffer = self._buffers[name] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)


class MatVecKernel:
    """One matrix-vector layer made ready to run on many vectors.

    Parameters
    ----------
    layer
        The layer.
    input_dtype
        Type of the vectors' elements; the exactness proof and the staircase table depend on it.
    output_dtype
        Type of the output tensor.

    Attributes
    ----------
    dtype
        numpy type that the vectors must have: float32, float64 or int64.
    """

    def __init__(self, layer: MatVec, input_dtype: IntType, output_dtype: IntType) -> None:
        self.layer = layer
        self.output_dtype = storage_dtype(output_dtype)
        low, high = accumulator_bounds(layer.weights, input_dtype)
        # Any order of summation stays within the sum of magnitudes, so every partial sum is exact.
        largest = max(abs(input_dtype.min), input_dtype.max)
        self.bound = int(np.abs(layer.weights).sum(axis=1).max() * largest)
        spans = high - low + 1
        total = int(spans.sum())
        with_table = layer.activation is not None and total <= TABLE_LIMIT
        needed = self.bound + total if with_table else self.bound
        self.dtype = next((np.dtype(t) for t, limit in _FLOAT_EXACT if needed < limit), np.dtype(np.int64))
        self.matrix = np.ascontiguousarray(layer.weights.T.astype(self.dtype))
        self._table: np.ndarray | None = None
        self._offsets: np.ndarray | None = None
        if with_table:
            starts = np.concatenate([[0], np.cumsum(spans)[:-1]])
            # Adding this moves channel c's accumulator to its own stretch of the table.
            self._offsets = np.tile((starts - low).astype(self.dtype), TILE)
            self._table = np.concatenate(
                [
                    np.searchsorted(t, np.arange(lo, hi + 1), side="right") + layer.activation.base
                    for t, lo, hi in zip(layer.activation.thresholds, low, high, strict=True)
                ]
            ).astype(self.output_dtype)

    def accumulate(self, vectors: np.ndarray, work: Workspace) -> np.ndarray:
        """Return accumulators (M, MH) of vectors of shape (M, MW) and type :attr:`dtype`."""
        acc = work.array("accumulators", (len(vectors), self.layer.MH), self.dtype)
        return np.matmul(vectors, self.matrix, out=acc)

    def activate(self, acc: np.ndarray, out: np.ndarray, work: Workspace) -> None:
        """Put the staircase's outputs for accumulators (M, MH) into ``out``; ``acc`` is spent."""
        if self._table is not None:
            # Many pixels at a time: numpy's inner loop over MH channels alone would be short.
            rows = math.gcd(len(acc), TILE)
            wide = acc.reshape(-1, rows * self.layer.MH)
            wide += self._offsets[: wide.shape[1]]
            index = work.array("index", acc.shape, np.dtype(np.intp))
            index[...] = acc
            # Mode "wrap" skips the buffering of "raise"; every index is within the table by proof.
            self._table.take(index, out=out, mode="wrap")
        elif self.layer.activation is not None:
            out[...] = apply_staircase(self.layer.activation, acc)
        else:
            out[...] = acc


def output_size(layer: SlidingWindow | MaxPool, height: int, width: int) -> tuple[int, int]:
    """Return (OH, OW) of a window layer on a map of ``height`` x ``width``."""
    top, left, bottom, right = layer.pad if isinstance(layer, SlidingWindow) else (0, 0, 0, 0)
    return (
        (height + top + bottom - layer.kernel[0]) // layer.stride[0] + 1,
        (width + left + right - layer.kernel[1]) // layer.stride[1] + 1,
    )


def sliding_windows(
    layer: SlidingWindow, images: np.ndarray, dtype: np.dtype, work: Workspace | None = None
) -> np.ndarray:
    """Return the windows of feature maps.

    Parameters
    ----------
    images
        Shape (N, H, W, C), any integer type.
    dtype
        Type of the result; the conversion happens in the same copy as the padding.
    work
        Where the result is made; valid until the next call with it. Fresh memory where None.

    Returns
    -------
    numpy.ndarray
        Shape (N, OH, OW, KH*KW*C), elements in order kh, kw, c.
    """
    work = work or Workspace()
    n, height, width, channels = images.shape
    (kh, kw), (sh, sw), (top, left, bottom, right) = layer.kernel, layer.stride, layer.pad
    oh, ow = output_size(layer, height, width)
    padded = work.array("padded", (n, height + top + bottom, width + left + right, channels), dtype)
    if any(layer.pad):
        padded[:, :top], padded[:, top + height :] = 0, 0
        padded[:, :, :left], padded[:, :, left + width :] = 0, 0
    padded[:, top : top + height, left : left + width] = images
    if (kh, kw, sh, sw) == (1, 1, 1, 1):
        return padded
    windows = work.array("windows", (n, oh, ow, kh, kw, channels), dtype)
    if kw * channels < 8:  # short runs: one strided copy for each kernel position is quicker
        for y in range(kh):
            for x in range(kw):
                windows[:, :, :, y, x] = padded[
                    :, y : y + sh * (oh - 1) + 1 : sh, x : x + sw * (ow - 1) + 1 : sw
                ]
    else:
        s_n, s_h, s_w, s_c = padded.strides
        strides = (s_n, s_h * sh, s_w * sw, s_h, s_w, s_c)
        windows[...] = as_strided(padded, windows.shape, strides, writeable=False)
    return windows.reshape(n, oh, ow, kh * kw * channels)


def max_pool(layer: MaxPool, images: np.ndarray) -> np.ndarray:
    """Return window maxima, shape (N, OH, OW, C), of maps of shape (N, H, W, C) and any type."""
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    oh, ow = output_size(layer, *images.shape[1:3])
    # Rows first: the inner loops then run over whole rows of memory.
    rows = images[:, : sh * (oh - 1) + 1 : sh]
    for y in range(1, kh):
        rows = np.maximum(rows, images[:, y : y + sh * (oh - 1) + 1 : sh])
    out = rows[:, :, : sw * (ow - 1) + 1 : sw]
    for x in range(1, kw):
        out = np.maximum(out, rows[:, :, x : x + sw * (ow - 1) + 1 : sw])
    return np.ascontiguousarray(out)


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
    return (max_pool(layer, inputs[0]),)


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
            acc = max_pool(pool, acc.reshape(len(part), oh, ow, layer.MH))
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
        self._kernels = {
            layer.name: MatVecKernel(
                layer, graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype
            )
            for layer in graph
            if isinstance(layer, MatVec)
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
                pool = pool if isinstance(pool, MaxPool) and layer.activation is not None else None
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
            if kernel is not None:
                made = (_run_matvec(kernel, step.window, inputs[0], work, step.pool),)
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

    The comparison is made on ``logit * scale + bias`` in float64.
    """
    return np.argmax(real_logits(graph, integer_logits), axis=1)


def real_logits(graph: DataflowGraph, integer_logits: np.ndarray) -> np.ndarray:
    """Return float64 logits, shape (N, classes): integer logit * scale + bias."""
    return integer_logits.astype(np.float64) * graph.logit_scale + graph.logit_bias
