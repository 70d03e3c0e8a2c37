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


def input_quantizer():
    return finish(stage(start().quant(8)))


def missing_quantizer():
    return finish(start().conv(4).norm().relu().conv(4).norm().relu().quant())


def float_weights():
    net = stage(start())
    return finish(net.then("Conv", net.const(net.rng.normal(size=(4, 4, 3, 3))), kernel_shape=[3, 3]))


def groups():
    return finish(stage(start()).conv(4, group=4).norm().relu().quant())


def dilation():
    return finish(stage(start()).conv(4, dilations=[2, 2]).norm().relu().quant())


def big_padding():
    return finish(start().conv(4, kernel=1, pad=1).norm().relu().quant())


def residual():
    net = stage(start())
    branch = net.tip
    net.conv(4).norm()
    net.tip = net.node("Add", [net.tip, branch])
    return finish(net.relu().quant())


def bipolar_weights(pad: int):
    net = stage(start())
    raw = net.const(net.rng.choice([-1.0, 1.0], (4, 4, 3, 3)))
    weights = net.node("BipolarQuant", [raw, net.const(1.0)], QONNX)
    return finish(net.then("Conv", weights, kernel_shape=[3, 3], pads=[pad] * 4).norm().relu().quant())


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


def output_quantizer():
    return finish(stage(start())).quant(8, signed=True)


def scale_behind_relu():
    net = start().conv(4).relu()
    return finish(net.then("Mul", net.const(2.0)).quant())


def dense_on_a_map():
    net = stage(start())
    return net.then("MatMul", net.weights((8, 3), 4, narrow=True, per_channel=False))


CASES = {
    "mean subtraction": (mean_subtraction, "sub_1", "shifts pixels", "only scale the pixels"),
    "input quantizer": (input_quantizer, "quant_1", "input quantizer", "raw uint8 pixels"),
    "missing quantizer": (missing_quantizer, "conv_", "is not quantized", "QuantReLU"),
    "float weights": (float_weights, "conv_", "float", "QuantConv2d"),
    "groups": (groups, "conv_", "groups = 4", "groups=1"),
    "dilation": (dilation, "conv_", "dilation", "dilation=1"),
    "padding as large as the kernel": (big_padding, "conv_", "padding", "smaller than the kernel"),
    "residual": (residual, "", "is read by", "chain"),
    "bipolar weights": (lambda: bipolar_weights(0), "conv_", "not supported yet", "2 to 8 bits"),
    "bipolar weights, padded": (lambda: bipolar_weights(1), "conv_", "no code for zero", "2-bit"),
    "sigmoid": (operator("Sigmoid"), "sigmoid_", "Sigmoid", "ReLU"),
    "softmax": (softmax_head, "softmax_", "Softmax", "leave it out"),
    "transposed convolution": (transposed, "convtranspose_", "ConvTranspose", "convolutions"),
    "average pool": (
        operator("AveragePool", kernel_shape=[2, 2]),
        "averagepool_",
        "AveragePool",
        "not supported yet",
    ),
    "global average pool": (
        operator("GlobalAveragePool"),
        "globalaveragepool_",
        "Global",
        "not supported yet",
    ),
    "padded pool": (
        lambda: finish(stage(start()).pool(pads=[1, 1, 1, 1])),
        "maxpool_",
        "padded",
        "padding=0",
    ),
    "pool with gaps": (lambda: finish(stage(start()).pool(2, 3)), "maxpool_", "stride", "stride = kernel"),
    "ceil pool": (
        lambda: finish(QonnxWriter((9, 9, 1)).pixels().conv(4).relu().quant().pool(2, ceil_mode=1)),
        "maxpool_",
        "ceil_mode",
        "ceil_mode=False",
    ),
    "pool of pixels": (lambda: finish(stage(start().pool())), "maxpool_", "raw pixels", "resize"),
    "batch norm behind an unquantized pool": (
        lambda: finish(start().conv(4).pool().norm().relu().quant()),
        "batchnormalization_",
        "follows the pool",
        "after the quantizer",
    ),
    "batch norm behind ReLU": (
        lambda: finish(start().conv(4).relu().norm().quant()),
        "batchnormalization_",
        "does not follow",
        "batch norm, ReLU",
    ),
    "scale behind ReLU": (
        scale_behind_relu,
        "mul_",
        "between the ReLU",
        "before the ReLU",
    ),
    "9-bit weights": (
        lambda: finish(stage(start()).conv(4, bits=9).norm().relu().quant()),
        "quant_",
        "9",
        "2 to 8",
    ),
    "16-bit activations": (lambda: finish(start().conv(4).norm().relu().quant(16)), "quant_", "16", "2 to 8"),
    "1-bit signed activations": (
        lambda: finish(start().conv(4).norm().quant(1, signed=True, scale=1.0)),
        "quant_",
        "bipolar",
        "1 bit unsigned",
    ),
    "signed after ReLU": (
        lambda: finish(start().conv(4).norm().relu().quant(4, signed=True)),
        "quant_",
        "signed quantizer after the ReLU",
        "unsigned",
    ),
    "narrow unsigned": (
        lambda: finish(start().conv(4).relu().quant(4, narrow=True)),
        "quant_",
        "narrow",
        "narrow_range",
    ),
    "rounding to floor": (
        lambda: finish(start().conv(4).relu().quant(4, rounding_mode="FLOOR")),
        "quant_",
        "FLOOR",
        "half to even",
    ),
    "two quantizers": (lambda: finish(stage(start()).quant(3)), "quant_", "codes again", "one quantizer"),
    "quantized logits": (output_quantizer, "quant_", "quantized or pooled", "no output quantizer"),
    "no dense layer": (lambda: stage(start()).conv(4), "conv_", "map of shape", "dense layer"),
    "dense on a map": (
        dense_on_a_map,
        "matmul_",
        "map of shape",
        "flatten",
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


def test_zero_point_is_refused(tmp_path):
    net = start().conv(4).relu()
    inputs = [net.const(0.1), net.const(3.0), net.const(4.0)]
    net.then("Quant", *inputs, domain=QONNX, signed=0, narrow=0, rounding_mode="ROUND")
    with pytest.raises(UnsupportedModelError, match="zero point"):
        read_network(load_qonnx(finish(net).save(tmp_path / "m.onnx")))


def test_activation_scale_for_each_channel_is_refused(tmp_path):
    net = start().conv(4).relu()
    inputs = [net.const(np.full((1, 4, 1, 1), 0.1)), net.const(0.0), net.const(4.0)]
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
