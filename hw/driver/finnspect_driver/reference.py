"""The integer model of a deploy zip, in numpy: what the hardware must answer, for any image.

Exact: a float matrix product is used only where a bound on every partial sum proves it exact (below 2^24
in float32, below 2^53 in float64), an int64 one otherwise. Imports numpy and nothing else, so that it
runs on the board.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from finnspect_driver.errors import DeployError, ImageError

FORMAT = "finnspect-dataflow"
FORMAT_VERSION = 2
#: Images that go through the layers together: small, for the board's caches.
BATCH = 8
#: Largest staircase table, in entries over all channels.
_TABLE_LIMIT = 1 << 20
_FLOAT_EXACT = ((np.float32, 1 << 24), (np.float64, 1 << 53))


def _int_range(name: str) -> tuple[int, int]:
    """Return the smallest and largest value of ``INT<n>`` or ``UINT<n>``."""
    signed = name.startswith("INT")
    bits = int(name[3:] if signed else name[4:])
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _storage(low: int, high: int) -> np.dtype:
    """Return the narrowest integer type for values from ``low`` to ``high``."""
    for bits in (8, 16, 32):
        dtype = np.dtype(f"{'int' if low < 0 else 'uint'}{bits}")
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    return np.dtype(np.int64)


def _padded(x: np.ndarray, pad: tuple[int, ...], value: int) -> np.ndarray:
    """Return maps with ``value`` around them: top, left, bottom, right."""
    if not any(pad):
        return x
    top, left, bottom, right = pad
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(x, around, mode="constant", constant_values=value)


class _Window:
    """Windows of a zero-padded map, elements in order kh, kw, c."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self.kernel = tuple(item["kernel"])
        self.stride = tuple(item["stride"])
        self.pad = tuple(item["pad"])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        (kh, kw), (sh, sw) = self.kernel, self.stride
        x = np.ascontiguousarray(_padded(x, self.pad, 0))
        n, height, width, channels = x.shape
        oh, ow = (height - kh) // sh + 1, (width - kw) // sw + 1
        s_n, s_h, s_w, s_c = x.strides
        shape = (n, oh, ow, kh, kw, channels)
        view = as_strided(x, shape, (s_n, s_h * sh, s_w * sw, s_h, s_w, s_c), writeable=False)
        return view.reshape(n, oh, ow, kh * kw * channels)


class _MaxPool:
    """Maxima of windows, floor division; padding never wins."""

    def __init__(self, item: Mapping[str, Any], low: int) -> None:
        self.kernel = tuple(item["kernel"])
        self.stride = tuple(item["stride"])
        self.pad = tuple(item["pad"])
        self._low = low

    def __call__(self, x: np.ndarray) -> np.ndarray:
        (kh, kw), (sh, sw) = self.kernel, self.stride
        x = _padded(x, self.pad, self._low)
        oh, ow = (x.shape[1] - kh) // sh + 1, (x.shape[2] - kw) // sw + 1
        parts = [
            x[:, i : i + sh * (oh - 1) + 1 : sh, j : j + sw * (ow - 1) + 1 : sw]
            for i in range(kh)
            for j in range(kw)
        ]
        out = parts[0].copy()
        for part in parts[1:]:
            np.maximum(out, part, out=out)
        return out


class _Steps:
    """The staircase of a layer, or nothing: accumulators in, codes out.

    The staircase of a channel is a table over the accumulators that its inputs allow, or a search
    where the table would be too large.

    Parameters
    ----------
    item
        The layer in ``dataflow.json``.
    least, most
        int64, shape (channels,): range of each channel's accumulators.
    out
        Type of the codes.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        least: np.ndarray,
        most: np.ndarray,
        out: np.dtype,
    ) -> None:
        self._out = out
        self._table: np.ndarray | None = None
        self._thresholds: np.ndarray | None = None
        activation = item["activation"]
        if activation is None:
            return
        steps = arrays[activation["staircase"]["array"]]
        self._thresholds = np.broadcast_to(steps, (len(least), steps.shape[1]))
        self._base = int(activation["base"])
        spans = most - least + 1
        if int(spans.sum()) <= _TABLE_LIMIT:
            starts = np.concatenate([[0], np.cumsum(spans)[:-1]])
            self._offsets = (starts - least).astype(np.intp)
            self._table = np.concatenate(
                [
                    np.searchsorted(steps, np.arange(first, last + 1), side="right") + self._base
                    for steps, first, last in zip(self._thresholds, least, most)
                ]
            ).astype(out)

    def __call__(self, acc: np.ndarray) -> np.ndarray:
        """Return the codes of accumulators (..., channels): integers of any type, or exact floats."""
        if self._thresholds is None:
            return acc.astype(self._out)
        if self._table is not None:
            index = acc.astype(np.intp)
            index += self._offsets
            return self._table.take(index)
        codes = np.empty(acc.shape, np.int64)
        for channel, steps in enumerate(self._thresholds):
            # Thresholds are integers: compared as such, whatever type carries the accumulators.
            codes[..., channel] = np.searchsorted(steps, acc[..., channel].astype(np.int64), side="right")
        return (codes + self._base).astype(self._out)


def _ranges(weights: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest dot product of each row with inputs from ``low`` to ``high``."""
    at_low, at_high = weights * low, weights * high
    return np.minimum(at_low, at_high).sum(axis=1), np.maximum(at_low, at_high).sum(axis=1)


class _MatVec:
    """Matrix times vector over the last axis, then a staircase."""

    def __init__(
        self, item: Mapping[str, Any], arrays: Mapping[str, np.ndarray], low: int, high: int, out: np.dtype
    ) -> None:
        weights = arrays[item["weights"]["array"]]
        bound = int(np.abs(weights).sum(axis=1).max()) * max(abs(low), high)
        self.dtype = next((np.dtype(t) for t, limit in _FLOAT_EXACT if bound < limit), np.dtype(np.int64))
        self._matrix = np.ascontiguousarray(weights.T.astype(self.dtype))
        self._steps = _Steps(item, arrays, *_ranges(weights, low, high), out)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        vectors = x.reshape(-1, x.shape[-1]).astype(self.dtype)
        return self._steps(vectors @ self._matrix).reshape((*x.shape[:-1], -1))


class _Depthwise:
    """A dot product a channel over windows whose elements are ordered kh, kw, c, then a staircase."""

    def __init__(
        self, item: Mapping[str, Any], arrays: Mapping[str, np.ndarray], low: int, high: int, out: np.dtype
    ) -> None:
        weights = arrays[item["weights"]["array"]]
        self._taps = np.ascontiguousarray(weights.T)
        self._steps = _Steps(item, arrays, *_ranges(weights, low, high), out)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        taps, channels = self._taps.shape
        x = x.reshape((*x.shape[:-1], taps, channels))
        acc = np.zeros((*x.shape[:-2], channels), np.int64)
        for k in range(taps):
            acc += x[..., k, :] * self._taps[k]
        return self._steps(acc)


class _SumPool:
    """Sums of windows that do not overlap, then a staircase; floor division."""

    def __init__(
        self,
        item: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        low: int,
        high: int,
        channels: int,
        out: np.dtype,
    ) -> None:
        self._kernel = kh, kw = tuple(item["kernel"])
        ends = (np.full(channels, kh * kw * end, np.int64) for end in (low, high))
        self._steps = _Steps(item, arrays, *ends, out)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        kh, kw = self._kernel
        n, height, width, channels = x.shape
        oh, ow = height // kh, width // kw
        blocks = x[:, : oh * kh, : ow * kw].reshape(n, oh, kh, ow, kw, channels)
        return self._steps(blocks.sum(axis=(2, 4), dtype=np.int64))


class _Add:
    """Weighted sum of two maps, then a staircase."""

    def __init__(
        self,
        item: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        ranges: list[tuple[int, int]],
        channels: int,
        out: np.dtype,
    ) -> None:
        self._multipliers = [np.int64(m) for m in item["multipliers"]]
        ends = [sorted((int(m) * low, int(m) * high)) for m, (low, high) in zip(item["multipliers"], ranges)]
        least, most = (np.full(channels, ends[0][i] + ends[1][i], np.int64) for i in (0, 1))
        self._steps = _Steps(item, arrays, least, most, out)

    def __call__(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        first, second = self._multipliers
        return self._steps(a.astype(np.int64) * first + b.astype(np.int64) * second)


class _Threshold:
    """A staircase on its own."""

    def __init__(
        self,
        item: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        low: int,
        high: int,
        channels: int,
        out: np.dtype,
    ) -> None:
        ends = (np.full(channels, end, np.int64) for end in (low, high))
        self._steps = _Steps(item, arrays, *ends, out)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return self._steps(x)


class _Concat:
    """Maps joined along the channels."""

    def __call__(self, *parts: np.ndarray) -> np.ndarray:
        return np.concatenate(parts, axis=-1)


class _ArgMax:
    """Index of the greatest score ``(x << shift) + offset``, the lowest at a tie."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self._shift = int(item.get("shift", 0))
        self._offsets = np.array(item.get("offsets") or [0], np.int64)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        scores = (x.astype(np.int64) << self._shift) + self._offsets
        return scores.argmax(axis=-1)[..., np.newaxis]


class IntegerModel:
    """The integer model of a deploy zip, made ready to run on many images.

    Parameters
    ----------
    document
        ``model/dataflow.json``.
    arrays
        ``model/dataflow.npz``.

    Raises
    ------
    DeployError
        The model is of another version, or has a layer that this driver does not know.
    """

    def __init__(self, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        found = document.get("format"), document.get("format_version")
        if found != (FORMAT, FORMAT_VERSION):
            raise DeployError(
                "version",
                f"model/dataflow.json is {found[0]} version {found[1]}, this driver reads {FORMAT} version "
                f"{FORMAT_VERSION}",
                "install the driver wheel that is inside the zip (driver/*.whl)",
            )
        self._input = document["input"]
        self._output = document["output"]
        self.input_shape: tuple[int, int, int] = tuple(document["tensors"][self._input]["shape"])
        self._steps: list[tuple[list[str], str, Any]] = []
        for item in document["layers"]:
            self._steps.append(
                (item["inputs"], item["outputs"][0], _layer(item, arrays, document["tensors"]))
            )
        self._last_use = {name: place for place, step in enumerate(self._steps) for name in step[0]}
        self._last_use[self._output] = len(self._steps)

    @classmethod
    def from_zip(cls, deploy: Any) -> IntegerModel:
        """Return the model of a :class:`finnspect_driver.deployzip.DeployZip`."""
        with np.load(io.BytesIO(deploy.file("model/dataflow.npz")), allow_pickle=False) as npz:
            arrays = {name: npz[name] for name in npz.files}
        return cls(json.loads(deploy.file("model/dataflow.json").decode()), arrays)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Return the integer logits, int32, shape (N, classes); where the model ends in an argmax, (N, 1).

        Parameters
        ----------
        images
            uint8, shape (N, H, W, C): bytes as the accelerator receives them.
        """
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != self.input_shape:
            raise ImageError(
                f"the integer model takes uint8 (N, {', '.join(map(str, self.input_shape))}), "
                f"got {images.dtype} {images.shape}",
                "preprocess the images as the zip says",
            )
        parts = [self._run(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self._classes()), np.int32)

    def _classes(self) -> int:
        return self._run(np.zeros((1, *self.input_shape), np.uint8)).shape[1]

    def _run(self, images: np.ndarray) -> np.ndarray:
        values = {self._input: images}
        for place, (sources, target, layer) in enumerate(self._steps):
            values[target] = layer(*(values[source] for source in sources))
            for source in set(sources):
                if self._last_use[source] == place:
                    del values[source]
        return values[self._output].reshape(len(images), -1).astype(np.int32)


def _layer(item: Mapping[str, Any], arrays: Mapping[str, np.ndarray], tensors: Mapping[str, Any]) -> Any:
    kind = item["kind"]
    ranges = [_int_range(tensors[name]["dtype"]) for name in item["inputs"]]
    out = _storage(*_int_range(tensors[item["outputs"][0]]["dtype"]))
    channels = tensors[item["outputs"][0]]["shape"][2]
    makers: dict[str, Callable[[], Any]] = {
        "sliding_window": lambda: _Window(item),
        "matvec": lambda: _MatVec(item, arrays, *ranges[0], out),
        "depthwise": lambda: _Depthwise(item, arrays, *ranges[0], out),
        "max_pool": lambda: _MaxPool(item, ranges[0][0]),
        "sum_pool": lambda: _SumPool(item, arrays, *ranges[0], channels, out),
        "add": lambda: _Add(item, arrays, ranges, channels, out),
        "concat": _Concat,
        "threshold": lambda: _Threshold(item, arrays, *ranges[0], channels, out),
        "argmax": lambda: _ArgMax(item),
    }
    if kind in makers:
        return makers[kind]()
    raise DeployError(
        "version",
        f"layer {item['name']!r} is of the kind {kind!r}, which this driver does not know",
        "install the driver wheel that is inside the zip (driver/*.whl)",
    )
