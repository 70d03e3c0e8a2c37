"""Small random dataflow graphs for tests: every width, kernel and folding, outputs that vary.

Thresholds are put at accumulators that random images give, so that a wrong weight, threshold or
channel changes the outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from finnspect.folding import Folding, LayerFolding, allowed
from finnspect.ir import (
    DataflowGraph,
    IntType,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    Staircase,
    Tensor,
)
from finnspect.reference import apply_staircase, max_pool, sliding_windows


@dataclass(frozen=True)
class Conv:
    """A sliding window and its MatVec. ``o_bits`` None puts the accumulator out (logits)."""

    channels: int
    kernel: tuple[int, int] | None = (3, 3)  # None: the whole map (a dense layer)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    w_bits: int = 4
    o_bits: int | None = 4
    o_signed: bool = False
    steps: int | None = None  # fewer than 2^o_bits - 1 where given


@dataclass(frozen=True)
class Pool:
    """A max pool, stride = kernel."""

    kernel: tuple[int, int] = (2, 2)


def dense(classes: int, w_bits: int = 4) -> Conv:
    """Return the last layer: all pixels to ``classes`` logits."""
    return Conv(classes, kernel=None, w_bits=w_bits, o_bits=None)


@dataclass
class _Builder:
    rng: np.random.Generator
    tensors: dict[str, Tensor]
    values: np.ndarray  # the newest tensor on a few random images
    layers: list[Layer] = field(default_factory=list)

    def add(self, layer: Layer, shape: tuple[int, int, int], dtype: IntType) -> Tensor:
        self.layers.append(layer)
        tensor = Tensor(layer.output, shape, dtype)
        self.tensors[tensor.name] = tensor
        return tensor

    def conv(self, name: str, source: Tensor, spec: Conv) -> Tensor:
        height, width, channels = source.shape
        kernel = spec.kernel or (height, width)
        stride = kernel if spec.kernel is None else spec.stride
        top, left, bottom, right = spec.pad
        oh = (height + top + bottom - kernel[0]) // stride[0] + 1
        ow = (width + left + right - kernel[1]) // stride[1] + 1
        mw = kernel[0] * kernel[1] * channels
        window = self.add(
            SlidingWindow(f"{name}_swg", (source.name,), (f"{name}_win",), kernel, stride, spec.pad),
            (oh, ow, mw),
            source.dtype,
        )
        w_type = IntType(spec.w_bits, True)
        weights = self.rng.integers(w_type.min, w_type.max + 1, (spec.channels, mw), dtype=np.int64)
        ends = np.stack([weights * source.dtype.min, weights * source.dtype.max])
        low, high = int(ends.min(axis=0).sum(axis=1).min()), int(ends.max(axis=0).sum(axis=1).max())
        acc = IntType.spanning(low, high + 1, signed=True)
        windows = sliding_windows(self.layers[-1], self.values, np.dtype(np.int64))
        sums = windows @ weights.T
        activation, out = None, acc
        if spec.o_bits is not None:
            out = IntType(spec.o_bits, spec.o_signed)
            activation = self.staircase(sums, acc, out, spec.steps)
            sums = apply_staircase(activation, sums)
        self.values = sums
        layer = MatVec(f"{name}_mvau", (window.name,), (f"{name}_out",), weights, w_type, acc, activation)
        return self.add(layer, (oh, ow, spec.channels), out)

    def staircase(self, sums: np.ndarray, acc: IntType, out: IntType, steps: int | None) -> Staircase:
        steps = (1 << out.bits) - 1 if steps is None else steps
        channels = sums.shape[-1]
        # Steps at accumulators that occur, exactly: an off-by-one in a threshold or a compare shows.
        thresholds = self.rng.choice(sums.reshape(-1, channels), steps).T.astype(np.int64)
        for row in thresholds:
            self.rng.shuffle(row)
        # Some steps that no accumulator reaches, some that all reach.
        never = self.rng.random(thresholds.shape) < 0.04
        always = self.rng.random(thresholds.shape) < 0.02
        thresholds[never], thresholds[always] = acc.max, acc.min
        return Staircase(np.sort(thresholds, axis=1), out.min)

    def pool(self, name: str, source: Tensor, spec: Pool) -> Tensor:
        height, width, channels = source.shape
        layer = MaxPool(name, (source.name,), (f"{name}_out",), spec.kernel, spec.kernel)
        self.values = max_pool(layer, self.values)
        return self.add(layer, (height // spec.kernel[0], width // spec.kernel[1], channels), source.dtype)


def make_graph(
    shape: tuple[int, int, int], specs: Sequence[Conv | Pool], seed: int = 0, name: str = "tiny"
) -> DataflowGraph:
    """Return a chain graph with random weights and thresholds.

    Parameters
    ----------
    shape
        H, W, C of the uint8 input.
    specs
        Layers in order; the last is normally :func:`dense`.
    """
    source = Tensor("pixels", shape, IntType(8, False))
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (4, *shape), dtype=np.int64)
    builder = _Builder(rng, {source.name: source}, images)
    tensor = source
    for index, spec in enumerate(specs):
        if isinstance(spec, Pool):
            tensor = builder.pool(f"pool{index}", tensor, spec)
        else:
            tensor = builder.conv(f"conv{index}", tensor, spec)
    classes = tensor.shape[2]
    return DataflowGraph(
        name=name,
        input=source.name,
        output=tensor.name,
        tensors=builder.tensors,
        layers=tuple(builder.layers),
        logit_scale=np.ones(classes),
        logit_bias=np.zeros(classes),
        input_scale=1 / 255,
    )


def cnv_like(size: int = 64, seed: int = 0) -> DataflowGraph:
    """Return a random graph of the shape of cnv_w4a4: four 3x3 convolutions with pools, one dense."""
    same = (1, 1, 1, 1)
    return make_graph(
        (size, size, 1),
        [
            Conv(16, pad=same),
            Pool(),
            Conv(32, pad=same),
            Pool(),
            Conv(32, pad=same),
            Pool(),
            Conv(64, pad=same),
            Pool(),
            dense(6),
        ],
        seed=seed,
        name="cnv_like",
    )


def random_graph(seed: int) -> DataflowGraph:
    """Return a small graph drawn at random: 2 to 8 bits, kernels 1 to 3, strides, pads and pools."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(6, 11)), int(rng.integers(6, 11)), int(rng.integers(1, 4)))
    specs: list[Conv | Pool] = []
    height, width = shape[:2]
    for _ in range(int(rng.integers(1, 3))):
        kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        pad = tuple(int(rng.integers(0, k)) for k in (*kernel, *kernel))
        out_h = (height + pad[0] + pad[2] - kernel[0]) // stride[0] + 1
        out_w = (width + pad[1] + pad[3] - kernel[1]) // stride[1] + 1
        if min(out_h, out_w) < 2:
            break
        bits = int(rng.integers(2, 9))
        signed = bool(rng.random() < 0.4)
        specs.append(
            Conv(
                int(rng.choice([2, 4, 6, 8])),
                kernel,
                stride,
                pad,
                w_bits=int(rng.integers(2, 9)),
                o_bits=bits,
                o_signed=signed,
                steps=int(rng.integers(1, 1 << bits)) if rng.random() < 0.4 else None,
            )
        )
        height, width = out_h, out_w
        if rng.random() < 0.6 and min(height, width) >= 4:
            kernel = (int(rng.integers(1, 3)), 2)
            specs.append(Pool(kernel))
            height, width = height // kernel[0], width // kernel[1]
    specs.append(dense(int(rng.integers(2, 7)), w_bits=int(rng.integers(2, 9))))
    return make_graph(shape, specs, seed=seed, name=f"random{seed}")


def random_folding(graph: DataflowGraph, seed: int) -> Folding:
    """Return a legal folding drawn at random."""
    rng = np.random.default_rng(seed)
    chosen: dict[str, LayerFolding] = {}
    for layer in graph:
        values = {key: int(rng.choice(options)) for key, options in allowed(layer, graph).items()}
        if isinstance(layer, MatVec):
            window = graph.producer(layer.input)
            values["SIMD"] = chosen[window.name].SIMD
        chosen[layer.name] = LayerFolding(**values)
    return Folding.of(chosen)


def random_images(graph: DataflowGraph, count: int, seed: int = 0) -> np.ndarray:
    """Return uint8 images (count, H, W, C); the first is all 0, the second all 255."""
    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)
    images[:1], images[1:2] = 0, 255
    return images
