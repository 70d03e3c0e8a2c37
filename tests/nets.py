"""Small random networks for tests: QONNX files written by hand.

Batch norms get random statistics and gammas of both signs, quantizers a scale that spreads the
sampled values over their codes. A net whose activations saturate or idle is drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from finnspect.package import Golden, ModelPackage, write_package
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid(QONNX, 1)]
#: float32 value of 1/255, the usual pixel scale.
PIXEL = float(np.float32(1 / 255))


# -- QONNX files written node by node ---------------------------------------------------------------


@dataclass
class QonnxWriter:
    """Writes a chain of nodes; ``tip`` is the newest tensor, ``value`` its values on sample images.

    Values follow the sample images through the layers (computed by QONNX's own execution of each
    node), so that statistics and scales fit.
    """

    shape: tuple[int, int, int]  # H, W, C
    seed: int = 0
    samples: int = 4
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    tip: str = "global_in"
    kind: int = TensorProto.FLOAT  # of the output's elements

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        height, width, channels = self.shape
        self.images = self.rng.integers(0, 256, (self.samples, height, width, channels), dtype=np.uint8)
        self.value = self.images.transpose(0, 3, 1, 2).astype(np.float32)

    def const(self, value: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, op: str, inputs: list[str], domain: str = "", **attributes: object) -> str:
        out = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                op, inputs, [out], name=f"{op.lower()}_{len(self.nodes)}", domain=domain, **attributes
            )
        )
        return out

    def then(self, op: str, *inputs: str, domain: str = "", **attributes: object) -> QonnxWriter:
        """Append a node that reads the tip and the given constants, and follow the samples through it."""
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes

        source, self.tip = self.tip, self.node(op, [self.tip, *inputs], domain, **attributes)
        if op == "Reshape":
            self.value = self.value.reshape(self.samples, -1)
            return self
        made_by = {node.output[0]: node for node in self.nodes}
        nodes = [*(made_by[name] for name in inputs if name in made_by), self.nodes[-1]]
        used = {name for node in nodes for name in node.input}
        tensors = [
            helper.make_tensor_value_info(source, TensorProto.FLOAT, self.value.shape),
            helper.make_tensor_value_info(self.tip, TensorProto.FLOAT, None),
        ]
        constants = [c for c in self.constants if c.name in used]
        graph = helper.make_graph(nodes, "one", tensors[:1], tensors[1:], constants)
        model = ModelWrapper(helper.make_model(graph, opset_imports=OPSETS)).transform(InferShapes())
        self.value = execute_onnx(model, {source: self.value})[self.tip]
        return self

    def model(self):
        """Return the graph so far as a ``ModelWrapper``."""
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.infer_shapes import InferShapes

        height, width, channels = self.shape
        tensors = [
            helper.make_tensor_value_info("global_in", TensorProto.FLOAT, [1, channels, height, width]),
            helper.make_tensor_value_info(self.tip, self.kind, None),
        ]
        graph = helper.make_graph(self.nodes, "net", tensors[:1], tensors[1:], self.constants)
        return ModelWrapper(helper.make_model(graph, opset_imports=OPSETS)).transform(InferShapes())

    def save(self, path: Path) -> Path:
        """Write the graph to a file."""
        path.write_bytes(self.model().model.SerializeToString(deterministic=True))
        return path

    # layers

    def pixels(self, scale: float = PIXEL) -> QonnxWriter:
        """Multiply by the pixel scale."""
        return self.then("Mul", self.const(scale))

    def weights(
        self, shape: tuple[int, ...], bits: int, *, narrow: bool, per_channel: bool, scale=None
    ) -> str:
        """Return a tensor of quantized weights; not narrow ones hold the least code somewhere."""
        low, high = -(1 << (bits - 1)) + int(narrow), (1 << (bits - 1)) - 1
        codes = self.rng.integers(low, high + 1, shape)
        codes.reshape(-1)[0] = low
        if scale is None:
            scale = self.rng.uniform(0.02, 0.2, (shape[0] if per_channel else 1, *[1] * (len(shape) - 1)))
        scale = np.asarray(scale, np.float32)
        raw = self.const(codes * scale.astype(np.float64))
        inputs = [raw, self.const(scale), self.const(0.0), self.const(float(bits))]
        return self.node("Quant", inputs, QONNX, signed=1, narrow=int(narrow), rounding_mode="ROUND")

    def conv(
        self,
        out: int,
        kernel: int = 3,
        stride: int = 1,
        pad: int | None = None,
        bits: int = 4,
        narrow: bool = True,
        per_channel: bool = True,
        bias: bool = False,
        scale=None,
        **attributes: object,
    ) -> QonnxWriter:
        """Convolution with quantized weights."""
        pad = kernel // 2 if pad is None else pad
        channels = self.value.shape[1] // int(attributes.get("group", 1))
        weights = self.weights(
            (out, channels, kernel, kernel), bits, narrow=narrow, per_channel=per_channel, scale=scale
        )
        extra = [self.const(self.rng.normal(0, 0.2, out))] if bias else []
        values = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4} | attributes
        return self.then("Conv", weights, *extra, **values)

    def dense(
        self,
        out: int,
        bits: int = 4,
        narrow: bool = True,
        per_channel: bool = False,
        bias: bool = False,
        scale=None,
    ) -> QonnxWriter:
        """Dense layer with quantized weights."""
        weights = self.weights(
            (out, self.value.shape[1]), bits, narrow=narrow, per_channel=per_channel, scale=scale
        )
        extra = [self.const(self.rng.normal(0, 0.2, out))] if bias else []
        return self.then("Gemm", weights, *extra, transB=1)

    def norm(self, dead: int = 0) -> QonnxWriter:
        """Batch norm with random statistics near the real ones; ``dead`` channels have gamma zero."""
        channels = self.value.shape[1]
        values = np.moveaxis(self.value, 1, 0).reshape(channels, -1).astype(np.float64)
        spread = values.var(axis=1) + 1e-3
        gamma = self.rng.uniform(0.4, 1.6, channels) * self.rng.choice([-1, 1], channels, p=[0.4, 0.6])
        gamma[:dead] = 0
        parameters = (
            gamma,
            self.rng.normal(0.2, 0.4, channels),
            values.mean(axis=1) + self.rng.normal(0, 0.3, channels) * np.sqrt(spread),
            spread * self.rng.uniform(0.5, 2, channels),
        )
        return self.then("BatchNormalization", *map(self.const, parameters), epsilon=1e-5)

    def relu(self) -> QonnxWriter:
        """ReLU."""
        return self.then("Relu")

    def quant(
        self,
        bits: int = 4,
        signed: bool = False,
        narrow: bool = False,
        scale: float | None = None,
        **attributes,
    ) -> QonnxWriter:
        """Activation quantizer with a scale that spreads the sampled values over its codes."""
        if scale is None:
            top = max(float(np.quantile(np.abs(self.value), 0.97)), 1e-3)
            scale = top / ((1 << (bits - int(signed))) - 1)
        inputs = [self.const(np.float32(scale)), self.const(0.0), self.const(float(bits))]
        values = {"signed": int(signed), "narrow": int(narrow), "rounding_mode": "ROUND"} | attributes
        self.scale = scale
        return self.then("Quant", *inputs, domain=QONNX, **values)

    def bipolar(self, scale: float = 0.5) -> QonnxWriter:
        """Activation quantizer to -1 and +1."""
        self.scale = scale
        return self.then("BipolarQuant", self.const(np.float32(scale)), domain=QONNX)

    def pool(self, kernel: int = 2, stride: int | None = None, **attributes: object) -> QonnxWriter:
        """Max pool."""
        values = {"kernel_shape": [kernel] * 2, "strides": [stride or kernel] * 2} | attributes
        return self.then("MaxPool", **values)

    def flatten(self) -> QonnxWriter:
        """Reshape to (1, -1)."""
        return self.then("Reshape", self.const([1, -1], np.int64))

    def argmax(self) -> QonnxWriter:
        """Index of the greatest of (N, C)."""
        self.tip, self.kind = self.node("ArgMax", [self.tip], axis=1), TensorProto.INT64
        self.value = self.value.argmax(axis=1)[:, None]
        return self

    def lively(self) -> bool:
        """Return whether the newest activation uses at least a third of its codes, none for most."""
        codes = np.round(self.value / np.float32(self.scale))
        _, counts = np.unique(codes, return_counts=True)
        return len(counts) >= 2 and counts.max() < 0.9 * codes.size


def random_qonnx(seed: int) -> QonnxWriter:
    """Return a random chain: 2 to 8 bits, kernels 1, 3, 5, strides, pools before or after quantizers.

    Nets with a dull activation are drawn again.
    """
    for attempt in range(20):
        net = _draw(np.random.default_rng([seed, attempt]), seed)
        if net is not None:
            return net
    raise AssertionError(f"no lively net for seed {seed}")


def _draw(rng: np.random.Generator, seed: int) -> QonnxWriter | None:
    size = int(rng.choice([7, 8, 10, 12]))
    net = QonnxWriter((size, int(rng.choice([size, 9])), int(rng.choice([1, 3]))), seed).pixels()
    for _ in range(int(rng.integers(1, 4))):
        if min(net.value.shape[2:]) < 3:
            break
        w_bits = int(rng.choice([2, 3, 4, 8]))
        net.conv(
            int(rng.choice([2, 4, 5, 8])),
            kernel=int(rng.choice([1, 3, 3, 5])) if min(net.value.shape[2:]) >= 5 else 3,
            stride=int(rng.choice([1, 1, 2])),
            bits=w_bits,
            narrow=bool(rng.random() < 0.5),
            per_channel=bool(rng.random() < 0.6),
            bias=bool(rng.random() < 0.3),
        )
        if rng.random() < 0.85:
            net.norm()
        pool = str(rng.choice(["none", "before", "after"])) if min(net.value.shape[2:]) >= 2 else "none"
        signed = bool(rng.random() < 0.35)
        if pool == "before":
            net.pool()
        if not signed:
            net.relu()
        net.quant(int(rng.choice([2, 3, 4, 8])), signed=signed, narrow=signed and bool(rng.random() < 0.5))
        if not net.lively():
            return None
        if pool == "after":
            net.pool()
    net.flatten()
    if rng.random() < 0.4:
        net.dense(
            int(rng.choice([4, 9])), bits=int(rng.choice([2, 4])), per_channel=True
        ).norm().relu().quant(4)
        if not net.lively():
            return None
    return net.dense(
        int(rng.integers(2, 7)), per_channel=bool(rng.random() < 0.5), bias=bool(rng.random() < 0.5)
    )


# -- packages --------------------------------------------------------------------------------------


def make_package(folder: Path, net: QonnxWriter, name: str = "tiny-test") -> ModelPackage:
    """Write a model package around a hand-written net; golden vectors come from executing its file."""
    from finnspect.frontend import load_qonnx, read_network
    from finnspect.frontend.execution import BatchRunner

    folder.mkdir(parents=True)
    path = net.save(folder / "model.qonnx.onnx")
    model = load_qonnx(path)
    network = read_network(model)
    logits = BatchRunner(model).run(net.images)
    slopes, offsets = (np.array([float(v) for v in values]) for values in (network.slopes, network.offsets))
    golden = Golden(
        images=net.images,
        logits=logits.astype(np.float32),
        logits_int=np.round((logits - offsets) / slopes).astype(np.int32),
        labels=np.full(len(net.images), -1),
    )
    height, width, channels = net.shape
    info = {
        "name": name,
        "model": "tiny",
        "dataset": "test",
        "classes": [f"class{i}" for i in range(logits.shape[1])],
        "preprocessing": {
            "color": "grey" if channels == 1 else "rgb",
            "height": height,
            "width": width,
            "scale": float(network.input_scale),
        },
        "metrics": {},
        "data_sha256": "0" * 64,
        "seed": net.seed,
        "command": "tests",
        "versions": {"onnx": onnx.__version__},
    }
    return write_package(folder, info, golden)
