"""Writes random QONNX networks node by node and follows sample images through them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid(QONNX, 1)]
SAMPLES = 24
DEPTHWISE_KERNELS = ((3, 3), (3, 3), (3, 3), (1, 1), (5, 5), (7, 7), (3, 1), (1, 5))


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
        """Activation quantizer to -scale and +scale, in one of its spellings."""
        scale = float(np.float32(self.rng.uniform(0.2, 1.5)))
        if self.chance(0.3):
            inputs = [self.const(scale), self.const(0.0), self.const(1.0)]
            out = self.op("Quant", x, *inputs, domain=QONNX, signed=1, narrow=0, rounding_mode="ROUND")
        else:
            out = self.op("BipolarQuant", x, self.const(scale), domain=QONNX)
        self.activations.append(Activation(out, scale, -1, 1, bipolar=True))
        return out

    def weights(self, shape: tuple[int, ...], axis: int = 0) -> str:
        """Quantized weights; ``axis`` is the output channels'."""
        per_channel = [shape[a] if a == axis else 1 for a in range(len(shape))]
        scale = self.rng.uniform(0.02, 0.2, per_channel if self.chance(0.6) else [1] * len(shape))
        scale = scale.astype(np.float32)
        bits = self.pick(1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8)
        if bits == 1 and self.chance(0.8):
            raw = self.const(self.rng.choice([-1.0, 1.0], shape) * self.rng.uniform(0.1, 1, shape))
            return self.op("BipolarQuant", raw, self.const(scale), domain=QONNX)
        narrow = bits > 1 and self.chance(0.5)
        low, high = -(1 << (bits - 1)) + int(narrow), max((1 << (bits - 1)) - 1, 1)
        codes = self.rng.integers(low, high + 1, shape)  # of 1 bit: -1 and +1, zeros among the values
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

    def activation(self, x: str, *, pool: bool = True, bits: int | None = None) -> str:
        """Batch norm, ReLU and quantizer in some order, with a pool before the quantizer sometimes."""
        if self.chance(0.75):
            x = self.norm(x)
        kind = self.pick("relu", "relu", "signed", "clip", "bipolar", "normed relu")
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
        bits = bits or (self.pick(2, 3, 4, 4, 5, 6, 7, 8) if signed else self.pick(1, 2, 3, 4, 4, 5, 6, 7, 8))
        return self.quant(x, bits, signed=signed, narrow=bits > 2 and self.chance(0.3))

    def conv(self, x: str, out: int, *, kernel: int | None = None) -> str:
        """Convolution with random geometry."""
        channels, height, width = self.values[x].shape[1:]
        square = kernel or (self.pick(1, 3, 3, 5, 7, 7) if self.chance(0.6) else None)
        sizes = [min(square or self.pick(1, 3, 3, 5, 7, 2), side) for side in (height, width)]
        stride = [self.pick(1, 1, 1, 2), self.pick(1, 1, 1, 2)]
        same = self.chance(0.6)
        pads = [k // 2 if same else int(self.rng.integers(0, k // 2 + 1)) for k in (*sizes, *sizes)]
        extra = [self.const(self.rng.normal(0, 0.2, out))] if self.chance(0.3) else []
        weights = self.weights((out, channels, *sizes))
        if any(pads) and self.chance(0.2):  # in a node of its own
            x = self.op("Pad", x, self.const([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64))
            pads = [0] * 4
        return self.op("Conv", x, weights, *extra, kernel_shape=sizes, strides=stride, pads=pads)

    def conv_same(self, x: str, out: int) -> str:
        """Convolution that keeps the map's size."""
        kernel = self.pick(1, 3, 5)
        channels = self.values[x].shape[1]
        weights = self.weights((out, channels, kernel, kernel))
        return self.op("Conv", x, weights, kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4)

    def depthwise(self, x: str) -> str:
        """Depthwise convolution."""
        channels, height, width = self.values[x].shape[1:]
        sizes = [min(k, side) for k, side in zip(self.pick(*DEPTHWISE_KERNELS), (height, width), strict=True)]
        pads = [k // 2 for k in sizes] * 2
        stride = [self.pick(1, 1, 2)] * 2
        return self.op(
            "Conv", x, self.weights((channels, 1, *sizes)), kernel_shape=sizes, strides=stride, pads=pads,
            group=channels,
        )  # fmt: skip

    def max_pool(self, x: str) -> str:
        """Max pool: plain, overlapping, padded, or with gaps."""
        height, width = self.values[x].shape[2:]
        kernel, stride, pad = self.pick((2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 1, 0), (3, 2, 0), (2, 3, 0))
        if min(height, width) < kernel:
            return x
        return self.op("MaxPool", x, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def average_pool(self, x: str) -> str:
        """Average pool, windows side by side or overlapping, borders counted."""
        height, width = self.values[x].shape[2:]
        kernel, stride, pad = self.pick((2, 2, 0), (2, 2, 0), (3, 2, 1), (3, 1, 0))
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
