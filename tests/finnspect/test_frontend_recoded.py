"""Forms that take integers written in another way: each equals its file, in integers and in hardware."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from finnspect.frontend import load_qonnx, read_network
from finnspect.frontend.check import check_model
from finnspect.frontend.compile import compile_qonnx
from finnspect.frontend.lower import dataflow_graph
from finnspect.ir import ArgMax, Concat, IntType, MatVec, MaxPool, SumPool, Threshold
from nets import QONNX, QonnxWriter
from random_to_rtl import equal_in_rtl


def start(channels=1):
    return QonnxWriter((8, 8, channels), 5).pixels()


def stage(net):
    return net.conv(4).norm().relu().quant(4)


def finish(net):
    return net.flatten().dense(3)


def bipolar():
    return start().conv(4).norm().bipolar()


def one_bit(net, shape, *, signed):
    """Weights of a 1-bit Quant: -1 and +1 where signed, as QONNX executes it, else 0 and 1."""
    raw = net.const(net.rng.normal(0, 0.2, shape))
    inputs = [raw, net.const(0.2), net.const(0.0), net.const(1.0)]
    return net.node("Quant", inputs, QONNX, signed=int(signed), narrow=0, rounding_mode="ROUND")


def one_bit_convolution(*, signed):
    net = stage(start())
    net.then("Conv", one_bit(net, (4, 4, 3, 3), signed=signed), kernel_shape=[3, 3], pads=[1] * 4)
    return finish(net.norm().relu().quant())


def quantized_bias(bits, scale):
    net = stage(start())
    inputs = [net.const(net.rng.normal(0, 0.2, 4)), net.const(scale), net.const(0.0), net.const(bits)]
    bias = net.node("Quant", inputs, QONNX, signed=1, narrow=0, rounding_mode="ROUND")
    weights = net.weights((4, 4, 3, 3), 4, narrow=True, per_channel=True)
    return finish(net.then("Conv", weights, bias, kernel_shape=[3, 3], pads=[1] * 4).norm().relu().quant())


def joined(bits, scales, reader):
    """Two branches with quantizers of their own, concatenated."""
    net = stage(start())
    split = net.tip, net.value
    first = net.conv(4).norm().relu().quant(bits[0], scale=scales[0]).tip
    values = net.value
    net.tip, net.value = split
    net.conv(4).norm().quant(bits[1], signed=True, scale=scales[1])
    net.tip = net.node("Concat", [first, net.tip], axis=1)
    net.value = np.concatenate([values, net.value], axis=1)
    return finish(reader(net))


def centred():
    """Pixels less a whole number, padded: 0 becomes the code of the mean."""
    net = QonnxWriter((8, 8, 3), 5)
    return finish(stage(net.then("Sub", net.const(np.full((1, 3, 1, 1), 128.0)))))


def average():
    return stage(start()).then("GlobalAveragePool")


def classes(bias):
    net = finish(stage(start()))
    net.then("Add", net.const([bias]))
    return net.argmax()


#: name -> (network, type of a layer that is to be there, test of it)
FORMS = {
    "padded bipolar codes": (lambda: finish(bipolar().conv(4).norm().relu().quant()), MatVec, None),
    "padded bipolar codes, depthwise": (
        lambda: finish(bipolar().conv(4, group=4).norm().relu().quant()),
        MatVec,
        lambda layer, graph: graph.tensors[layer.output].dtype == IntType(2, True),
    ),
    "pool and padding of bipolar codes": (
        lambda: finish(bipolar().pool().conv(4).norm().relu().quant()),
        Threshold,
        lambda layer, graph: layer.activation.steps == 2,
    ),
    "mean subtracted in whole steps": (
        centred,
        Threshold,
        lambda layer, graph: graph.tensors[layer.output].dtype == IntType(8, True),
    ),
    "signed 1-bit activations": (
        lambda: finish(start().conv(4).norm().quant(1, signed=True, scale=0.5).conv(4).norm().relu().quant()),
        MatVec,
        lambda layer, graph: graph.tensors[layer.output].dtype == IntType(2, True),
    ),
    "signed 1-bit weights": (
        lambda: one_bit_convolution(signed=True),
        MatVec,
        lambda layer, graph: set(np.unique(layer.weights)) == {-1, 1},
    ),
    "unsigned 1-bit weights": (
        lambda: one_bit_convolution(signed=False),
        MatVec,
        lambda layer, graph: set(np.unique(layer.weights)) == {-1, 0, 1},  # some channels turned
    ),
    "bias of 32 bits": (lambda: quantized_bias(32.0, 1e-4), MatVec, None),
    "bias of 8 bits": (lambda: quantized_bias(8.0, 1e-2), MatVec, None),
    "dense layer of a global average": (
        lambda: average().flatten().dense(3, bias=True),
        SumPool,
        lambda layer, graph: isinstance(graph.producer(layer.input), MatVec) and layer.activation is None,
    ),
    "1x1 convolution of a global average": (
        lambda: average().conv(4, kernel=1).norm().relu().quant().flatten().dense(3),
        SumPool,
        None,
    ),
    "concatenation of two types": (
        lambda: joined((4, 3), (0.25, 0.25), lambda net: net),
        Concat,
        lambda layer, graph: {graph.tensors[name].dtype for name in layer.inputs} == {IntType(5, True)},
    ),
    "concatenation of two scales and a quantizer": (
        lambda: joined((4, 4), (0.25, 0.3), lambda net: net.quant(4, signed=True)),
        Threshold,
        lambda layer, graph: len(layer.activation.thresholds) == 8,
    ),
    "concatenation of two scales and a depthwise layer": (
        lambda: joined((4, 4), (0.25, 0.3), lambda net: net.conv(8, group=8).norm().relu().quant()),
        Concat,
        None,
    ),
    "pool of pixels": (
        lambda: finish(stage(start(3).pool())),
        MaxPool,
        lambda layer, graph: layer.input == graph.input,
    ),
    "class of biased logits": (
        lambda: classes([0.5, 0.25, -0.5]),
        ArgMax,
        lambda layer, graph: len(set(layer.offsets)) == 3 and layer.shift > 0,
    ),
}
#: Those that need something of the hardware that no other form does.
SIMULATED = (
    "padded bipolar codes, depthwise",
    "mean subtracted in whole steps",
    "dense layer of a global average",
    "concatenation of two types",
    "pool of pixels",
    "class of biased logits",
)


def images(net):
    drawn = np.random.default_rng(1).integers(0, 256, (16, *net.shape), dtype=np.uint8)
    drawn[0], drawn[1] = 0, 255
    return drawn


@pytest.mark.parametrize("form", FORMS, ids=lambda name: name.replace(" ", "-").replace(",", ""))
def test_a_form_equals_its_file_and_its_hardware(form, tmp_path):
    make, kind, holds = FORMS[form]
    net = make()
    model = load_qonnx(net.save(tmp_path / "m.onnx"))
    network = read_network(model)
    graph = dataflow_graph(network, "net")
    check = check_model(graph, model, network, images(net))
    assert check.rounding_images <= 4
    found = [layer for layer in graph if isinstance(layer, kind)]
    assert found
    assert holds is None or any(holds(layer, graph) for layer in found)
    if form in SIMULATED:
        equal_in_rtl(graph, 1, images(net)[:6], tmp_path)


def test_finn_is_not_asked_for_recoded_layers(tmp_path):
    net = FORMS["padded bipolar codes"][0]()
    result = compile_qonnx(net.save(tmp_path / "m.onnx"), list("abc"), tmp_path / "work", images=images(net))
    assert result.finn_model_path is None
    assert "FINN has no such codes" in result.report.finn_unavailable


@pytest.mark.parametrize("biases", [[0.0, 0.0, 0.0], [0.25, 0.25, 0.25]])
def test_equal_biases_cost_nothing(biases, tmp_path):
    network = read_network(load_qonnx(classes(biases).save(tmp_path / "m.onnx")))
    assert (network.last.shift, network.last.offsets) == (0, ())


def test_scores_rank_as_rationals_do(tmp_path):
    """Every pair of classes, around the difference at which one overtakes the other."""
    biases = [0.3, -0.7, 0.1]
    network = read_network(load_qonnx(classes(biases).save(tmp_path / "m.onnx")))
    last, (slope, *_) = network.last, network.layers[-2].probe.slopes
    biases = [Fraction(float(np.float32(bias))) / slope for bias in biases]
    layer = ArgMax("a", ("x",), ("y",), last.shift, last.offsets)
    steps = [bias.numerator // bias.denominator for bias in biases]
    for first in range(3):
        for second in range(3):
            for extra in range(-3, 4):
                x = np.zeros(3, np.int64)
                x[second] = steps[first] - steps[second] + extra
                real = x[first] + biases[first], x[second] + biases[second]
                scores = layer.scores(x)
                assert (real[0] > real[1]) == (scores[first] > scores[second])
                assert (real[0] == real[1]) == (scores[first] == scores[second])
