"""Small random graphs with branches, for tests: forks, adds, concatenations, depthwise layers, pools, argmax.

As in ``graphs``: thresholds are put at accumulators that random images give, so that a wrong weight,
threshold or channel changes the outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from finnspect.folding import Folding, LayerFolding, allowed
from finnspect.ir import (
    Add,
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    SumPool,
    Tensor,
    Threshold,
)
from finnspect.reference import accumulator_bounds, evaluate_layer

U8 = IntType(8, False)


@dataclass
class Dag:
    """Builds a graph a layer at a time; every method returns the name of the tensor that it made."""

    shape: tuple[int, int, int]
    seed: int = 0
    layers: list[Layer] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.tensors["pixels"] = Tensor("pixels", self.shape, U8)
        images = self.rng.integers(0, 256, (4, *self.shape), dtype=np.uint8)
        self._values = {"pixels": images}

    def graph(self, output: str, name: str = "dag") -> DataflowGraph:
        """Return the graph that ends at ``output``."""
        classes = self.tensors[output].shape[2]
        return DataflowGraph(
            name,
            "pixels",
            output,
            dict(self.tensors),
            tuple(self.layers),
            np.ones(classes),
            np.zeros(classes),
            input_scale=1 / 255,
        )

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"

    def _put(self, layer: Layer, shape: tuple[int, int, int], dtype: IntType) -> str:
        self.tensors[layer.output] = Tensor(layer.output, shape, dtype)
        self.layers.append(layer)
        graph = replace(self.graph(layer.output), layers=tuple(self.layers))
        inputs = tuple(self._values[name] for name in layer.inputs)
        (self._values[layer.output],) = evaluate_layer(layer, graph, inputs)
        return layer.output

    def _activated(
        self,
        make: Callable[[Staircase | None], Layer],
        shape: tuple[int, int, int],
        acc: IntType,
        out: IntType | None,
        *,
        shared: bool = False,
        steps: int | None = None,
    ) -> str:
        """Put a layer whose staircase has its steps at accumulators that occur."""
        if out is None:
            return self._put(make(None), shape, acc)
        sums = self._sums(make(None), shape, acc)
        channels = sums.shape[-1]
        pool = sums.reshape(-1, 1 if shared else channels)
        thresholds = self.rng.choice(pool, (1 << out.bits) - 1 if steps is None else steps).T.astype(np.int64)
        never, always = (self.rng.random(thresholds.shape) < p for p in (0.04, 0.02))
        thresholds[never], thresholds[always] = acc.max, acc.min
        return self._put(make(Staircase(np.sort(thresholds, axis=1), out.min)), shape, out)

    def _sums(self, layer: Layer, shape: tuple[int, int, int], acc: IntType) -> np.ndarray:
        tensors = self.tensors | {layer.output: Tensor(layer.output, shape, acc)}
        graph = replace(self.graph(layer.inputs[0]), tensors=tensors)
        (sums,) = evaluate_layer(layer, graph, tuple(self._values[name] for name in layer.inputs))
        return sums.astype(np.int64)

    # -- layers ---------------------------------------------------------------------------------------

    def window(
        self,
        source: str,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> str:
        """A sliding window."""
        height, width, channels = self.tensors[source].shape
        oh = (height + pad[0] + pad[2] - kernel[0]) // stride[0] + 1
        ow = (width + pad[1] + pad[3] - kernel[1]) // stride[1] + 1
        name = self._name("swg")
        layer = SlidingWindow(name, (source,), (f"{name}_o",), kernel, stride, pad)
        return self._put(layer, (oh, ow, kernel[0] * kernel[1] * channels), self.tensors[source].dtype)

    def _weights(self, rows: int, columns: int, bits: int) -> np.ndarray:
        if bits == 1:  # bipolar
            return self.rng.choice(np.array([-1, 1], np.int64), (rows, columns))
        half = 1 << (bits - 1)
        return self.rng.integers(-half, half, (rows, columns), dtype=np.int64)

    def _dot(self, kind: type[MatVec | Depthwise], windows: str, weights: np.ndarray, out, bits: int) -> str:
        tensor = self.tensors[windows]
        low, high = accumulator_bounds(weights, tensor.dtype)
        acc = IntType.spanning(int(low.min()), int(high.max()) + 1, signed=True)
        name, w_type = self._name(kind.kind), IntType(max(bits, 2), True)

        def make(activation: Staircase | None) -> Layer:
            return kind(name, (windows,), (f"{name}_o",), weights, w_type, acc, activation)

        return self._activated(make, (*tensor.shape[:2], len(weights)), acc, out)

    def conv(
        self, source: str, channels: int, kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1), bits=4, out=None
    ) -> str:
        """A convolution; ``out`` None puts out the accumulator."""
        windows = self.window(source, kernel, stride, pad)
        return self._dot(
            MatVec, windows, self._weights(channels, self.tensors[windows].shape[2], bits), out, bits
        )

    def dense(self, source: str, classes: int, bits: int = 4) -> str:
        """A dense layer over the whole map, accumulators out."""
        kernel = self.tensors[source].shape[:2]
        return self.conv(source, classes, kernel, kernel, (0, 0, 0, 0), bits)

    def depthwise(self, source: str, kernel=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1), bits=4, out=None) -> str:
        """A depthwise convolution."""
        windows = self.window(source, kernel, stride, pad)
        channels = self.tensors[source].shape[2]
        return self._dot(Depthwise, windows, self._weights(channels, kernel[0] * kernel[1], bits), out, bits)

    def max_pool(self, source: str, kernel=(2, 2), stride=None, pad=(0, 0, 0, 0)) -> str:
        """A max pool."""
        height, width, channels = self.tensors[source].shape
        stride = stride or kernel
        oh = (height + pad[0] + pad[2] - kernel[0]) // stride[0] + 1
        ow = (width + pad[1] + pad[3] - kernel[1]) // stride[1] + 1
        name = self._name("max")
        layer = MaxPool(name, (source,), (f"{name}_o",), kernel, stride, pad)
        return self._put(layer, (oh, ow, channels), self.tensors[source].dtype)

    def sum_pool(self, source: str, kernel: tuple[int, int] | None = None, out: IntType | None = None) -> str:
        """A sum pool, of the whole map where no kernel is given."""
        height, width, channels = self.tensors[source].shape
        kh, kw = kernel = kernel or (height, width)
        dtype = self.tensors[source].dtype
        low, high = kh * kw * dtype.min, kh * kw * dtype.max + (out is not None)
        acc = IntType.spanning(low, high, signed=dtype.signed)
        name = self._name("sum")
        return self._activated(
            lambda act: SumPool(name, (source,), (f"{name}_o",), kernel, acc, act),
            (height // kh, width // kw, channels),
            acc,
            out,
        )

    def add(self, a: str, b: str, multipliers=(1, 1), out: IntType | None = None, *, shared=True) -> str:
        """A weighted sum of two maps."""
        types = [self.tensors[name].dtype for name in (a, b)]
        ends = [sorted((m * t.min, m * t.max)) for m, t in zip(multipliers, types, strict=True)]
        acc = IntType.spanning(ends[0][0] + ends[1][0], ends[0][1] + ends[1][1] + 1, signed=True)
        name = self._name("add")
        return self._activated(
            lambda act: Add(name, (a, b), (f"{name}_o",), multipliers, acc, act),
            self.tensors[a].shape,
            acc,
            out,
            shared=shared,
        )

    def concat(self, *parts: str) -> str:
        """Maps side by side."""
        tensors = [self.tensors[part] for part in parts]
        shape = (*tensors[0].shape[:2], sum(tensor.shape[2] for tensor in tensors))
        name = self._name("concat")
        return self._put(Concat(name, parts, (f"{name}_o",)), shape, tensors[0].dtype)

    def threshold(self, source: str, out: IntType, *, shared: bool = False, steps: int | None = None) -> str:
        """A staircase on its own."""
        tensor = self.tensors[source]
        name = self._name("steps")
        occurring = self._values[source].astype(np.int64).reshape(-1, tensor.shape[2])
        pool = occurring.reshape(-1, 1) if shared else occurring
        count = (1 << out.bits) - 1 if steps is None else steps
        thresholds = np.sort(self.rng.choice(pool, count).T.astype(np.int64), axis=1)
        thresholds[:, -1:] = tensor.dtype.max + 1  # never reached
        layer = Threshold(name, (source,), (f"{name}_o",), Staircase(thresholds, out.min))
        return self._put(layer, tensor.shape, out)

    def argmax(self, source: str) -> str:
        """Index of the greatest."""
        name = self._name("argmax")
        bits = max(1, (self.tensors[source].size - 1).bit_length())
        return self._put(ArgMax(name, (source,), (f"{name}_o",)), (1, 1, 1), IntType(bits, False))


def residual_graph(output: str = "logits", seed: int = 7) -> DataflowGraph:
    """Return a graph with every kind of layer: two forks, an add, a concatenation, a depthwise branch.

    Parameters
    ----------
    output
        ``logits`` or ``argmax``.
    """
    dag = Dag((8, 6, 2), seed)
    u4, i3 = IntType(4, False), IntType(3, True)
    stem = dag.conv("pixels", 4, out=u4)
    wide = dag.conv(stem, 6, (1, 1), pad=(0, 0, 0, 0), out=u4)
    left = dag.max_pool(wide, (3, 3), (2, 2), (1, 1, 1, 1))
    right = dag.conv(stem, 6, (2, 2), (2, 2), (0, 0, 0, 0), bits=1, out=i3)
    joined = dag.add(left, right, (3, -2), u4)
    branch = dag.depthwise(joined, (3, 2), (1, 1), (1, 1, 1, 0), out=u4)
    signed = dag.threshold(joined, u4, steps=9)
    both = dag.concat(branch, signed, joined)
    pooled = dag.sum_pool(both, (2, 3), IntType(5, False))
    sums = dag.dense(pooled, 5)
    return dag.graph(dag.argmax(sums) if output == "argmax" else sums, f"residual_{output}")


def dag_folding(graph: DataflowGraph, pick: Callable[[list[int]], int]) -> Folding:
    """Return the folding in which ``pick`` chooses among each attribute's values; pairs stay equal."""
    chosen: dict[str, LayerFolding] = {}
    for layer in graph:
        chosen[layer.name] = LayerFolding(**{k: pick(v) for k, v in allowed(layer, graph).items()})
        window = graph.producer(layer.inputs[0])
        if isinstance(layer, MatVec) and isinstance(window, SlidingWindow):
            chosen[window.name] = LayerFolding(SIMD=chosen[layer.name].SIMD)
        elif isinstance(layer, Depthwise):
            chosen[window.name] = LayerFolding(SIMD=chosen[layer.name].PE)
    return Folding.of({layer.name: chosen[layer.name] for layer in graph})


def random_dag(seed: int) -> DataflowGraph:
    """Return a small network drawn at random: residual blocks, concatenations, depthwise layers, pools."""
    rng = np.random.default_rng(seed)
    dag = Dag((int(rng.integers(5, 9)), int(rng.integers(5, 9)), int(rng.integers(1, 4))), seed)

    def code() -> IntType:
        return IntType(int(rng.choice([1, 2, 3, 4, 4, 8])), bool(rng.random() < 0.4))

    def bits() -> int:
        return int(rng.choice([1, 2, 4, 4, 8]))

    def conv(source: str, channels: int, out: IntType, stride: int = 1) -> str:
        if rng.random() < 0.3:
            return dag.conv(source, channels, (1, 1), (stride,) * 2, (0, 0, 0, 0), bits(), out)
        kernel = (3, 3) if rng.random() < 0.7 else (3, 2)
        pad = (1, 1, 1, 1) if kernel == (3, 3) else (1, 0, 1, 1)
        return dag.conv(source, channels, kernel, (stride,) * 2, pad, bits(), out)

    def residual(x: str) -> str:
        channels, stride = int(rng.choice([2, 4, 6])), int(rng.integers(1, 3))
        y = conv(x, channels, code(), stride)
        if rng.random() < 0.6:
            y = conv(y, channels, code())
        same = stride == 1 and dag.tensors[x].shape[2] == channels
        z = x if same else dag.conv(x, channels, (1, 1), (stride,) * 2, (0, 0, 0, 0), bits(), code())
        multipliers = (1, 1) if rng.random() < 0.3 else (int(rng.integers(1, 40)), -int(rng.integers(1, 40)))
        return dag.add(y, z, multipliers, code(), shared=bool(rng.random() < 0.5))

    def joined(x: str) -> str:
        out = code()
        parts = [conv(x, int(rng.choice([2, 4])), out) for _ in range(int(rng.integers(1, 3)))]
        return dag.concat(*parts, dag.threshold(x, out, shared=bool(rng.random() < 0.5)))

    def depthwise(x: str) -> str:
        return dag.depthwise(x, bits=bits(), out=code())

    def pool(x: str) -> str:
        height, width, _ = dag.tensors[x].shape
        if min(height, width) < 3:
            return dag.threshold(x, code())
        kind = int(rng.integers(3))
        if kind == 0:
            return dag.max_pool(x, (3, 3), (2, 2), (1, 1, 1, 1))
        return dag.max_pool(x) if kind == 1 else dag.sum_pool(x, (2, 2), code())

    x = conv("pixels", int(rng.choice([2, 4])), code())
    for block in rng.choice([0, 0, 1, 2, 3], int(rng.integers(1, 4))):
        x = (residual, joined, depthwise, pool)[block](x)
    if rng.random() < 0.4:
        x = dag.sum_pool(x, None, IntType(6, dag.tensors[x].dtype.signed))
    x = dag.dense(x, int(rng.integers(2, 7)), bits())
    if rng.random() < 0.3:  # on codes that all classes use: else one class always wins
        x = dag.argmax(dag.threshold(x, IntType(4, False)))
    return dag.graph(x, f"dag{seed}")
