"""Staircases of the integer reference: a table where it is small enough, else a search."""

from __future__ import annotations

import math

import numpy as np

from finnspect.ir import IntType, Staircase

#: Largest staircase table (entries over all channels) that replaces a search.
TABLE_LIMIT = 1 << 23
#: Pixels whose table offsets are added at once.
TILE = 64


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
        Integers of any dtype, shape (..., channels). One row of thresholds serves all channels.

    Returns
    -------
    numpy.ndarray
        int64, the same shape.
    """
    codes = np.empty(accumulators.shape, np.int64)
    rows = np.broadcast_to(activation.thresholds, (accumulators.shape[-1], activation.steps))
    for channel, thresholds in enumerate(rows):
        codes[..., channel] = np.searchsorted(thresholds, accumulators[..., channel], side="right")
    codes += activation.base
    return codes


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


class StaircaseKernel:
    """The end of a layer made ready to run many times: accumulators in, output integers out.

    Parameters
    ----------
    activation
        Thresholds of shape (channels, steps) or (1, steps); None puts the accumulators out.
    low, high
        int64, shape (channels,): least and greatest accumulator of each channel.
    output_dtype
        Type of the output tensor.

    Attributes
    ----------
    table_size
        Entries of the table, 0 without one: an accumulator plus this must fit the accumulators' type.
    """

    def __init__(
        self, activation: Staircase | None, low: np.ndarray, high: np.ndarray, output_dtype: IntType
    ) -> None:
        self.output_dtype = storage_dtype(output_dtype)
        if activation is not None and len(activation.thresholds) != len(low):
            rows = np.broadcast_to(activation.thresholds, (len(low), activation.steps))
            activation = Staircase(rows, activation.base)
        self.activation = activation
        ranges = None if activation is None or not activation.steps else _table_ranges(activation, low, high)
        self.table_size = 0 if ranges is None else int((ranges[1] - ranges[0] + 1).sum())
        self._table: np.ndarray | None = None
        if ranges is not None:
            clip = np.any(ranges[0] > low) or np.any(ranges[1] < high)
            self._make_table(activation, *ranges, clip=bool(clip))

    def _make_table(self, activation: Staircase, first: np.ndarray, last: np.ndarray, *, clip: bool) -> None:
        """Tabulate the outputs of accumulators ``first[c]`` to ``last[c]``, one channel after another."""
        starts = np.concatenate([[0], np.cumsum(last - first + 1)[:-1]])
        # Adding this moves channel c's accumulator to its own stretch of the table.
        self._offsets = np.tile(starts - first, TILE)
        self._limits = [np.tile(v, TILE) for v in (first, last)] if clip else None
        self._table = np.concatenate(
            [
                np.searchsorted(t, np.arange(lo, hi + 1), side="right") + activation.base
                for t, lo, hi in zip(activation.thresholds, first, last, strict=True)
            ]
        ).astype(self.output_dtype)

    def prepare(self, dtype: np.dtype) -> None:
        """Convert what is added to accumulators to their type: integers, or floats that hold them exactly."""
        if self._table is not None:
            self._offsets = self._offsets.astype(dtype)
            self._limits = self._limits and [v.astype(dtype) for v in self._limits]

    def __call__(self, acc: np.ndarray, out: np.ndarray, work: Workspace) -> None:
        """Put the outputs for accumulators (M, channels) into ``out``; ``acc`` is spent."""
        if self._table is not None:
            # Many pixels at a time: numpy's inner loop over the channels alone would be short.
            rows = math.gcd(len(acc), TILE)
            wide = acc.reshape(-1, rows * acc.shape[1])
            width = wide.shape[1]
            if self._limits is not None:
                np.clip(wide, self._limits[0][:width], self._limits[1][:width], out=wide)
            wide += self._offsets[:width]
            index = work.array("index", acc.shape, np.dtype(np.intp))
            index[...] = acc
            # Mode "wrap" skips the buffering of "raise"; every index is within the table by proof.
            self._table.take(index, out=out, mode="wrap")
        elif self.activation is not None:
            out[...] = apply_staircase(self.activation, acc)
        else:
            out[...] = acc
