"""Small networks, drawn at random and the same every time, whose layers are synthesised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from finnspect.bench_networks import Builder
from finnspect.folding import Folding, allowed
from finnspect.ir import (
    ArgMax,
    Concat,
    DataflowGraph,
    Depthwise,
    IntType,
    MatVec,
    MaxPool,
    SlidingWindow,
    Threshold,
)
from finnspect.kernels import max_pool, sliding_windows

#: Widths of (weights, activations) that chains are drawn with, the common ones more often.
_WIDTHS = (
    *((4, 4), (1, 1), (2, 2), (4, 4), (8, 8), (1, 4), (3, 3), (4, 8)),
    *((4, 4), (1, 2), (8, 4), (2, 4), (4, 4), (1, 1), (6, 6), (4, 4)),
)
_CHANNELS = (4, 8, 12, 16, 16, 24, 32, 32, 48, 64)
#: Products of 4 by 4 bits a cycle that one layer may have, so that synthesis stays short,
_MAX_PRODUCTS = 32
#: and where they are of one bit.
_MAX_COUNTED = 256


@dataclass(frozen=True)
class Point:
    """A network, its folding, and what the multipliers of its layers are made of."""

    graph: DataflowGraph
    folding: Folding
    styles: dict[str, str]


def _folding(graph: DataflowGraph, rng: np.random.Generator, products: int) -> Folding:
    """Return a legal folding whose layers have few to some products a cycle."""
    chosen: dict[str, dict[str, int]] = {}
    for layer in reversed(graph.layers):  # a window follows its reader
        options = allowed(layer, graph)
        reader = next(iter(graph.consumers(layer.output)), None) if layer.outputs else None
        if isinstance(layer, SlidingWindow) and isinstance(reader, MatVec | Depthwise):
            own = chosen[reader.name]
            chosen[layer.name] = {"SIMD": own["SIMD"] if isinstance(reader, MatVec) else own["PE"]}
            continue
        names = list(options)
        limit = 8
        if isinstance(layer, MatVec):
            bits = layer.weight_dtype.bits * graph.tensors[layer.input].dtype.bits
            limit = round(products * min(2, max(0.25, 16 / bits)))
        wanted = limit * 2.0 ** -rng.integers(0, 5)
        choices = list(product(*options.values()))
        apart = [abs(np.log2(prod(each) / wanted)) for each in choices]
        near = [each for each, far in zip(choices, apart, strict=True) if far <= min(apart) + 0.6]
        chosen[layer.name] = dict(zip(names, near[rng.integers(len(near))], strict=True))
    return Folding.of({layer.name: chosen[layer.name] for layer in graph})


def _point(graph: DataflowGraph, rng: np.random.Generator, products: int = _MAX_PRODUCTS) -> Point:
    matvecs = [layer for layer in graph if isinstance(layer, MatVec)]
    hard = {layer.name: not layer.bipolar and rng.random() < 0.4 for layer in matvecs}
    folding = _folding(graph, rng, products)
    return Point(graph, folding, {name: "dsp" if dsp else "lut" for name, dsp in hard.items()})


def _unsigned(bits: int) -> IntType:
    return IntType(bits, False)


def chain(seed: int) -> Point:
    """Return three or four convolutions, with pools where they fit, and a dense layer."""
    rng = np.random.default_rng([seed, 1])
    w_bits, a_bits = _WIDTHS[seed % len(_WIDTHS)]
    size = int(rng.choice([8, 12, 16, 20]))
    net = Builder(f"chain{seed}", (size, size, int(rng.choice([1, 3]))), w_bits)
    x = net.input
    for index in range(int(rng.integers(2, 4))):
        kernel = (1, 1) if index and rng.random() < 0.25 else (3, 3)
        channels = int(rng.choice(_CHANNELS))
        x = net.conv(f"conv{index}", x, channels, kernel, _unsigned(a_bits), pad=int(kernel[0] > 1))
        if min(net.tensors[x].shape[:2]) >= 8 and rng.random() < 0.7:
            x = net.max_pool(f"pool{index}", x)
    if rng.random() < 0.5:
        x = net.dense("hidden", x, int(rng.choice((16, 32, 64))), _unsigned(a_bits))
    graph = net.graph(net.dense("dense", x, int(rng.choice((4, 6, 10))), None))
    return _point(graph, rng)


def counted(seed: int) -> Point:
    """Return a network of one bit throughout, with many products a cycle."""
    rng = np.random.default_rng([seed, 4])
    net = Builder(f"counted{seed}", (8, 8, 3), 1)
    x = net.conv("conv0", net.input, 64, (3, 3), _unsigned(1), pad=1)
    x = net.conv("conv1", x, int(rng.choice((32, 64))), (3, 3), _unsigned(1), pad=1)
    x = net.conv("conv2", x, int(rng.choice((64, 128))), (1, 1), _unsigned(1))
    x = net.dense("hidden", net.max_pool("pool", x), int(rng.choice((64, 128))), _unsigned(1))
    return _point(net.graph(net.dense("dense", x, 10, None)), rng, _MAX_COUNTED)


def residual(seed: int) -> Point:
    """Return a block with a fork and an add, every second one with a global average."""
    rng = np.random.default_rng([seed, 2])
    bits = (4, 2, 3)[seed % 3]
    codes, signed = _unsigned(bits), IntType(bits, True)
    net = Builder(f"residual{seed}", (12, 12, 3), bits)
    channels = int(rng.choice((8, 16, 32)))
    x = net.conv("conv0", net.input, channels, (3, 3), codes, pad=1)
    y = net.conv("conv1", x, channels, (3, 3), signed, pad=1)
    x = net.conv("skip", x, channels, (1, 1), signed)
    x = net.add("add", (y, x), codes)
    if seed % 2:
        x = net.average("average", x, codes)
    graph = net.graph(net.dense("dense", x, 6, None))
    return _point(graph, rng)


def _depthwise(net: Builder, name: str, source: str, out: IntType, stride: int) -> str:
    x_type = net.tensors[source].dtype
    window = SlidingWindow(
        f"{name}_window", (source,), (f"{name}_windows",), (3, 3), (stride, stride), (1, 1, 1, 1)
    )
    vectors = sliding_windows(window, net.values[source], np.dtype(np.int64))
    net.layers.append(window)
    net._tensor(window.output, vectors, x_type)
    channels = net.tensors[source].shape[2]
    w_type = IntType(max(2, net.w_bits), True)
    weights = net.rng.integers(-w_type.max, w_type.max + 1, (channels, 9))
    acc = (vectors.reshape(*vectors.shape[:3], 9, channels) * weights.T).sum(axis=3)
    acc_type = IntType.spanning(-(9 << (x_type.bits + w_type.bits)), 9 << (x_type.bits + w_type.bits))
    activation = net._activation(acc, out)
    net.layers.append(Depthwise(name, (window.output,), (name,), weights, w_type, acc_type, activation))
    return net._apply(name, acc, activation, out)


def _overlapping(net: Builder, name: str, source: str) -> str:
    pool = MaxPool(name, (source,), (name,), (3, 3), (2, 2), (1, 1, 1, 1))
    net.layers.append(pool)
    return net._tensor(name, max_pool(pool, net.values[source]), net.tensors[source].dtype)


def separable(seed: int) -> Point:
    """Return a depthwise layer, an overlapping pool, two branches joined side by side, and a class out."""
    rng = np.random.default_rng([seed, 3])
    bits = (4, 2, 4, 3)[seed % 4]
    codes = _unsigned(bits)
    net = Builder(f"separable{seed}", (16, 16, 3), bits)
    channels = int(rng.choice((8, 16, 24)))
    x = net.conv("conv0", net.input, channels, (3, 3), codes, pad=1)
    x = _depthwise(net, "depthwise", x, codes, 1 + seed % 2)
    x = _overlapping(net, "pool", x)
    left = net.conv("left", x, channels, (1, 1), codes)
    values = net.values[x]
    steps = net._activation(values.reshape(-1, 1), codes)
    net.layers.append(Threshold("steps", (x,), ("steps",), steps))
    right = net._apply("steps", values, steps, codes)
    net.layers.append(Concat("concat", (left, right), ("concat",)))
    x = net._tensor("concat", np.concatenate([net.values[left], net.values[right]], axis=-1), codes)
    x = net.dense("dense", x, 10, None)
    net.layers.append(ArgMax("argmax", (x,), ("argmax",)))
    return _point(
        net.graph(net._tensor("argmax", net.values[x].argmax(axis=-1, keepdims=True), _unsigned(4))), rng
    )


FAMILIES: dict[str, tuple[Callable[[int], Point], int]] = {
    "chain": (chain, 48),
    "residual": (residual, 18),
    "separable": (separable, 18),
}
#: How many networks of one bit there are; behind the others, they take nothing from the others' quotas.
COUNTED = 4


def points() -> list[Callable[[], Point]]:
    """Return functions that make the networks: the families in turn, those of one bit at the end."""
    found = []
    for make, count in FAMILIES.values():
        places = [((seed + 0.5) / count, seed) for seed in range(count)]
        found += [(place, lambda make=make, seed=seed: make(seed)) for place, seed in places]
    last = [lambda seed=seed: counted(seed) for seed in range(COUNTED)]
    return [*(make for _, make in sorted(found, key=lambda each: each[0])), *last]
