"""The integer reference: exact, vectorised evaluation of a dataflow graph with numpy.

Float matrix products are used only where a bound on every partial sum proves them exact (below 2^24
in float32, below 2^53 in float64); otherwise the product runs in int64. No result is ever rounded.

A new kind of layer registers its evaluation from outside with ``evaluate_layer.register``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from numpy.lib.stride_tricks import as_strided

from finnspect.errors import ConfigError, UnsupportedModelError
from finnspect.ir import DataflowGraph, IntType, Layer, MatVec, MaxPool, SlidingWindow, Staircase

#: Elements of one block of windows: keeps the block and its product in the second-level cache.
WINDOW_BLOCK = 1 << 18
#: Largest staircase table (entries over all channels) that replaces a search.
TABLE_LIMIT = 1 << 22

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
        if with_table:
            starts = np.concatenate([[0], np.cumsum(spans)[:-1]])
            # Adding this moves channel c's accumulator to its own stretch of the table.
            self._offset = (starts - low).astype(self.dtype)
            self._table = np.concatenate(
                [
                    np.searchsorted(t, np.arange(lo, hi + 1), side="right") + layer.activation.base
                    for t, lo, hi in zip(layer.activation.thresholds, low, high, strict=True)
                ]
            ).astype(self.output_dtype)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Return outputs, shape (M, MH), for vectors of shape (M, MW) and type :attr:`dtype`."""
        acc = vectors @ self.matrix
        if self._table is not None:
            acc += self._offset
            return self._table.take(acc.astype(np.intp))
        if self.layer.activation is not None:
            return apply_staircase(self.layer.activation, acc).astype(self.output_dtype)
        return acc.astype(self.output_dtype)


def output_size(layer: SlidingWindow | MaxPool, height: int, width: int) -> tuple[int, int]:
    """Return (OH, OW) of a window layer on a map of ``height`` x ``width``."""
    top, left, bottom, right = layer.pad if isinstance(layer, SlidingWindow) else (0, 0, 0, 0)
    return (
        (height + top + bottom - layer.kernel[0]) // layer.stride[0] + 1,
        (width + left + right - layer.kernel[1]) // layer.stride[1] + 1,
    )


def sliding_windows(layer: SlidingWindow, images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the windows of feature maps.

    Parameters
    ----------
    images
        Shape (N, H, W, C), any integer type.
    dtype
        Type of the result; the conversion happens in the same copy as the padding.

    Returns
    -------
    numpy.ndarray
        Shape (N, OH, OW, KH*KW*C), elements in order kh, kw, c.
    """
    n, height, width, channels = images.shape
    (kh, kw), (sh, sw), (top, left, bottom, right) = layer.kernel, layer.stride, layer.pad
    oh, ow = output_size(layer, height, width)
    if (kh, kw) == (1, 1) and not any(layer.pad):
        return images[:, ::sh, ::sw].astype(dtype)
    if any(layer.pad):
        padded = np.zeros((n, height + top + bottom, width + left + right, channels), dtype)
        padded[:, top : top + height, left : left + width] = images
    else:
        padded = np.ascontiguousarray(images, dtype)
    windows = np.empty((n, oh, ow, kh, kw, channels), dtype)
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
    """Return window maxima, shape (N, OH, OW, C), of maps of shape (N, H, W, C)."""
    (kh, kw), (sh, sw) = layer.kernel, layer.stride
    n, height, width, channels = images.shape
    oh, ow = output_size(layer, height, width)
    # Rows first: the inner loops then run over whole rows of memory.
    rows = images[:, : sh * (oh - 1) + 1 : sh]
    for y in range(1, kh):
        rows = np.maximum(rows, images[:, y : y + sh * (oh - 1) + 1 : sh])
    out = rows[:, :, : sw * (ow - 1) + 1 : sw]
    for x in range(1, kw):
        out = np.maximum(out, rows[:, :, x : x + sw * (ow - 1) + 1 : sw])
    assert out.shape == (n, oh, ow, channels)
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
    (x,) = inputs
    kernel = MatVecKernel(layer, graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype)
    out = kernel(x.reshape(-1, layer.MW).astype(kernel.dtype))
    return (out.reshape(*x.shape[:3], layer.MH),)


@dataclass(frozen=True)
class _Step:
    """One call of the plan: reads and makes tensors, ``run`` maps arrays to arrays."""

    reads: tuple[str, ...]
    makes: tuple[str, ...]
    run: Callable[[tuple[np.ndarray, ...]], tuple[np.ndarray, ...]]


class Reference:
    """A graph made ready to be evaluated many times.

    Parameters
    ----------
    graph
        The dataflow graph.
    """

    def __init__(self, graph: DataflowGraph) -> None:
        self.graph = graph
        self._fused = self._plan(fuse=True)
        self._whole: list[_Step] | None = None

    def _plan(self, *, fuse: bool) -> list[_Step]:
        graph = self.graph
        steps: list[_Step] = []
        pending: dict[str, SlidingWindow] = {}  # windows that their only reader makes on the fly
        for layer in graph:
            if isinstance(layer, SlidingWindow) and fuse:
                readers = graph.consumers(layer.output)
                if layer.output != graph.output and len(readers) == 1 and isinstance(readers[0], MatVec):
                    pending[layer.output] = layer
                    continue
            if isinstance(layer, MatVec):
                kernel = MatVecKernel(
                    layer, graph.tensors[layer.input].dtype, graph.tensors[layer.output].dtype
                )
                window = pending.pop(layer.input, None)
                reads = layer.inputs if window is None else window.inputs
                steps.append(_Step(reads, layer.outputs, _matvec_runner(kernel, window)))
            else:
                steps.append(_Step(layer.inputs, layer.outputs, _generic_runner(layer, graph)))
        return steps

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
        if self._whole is None:
            self._whole = self._plan(fuse=False)
        values = {self.graph.input: images}
        for step in self._whole:
            made = step.run(tuple(values[name] for name in step.reads))
            values.update(zip(step.makes, made, strict=True))
        return values

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the integer logits, shape (N, classes), for uint8 images (N, H, W, C)."""
        self._check(images)
        out = self.graph.tensors[self.graph.output]
        if not len(images):
            return np.zeros((0, out.size), storage_dtype(out.dtype))
        block = max(1, WINDOW_BLOCK // max(t.size for t in self.graph.tensors.values()))
        return np.concatenate(
            [self._run_block(images[i : i + block]) for i in range(0, len(images), block)]
        ).reshape(len(images), out.size)

    def _run_block(self, images: np.ndarray) -> np.ndarray:
        values = {self.graph.input: images}
        for step in self._fused:
            made = step.run(tuple(values[name] for name in step.reads))
            values.update(zip(step.makes, made, strict=True))
        return values[self.graph.output]


def _generic_runner(layer: Layer, graph: DataflowGraph) -> Callable:
    return lambda inputs: evaluate_layer(layer, graph, inputs)


def _matvec_runner(kernel: MatVecKernel, window: SlidingWindow | None) -> Callable:
    """Return a function that runs a kernel on a map, over ``window``'s windows if there is one."""
    layer = kernel.layer

    def run(inputs: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
        (x,) = inputs
        if window is None:
            return (kernel(x.reshape(-1, layer.MW).astype(kernel.dtype)).reshape(*x.shape[:3], layer.MH),)
        oh, ow = output_size(window, *x.shape[1:3])
        out = np.empty((len(x), oh, ow, layer.MH), kernel.output_dtype)
        block = max(1, WINDOW_BLOCK // (oh * ow * layer.MW))
        for i in range(0, len(x), block):
            vectors = sliding_windows(window, x[i : i + block], kernel.dtype)
            out[i : i + block] = kernel(vectors.reshape(-1, layer.MW)).reshape(-1, oh, ow, layer.MH)
        return (out,)

    return run


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


def tensors_in_order(graph: DataflowGraph, values: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Return (tensor name, integers) in the order the layers make them, input first."""
    names = [graph.input, *(name for layer in graph for name in layer.outputs)]
    return [(name, values[name]) for name in names if name in values]
