"""The arithmetic of the integer reference: windows, products, sums, pools.

Float matrix products are used only where a bound on every partial sum proves them exact (below 2^24
in float32, below 2^53 in float64); otherwise the product runs in int64. No result is ever rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

import numpy as np
from numpy.lib.stride_tricks import as_strided

from finnspect.ir import (
    Add,
    DataflowGraph,
    Depthwise,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    SumPool,
    Threshold,
)
from finnspect.staircase import StaircaseKernel, Workspace

_FLOAT_EXACT = ((np.float32, 1 << 24), (np.float64, 1 << 53))


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
        low, high = accumulator_bounds(layer.weights, input_dtype)
        #: Accumulators (M, MH), spent, and an array for the outputs.
        self.activate = StaircaseKernel(layer.activation, low, high, output_dtype)
        self.output_dtype = self.activate.output_dtype
        # Any order of summation stays within the sum of magnitudes, so every partial sum is exact.
        largest = max(abs(input_dtype.min), input_dtype.max)
        self.bound = int(np.abs(layer.weights).sum(axis=1).max() * largest)
        needed = self.bound + self.activate.table_size
        self.dtype = next((np.dtype(t) for t, limit in _FLOAT_EXACT if needed < limit), np.dtype(np.int64))
        self.activate.prepare(self.dtype)
        self.matrix = np.ascontiguousarray(layer.weights.T.astype(self.dtype))

    def accumulate(self, vectors: np.ndarray, work: Workspace) -> np.ndarray:
        """Return accumulators (M, MH) of vectors of shape (M, MW) and type :attr:`dtype`."""
        acc = work.array("accumulators", (len(vectors), self.layer.MH), self.dtype)
        return np.matmul(vectors, self.matrix, out=acc)


def output_size(layer: SlidingWindow | MaxPool | SumPool, height: int, width: int) -> tuple[int, int]:
    """Return (OH, OW) of a window layer on a map of ``height`` x ``width``."""
    top, left, bottom, right = (0, 0, 0, 0) if isinstance(layer, SumPool) else layer.pad
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


def max_pool(layer: MaxPool, images: np.ndarray, smallest: int | float = 0) -> np.ndarray:
    """Return window maxima, shape (N, OH, OW, C), of maps of shape (N, H, W, C) and any type.

    Parameters
    ----------
    smallest
        Value of the padding, no greater than any element; not used without padding.
    """
    (kh, kw), (sh, sw), (top, left, bottom, right) = layer.kernel, layer.stride, layer.pad
    oh, ow = output_size(layer, *images.shape[1:3])
    if any(layer.pad):
        around = ((0, 0), (top, bottom), (left, right), (0, 0))
        images = np.pad(images, around, constant_values=smallest)
    # Rows first: the inner loops then run over whole rows of memory.
    rows = images[:, : sh * (oh - 1) + 1 : sh]
    for y in range(1, kh):
        rows = np.maximum(rows, images[:, y : y + sh * (oh - 1) + 1 : sh])
    out = rows[:, :, : sw * (ow - 1) + 1 : sw]
    for x in range(1, kw):
        out = np.maximum(out, rows[:, :, x : x + sw * (ow - 1) + 1 : sw])
    return np.ascontiguousarray(out)


# -- channel by channel ------------------------------------------------------------------------------


class ChannelKernel:
    """A layer that sums within a channel, made ready to run on many maps: depthwise, sums, adds, thresholds.

    Parameters
    ----------
    accumulate
        Maps (N, H, W, C) and the accumulators' type in, fresh accumulators (N, OH, OW, C) out.
    low, high
        int64, shape (C,): least and greatest accumulator of each channel, partial sums included.
    """

    def __init__(
        self,
        layer: Depthwise | SumPool | Add | Threshold,
        graph: DataflowGraph,
        accumulate: Callable[[tuple[np.ndarray, ...], np.dtype], np.ndarray],
        low: np.ndarray,
        high: np.ndarray,
    ) -> None:
        self._accumulate = accumulate
        self._activate = StaircaseKernel(layer.activation, low, high, graph.tensors[layer.output].dtype)
        largest = max(-int(low.min()), int(high.max()), 0) + self._activate.table_size
        self._dtype = np.dtype(np.int32 if largest < 1 << 31 else np.int64)
        self._activate.prepare(self._dtype)

    def __call__(self, inputs: tuple[np.ndarray, ...], work: Workspace) -> np.ndarray:
        """Return the output (N, OH, OW, C) for input maps."""
        acc = self._accumulate(inputs, self._dtype)
        out = np.empty(acc.shape, self._activate.output_dtype)
        channels = acc.shape[-1]
        self._activate(acc.reshape(-1, channels), out.reshape(-1, channels), work)
        return out


@singledispatch
def channel_kernel(layer: Layer, graph: DataflowGraph) -> ChannelKernel:
    """Return the kernel of a depthwise layer (on windows), a sum pool, an add or a threshold layer."""
    raise TypeError(layer)


@channel_kernel.register
def _(layer: Depthwise, graph: DataflowGraph) -> ChannelKernel:
    low, high = accumulator_bounds(layer.weights, graph.tensors[layer.input].dtype)
    weights = layer.weights.T

    def accumulate(inputs: tuple[np.ndarray, ...], dtype: np.dtype) -> np.ndarray:
        (windows,) = inputs
        taps = windows.reshape(*windows.shape[:-1], layer.taps, layer.channels)
        acc = np.zeros((*windows.shape[:-1], layer.channels), dtype)
        for k in range(layer.taps):
            acc += np.multiply(taps[..., k, :], weights[k].astype(dtype), dtype=dtype)
        return acc

    # Every type holds 0, so no partial sum lies beyond the bounds of the whole one.
    return ChannelKernel(layer, graph, accumulate, low, high)


@channel_kernel.register
def _(layer: SumPool, graph: DataflowGraph) -> ChannelKernel:
    source = graph.tensors[layer.input]
    taps = layer.kernel[0] * layer.kernel[1]

    def accumulate(inputs: tuple[np.ndarray, ...], dtype: np.dtype) -> np.ndarray:
        (x,) = inputs
        n, height, width, channels = x.shape
        (kh, kw), (oh, ow) = layer.kernel, output_size(layer, height, width)
        blocks = x[:, : oh * kh, : ow * kw].reshape(n, oh, kh, ow, kw, channels)
        return blocks.sum(axis=(2, 4), dtype=dtype)

    low, high = (np.full(source.shape[2], taps * end) for end in (source.dtype.min, source.dtype.max))
    return ChannelKernel(layer, graph, accumulate, low, high)


@channel_kernel.register
def _(layer: Add, graph: DataflowGraph) -> ChannelKernel:
    channels = graph.tensors[layer.output].shape[2]
    types = [graph.tensors[name].dtype for name in layer.inputs]
    ends = [sorted((m * t.min, m * t.max)) for m, t in zip(layer.multipliers, types, strict=True)]

    def accumulate(inputs: tuple[np.ndarray, ...], dtype: np.dtype) -> np.ndarray:
        first, second = layer.multipliers
        acc = np.multiply(inputs[0], dtype.type(first), dtype=dtype)
        acc += np.multiply(inputs[1], dtype.type(second), dtype=dtype)
        return acc

    # each product by itself fits too
    low = np.full(channels, min(sum(e[0] for e in ends), *(e[0] for e in ends)))
    high = np.full(channels, max(sum(e[1] for e in ends), *(e[1] for e in ends)))
    return ChannelKernel(layer, graph, accumulate, low, high)


@channel_kernel.register
def _(layer: Threshold, graph: DataflowGraph) -> ChannelKernel:
    source = graph.tensors[layer.input]
    low, high = (np.full(source.shape[2], end) for end in (source.dtype.min, source.dtype.max))
    return ChannelKernel(layer, graph, lambda inputs, dtype: inputs[0].astype(dtype), low, high)
