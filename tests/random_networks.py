"""Random QONNX networks of every layer, written as somebody else would: forks, joins, odd orders of nodes.

:func:`random_network` draws one; :meth:`Drawn.images` are random pixels with extremes among them. A
network whose activations use few of their codes proves nothing: it is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid(QONNX, 1)]
SAMPLES = 24
#: Accumulators that float32 holds.
FLOAT32_EXACT = 1 << 24


@dataclass
class Activation:
    """A quantizer of the file: its output, step and range of codes; ``offset``: of bipolar ones."""

    tensor: str
    scale: float
    low: int
    high: int
    bipolar: bool = False
    weight: int = 1  # how many times as many codes count


@dataclass
class Writer:
    """Writes nodes and follows sample images through them."""

    rng: np.random.Generator
    shape: tuple[int, int, int]  # H, W, C
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    activations: list[Activation] = field(default_factory=list)
    channels_last: bool = False

    def __post_init__(self) -> None:
        self.images = images_of(self.rng, SAMPLES, self.shape)
        pixels = self.images.astype(np.float32)
        self.values["image"] = pixels if self.channels_last else pixels.transpose(0, 3, 1, 2)

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, *options):
        return options[int(self.rng.integers(len(options)))]

    def const(self, value: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        self.values[name] = np.asarray(value, dtype)
        return name

    def op(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: object) -> str:
        """Append a node, execute it on the samples, and return its (last) output."""
        names = [f"t{len(self.nodes)}" + "v" * i for i in range(outputs)][::-1]
        name = f"{op.lower()}_{len(self.nodes)}"
        node = helper.make_node(op, list(inputs), names, name=name, domain=domain, **attributes)
        self.nodes.append(node)
        results = execute(node, [self.values[i] for i in inputs])
        self.values.update(zip(names, results, strict=True))
        return names[-1]

    def model(self, output: str):
        """Return the ONNX model that ends at a tensor."""
        height, width, channels = self.shape
        shape = [1, height, width, channels] if self.channels_last else [1, channels, height, width]
        kind = TensorProto.INT64 if self.values[output].dtype == np.int64 else TensorProto.FLOAT
        tensors = [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info(output, kind, [1, *self.values[output].shape[1:]]),
        ]
        graph = helper.make_graph(self.nodes, "net", tensors[:1], tensors[1:], self.constants)
        return helper.make_model(graph, opset_imports=OPSETS)

    # -- layers

    def quant(self, x: str, bits: int, *, signed: bool, narrow: bool, scale: float | None = None) -> str:
        """Activation quantizer whose scale spreads the sampled values over its codes."""
        low = -(1 << (bits - 1)) + int(narrow) if signed else 0
        high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - int(narrow)
        if scale is None:
            top = max(float(np.quantile(np.abs(self.values[x]), 0.98)), 1e-3)
            scale = float(np.float32(top / high))
            if self.chance(0.2):
                scale = float(2.0 ** np.round(np.log2(scale)))
        inputs = [self.const(scale), self.const(0.0), self.const(float(bits))]
        out = self.op(
            "Quant", x, *inputs, domain=QONNX, signed=int(signed), narrow=int(narrow), rounding_mode="ROUND"
        )
        self.activations.append(Activation(out, scale, low, high))
        return out

    def bipolar(self, x: str) -> str:
        """Activation quantizer to -scale and +scale."""
        scale = float(np.float32(self.rng.uniform(0.2, 1.5)))
        out = self.op("BipolarQuant", x, self.const(scale), domain=QONNX)
        self.activations.append(Activation(out, scale, -1, 1, bipolar=True))
        return out

    def weights(self, shape: tuple[int, ...], axis: int = 0) -> str:
        """Quantized weights; ``axis`` is the output channels'."""
        per_channel = [shape[a] if a == axis else 1 for a in range(len(shape))]
        scale = self.rng.uniform(0.02, 0.2, per_channel if self.chance(0.6) else [1] * len(shape))
        scale = scale.astype(np.float32)
        bits = self.pick(1, 1, 2, 2, 3, 4, 4, 8)
        if bits == 1:
            raw = self.const(self.rng.choice([-1.0, 1.0], shape) * self.rng.uniform(0.1, 1, shape))
            return self.op("BipolarQuant", raw, self.const(scale), domain=QONNX)
        narrow = self.chance(0.5)
        low, high = -(1 << (bits - 1)) + int(narrow), (1 << (bits - 1)) - 1
        codes = self.rng.integers(low, high + 1, shape)
        inputs = [self.const(codes * scale), self.const(scale), self.const(0.0), self.const(float(bits))]
        return self.op("Quant", *inputs, domain=QONNX, signed=1, narrow=int(narrow), rounding_mode="ROUND")

    def norm(self, x: str) -> str:
        """Batch norm, or a scale and bias, near the samples' statistics, with gammas of both signs."""
        value = self.values[x]
        channels = value.shape[1]
        axes = tuple(a for a in range(value.ndim) if a != 1)
        spread = value.var(axis=axes).astype(np.float64) + 1e-3
        gamma = self.rng.uniform(0.5, 1.5, channels) * self.rng.choice([-1, 1], channels, p=[0.3, 0.7])
        if self.chance(0.1):
            gamma[0] = 0.0
        beta, mean = self.rng.normal(0.2, 0.3, channels), value.mean(axis=axes)
        if self.chance(0.2):
            wide = [1, channels] + [1] * (value.ndim - 2)
            factor = gamma / np.sqrt(spread)
            scaled = self.op("Mul", x, self.const(factor.reshape(wide)))
            return self.op("Add", self.const((beta - mean * factor).reshape(wide)), scaled)
        parameters = (gamma, beta, mean, spread * self.rng.uniform(0.7, 1.4, channels))
        return self.op("BatchNormalization", x, *map(self.const, parameters), epsilon=1e-5)

    def activation(self, x: str, *, bipolar: bool = True, pool: bool = True, bits: int | None = None) -> str:
        """Batch norm, ReLU and quantizer in some order, with a pool before the quantizer sometimes."""
        if self.chance(0.75):
            x = self.norm(x)
        kind = self.pick("relu", "relu", "signed", "clip", "bipolar" if bipolar else "relu", "normed relu")
        if kind == "bipolar":
            return self.bipolar(x)
        signed = kind in ("signed", "clip")
        if "relu" in kind:
            x = self.op("Relu", x)
        if kind == "clip":
            top = float(np.quantile(np.abs(self.values[x]), 0.9))
            x = self.op("Clip", x, self.const(-top), self.const(top))
        if kind == "normed relu":
            factor = self.rng.uniform(0.5, 2, self.values[x].shape[1])
            x = self.op("Mul", x, self.const(factor.reshape([1, -1] + [1] * (self.values[x].ndim - 2))))
        if pool and self.values[x].ndim == 4 and self.chance(0.15):
            x = self.max_pool(x)
        bits = bits or self.pick(2, 3, 4, 4, 5, 6, 8) if signed else bits or self.pick(1, 2, 3, 4, 4, 6, 8)
        return self.quant(x, bits, signed=signed, narrow=bits > 2 and self.chance(0.3))

    def conv(self, x: str, out: int, *, padded: bool = True, kernel: int | None = None) -> str:
        """Convolution with random geometry."""
        channels, height, width = self.values[x].shape[1:]
        sizes = [kernel or min(self.pick(1, 3, 3, 5, 7, 2), side) for side in (height, width)]
        stride = [self.pick(1, 1, 2), self.pick(1, 1, 2)]
        pads = [int(self.rng.integers(0, k // 2 + 1)) if padded else 0 for k in (*sizes, *sizes)]
        extra = [self.const(self.rng.normal(0, 0.2, out))] if self.chance(0.3) else []
        weights = self.weights((out, channels, *sizes))
        if any(pads) and self.chance(0.2):  # in a node of its own
            x = self.op("Pad", x, self.const([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64))
            pads = [0] * 4
        return self.op("Conv", x, weights, *extra, kernel_shape=sizes, strides=stride, pads=pads)

    def depthwise(self, x: str, *, padded: bool = True) -> str:
        """Depthwise convolution."""
        channels, height, width = self.values[x].shape[1:]
        k = min(3, height, width)
        pads = [k // 2] * 4 if padded else [0] * 4
        stride = [self.pick(1, 1, 2)] * 2
        return self.op(
            "Conv", x, self.weights((channels, 1, k, k)), kernel_shape=[k, k], strides=stride, pads=pads,
            group=channels,
        )  # fmt: skip

    def max_pool(self, x: str) -> str:
        """Max pool: plain, overlapping, padded, or with gaps."""
        height, width = self.values[x].shape[2:]
        kernel, stride, pad = self.pick((2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 0), (3, 2, 0), (2, 3, 0))
        if min(height, width) < kernel:
            return x
        return self.op("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def average_pool(self, x: str, *, padded: bool = True) -> str:
        """Average pool, windows side by side or overlapping, borders counted."""
        height, width = self.values[x].shape[2:]
        kernel, stride, pad = self.pick((2, 2, 0), (2, 2, 0), (3, 2, 1 if padded else 0), (3, 1, 0))
        if min(height, width) < kernel:
            return x
        return self.op(
            "AveragePool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4,
            count_include_pad=1,
        )  # fmt: skip

    def global_average(self, x: str) -> str:
        """Global average pool, in one of its spellings; the result keeps its two axes of one."""
        kind = self.pick("GlobalAveragePool", "ReduceMean", "AveragePool")
        if kind == "GlobalAveragePool":
            return self.op(kind, x)
        if kind == "ReduceMean":
            return self.op(kind, x, self.const([2, 3], np.int64), keepdims=1)
        return self.op(kind, x, kernel_shape=list(self.values[x].shape[2:]))

    def flatten(self, x: str) -> str:
        """Flatten, in one of its spellings."""
        kind = self.pick("Flatten", "Reshape", "channels last")
        if kind == "channels last" and self.values[x].ndim == 4:
            x = self.op("Transpose", x, perm=[0, 2, 3, 1])
        if kind == "Reshape":
            return self.op("Reshape", x, self.const([1, -1], np.int64))
        return self.op("Flatten", x, axis=1)

    def dense(self, x: str, out: int, *, bias: bool) -> str:
        """Dense layer: Gemm, or MatMul and Add."""
        inputs = self.values[x].shape[1]
        if self.chance(0.5):
            extra = [self.const(self.rng.normal(0, 0.2, out))] if bias else []
            return self.op("Gemm", x, self.weights((out, inputs)), *extra, transB=1)
        x = self.op("MatMul", x, self.weights((inputs, out), axis=1))
        return self.op("Add", x, self.const(self.rng.normal(0, 0.2, out))) if bias else x


def execute(node, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Execute one node on arrays (N, ...): QONNX's own operators, or onnxruntime."""
    if node.domain == QONNX:
        from qonnx.custom_op.general.bipolar_quant import binary_quant
        from qonnx.custom_op.general.quant import quant

        if node.op_type == "BipolarQuant":
            return [binary_quant(*inputs)]
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        return [quant(*inputs, values["signed"], values["narrow"], "ROUND").astype(np.float32)]
    if node.op_type == "Reshape":
        return [inputs[0].reshape(len(inputs[0]), -1)]
    import onnxruntime

    def info(name: str, value: np.ndarray | None):
        kind = TensorProto.FLOAT if value is None else helper.np_dtype_to_tensor_dtype(value.dtype)
        return helper.make_tensor_value_info(name, kind, None if value is None else value.shape)

    outputs = [info(name, None) for name in node.output]
    if node.op_type in ("ArgMax", "TopK"):
        outputs[-1] = helper.make_tensor_value_info(node.output[-1], TensorProto.INT64, None)
    named = dict(zip(node.input, inputs, strict=True))
    graph = helper.make_graph([node], "one", [info(n, v) for n, v in named.items()], outputs)
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, named)


# -- blocks ------------------------------------------------------------------------------------------


def plain(net: Writer, x: str) -> str:
    """Convolution and activation."""
    return net.activation(net.conv(x, net.pick(2, 4, 6, 8), padded=padded(net, x)))


def separable(net: Writer, x: str) -> str:
    """Depthwise and pointwise convolution."""
    x = net.activation(net.depthwise(x, padded=padded(net, x)))
    return net.activation(net.conv(x, net.pick(4, 6), kernel=1, padded=False))


def padded(net: Writer, x: str) -> bool:
    """Whether a convolution may pad a tensor: no code of a bipolar one is zero."""
    return not any(a.tensor == x and a.bipolar for a in net.activations) and x not in net.shifted


def residual(net: Writer, x: str) -> str:
    """Two branches of one size, added: one scale or two, quantized again or read as they are."""
    channels = net.values[x].shape[1]
    left = net.conv_same(x, channels)
    shortcut = net.pick("identity", "requantized", "convolution")
    if net.chance(0.4):  # one quantizer for both branches and no other behind the sum
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
    """Two or three branches with one quantizer, concatenated."""
    bits, count = net.pick(2, 3, 4), net.pick(2, 3)
    branches, scale = [], None
    for _ in range(count):
        y = net.op("Relu", net.norm(net.conv_same(x, net.pick(2, 4))))
        branches.append(net.quant(y, bits, signed=False, narrow=False, scale=scale))
        scale = net.activations[-1].scale
    return net.op("Concat", *branches, axis=1)


def maximum(net: Writer, x: str) -> str:
    """Max pool of codes."""
    y = net.max_pool(x)
    net.shifted |= {y} if not padded(net, x) else set()
    return y


def average(net: Writer, x: str) -> str:
    """Average pool and quantizer."""
    y = net.average_pool(x, padded=padded(net, x))
    return y if y == x else net.quant(y, net.pick(2, 3, 4), signed=True, narrow=False)


def normed(net: Writer, x: str) -> str:
    """Batch norm and quantizer of codes: a staircase on its own."""
    return net.activation(net.norm(x))


def identity(net: Writer, x: str) -> str:
    """Nodes that change nothing."""
    y = net.op("Identity", x)
    y = net.op("Transpose", net.op("Transpose", y, perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
    net.shifted |= {y} if not padded(net, x) else set()
    return y


BLOCKS: tuple[Callable[[Writer, str], str], ...] = (
    plain, plain, separable, residual, residual, residual, joined, joined, maximum, average, normed, identity,
)  # fmt: skip


class _Net(Writer):
    """A writer that remembers which tensors are shifted codes (bipolar ones that moved)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shifted: set[str] = set()

    def conv_same(self, x: str, out: int) -> str:
        """Convolution that keeps the map's size."""
        kernel = self.pick(1, 3) if padded(self, x) else 1
        channels = self.values[x].shape[1]
        weights = self.weights((out, channels, kernel, kernel))
        return self.op("Conv", x, weights, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)


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
    """

    seed: int
    model: object
    shape: tuple[int, int, int]
    classes: int

    def save(self, path: Path) -> Path:
        """Write the QONNX file."""
        path.write_bytes(self.model.SerializeToString(deterministic=True))
        return path

    def images(self, count: int, seed: int = 99) -> np.ndarray:
        """Return uint8 images (N, H, W, C)."""
        return images_of(np.random.default_rng([self.seed, seed]), count, self.shape)


def images_of(rng: np.random.Generator, count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return random uint8 images: black, white, of 0 and 255 only, dim, bright, noise."""
    images = rng.integers(0, 256, (count, *shape))
    images[:1], images[1:2] = 0, 255
    images[2:4] = np.where(images[2:4] < 128, 0, 255)
    images[4:6] //= 8
    images[6:8] = 255 - images[6:8] // 4
    flat = rng.integers(0, 256, (len(images[8:12]), 1, 1, shape[2]))
    images[8:12] = np.clip(flat + images[8:12] // 8 - 16, 0, 255)
    return images.astype(np.uint8)


def random_network(seed: int) -> Drawn:
    """Return a random network whose activations hit at least half of their codes."""
    for attempt in range(60):
        net, output, classes = _draw(np.random.default_rng([seed, attempt]))
        if _lively(net, output):
            return Drawn(seed, net.model(output), net.shape, classes)
    raise AssertionError(f"no lively network for seed {seed}")


def _lively(net: Writer, output: str) -> bool:
    for act in net.activations:
        codes = np.unique(np.round(net.values[act.tensor] / np.float32(act.scale)))
        if len(codes) < (2 if act.bipolar else (act.high - act.low + 1) / 2):
            return False
    out = net.values[output].reshape(SAMPLES, -1)
    return len(np.unique(out, axis=0)) >= (2 if out.shape[1] == 1 else SAMPLES // 2)


def _pixels(net: _Net) -> str:
    """Scale the pixels, quantize them, or take them as they are."""
    x = net.op("Transpose", "image", perm=[0, 3, 1, 2]) if net.channels_last else "image"
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


def _draw(rng: np.random.Generator) -> tuple[_Net, str, int]:
    shape = (int(rng.integers(6, 11)), int(rng.integers(6, 11)), int(rng.choice([1, 3])))
    net = _Net(rng, shape, channels_last=bool(rng.random() < 0.15))
    x = _pixels(net)
    if net.chance(0.9):
        x = plain(net, x)
        for _ in range(int(rng.integers(1, 4))):
            if min(net.values[x].shape[2:]) < 2:
                break
            x = net.pick(*BLOCKS)(net, x)
    else:  # dense layers only
        x = net.activation(net.dense(net.flatten(x), net.pick(6, 10), bias=net.chance(0.5)))
    x = _head(net, x)
    classes, end = int(rng.integers(2, 7)), net.pick("logits", "logits", "logits", "ArgMax", "TopK")
    if end == "logits" or any(a.bipolar for a in net.activations):
        x = net.dense(x, classes, bias=net.chance(0.5))
        return net, (net.norm(x) if net.chance(0.2) else x), classes
    weights = net.op(
        "Quant", net.const(rng.integers(-7, 8, (classes, net.values[x].shape[1])) * 0.1), net.const(0.1),
        net.const(0.0), net.const(4.0), domain=QONNX, signed=1, narrow=1, rounding_mode="ROUND",
    )  # fmt: skip
    x = net.op("Gemm", x, weights, transB=1)
    if end == "ArgMax":
        return net, net.op("ArgMax", x, axis=1, keepdims=net.pick(0, 1)), classes
    return net, net.op("TopK", x, net.const([1], np.int64), outputs=2, axis=1), classes


def _head(net: _Net, x: str) -> str:
    """Make a vector of codes of the last map."""
    if net.values[x].ndim == 2:
        return x
    if net.chance(0.4):
        x = net.global_average(x)
        if net.chance(0.5):
            return net.quant(net.flatten(x), net.pick(2, 3, 4), signed=True, narrow=False)
        return net.flatten(net.quant(x, net.pick(2, 3), signed=True, narrow=False))
    x = net.flatten(x)
    if net.chance(0.3):
        x = net.dense(x, net.pick(4, 8), bias=net.chance(0.5))
        x = net.activation(x, bits=net.pick(2, 3))
    return x
