"""From QONNX to the dataflow graph: expected integers come from executing the QONNX file."""

from dataclasses import replace

import numpy as np
import pytest
from brevitas_nets import brevitas_net, export_brevitas
from finnspect.errors import PackageError, VerificationError
from finnspect.frontend import (
    check_against_finn,
    check_against_package,
    check_against_qonnx,
    compile_package,
    compile_qonnx,
    finn_road,
)
from finnspect.frontend.steps import STEPS, Step
from finnspect.ir import DataflowGraph, Depthwise, IntType, MatVec, MaxPool, SlidingWindow
from finnspect.package import GOLDEN_FILE, INFO_FILE, ModelPackage, sha256_file
from finnspect.reference import accumulator_bounds, evaluate, logits
from nets import QonnxWriter, make_package, random_qonnx

#: Random nets: together they have pools before and after quantizers, strides, kernels 1 to 5,
#: signed and unsigned codes of 2 to 8 bits, hidden dense layers, biases and negative gammas.
SEEDS = (2, 4, 6, 7, 9, 11, 13)


def classes(count):
    return [f"class{i}" for i in range(count)]


def compiled(net, folder, **arguments):
    path = net.save(folder / "m.onnx")
    result = compile_qonnx(path, classes(net.value.shape[1]), folder / "work", **arguments)
    return result, path


def random_images(net, count=32, seed=99):
    images = np.random.default_rng(seed).integers(0, 256, (count, *net.shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    return images


def well_formed(graph):
    for layer in graph:
        if isinstance(layer, MatVec):
            low, high = accumulator_bounds(layer.weights, graph.tensors[layer.input].dtype)
            acc = layer.acc_dtype
            assert acc.signed
            assert acc.min <= low.min()
            assert high.max() <= acc.max
            if layer.activation is None:
                continue
            assert high.max() < acc.max
            tight = IntType.spanning(min(int(low.min()), -1), int(high.max()) + 1, signed=True)
            assert acc == tight
            inside = (layer.activation.thresholds > low[:, None]) & (
                layer.activation.thresholds <= high[:, None]
            )
            edge = np.isin(layer.activation.thresholds, (acc.min, acc.max))
            assert np.all(inside | edge)
            out = graph.tensors[layer.output].dtype
            assert layer.activation.base >= out.min
            assert layer.activation.base + layer.activation.steps <= out.max


@pytest.mark.parametrize("seed", SEEDS)
def test_random_net_equals_the_qonnx_file_layer_by_layer(seed, tmp_path):
    net = random_qonnx(seed)
    result, path = compiled(net, tmp_path, images=net.images[:1])
    check = check_against_qonnx(result.graph, path, random_images(net))
    assert check.images == check.equal_images + check.rounding_images == 32
    assert check.rounding_images <= 2
    assert check.changed_predictions == 0
    assert check.layers >= 2
    well_formed(result.graph)
    result.graph.save(tmp_path / "graph")
    assert DataflowGraph.load(tmp_path / "graph") == result.graph
    # a falling channel with the least weight is turned by a layer that FINN's steps do not have
    turned = [layer for layer in result.graph if isinstance(layer, Depthwise)]
    assert (result.finn_model_path is None) == bool(turned), result.report.finn_unavailable
    if not turned:
        check_against_finn(result.graph, result.finn_model_path, random_images(net, 3))


BREVITAS = {
    "cnn": (
        (9, 12, 3),
        [
            ("conv", 6, 3, 1, 1, 4), ("norm",), ("relu", 4), ("pool", 2),
            ("conv", 8, 3, 2, 0, 3), ("norm",), ("signed", 3),
            ("conv", 5, 1, 1, 0, 2), ("norm",), ("relu", 2),
            ("flatten",), ("dense", 4, 4),
        ],
    ),
    "mlp": (
        (6, 5, 3),
        [("flatten",), ("dense", 12, 4), ("norm",), ("relu", 4), ("dense", 7, 8), ("norm",), ("signed", 8),
         ("dense", 3, 4)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BREVITAS)
def test_brevitas_net_equals_its_export_layer_by_layer(name, tmp_path):
    shape, specs = BREVITAS[name]
    path = export_brevitas(brevitas_net(shape, specs), shape, tmp_path / "m.onnx")
    outputs = specs[-1][1]
    result = compile_qonnx(path, classes(outputs), tmp_path / "work")
    images = np.random.default_rng(1).integers(0, 256, (32, *shape), dtype=np.uint8)
    check = check_against_qonnx(result.graph, path, images)
    assert check.rounding_images <= 2
    assert check.changed_predictions == 0
    values = evaluate(result.graph, images)
    for layer in result.graph:
        if isinstance(layer, MatVec) and layer.activation is not None:
            assert len(np.unique(values[layer.output])) > 2


def test_ties_on_thresholds_follow_round_half_to_even(tmp_path):
    """Power-of-two scales make QONNX's float32 arithmetic exact, and half the accumulators tie."""
    net = QonnxWriter((6, 6, 1), seed=3).pixels(1.0)
    net.conv(4, bits=3, per_channel=False, scale=0.5).relu().quant(8, scale=1.0)
    net.conv(4, bits=3, per_channel=False, scale=0.25).quant(8, signed=True, scale=0.5)
    net.flatten().dense(3, scale=0.25)
    result, path = compiled(net, tmp_path)
    images = np.random.default_rng(5).integers(0, 4, (40, 6, 6, 1), dtype=np.uint8)
    check = check_against_qonnx(result.graph, path, images)
    assert check.equal_images == 40
    conv = result.graph.layer("conv0")
    sums = evaluate(result.graph, images)["conv0_window"].astype(np.int64) @ conv.weights.T
    halves = sums[sums % 2 == 1]  # y / s = a / 2
    assert halves.size > 100
    assert conv.activation.thresholds[0, :3].tolist() == [2, 3, 6]
    assert result.report.thresholds_changed > 0  # FINN's own would be 1, 3, 5


def test_least_weight_code_survives_a_negative_gamma(tmp_path):
    net = QonnxWriter((6, 6, 2), seed=8).pixels().conv(6, bits=4, narrow=False)
    assert weights_of(net).min() == -8
    net.norm()
    gamma = net.constants[-4]
    values = -np.abs(np.frombuffer(gamma.raw_data, np.float32))
    gamma.raw_data = values.astype(np.float32).tobytes()
    net.relu().quant(4, scale=0.4).flatten().dense(3)
    result, path = compiled(net, tmp_path)
    conv = result.graph.layer("conv0")
    assert conv.weights.max() == 8
    assert conv.weight_dtype == IntType(5, True)
    assert check_against_qonnx(result.graph, path, random_images(net)).changed_predictions == 0


def weights_of(net):
    raw, scale = net.constants[1], net.constants[2]
    values = np.frombuffer(raw.raw_data, np.float32).reshape(tuple(raw.dims))
    scales = np.frombuffer(scale.raw_data, np.float32).reshape(tuple(scale.dims))
    return np.round(values / scales).reshape(len(values), -1)


def test_dead_channels_become_constants(tmp_path):
    net = QonnxWriter((6, 6, 1), seed=4).pixels().conv(5).norm(dead=2).relu().quant(4).flatten().dense(3)
    result, path = compiled(net, tmp_path)
    assert not result.graph.layer("conv0").weights[:2].any()
    assert check_against_qonnx(result.graph, path, random_images(net)).changed_predictions == 0


def test_one_to_one_channel_convolution_is_not_taken_for_depthwise(tmp_path):
    net = QonnxWriter((6, 6, 1), seed=5).pixels().conv(1, bits=4).relu().quant(4).flatten().dense(3)
    result, path = compiled(net, tmp_path)
    assert check_against_qonnx(result.graph, path, random_images(net)).changed_predictions == 0


@pytest.fixture(scope="module")
def rounding(tmp_path_factory):
    """Accumulator 3 over the step 0.4 (in float32 a little more) is below 7.5, but 7.5 in float32."""
    net = QonnxWriter((6, 6, 1), seed=8, samples=8).pixels(1.0)
    net.conv(4, bits=3, per_channel=False, scale=1.0).relu().quant(8, scale=0.4).flatten().dense(
        3, scale=0.25
    )
    net.images = np.random.default_rng(1).integers(0, 4, net.images.shape, dtype=np.uint8)
    return make_package(tmp_path_factory.mktemp("rounding") / "rounding", net)


def test_float32_rounding_is_told_from_a_difference_by_float64(rounding, tmp_path):
    result = compile_package(rounding, tmp_path)
    golden = rounding.golden()
    assert result.graph.layer("conv0").activation.thresholds[0, 6:8].tolist() == [3, 4]
    check = check_against_package(result.graph, rounding, golden.images)
    assert check.rounding_images == 8
    differing = (logits(result.graph, golden.images) != golden.logits_int).any(axis=1)
    assert result.report.golden_rounding_images == differing.sum() > 0


def test_rounding_does_not_excuse_a_changed_golden_logit(rounding, tmp_path):
    golden = rounding.golden().model_dump()
    golden["logits_int"] = golden["logits_int"] + 1
    wrong = repack(rounding, tmp_path / "p", golden=golden)
    with pytest.raises(VerificationError, match="golden"):
        compile_package(wrong, tmp_path / "work")


# -- one small package for the rest ------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    net = QonnxWriter((10, 10, 1), seed=21).pixels()
    net.conv(6).norm().relu().quant(4).pool()
    net.conv(8, kernel=3, stride=2).norm().relu().quant(3).flatten().dense(4)
    return make_package(tmp_path_factory.mktemp("package") / "tiny-test", net)


@pytest.fixture(scope="module")
def result(package, tmp_path_factory):
    return compile_package(package, tmp_path_factory.mktemp("work"))


def test_layers_have_short_names_and_the_shapes_of_the_model(result):
    graph = result.graph
    assert [layer.name for layer in graph] == [
        "conv0_window", "conv0", "pool0", "conv1_window", "conv1", "dense0_window", "dense0",
    ]  # fmt: skip
    kinds = [SlidingWindow, MatVec, MaxPool, SlidingWindow, MatVec, SlidingWindow, MatVec]
    assert [type(layer) for layer in graph] == kinds
    assert graph.name == "tiny-test"
    assert [graph.tensors[layer.output].shape for layer in graph] == [
        (10, 10, 9), (10, 10, 6), (5, 5, 6), (3, 3, 54), (3, 3, 8), (1, 1, 72), (1, 1, 4),
    ]  # fmt: skip
    assert graph.layer("dense0_window").kernel == graph.layer("dense0_window").stride == (3, 3)
    assert str(graph.tensors["conv1"].dtype) == "UINT3"
    assert graph.input_scale == float(np.float32(1 / 255))


def test_finn_nodes_exist_in_the_saved_graph(result):
    from qonnx.core.modelwrapper import ModelWrapper

    model = ModelWrapper(str(result.finn_model_path))
    names = {node.name for node in model.graph.node}
    assert set(result.graph.finn_nodes.values()) <= names
    assert set(result.graph.finn_nodes) == {layer.name for layer in result.graph} - {"dense0_window"}
    assert {node.op_type for node in model.graph.node} == {
        "FMPadding", "ConvolutionInputGenerator", "MVAU", "Pool",
    }  # fmt: skip
    assert model.get_tensor_shape(model.graph.input[0].name) == [1, 10, 10, 1]


def test_report_covers_every_step(result):
    report = result.report
    assert [step.step for step in report.steps] == [step.name for step in STEPS]
    assert [s.step for s in report.steps if s.exact] == [
        "exact_thresholds", "to_hardware_layers", "minimise_widths",
    ]  # fmt: skip
    assert all(step.max_abs_diff < 1e-4 and step.changed_predictions == 0 for step in report.steps)
    assert report.thresholds == 6 * 15 + 8 * 7
    assert report.check.equal_images + report.check.rounding_images == report.images == 4
    assert report.to_dict()["check"]["images"] == 4


def test_the_same_package_gives_the_same_bytes(package, result, tmp_path):
    again = compile_package(package, tmp_path)
    assert again.graph == result.graph
    assert again.finn_model_path.read_bytes() == result.finn_model_path.read_bytes()


def test_golden_logits_equal_the_reference(package, result):
    golden = package.golden()
    assert np.array_equal(logits(result.graph, golden.images), golden.logits_int)
    assert check_against_package(result.graph, package, golden.images).changed_predictions == 0


def repack(package, folder, **changes):
    """Copy a package with changed golden arrays or info fields, hashes put right."""
    import json
    import shutil

    shutil.copytree(package.path, folder)
    info = json.loads((folder / INFO_FILE).read_text())
    if "golden" in changes:
        np.savez_compressed(folder / GOLDEN_FILE, **changes.pop("golden"))
        info["sha256"][GOLDEN_FILE] = sha256_file(folder / GOLDEN_FILE)
    (folder / INFO_FILE).write_text(json.dumps(info | changes))
    return ModelPackage.load(folder)


def test_a_wrong_golden_logit_is_found(package, tmp_path):
    golden = package.golden().model_dump()
    golden["logits_int"] = golden["logits_int"].copy()
    golden["logits_int"][2, 1] += 1
    wrong = repack(package, tmp_path / "p", golden=golden)
    with pytest.raises(VerificationError, match=r"golden.*'dense0', image 2, index \(1,\)"):
        compile_package(wrong, tmp_path / "work")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a", "b"]}, "number of classes is 4, package.json says 2"),
        ({"preprocessing": {"color": "grey", "height": 10, "width": 10, "scale": 0.5}}, "pixel scale"),
        ({"preprocessing": {"color": "grey", "height": 10, "width": 12, "scale": 1 / 255}}, "input shape"),
    ],
)
def test_a_package_that_contradicts_its_model_is_refused(package, tmp_path, change, message):
    wrong = repack(package, tmp_path / "p", **change)
    with pytest.raises(PackageError, match=message):
        compile_package(wrong, tmp_path / "work")


# -- planted faults ----------------------------------------------------------------------------------


def plant(graph, name, **changes):
    layers = tuple(replace(layer, **changes) if layer.name == name else layer for layer in graph)
    return replace(graph, layers=layers)


def flipped_weight(graph, name):
    weights = graph.layer(name).weights.copy()
    weights[1, 4] = -weights[1, 4] if weights[1, 4] else 1
    return plant(graph, name, weights=weights)


def moved_threshold(graph, name):
    layer = graph.layer(name)
    thresholds = layer.activation.thresholds.copy()
    thresholds[0, 2] = min(thresholds[0, 2] + 1, thresholds[0, 3])
    assert thresholds[0, 2] != layer.activation.thresholds[0, 2]
    return plant(graph, name, activation=replace(layer.activation, thresholds=thresholds))


def swapped_channels(graph, name):
    layer = graph.layer(name)
    order = [1, 0, *range(2, layer.MH)]
    return plant(graph, name, weights=layer.weights[order])


@pytest.mark.parametrize("fault", [flipped_weight, moved_threshold, swapped_channels])
@pytest.mark.parametrize("layer", ["conv0", "conv1"])
def test_a_planted_fault_is_named(fault, layer, package, result):
    wrong = fault(result.graph, layer)
    images = np.random.default_rng(6).integers(0, 256, (200, 10, 10, 1), dtype=np.uint8)
    with pytest.raises(VerificationError) as caught:
        check_against_package(wrong, package, images)
    assert caught.value.layer == layer
    assert abs(caught.value.got - caught.value.expected) >= 1
    with pytest.raises(VerificationError) as caught:
        check_against_finn(wrong, result.finn_model_path, images)
    assert caught.value.layer == layer


def test_a_step_that_changes_an_integer_is_named(package, tmp_path, monkeypatch):
    def careless(work):
        node = work.model.get_nodes_by_op_type("MVAU")[1]
        weights = work.model.get_initializer(node.input[1]).copy()
        weights[0] += 1
        work.model.set_initializer(node.input[1], weights)

    monkeypatch.setattr(finn_road, "STEPS", (*STEPS, Step("careless", careless)))
    with pytest.raises(VerificationError, match="after step 'careless'") as caught:
        compile_package(package, tmp_path)
    assert caught.value.layer == "MVAU_1"
    assert not (tmp_path / "finn_hw.onnx").exists()


def test_weights_that_finn_changed_are_named(package, tmp_path, monkeypatch):
    def careless(work):
        node = work.model.get_nodes_by_op_type("MatMul")[1]
        weights = work.model.get_initializer(node.input[1]).copy()
        weights[3, 2] += 1
        work.model.set_initializer(node.input[1], weights)

    index = [step.name for step in STEPS].index("exact_thresholds")
    steps = (*STEPS[:index], Step("careless", careless), *STEPS[index:])
    monkeypatch.setattr(finn_road, "STEPS", steps)
    with pytest.raises(VerificationError, match="FINN's weights vs the QONNX file"):
        compile_package(package, tmp_path)
