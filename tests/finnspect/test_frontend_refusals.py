"""What cannot be compiled is refused by name, with a reason and a remedy, before FINN is run."""

import numpy as np
import pytest
from finnspect.errors import PackageError, UnsupportedModelError
from finnspect.frontend import compile_qonnx, load_qonnx, read_network
from nets import QONNX, QonnxWriter


def start(channels: int = 1) -> QonnxWriter:
    return QonnxWriter((8, 8, channels)).pixels()


def stage(net: QonnxWriter) -> QonnxWriter:
    return net.conv(4).norm().relu().quant(4)


def finish(net: QonnxWriter) -> QonnxWriter:
    return net.flatten().dense(3)


def mean_subtraction():
    net = QonnxWriter((8, 8, 1)).pixels()
    return finish(stage(net.then("Sub", net.const(0.5))))


def padded_pool():
    net = stage(start())
    return finish(net.then("Pad", net.const([0, 0, 1, 1, 0, 0, 1, 1], np.int64)).pool())


def missing_quantizer():
    return finish(start().conv(4).norm().relu().conv(4).norm().relu().quant())


def float_weights():
    net = stage(start())
    return finish(net.then("Conv", net.const(net.rng.normal(size=(4, 4, 3, 3))), kernel_shape=[3, 3]))


def dilation():
    return finish(stage(start()).conv(4, dilations=[2, 2]).norm().relu().quant())


def big_padding():
    return finish(start().conv(4, kernel=1, pad=1).norm().relu().quant())


def gating():
    net = stage(start())
    branch = net.tip
    net.then("GlobalAveragePool")
    net.tip = net.node("Mul", [net.tip, branch])
    net.value = np.zeros((net.samples, 4, 8, 8))
    return finish(net.quant(scale=0.1))


def two_branches():
    """Two convolutions of one map; returns the writer and the tips of both."""
    net = stage(start())
    split = net.tip, net.value
    first = net.conv(4).norm().tip
    net.tip, net.value = split
    net.conv(4).norm()
    return net, first, net.tip


def unquantized_sum():
    net, first, second = two_branches()
    net.tip = net.node("Add", [first, second])
    return finish(net.relu().quant())


def unequal_sum():
    net = stage(start())
    split = net.tip, net.value
    first = net.conv(4).norm().relu().quant(4, scale=0.3).tip
    net.tip, net.value = split
    second = net.conv(4).norm().relu().quant(4, scale=0.1).tip
    net.tip = net.node("Add", [first, second])
    return finish(net)


def scaled_argmax():
    net = stage(start()).flatten().dense(3, per_channel=True)
    net.tip = net.node("ArgMax", [net.tip], axis=1)
    return net


def averaged(net):
    return net.then("AveragePool", kernel_shape=[2, 2], strides=[2, 2])


def unsigned_weights():
    net = stage(start())
    inputs = [net.const(np.full((4, 4, 3, 3), 25.5)), net.const(0.1), net.const(0.0), net.const(8.0)]
    weights = net.node("Quant", inputs, QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    return finish(net.then("Conv", weights, kernel_shape=[3, 3]).norm().relu().quant())


def diverged():
    net = stage(start())
    inputs = [net.const(np.full((4, 4, 3, 3), np.nan)), net.const(0.1), net.const(0.0), net.const(4.0)]
    weights = net.node("Quant", inputs, QONNX, signed=1, narrow=0, rounding_mode="ROUND")
    net.tip = net.node("Conv", [net.tip, weights], kernel_shape=[3, 3])
    net.value = np.ones((net.samples, 4, 6, 6), np.float32)
    return finish(net.quant(scale=0.1))


def diverged_norm():
    net = stage(start()).conv(4)
    values = net.value
    net.then("BatchNormalization", *map(net.const, ([np.inf] * 4, [0] * 4, [0] * 4, [1] * 4)), epsilon=1e-5)
    net.value = values
    return finish(net.relu().quant(scale=0.1))


def recurrent():
    net = stage(start()).flatten()
    net.tip = net.node("LSTM", [net.tip, *constants_of(net, (1, 8, 256), (1, 8, 2))], hidden_size=2)
    return net


def constants_of(net, *shapes):
    return [net.const(np.ones(shape)) for shape in shapes]


def over_time():
    net = stage(start())
    net.tip = net.node("Reshape", [net.tip, net.const([1, 4, 64], np.int64)])
    weights = net.weights((4, 4, 3), 4, narrow=True, per_channel=True)
    net.tip = net.node("Conv", [net.tip, weights], kernel_shape=[3])
    return net


def joined():
    net = stage(start())
    split = net.tip, net.value
    first = net.conv(4).norm().relu().quant(4, scale=0.3).tip
    net.tip, net.value = split
    second = net.conv(4).norm().relu().quant(4, scale=0.1).tip
    net.tip = net.node("Concat", [first, second], axis=1)
    net.value = np.concatenate([net.value, net.value], axis=1)
    return finish(net)


def operator(name: str, **attributes):
    def make():
        net = stage(start())
        return finish(net.then(name, **attributes))

    return make


def transposed():
    net = stage(start())
    weights = net.const(np.ones((4, 4, 2, 2)))
    return finish(net.then("ConvTranspose", weights, kernel_shape=[2, 2], strides=[2, 2]).relu().quant())


def softmax_head():
    return finish(stage(start())).then("Softmax", axis=1)


def dense_on_a_map():
    net = stage(start())
    return net.then("MatMul", net.weights((8, 3), 4, narrow=True, per_channel=False))


CASES = {
    "mean subtraction": (mean_subtraction, "conv_", "shifted since 'sub_1'", "scale pixels only"),
    "missing quantizer": (missing_quantizer, "conv_", "is not quantized", "QuantReLU"),
    "float weights": (float_weights, "conv_", "float", "QuantConv2d"),
    "dilation": (dilation, "conv_", "dilation", "dilation=1"),
    "padding as large as the kernel": (big_padding, "conv_", "padding", "smaller than the kernel"),
    "sigmoid": (operator("Sigmoid"), "sigmoid_", "Sigmoid", "ReLU"),
    "softmax": (softmax_head, "softmax_", "Softmax", "leave it out"),
    "transposed convolution": (transposed, "convtranspose_", "ConvTranspose", "convolutions"),
    "padding without a convolution": (padded_pool, "pad_", "Pad", "in front of a convolution"),
    "ceil pool": (
        lambda: finish(QonnxWriter((9, 9, 1)).pixels().conv(4).relu().quant().pool(2, ceil_mode=1)),
        "maxpool_",
        "ceil_mode",
        "ceil_mode=False",
    ),
    "9-bit weights": (
        lambda: finish(stage(start()).conv(4, bits=9).norm().relu().quant()),
        "quant_",
        "9",
        "2 to 8",
    ),
    "9-bit activations": (lambda: finish(start().conv(4).norm().relu().quant(9)), "quant_", "9", "2 to 8"),
    "16-bit activations": (lambda: finish(start().conv(4).norm().relu().quant(16)), "quant_", "16", "2 to 8"),
    "unsigned 8-bit weights": (unsigned_weights, "conv_", "unsigned weights are up to 255", "signed weights"),
    "weights that are no numbers": (diverged, "quant_", "not finite numbers", "train again"),
    "batch norm that is no number": (diverged_norm, "batchnormalization_", "not finite", "train again"),
    "recurrent layer": (recurrent, "lstm_", "LSTM is not supported", "use convolution, dense"),
    "softmax between layers": (operator("Softmax", axis=1), "softmax_", "Softmax", "leave it out"),
    "convolution over time": (over_time, "reshape_", "reshapes (1, 4, 8, 8)", "only flatten"),
    "several channels for each depthwise one": (
        lambda: finish(stage(start()).conv(8, group=4).norm().relu().quant()),
        "conv_",
        "groups = 4 with 4 channels in and 8 out",
        "depthwise",
    ),
    "average of 8-bit codes before a convolution": (
        lambda: finish(averaged(start().conv(4).norm().relu().quant(8)).conv(4).norm().relu().quant()),
        "conv_",
        "is not quantized and has 10 bits",
        "quantizer behind the average pool",
    ),
    "ReLU of the logits": (lambda: finish(stage(start())).relu(), "relu_", "between the last layer", "dense"),
    "rounding to floor": (
        lambda: finish(start().conv(4).relu().quant(4, rounding_mode="FLOOR")),
        "quant_",
        "FLOOR",
        "half to even",
    ),
    "no dense layer": (lambda: stage(start()).conv(4), "conv_", "map of shape", "dense layer"),
    "dense on a map": (
        dense_on_a_map,
        "matmul_",
        "map of shape",
        "flatten",
    ),
    "gating": (gating, "mul_", "two computed tensors", "additions"),
    "groups of two": (
        lambda: finish(stage(start()).conv(4, group=2).norm().relu().quant()),
        "conv_",
        "groups = 2",
        "depthwise",
    ),
    "average over the border": (
        lambda: finish(stage(start()).then("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])),
        "averagepool_",
        "count_include_pad=0",
        "padding=0",
    ),
    "average of unquantized values": (
        lambda: finish(start().conv(4).relu().then("GlobalAveragePool").quant()),
        "globalaveragepool_",
        "not quantized",
        "QuantReLU",
    ),
    "addition of unquantized branches": (
        unquantized_sum,
        "add_",
        "differ from channel to channel",
        "quantizer on each",
    ),
    "sum of scales without a common measure": (
        unequal_sum,
        "gemm_",
        "is not quantized",
        "share one quantizer",
    ),
    "concatenation of two scales": (joined, "gemm_", "since 'concat_", "one quantizer for all inputs"),
    "argmax of classes with scales of their own": (
        scaled_argmax,
        "argmax_",
        "different scales",
        "per-tensor scaling",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=lambda name: name.replace(" ", "-"))
def test_refusal_names_node_reason_and_remedy(case, tmp_path):
    make, node, reason, remedy = CASES[case]
    path = make().save(tmp_path / "m.onnx")
    with pytest.raises(UnsupportedModelError) as caught:
        read_network(load_qonnx(path))
    error = caught.value
    assert error.node.startswith(node)
    assert reason in error.reason
    assert remedy in error.remedy


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), ("N", 1, 8, 8), (1, 1, "H", "W"), (1, 64)])
def test_shapes_other_than_one_image_are_refused(shape, tmp_path):
    """Batches, and sizes that are known at run time only."""
    model = finish(stage(start())).model().model
    dims = model.graph.input[0].type.tensor_type.shape.dim
    del dims[len(shape) :]
    for dim, size in zip(dims, shape, strict=True):
        dim.Clear()
        setattr(dim, "dim_param" if isinstance(size, str) else "dim_value", size)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnsupportedModelError, match=r"the input has shape(.|\n)*\(1, C, H, W\)"):
        read_network(load_qonnx(path))


def test_zero_point_is_refused(tmp_path):
    net = start().conv(4).relu()
    inputs = [net.const(0.1), net.const(3.0), net.const(4.0)]
    net.then("Quant", *inputs, domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    with pytest.raises(UnsupportedModelError, match="zero point"):
        read_network(load_qonnx(finish(net).save(tmp_path / "m.onnx")))


def test_activation_scale_for_each_channel_is_refused(tmp_path):
    net = start().conv(4).relu()
    inputs = [net.const(np.linspace(0.1, 0.2, 4).reshape(1, 4, 1, 1)), net.const(0.0), net.const(4.0)]
    net.then("Quant", *inputs, domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    with pytest.raises(UnsupportedModelError, match="per-tensor scaling"):
        read_network(load_qonnx(finish(net).save(tmp_path / "m.onnx")))


def test_wrong_number_of_classes_is_refused_before_any_step(tmp_path):
    path = finish(stage(start())).save(tmp_path / "m.onnx")
    steps = []
    with pytest.raises(UnsupportedModelError, match="3 logits for 2 classes"):
        compile_qonnx(path, ["a", "b"], tmp_path / "work", progress=steps.append)
    assert steps == []
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_files_that_are_no_models_are_refused(content, tmp_path):
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PackageError):
        load_qonnx(path)


def test_a_file_that_contradicts_itself_is_refused(tmp_path):
    model = finish(stage(start())).model().model
    model.graph.node[0].domain = "somewhere.else"
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(PackageError, match="no consistent ONNX model"):
        load_qonnx(path)
