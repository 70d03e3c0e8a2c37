"""The arithmetic of the integer reference: windows, matrix products, staircases, pools.

Float matrix products are used only where a bound on every partial sum proves them exact (below 2^24
in float32, below 2^53 in float64); otherwise the product runs in int64. No result is ever rounded.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from finnspect.ir import IntType, MatVec, MaxPool, SlidingWindow, Staircase

#: Largest staircase table (entries over all channels) that replaces a search.
TABLE_LIMIT = 1 << 23
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


def _table_ranges(
    activation: Staircase, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the least and greatest accumulator of each channel to tabulate; None if too many.

    All accumulators if they are few; else those between a channel's steps, the others being clipped.
    """
    if int((high - low + 1).sum()) <= TABLE_LIMIT:
        return low, high
    inside = np.clip(activation.thresholds, low[:, None], (high + 1)[:, None])
    first = np.maximum(inside[:, 0] - 1, low)
    # steps that no accumulator reaches do not count
    reached = np.where(inside > high[:, None], first[:, None], inside)
    last = np.maximum(reached.max(axis=1), first)
    return (first, last) if int((last - first + 1).sum()) <= TABLE_LIMIT else None


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
        ranges = None if layer.activation is None else _table_ranges(layer.activation, low, high)
        table_size = 0 if ranges is None else int((ranges[1] - ranges[0] + 1).sum())
        needed = self.bound + table_size
        self.dtype = next((np.dtype(t) for t, limit in _FLOAT_EXACT if needed < limit), np.dtype(np.int64))
        self.matrix = np.ascontiguousarray(layer.weights.T.astype(self.dtype))
        self._table: np.ndarray | None = None
        if ranges is not None:
            self._make_table(
                layer.activation, *ranges, clip=np.any(ranges[0] > low) or np.any(ranges[1] < high)
            )

    def _make_table(self, activation: Staircase, first: np.ndarray, last: np.ndarray, *, clip: bool) -> None:
        """Tabulate the outputs of accumulators ``first[c]`` to ``last[c]``, one channel after another."""
        starts = np.concatenate([[0], np.cumsum(last - first + 1)[:-1]])
        # Adding this moves channel c's accumulator to its own stretch of the table.
        self._offsets = np.tile((starts - first).astype(self.dtype), TILE)
        self._limits = [np.tile(v.astype(self.dtype), TILE) for v in (first, last)] if clip else None
        self._table = np.concatenate(
            [
                np.searchsorted(t, np.arange(lo, hi + 1), side="right") + activation.base
                for t, lo, hi in zip(activation.thresholds, first, last, strict=True)
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
            width = wide.shape[1]
            if self._limits is not None:
                np.clip(wide, self._limits[0][:width], self._limits[1][:width], out=wide)
            wide += self._offsets[:width]
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
