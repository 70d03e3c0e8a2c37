"""Forms that the front end takes besides a plain chain, each against the executed QONNX file."""

from fractions import Fraction

import numpy as np
import pytest
from brevitas_nets import export_brevitas
from finnspect.errors import VerificationError
from finnspect.frontend import check_against_finn, compile_qonnx, load_qonnx, read_network
from finnspect.frontend.check import check_model
from finnspect.frontend.lower import dataflow_graph
from finnspect.frontend.multipliers import candidates, small_multipliers
from finnspect.frontend.thresholds import channel_thresholds, rounding_steps
from finnspect.ir import Add, Depthwise, IntType, MatVec, MaxPool, SumPool, Threshold
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import QONNX, QonnxWriter


def start(channels=1, seed=5):
    return QonnxWriter((8, 8, channels), seed).pixels()


def stage(net):
    return net.conv(4).norm().relu().quant(4)


def finish(net):
    return net.flatten().dense(3)


def compiled(net, folder):
    """Compile, which compares every layer with the file; return the graph."""
    images = np.random.default_rng(1).integers(0, 256, (16, *net.shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    path = net.save(folder / "m.onnx")
    classes = [f"class{i}" for i in range(net.value.shape[1])]
    return compile_qonnx(path, classes, folder / "work", images=images)


def checked(net, folder):
    """Return the graph, and its comparison with the file; without FINN's steps."""
    model = load_qonnx(net.save(folder / "m.onnx"))
    network = read_network(model)
    graph = dataflow_graph(network, "net")
    images = np.random.default_rng(1).integers(0, 256, (16, *net.shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    return graph, check_model(graph, model, network, images)


# -- sums at unequal scales --------------------------------------------------------------------------

scales = st.floats(2**-6, 4, width=32).map(Fraction)
codes = st.tuples(st.integers(1, 5), st.booleans()).map(lambda t: IntType(max(t[0], 1 + t[1]), t[1]))


@settings(derandomize=True, max_examples=150, deadline=None)
@given(first=scales, second=scales, step=scales, types=st.tuples(codes, codes), sign=st.sampled_from([1, -1]))
def test_small_multipliers_decide_every_pair_as_the_rationals_do(first, second, step, types, sign):
    ratio = first / (sign * second)
    exact = (ratio.numerator, ratio.denominator)
    unit = first / exact[0]
    steps = rounding_steps(step, range(-3, 5))
    if unit < 0:
        exact, unit = (-exact[0], -exact[1]), -unit
    rows = (tuple(channel_thresholds(unit, Fraction(0), steps)),)
    found = small_multipliers(exact, types, rows)
    multipliers, thresholds = found if found is not None else (exact, rows)
    for a in range(types[0].min, types[0].max + 1):
        for b in range(types[1].min, types[1].max + 1):
            expected = min(max(round((first * a + sign * second * b) / step), -4), 4)
            total = multipliers[0] * a + multipliers[1] * b
            assert sum(total >= t for t in thresholds[0]) - 4 == expected


def test_multipliers_of_close_scales_are_small():
    exact = (Fraction(0.1) / Fraction(0.2000001)).as_integer_ratio()
    rows = (
        tuple(
            channel_thresholds(
                Fraction(0.1) / exact[0], Fraction(0), rounding_steps(Fraction(0.3), range(1, 16))
            )
        ),
    )
    multipliers, _ = small_multipliers(exact, (IntType(4, False), IntType(4, False)), rows)
    assert max(multipliers) <= 64


def test_candidates_end_at_the_ratio_itself():
    assert list(candidates(Fraction(5, 7)))[-1] == Fraction(5, 7)
    assert list(candidates(Fraction(3)))[-1] == 3
    assert len(list(candidates(Fraction(10**9 + 7, 3)))) < 100


def two_branches(first_scale, second_scale):
    net = stage(start(2))
    split = net.tip, net.value
    left = net.conv(4).norm().quant(4, signed=True, scale=first_scale)
    left, values = net.tip, net.value
    net.tip, net.value = split
    net.conv(4).norm().relu().quant(4, scale=second_scale)
    net.value = net.value + values
    net.tip = net.node("Add", [left, net.tip])
    return net


@pytest.mark.parametrize("pair", [(0.25, 0.25), (0.3, 0.11)])
def test_a_batch_norm_of_both_signs_behind_a_sum(pair, tmp_path):
    result = compiled(finish(two_branches(*pair).norm().relu().quant(4)), tmp_path)
    kinds = [type(layer) for layer in result.graph]
    assert kinds.count(Add) == 1
    assert Threshold not in kinds
    add = next(layer for layer in result.graph if isinstance(layer, Add))
    assert add.activation is not None
    assert (add.multipliers == (1, 1)) == (pair[0] == pair[1])
    # channels whose staircase falls are turned behind the sum
    turned = [layer for layer in result.graph if isinstance(layer, Depthwise)]
    assert len(turned) == 1
    assert set(np.unique(turned[0].weights)) == {-1, 1}
    assert result.finn_model_path is None
    assert "add_" in result.report.finn_unavailable


def test_a_sum_of_one_scale_is_read_as_it_is(tmp_path):
    result = compiled(finish(two_branches(0.25, 0.25)), tmp_path)
    add = next(layer for layer in result.graph if isinstance(layer, Add))
    assert (add.multipliers, add.activation) == ((1, 1), None)
    assert result.graph.tensors[add.output].dtype == IntType(6, True)


# -- odd orders --------------------------------------------------------------------------------------


def branch(make):
    """A map, and the same map gone through ``make``, with one quantizer, joined."""
    net = stage(start())
    before = net.tip, net.scale, net.value
    make(net)
    net.quant(4, scale=before[1])
    net.tip = net.node("Concat", [before[0], net.tip], axis=1)
    net.value = np.concatenate([before[2], net.value], axis=1)
    return finish(net)


def centred():
    net = start(3)
    net.then("Sub", net.const(np.reshape([0.4, 0.5, 0.6], (1, 3, 1, 1))))
    return finish(stage(net.quant(6, signed=True)))


def constants(net, *values):
    return [net.const(v) for v in values]


def average(net, kernel=2, stride=2, **attributes):
    return net.then("AveragePool", kernel_shape=[kernel] * 2, strides=[stride] * 2, **attributes)


def padded():
    """Zeros around codes in a node of their own, for a convolution that pads one side more itself."""
    net = stage(start())
    net.then("Pad", net.const([0, 0, 1, 1, 0, 0, 0, 1], np.int64))
    return finish(net.conv(4, pad=1).norm().relu().quant())


def falling():
    net = start().conv(4).pool()
    return finish(net.then("Mul", net.const(-0.5)).norm().relu().quant())


FORMS = {
    "input quantizer": lambda: finish(stage(start().quant(8))),
    "centred pixels": centred,
    "depthwise": lambda: finish(stage(start()).conv(4, group=4).norm().relu().quant()),
    "bipolar codes": lambda: finish(start().conv(4).norm().bipolar().conv(4, pad=0).norm().relu().quant()),
    "bipolar logits": lambda: finish(start().conv(4).norm().bipolar().conv(4, pad=0).norm().bipolar()),
    "average pool": lambda: finish(average(stage(start())).quant()),
    "overlapping average": lambda: finish(
        average(stage(start()), 3, 2, pads=[1] * 4, count_include_pad=1).quant()
    ),
    "global average": lambda: finish(stage(start()).then("GlobalAveragePool").quant(3)),
    "global average of few codes": lambda: finish(
        start().conv(4).norm().relu().quant(2).then("GlobalAveragePool")
    ),
    "average before the quantizer": lambda: finish(average(start().conv(4).norm()).relu().quant()),
    "padded pool": lambda: finish(stage(start()).pool(3, 2, pads=[1, 1, 1, 1])),
    "padding on its own": padded,
    "pool that leaves gaps": lambda: finish(stage(start()).pool(2, 3)),
    "pool before a falling scale": falling,
    "pool and batch norm": lambda: finish(start().conv(4).pool().norm().relu().quant()),
    "batch norm behind ReLU": lambda: finish(start().conv(4).relu().norm().quant()),
    "signed after ReLU": lambda: finish(start().conv(4).norm().relu().quant(4, signed=True)),
    "narrow unsigned": lambda: finish(start().conv(4).norm().relu().quant(4, narrow=True)),
    "two quantizers": lambda: finish(stage(start()).quant(3)),
    "batch norm of codes": lambda: finish(stage(start()).norm().quant(3, signed=True)),
    "ReLU of signed codes": lambda: finish(start().conv(4).norm().quant(4, signed=True).relu()),
    "quantized logits": lambda: finish(stage(start())).quant(8, signed=True),
    "branch requantized": lambda: branch(lambda net: net.conv(4).norm().relu()),
    "logits of a global average": lambda: stage(start()).conv(3).then("GlobalAveragePool").flatten(),
}


@pytest.mark.parametrize("form", FORMS, ids=lambda name: name.replace(" ", "-"))
def test_a_form_equals_its_file(form, tmp_path):
    _, check = checked(FORMS[form](), tmp_path)
    assert check.rounding_images <= 4
    assert check.layers >= 2


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("version", [1, 2])
def test_a_truncated_average_equals_its_file(mode, version, tmp_path):
    """As brevitas writes TruncAvgPool2d: average, times its positions, truncated by two bits."""
    net = stage(start())
    scale = float(np.float32(net.scale))
    split = net.tip
    net.then("AveragePool", kernel_shape=[2, 2], strides=[2, 2]).then("Mul", net.const(4.0))
    values = [scale, 0.0, 6.0, *([4 * scale] if version == 2 else []), 4.0]
    inputs = constants(net, *values)
    extra = {"signed": 0, "narrow": 0} if version == 2 else {}
    net.tip = net.node("Trunc", [net.tip, *inputs], QONNX, rounding_mode=mode, **extra)
    net.value = net.value / (4 if version == 1 else 1)
    assert split != net.tip
    graph, check = checked(finish(net), tmp_path)
    assert check.equal_images == check.images
    pool = next(layer for layer in graph if isinstance(layer, SumPool))
    assert pool.activation is not None
    assert pool.activation.thresholds[0, 0] == {"FLOOR": 4, "ROUND": 3, "CEIL": 1}[mode]


def test_bipolar_weights_become_plus_and_minus_one_and_go_through_finn(tmp_path):
    net = stage(start())
    raw = net.const(net.rng.choice([-1.0, 1.0], (4, 4, 3, 3)) * 0.3)
    weights = net.node("BipolarQuant", [raw, net.const(0.2)], QONNX)
    net.then("Conv", weights, kernel_shape=[3, 3], pads=[1] * 4)
    result = compiled(finish(net.norm().relu().quant()), tmp_path)
    conv = result.graph.layer("conv1")
    assert conv.bipolar
    assert conv.weight_dtype == IntType(2, True)
    images = np.random.default_rng(2).integers(0, 256, (3, *net.shape), dtype=np.uint8)
    check_against_finn(result.graph, result.finn_model_path, images)


def test_a_pool_before_a_falling_batch_norm_keeps_the_wide_maximum(tmp_path):
    graph, _ = checked(falling(), tmp_path)
    pool = next(layer for layer in graph if isinstance(layer, MaxPool))
    assert isinstance(graph.producer(pool.input), MatVec)
    assert graph.tensors[pool.input].dtype.bits > 8


# -- brevitas ----------------------------------------------------------------------------------------


def brevitas_residual(kind):
    """A small residual, separable, averaging network as brevitas users write one."""
    import brevitas.nn as qnn
    import torch
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, Uint8ActPerTensorFloat
    from torch import nn

    import quant_models.torch_compat  # noqa: F401
    from quant_models.models.cnv import PixelScale

    def conv(cin, cout, k, groups=1):
        return qnn.QuantConv2d(
            cin, cout, k, padding=k // 2, groups=groups, bias=False, weight_bit_width=4,
            weight_quant=Int8WeightPerChannelFloat,
        )  # fmt: skip

    def act(bits):
        return qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=bits)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.pixels = PixelScale(1 / 255)
            self.stem, self.norm0, self.act0 = conv(3, 6, 3), nn.BatchNorm2d(6), act(4)
            self.deep, self.norm1, self.act1 = conv(6, 6, 3, groups=6), nn.BatchNorm2d(6), act(4)
            self.wide, self.norm2 = conv(6, 6, 1), nn.BatchNorm2d(6)
            self.shared = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=4)
            self.other = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, bit_width=5)
            self.last = act(4)
            self.average = nn.AdaptiveAvgPool2d(1)
            self.averaged = act(4)
            self.head = qnn.QuantLinear(6, 4, bias=True, weight_bit_width=4)

        def forward(self, x):
            x = self.act0(self.norm0(self.stem(self.pixels(x))))
            y = self.norm2(self.wide(self.act1(self.norm1(self.deep(x)))))
            x = self.shared(y) + (self.shared(x) if kind == "equal" else self.other(x))
            x = self.averaged(self.average(self.last(x)))
            return self.head(torch.flatten(x, 1))

    torch.manual_seed(3)
    net = Net()
    with torch.no_grad():
        net.train()
        for _ in range(5):
            net(torch.randint(0, 256, (16, 3, 8, 8)).float())
        for norm in (net.norm0, net.norm1, net.norm2):
            norm.weight.data = 0.5 + torch.rand(6)
            norm.weight.data[0] *= -1
            norm.bias.data = 0.3 * torch.randn(6)
    return net.eval()


@pytest.mark.parametrize("kind", ["equal", "unequal"])
def test_a_brevitas_residual_network_equals_its_export(kind, tmp_path):
    path = export_brevitas(brevitas_residual(kind), (8, 8, 3), tmp_path / "m.onnx")
    images = np.random.default_rng(1).integers(0, 256, (24, 8, 8, 3), dtype=np.uint8)
    result = compile_qonnx(path, list("abcd"), tmp_path / "work", images=images)
    assert {Add, Depthwise, SumPool, MatVec} <= {type(layer) for layer in result.graph}
    add = next(layer for layer in result.graph if isinstance(layer, Add))
    assert (add.multipliers == (1, 1)) == (kind == "equal")
    assert result.report.check.rounding_images <= 4


def test_channels_last_input_is_turned(tmp_path):
    net = QonnxWriter((8, 8, 3))
    net.pixels()
    finish(stage(net))
    model = net.model()
    first = model.graph.node[0]
    model.graph.node.insert(0, _transpose(first))
    model.set_tensor_shape("global_in", [1, 8, 8, 3])
    path = tmp_path / "m.onnx"
    path.write_bytes(model.model.SerializeToString())
    network = read_network(load_qonnx(path))
    assert network.input_shape == (8, 8, 3)
    compile_qonnx(path, list("abc"), tmp_path / "work")


def _transpose(first):
    from onnx import helper

    source = first.input[0]
    first.input[0] = "turned"
    return helper.make_node("Transpose", [source], ["turned"], perm=[0, 3, 1, 2])


def test_float64_does_not_excuse_an_execution_that_does_something_else(tmp_path, monkeypatch):
    """An operator that QONNX executes in another way than the file means is no rounding."""
    from qonnx.custom_op.general import intquant

    def halved(x, *rest):
        return real(x, *rest) / 2

    net = finish(stage(start()))
    real = intquant.int_quant
    path = net.save(tmp_path / "m.onnx")
    model = load_qonnx(path)
    network = read_network(model)
    graph = dataflow_graph(network, "net")
    monkeypatch.setattr(intquant, "int_quant", halved)
    images = np.random.default_rng(1).integers(0, 256, (4, *net.shape), dtype=np.uint8)
    with pytest.raises(VerificationError, match="float64 and float32"):
        check_model(graph, model, network, images)
