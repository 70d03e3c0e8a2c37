"""Every topology of the registry: the export computes what torch does, costs what QONNX counts, compiles."""

import numpy as np
import pytest
import torch
from finnspect.errors import ConfigError
from finnspect.frontend import check_against_qonnx, compile_qonnx
from finnspect.ir import Add, MatVec
from hypothesis import given, settings
from hypothesis import strategies as st
from qonnx.util.inference_cost import inference_cost

from quant_models.compilable import check_compiles, random_images, settle
from quant_models.export import export_qonnx_graph
from quant_models.models import available_models, build_float_twin, build_model, model_cost, parse_name
from quant_models.qonnx_tools import execute

#: Small inputs that each family takes.
SHAPES = {
    "mlp": (16, 16, 1),
    "vgg6": (32, 32, 1),
    "cnv": (32, 32, 1),
    "cnv_tiny": (16, 16, 3),
    "resnet8": (16, 16, 3),
    "dsnet": (32, 32, 1),
}
QUICK = ("w4a4", "w1a1")


def marked(name):
    return name if name.endswith(QUICK) else pytest.param(name, marks=pytest.mark.slow)


def settled(name, shape, count=12):
    torch.manual_seed(1)
    images = random_images(shape, count)
    return settle(build_model(name, 5, shape), build_float_twin(name, 5, shape), images), images


def qonnx_cost(graph):
    """Cost as QONNX counts it; it takes a scaled bipolar weight for a float, so the scales go."""
    for node in graph.get_nodes_by_op_type("BipolarQuant"):
        graph.set_initializer(node.input[1], np.ones_like(graph.get_initializer(node.input[1])))
    return inference_cost(graph, discount_sparsity=False)["total_cost"]


@pytest.mark.parametrize(
    "name",
    [
        *map(marked, available_models()),
        "cnv_tiny_w4a4_gap",
        "resnet8_w2a2_first8_flat",
        pytest.param("cnv_w3a3_gap", marks=pytest.mark.slow),
        pytest.param("dsnet_w4a4_flat", marks=pytest.mark.slow),
    ],
)
def test_family(name, tmp_path):
    shape = SHAPES[parse_name(name)[0]]
    net, images = settled(name, shape)
    layers = compiled(net, shape, images[:4], tmp_path)
    adds = [layer for layer in layers if isinstance(layer, Add)]
    assert len(adds) == (3 if name.startswith("resnet8") else 0)
    assert all(layer.multipliers == (1, 1) for layer in adds)  # codes add up as they are
    assert all(layer.bipolar for layer in layers if isinstance(layer, MatVec)) == ("_w1" in name)
    graph = export_qonnx_graph(net, shape, name)
    result = execute(graph, images)
    with torch.no_grad():
        ours = net(torch.from_numpy(images).permute(0, 3, 1, 2).float()).numpy()
    # Random nets sit anywhere on their thresholds: the executions may differ on an image or two, no more.
    assert (np.abs(ours - result.logits).max(1) < 1e-4).sum() >= len(images) - 2
    assert np.unique(result.integers).size >= 5
    assert not {n.op_type for n in graph.graph.node} & {"ReduceMean", "GlobalAveragePool", "Pad"}
    cost, counted = model_cost(net, shape), qonnx_cost(graph)
    assert (cost.macs, cost.weights, cost.weight_bits) == (
        counted["total_macs"],
        counted["total_mem_w_elems"],
        counted["total_mem_w_bits"],
    )


def compiled(net, shape, images, folder):
    """Compile an export, and compare every integer of every layer with its execution."""
    path = folder / "model.qonnx.onnx"
    path.write_bytes(export_qonnx_graph(net, shape, "net").model.SerializeToString())
    result = compile_qonnx(path, [f"class{i}" for i in range(5)], folder / "work", images=images[:1])
    check = check_against_qonnx(result.graph, path, images)
    assert check.equal_images + check.rounding_images == len(images)
    assert check.changed_predictions == 0
    return result.graph


def test_every_topology_is_listed_at_every_width():
    """What the registry promises; each listed name is a case of :func:`test_family`."""
    standard = {"w8a8", "w4a4", "w3a3", "w2a2"}
    bits = {
        family: {n.split("_")[-1] for n in available_models() if parse_name(n)[0] == family}
        for family in SHAPES
    }
    for family in ("mlp", "cnv", "resnet8", "dsnet"):
        assert standard <= bits[family], family
    assert {family for family in bits if "w1a4" in bits[family]} == set(SHAPES) - {"dsnet"}
    assert sum(map(len, bits.values())) == len(available_models())


SIDES = st.integers(1, 80) | st.sampled_from([4, 8, 16, 32, 48, 64, 96])
#: Sides must be multiples of this; the smallest.
MULTIPLES = {"mlp": (1, 1), "cnv": (32, 32), "cnv_tiny": (8, 8), "resnet8": (4, 4), "dsnet": (16, 16)}


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    st.sampled_from(sorted(MULTIPLES)),
    st.sampled_from(["", "_flat", "_gap"]),
    SIDES,
    SIDES,
    st.sampled_from([1, 3]),
)
def test_any_size_that_divides_is_taken_and_no_other(family, head, height, width, channels):
    if family == "mlp":
        head = ""
    multiple, least = MULTIPLES[family]
    name, shape = f"{family}-x0.25_w4a4{head}", (height, width, channels)
    if height % multiple or width % multiple or min(height, width) < least:
        with pytest.raises(ConfigError, match="cannot be halved") as error:
            build_float_twin(name, 3, shape)
        assert f"multiples of {multiple}" in error.value.remedy
    else:
        assert model_cost(build_float_twin(name, 3, shape), shape).macs > 0


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp_w4a4", (7, 13, 3)),
        ("cnv_tiny_w4a4", (8, 8, 1)),
        ("cnv_w2a2_gap", (96, 32, 3)),
        ("vgg6_w4a4", (36, 44, 1)),
        ("resnet8_w4a4", (4, 4, 1)),
        ("resnet8_w3a3_flat", (4, 12, 1)),
        ("dsnet_w4a4", (16, 16, 1)),
        ("dsnet_w4a4_flat", (16, 48, 1)),
    ],
)
def test_smallest_and_oblong_inputs_compile(name, shape):
    network = check_compiles(build_model(name, 3, shape), build_float_twin(name, 3, shape), shape)
    assert len(network.layers) >= 4


def test_sizes_by_hand():
    resnet = model_cost(build_model("resnet8_w4a4", 10, (32, 32, 3)), (32, 32, 3))
    by_block = 9 * (3 * 16 + 2 * 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64) + 16 * 32 + 32 * 64
    assert resnet.weights == by_block + 640 == 77_360
    assert resnet.macs == 12_501_632  # as MLPerf Tiny's image classification
    assert resnet.weight_bits == 4 * 77_360
    first8 = model_cost(build_model("mlp_w2a2_first8", 6, (32, 32, 1)), (32, 32, 1))
    assert first8.weight_bits == 8 * 1024 * 64 + 2 * (2 * 64 * 64 + 6 * 64)


@pytest.mark.parametrize("bits", ["w8a8", "w4a4", "w2a2"])
def test_both_sides_of_an_add_have_one_scale(bits):
    net, _ = settled(f"resnet8_{bits}", (16, 16, 3))
    sources = [net.act, *(block.act for block in net.blocks)]
    for source, block in zip(sources, net.blocks, strict=False):
        step = block.side.act_quant.scale()
        if block.shortcut is None:
            assert step == source.act_quant.scale()  # to the bit, trained or not
        x = torch.randn(2, block.conv2.weight.shape[0], 4, 4)
        codes = block.side(x) / step
        assert torch.equal(codes.round() * step, block.side(x)) and codes.min() < 0
    graph = export_qonnx_graph(net, (16, 16, 3), "net")
    for add in graph.get_nodes_by_op_type("Add"):
        scales = [graph.get_initializer(graph.find_producer(t).input[1]) for t in add.input]
        assert scales[0] == scales[1]


def test_tied_scales_stay_tied_in_training():
    net, images = settled("resnet8_w4a4", (16, 16, 3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    net.train()(torch.from_numpy(images).permute(0, 3, 1, 2).float()).square().sum().backward()
    before = float(net.act.act_quant.scale())
    optimizer.step()
    after = net.act.act_quant.scale()
    assert float(after) != before and after == net.blocks[0].side.act_quant.scale()


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("resnet8_w4a4", (18, 16, 1), "halved 2 times"),
        ("dsnet_w4a4", (40, 64, 1), "halved 4 times"),
        ("vgg6_w4a4", (28, 28, 1), "28 pixels"),
        ("vgg6_w4a4", (32, 33, 1), "33 pixels"),
        ("mlp_w4a4_gap", (16, 16, 1), "no head 'gap'"),
        ("cnv_w1a1", (64, 64, 1), "pads its maps"),
        ("dsnet_w1a2", (64, 64, 1), "no bipolar weights"),
    ],
)
def test_refusals(name, shape, words):
    with pytest.raises(ConfigError, match=words):
        build_model(name, 5, shape)


def test_bipolar_weights_are_plus_and_minus_one_scale():
    net, _ = settled("vgg6_w1a1", (32, 32, 1))
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            quant = layer.quant_weight()
            assert torch.equal(quant.value.abs(), quant.scale.expand_as(quant.value))
    assert set(net.stages[0].act(torch.tensor([-3.0, -0.1, 0.2, 9.0])).tolist()) == {-1.0, 1.0}
