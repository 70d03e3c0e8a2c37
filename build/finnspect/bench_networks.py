"""Networks that hardware is measured on: real shapes, random weights, thresholds that use every code.

What a network costs and how fast it is depends on its shapes and types only; nothing here is trained.
:func:`network` returns one by name, the same every time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from finnspect.errors import ConfigError
from finnspect.ir import (
    Add,
    DataflowGraph,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    SumPool,
    Tensor,
)
from finnspect.kernels import accumulator_bounds, max_pool, output_size, sliding_windows

#: Random images whose accumulators the thresholds are taken from.
SAMPLES = 4
U1, U4, U8 = IntType(1, False), IntType(4, False), IntType(8, False)
S4 = IntType(4, True)


class Builder:
    """Puts a graph together, layer by layer, and follows a few random images through it.

    Parameters
    ----------
    name
        Of the graph; also seeds the random numbers.
    shape
        (H, W, C) of the uint8 input.
    w_bits
        Bits of a weight; 1 for -1 and +1.
    """

    def __init__(self, name: str, shape: tuple[int, int, int], w_bits: int) -> None:
        self.name, self.w_bits = name, w_bits
        self.rng = np.random.default_rng(list(name.encode()))
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.values: dict[str, np.ndarray] = {}
        self.input = self._tensor("input", self.rng.integers(0, 256, (SAMPLES, *shape)), U8)

    def _tensor(self, name: str, values: np.ndarray, dtype: IntType) -> str:
        self.tensors[name] = Tensor(name, tuple(values.shape[1:]), dtype)
        self.values[name] = values.astype(np.int64)
        return name

    def _activation(self, acc: np.ndarray, dtype: IntType) -> Staircase:
        """Return thresholds that spread a channel's accumulators evenly over the codes of ``dtype``."""
        codes = 1 << dtype.bits
        flat = acc.reshape(-1, acc.shape[-1])
        if len(flat) < 4 * codes:  # a dense layer sees few vectors: all channels together
            flat = np.repeat(flat.reshape(-1, 1), flat.shape[1], axis=1)
        steps = np.quantile(flat, np.arange(1, codes) / codes, axis=0).T
        return Staircase(np.ascontiguousarray(np.sort(np.rint(steps), axis=1)).astype(np.int64), dtype.min)

    def _apply(self, name: str, acc: np.ndarray, activation: Staircase | None, dtype: IntType) -> str:
        if activation is not None:
            thresholds = activation.thresholds
            acc = activation.base + sum((acc >= thresholds[:, i]) for i in range(activation.steps))
        return self._tensor(name, acc, dtype)

    def _weights(self, rows: int, columns: int) -> tuple[np.ndarray, IntType]:
        if self.w_bits == 1:
            return self.rng.choice(np.array([-1, 1]), (rows, columns)), IntType(2, True)
        dtype = IntType(self.w_bits, True)
        return self.rng.integers(-dtype.max, dtype.max + 1, (rows, columns)), dtype

    def conv(
        self,
        name: str,
        source: str,
        channels: int,
        kernel: tuple[int, int],
        out: IntType | None,
        stride: int = 1,
        pad: int = 0,
    ) -> str:
        """Add a convolution with its activation; ``out`` None puts the accumulator out. Return its output."""
        x, x_type = self.values[source], self.tensors[source].dtype
        window = SlidingWindow(
            f"{name}_window", (source,), (f"{name}_windows",), kernel, (stride, stride), (pad,) * 4
        )
        vectors = sliding_windows(window, x, np.dtype(np.int64))
        self.layers.append(window)
        self._tensor(window.output, vectors, x_type)
        weights, w_type = self._weights(channels, vectors.shape[-1])
        low, high = accumulator_bounds(weights, x_type)
        acc_type = IntType.spanning(int(low.min()), int(high.max()) + 1, signed=True)
        acc = np.rint(vectors.astype(np.float64) @ weights.T).astype(np.int64)
        activation = None if out is None else self._activation(acc, out)
        self.layers.append(MatVec(name, (window.output,), (name,), weights, w_type, acc_type, activation))
        return self._apply(name, acc, activation, out or acc_type)

    def dense(self, name: str, source: str, units: int, out: IntType | None) -> str:
        """Add a dense layer over a whole map; return its output."""
        kernel = self.tensors[source].shape[:2]
        return self.conv(name, source, units, kernel, out)

    def max_pool(self, name: str, source: str) -> str:
        """Add a 2x2 max pool; return its output."""
        pool = MaxPool(name, (source,), (name,), (2, 2), (2, 2))
        self.layers.append(pool)
        return self._tensor(name, max_pool(pool, self.values[source]), self.tensors[source].dtype)

    def average(self, name: str, source: str, out: IntType) -> str:
        """Add a global average pool; return its output."""
        height, width, _ = self.tensors[source].shape
        acc = self.values[source].sum(axis=(1, 2), keepdims=True)
        acc_type = IntType.spanning(0, self.tensors[source].dtype.max * height * width + 1)
        activation = self._activation(acc, out)
        pool = SumPool(name, (source,), (name,), (height, width), acc_type, activation)
        assert output_size(pool, height, width) == (1, 1)
        self.layers.append(pool)
        return self._apply(name, acc, activation, out)

    def add(self, name: str, sources: tuple[str, str], out: IntType) -> str:
        """Add the sum of two maps of one scale; return its output."""
        acc = self.values[sources[0]] + self.values[sources[1]]
        types = [self.tensors[source].dtype for source in sources]
        low, high = sum(t.min for t in types), sum(t.max for t in types)
        activation = self._activation(acc.reshape(-1, 1), out)
        acc_type = IntType.spanning(low, high + 1, signed=True)
        self.layers.append(Add(name, sources, (name,), (1, 1), acc_type, activation))
        return self._apply(name, acc, activation, out)

    def graph(self, output: str) -> DataflowGraph:
        """Return the graph that ends in ``output``."""
        classes = self.tensors[output].size
        return DataflowGraph(
            name=self.name,
            input=self.input,
            output=output,
            tensors=self.tensors,
            layers=tuple(self.layers),
            logit_scale=np.ones(classes),
            logit_bias=np.zeros(classes),
            input_scale=1 / 255,
        )


def _cnn5_w4a4() -> DataflowGraph:
    """Return 5 layers on 32x32x3, 0.96 M MACs."""
    net = Builder("cnn5_w4a4", (32, 32, 3), 4)
    x = net.input
    for index, channels in enumerate((8, 16, 32, 32)):
        x = net.conv(f"conv{index}", x, channels, (3, 3), U4, pad=1)
        if index < 3:
            x = net.max_pool(f"pool{index}", x)
    return net.graph(net.dense("dense", x, 6, None))


def _cnv_w1a1() -> DataflowGraph:
    """Return 6 convolutions and 3 dense layers on 32x32x3, 59 M MACs, one bit each."""
    net = Builder("cnv_w1a1", (32, 32, 3), 1)
    x = net.input
    for index, channels in enumerate((64, 64, 128, 128, 256, 256)):
        x = net.conv(f"conv{index}", x, channels, (3, 3), U1)
        if index in (1, 3):
            x = net.max_pool(f"pool{index}", x)
    for index in range(2):
        x = net.dense(f"dense{index}", x, 512, U1)
    return net.graph(net.dense("dense2", x, 10, None))


def _resnet8_w4a4() -> DataflowGraph:
    """Return the ResNet-8 of MLPerf Tiny on 32x32x3, 12.5 M MACs; what is added has signed codes."""
    net = Builder("resnet8_w4a4", (32, 32, 3), 4)
    x = net.conv("conv0", net.input, 16, (3, 3), U4, pad=1)
    for index, channels in enumerate((16, 32, 64)):
        stride = 1 if index == 0 else 2
        y = net.conv(f"block{index}_conv0", x, channels, (3, 3), U4, stride=stride, pad=1)
        y = net.conv(f"block{index}_conv1", y, channels, (3, 3), S4, pad=1)
        if stride > 1:
            x = net.conv(f"block{index}_skip", x, channels, (1, 1), S4, stride=stride)
        x = net.add(f"block{index}_add", (y, x), U4)
    x = net.average("average", x, U4)
    return net.graph(net.dense("dense", x, 10, None))


def _cnv_w4a4() -> DataflowGraph:
    """Return the network of the shipped model package, 64x64, with its own weights."""
    from finnspect.frontend import compile_package
    from finnspect.package import ModelPackage
    from finnspect.paths import PACKAGES_DIR

    with tempfile.TemporaryDirectory() as folder:
        return compile_package(ModelPackage.load(PACKAGES_DIR / "cnv_w4a4-synthetic"), Path(folder)).graph


NETWORKS: dict[str, Callable[[], DataflowGraph]] = {
    "cnn5_w4a4": _cnn5_w4a4,
    "cnv_w1a1": _cnv_w1a1,
    "cnv_w4a4": _cnv_w4a4,
    "resnet8_w4a4": _resnet8_w4a4,
}


def network(name: str) -> DataflowGraph:
    """Return the bench network called ``name``.

    Raises
    ------
    ConfigError
        There is none of this name.
    """
    if name not in NETWORKS:
        raise ConfigError(f"there is no bench network {name!r}", f"choose one of: {', '.join(NETWORKS)}")
    return NETWORKS[name]()
