"""Random QONNX networks of every layer, written as somebody else would: forks, joins, odd orders of nodes.

:func:`random_network` draws one; :meth:`Drawn.images` are random pixels with extremes among them. A
network whose activations use few of their codes, or whose accumulators float32 cannot hold, proves
nothing: it is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from features import widest_accumulator
from random_writer import QONNX, SAMPLES, Writer, images_of

#: Accumulators that float32 holds.
FLOAT32_EXACT = 1 << 24


# -- blocks ------------------------------------------------------------------------------------------


def plain(net: Writer, x: str) -> str:
    """Convolution and activation."""
    return net.activation(net.conv(x, net.pick(2, 4, 6, 8)))


def separable(net: Writer, x: str) -> str:
    """Depthwise and pointwise convolution."""
    x = net.activation(net.depthwise(x))
    return net.activation(net.conv(x, net.pick(4, 6), kernel=1))


def residual(net: Writer, x: str) -> str:
    """Two branches of one size, added: one scale or two, quantized again or read as they are."""
    channels = net.values[x].shape[1]
    left = net.conv_same(x, channels)
    shortcut = net.pick("identity", "requantized", "convolution")
    if net.chance(0.5):  # one quantizer for both branches and no other behind the sum
        bits = net.pick(2, 3, 4)
        left = net.norm(left)
        left = net.quant(left, bits, signed=True, narrow=False)
        scale = net.activations[-1].scale
        right = net.conv_same(x, channels) if shortcut == "convolution" else x
        right = net.quant(right, bits, signed=True, narrow=False, scale=scale)
        total = net.op("Add", left, right)
        if net.chance(0.5):
            return net.op("Relu", total) if net.chance(0.5) else total
        return net.activation(total)
    left = net.activation(left, pool=False)
    right = x
    if shortcut == "convolution":
        right = net.activation(net.conv_same(x, channels), pool=False)
    elif shortcut == "requantized":
        right = net.quant(x, net.pick(2, 3, 4, 8), signed=True, narrow=False)
    inputs = (left, right) if net.chance(0.5) else (right, left)
    return net.activation(net.op(net.pick("Add", "Add", "Sub"), *inputs))


def joined(net: Writer, x: str) -> str:
    """Two or three branches concatenated: of one quantizer, or of their own and one behind."""
    bits, count, own = net.pick(2, 3, 4), net.pick(2, 3), net.chance(0.35)
    branches, scale = [], None
    for _ in range(count):
        y = net.op("Relu", net.norm(net.conv_same(x, net.pick(2, 4))))
        branches.append(net.quant(y, bits, signed=False, narrow=False, scale=scale))
        scale = None if own else net.activations[-1].scale
        bits = net.pick(2, 3, 4) if own else bits
    y = net.op("Concat", *branches, axis=1)
    return net.activation(y, pool=False) if own else y


def maximum(net: Writer, x: str) -> str:
    """Max pool of codes."""
    return net.max_pool(x)


def average(net: Writer, x: str) -> str:
    """Average pool and quantizer."""
    y = net.average_pool(x)
    return y if y == x else net.quant(y, net.pick(2, 3, 4), signed=True, narrow=False)


def normed(net: Writer, x: str) -> str:
    """Batch norm and quantizer of codes: a staircase on its own."""
    return net.activation(net.norm(x))


def identity(net: Writer, x: str) -> str:
    """Nodes that change nothing."""
    y = net.op("Identity", x)
    return net.op("Transpose", net.op("Transpose", y, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])


BLOCKS: tuple[Callable[[Writer, str], str], ...] = (
    plain, plain, separable, separable, residual, residual, residual, residual, joined, joined, maximum,
    average, normed, identity,
)  # fmt: skip


# -- whole networks ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A random network.

    Attributes
    ----------
    seed
        It was drawn from.
    model
        onnx.ModelProto.
    shape
        H, W, C of an image.
    classes
        Number of classes.
    samples
        uint8 images (N, H, W, C) that its statistics and scales were taken from.
    attempts
        How many were drawn in vain before.
    """

    seed: int
    model: object
    shape: tuple[int, int, int]
    classes: int
    samples: np.ndarray
    attempts: int

    def save(self, path: Path) -> Path:
        """Write the QONNX file."""
        path.write_bytes(self.model.SerializeToString(deterministic=True))
        return path

    def images(self, count: int, seed: int = 99) -> np.ndarray:
        """Return uint8 images (N, H, W, C)."""
        return images_of(np.random.default_rng([self.seed, seed]), count, self.shape)


def random_network(seed: int) -> Drawn:
    """Return a random network that proves something: see :func:`lively` and :data:`FLOAT32_EXACT`."""
    for attempt in range(60):
        net, output, classes = _draw(np.random.default_rng([seed, attempt]))
        model = net.model(output)
        if lively(net, output) and widest_accumulator(model) < FLOAT32_EXACT:
            return Drawn(seed, model, net.shape, classes, net.images, attempt)
    raise AssertionError(f"no lively network for seed {seed}")


def lively(net: Writer, output: str) -> bool:
    """Whether every activation hits at least half of its codes on the samples, and the output varies."""
    for act in net.activations:
        codes = np.unique(np.round(net.values[act.tensor] / np.float32(act.scale)))
        if len(codes) < (2 if act.bipolar else (act.high - act.low + 1) / 2):
            return False
    out = net.values[output].reshape(SAMPLES, -1)
    return len(np.unique(out, axis=0)) >= (2 if out.shape[1] == 1 else SAMPLES // 2)


def _pixels(net: Writer) -> str:
    """Scale the pixels, quantize them, or take them as they are."""
    x = net.op("Transpose", "image", perm=[0, 3, 1, 2]) if net.channels_last else "image"
    if net.chance(0.1):
        x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[1, 2])
    kind = net.pick("scaled", "scaled", "divided", "raw", "quantized", "centred")
    if kind == "divided":
        return net.op("Div", x, net.const(255.0))
    if kind == "raw":
        return x
    scale = float(np.float32(1 / 255))
    x = net.op("Mul", x, net.const(scale))
    if kind == "quantized":
        return net.quant(x, 8, signed=False, narrow=False, scale=scale)
    if kind == "centred":
        means = net.rng.uniform(0.3, 0.6, (1, net.shape[2], 1, 1))
        x = net.op("Div", net.op("Sub", x, net.const(means)), net.const(means / 2))
        return net.quant(x, net.pick(4, 6, 8), signed=True, narrow=False)
    return x


def _draw(rng: np.random.Generator) -> tuple[Writer, str, int]:
    shape = (int(rng.integers(6, 12)), int(rng.integers(6, 12)), int(rng.choice([1, 3])))
    net = Writer(rng, shape, channels_last=bool(rng.random() < 0.15))
    x = _pixels(net)
    if net.chance(0.9):
        x = plain(net, x)
        for _ in range(int(rng.integers(1, 5))):
            if min(net.values[x].shape[2:]) < 2:
                break
            x = net.pick(*BLOCKS)(net, x)
    else:  # dense layers only
        x = net.activation(net.dense(net.flatten(x), net.pick(6, 10), bias=net.chance(0.5)))
    x = _head(net, x)
    classes, end = int(rng.integers(2, 7)), net.pick("logits", "logits", "logits", "ArgMax", "TopK")
    if end == "logits":
        x = net.dense(x, classes, bias=net.chance(0.5))
        return net, (net.norm(x) if net.chance(0.2) else x), classes
    weights = net.op(
        "Quant", net.const(rng.integers(-7, 8, (classes, net.values[x].shape[1])) * 0.1), net.const(0.1),
        net.const(0.0), net.const(4.0), domain=QONNX, signed=1, narrow=1, rounding_mode="ROUND",
    )  # fmt: skip
    biases = [net.const(rng.normal(0, 0.5, classes))] if net.chance(0.5) else []
    x = net.op("Gemm", x, weights, *biases, transB=1)
    if end == "ArgMax":
        return net, net.op("ArgMax", x, axis=1, keepdims=net.pick(0, 1)), classes
    return net, net.op("TopK", x, net.const([1], np.int64), outputs=2, axis=1), classes


def _head(net: Writer, x: str) -> str:
    """Make a vector of codes of the last map."""
    if net.values[x].ndim == 2:
        return x
    if net.chance(0.4):
        x = net.global_average(x)
        if net.chance(0.3):
            return net.flatten(x)
        if net.chance(0.5):
            return net.quant(net.flatten(x), net.pick(2, 3, 4), signed=True, narrow=False)
        return net.flatten(net.quant(x, net.pick(2, 3), signed=True, narrow=False))
    x = net.flatten(x)
    if net.chance(0.3):
        x = net.dense(x, net.pick(4, 8), bias=net.chance(0.5))
        x = net.activation(x, bits=net.pick(2, 3))
    return x
