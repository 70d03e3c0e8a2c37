"""FINN's own builder steps, as far as they go without Vivado, on our integers and folding."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from finn_nets import BOARD, compiled_net, prepared
from finnspect import analysis
from finnspect.config import DEFAULT_PACKAGE
from finnspect.errors import ToolError, UnsupportedModelError, VerificationError
from finnspect.folding import Folding, choose_folding
from finnspect.frontend import compile_package
from finnspect.frontend.execution import run_activations
from finnspect.ir import MatVec, MaxPool, SlidingWindow
from finnspect.package import ModelPackage
from finnspect.paths import PACKAGES_DIR
from finnspect.reference import logits
from finnspect.toolchains.finn_builder_config import build_config
from finnspect.toolchains.finn_builder_estimates import read_estimates
from finnspect.toolchains.finn_builder_steps import (
    check_ends,
    check_folding_of,
    check_integers,
    executable,
    finn_folding,
    nodes_of_layers,
    run_finn_steps,
    some_images,
)
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.custom_op.registry import getCustomOp


@pytest.fixture(scope="module", params=[9, 11], ids=lambda seed: f"net{seed}")
def made(request, tmp_path_factory):
    return prepared(request.param, tmp_path_factory.mktemp("finn"))


def test_finns_graph_puts_out_our_logits(made):
    """Executed with QONNX's executor here, not with the function under test."""
    model = executable(made.finn.model)
    images = some_images(made.graph, 6)
    name, out = model.graph.input[0].name, model.graph.output[0].name
    expected = logits(made.graph, images)
    for image, wanted in zip(images, expected, strict=True):
        feed = image.reshape(model.get_tensor_shape(name)).astype(np.float32)
        assert np.array_equal(execute_onnx(model, {name: feed})[out].reshape(-1), wanted)
    assert len(np.unique(expected, axis=0)) > 2


def test_the_shipped_package_keeps_its_golden_logits(tmp_path):
    """Against what QONNX's execution of the exported file said: the reference has no part in it."""
    package = ModelPackage.load(PACKAGES_DIR / DEFAULT_PACKAGE)
    golden = package.golden()
    result = compile_package(package, tmp_path / "frontend")
    config = build_config(BOARD, 100.0, tmp_path)
    folding = choose_folding(result.graph, 80_000)
    finn = run_finn_steps(
        result.graph, folding, result.finn_model_path, config, tmp_path / "tmp", golden.images
    )
    _, got = run_activations(executable(finn.model), golden.images, "NHWC")
    assert np.array_equal(got, golden.logits_int)


def test_a_changed_threshold_is_found(made):
    from copy import deepcopy

    model = deepcopy(made.finn.model)
    node = next(n for n in model.graph.node if len(n.input) > 2)
    model.set_initializer(node.input[2], model.get_initializer(node.input[2]) + 1)
    with pytest.raises(VerificationError, match="FINN's builder vs reference"):
        check_integers(made.graph, model, some_images(made.graph, 20))


def test_it_carries_our_thresholds_and_weights(made):
    nodes = nodes_of_layers(made.graph, made.finn.model)
    for layer in made.graph:
        if not isinstance(layer, MatVec):
            continue
        (node,) = nodes[layer.name]
        assert np.array_equal(made.finn.model.get_initializer(node.input[1]).T, layer.weights)
        if layer.activation is None:
            assert len(node.input) == 2
            continue
        theirs = made.finn.model.get_initializer(node.input[2])
        low, high = layer.acc_dtype.min, layer.acc_dtype.max
        ours = layer.activation.thresholds
        theirs = np.broadcast_to(theirs, ours.shape)
        inside = (ours > low) & (ours < high)
        assert np.array_equal(ours[inside], theirs[inside])
        assert getCustomOp(node).get_nodeattr("ActVal") == layer.activation.base


def test_nothing_is_left_to_software(made):
    model = made.finn.model
    assert "Transpose" not in {node.op_type for node in model.graph.node}
    assert model.get_tensor_datatype(model.graph.input[0].name).name == "UINT8"
    assert model.get_tensor_datatype(model.graph.output[0].name).is_integer()
    assert all(node.op_type.endswith(("_rtl", "_hls")) for node in model.graph.node)
    check_ends(model)


def test_a_float_tensor_is_refused(made):
    from copy import deepcopy

    from qonnx.core.datatype import DataType

    model = deepcopy(made.finn.model)
    model.set_tensor_datatype(model.graph.output[0].name, DataType["FLOAT32"])
    with pytest.raises(UnsupportedModelError, match="is float"):
        check_ends(model)


def test_every_node_is_folded_as_ours(made):
    nodes = nodes_of_layers(made.graph, made.finn.model)
    for layer in made.graph:
        ours = made.folding[layer.name]
        for node in nodes[layer.name]:
            instance = getCustomOp(node)
            if isinstance(layer, MatVec):
                assert (instance.get_nodeattr("PE"), instance.get_nodeattr("SIMD")) == (ours.PE, ours.SIMD)
            elif isinstance(layer, SlidingWindow):
                channels = made.graph.tensors[layer.input].shape[2]
                assert instance.get_nodeattr("SIMD") == min(ours.SIMD, channels)
                if node.op_type.startswith("ConvolutionInputGenerator"):
                    assert instance.get_nodeattr("parallel_window") == int(channels < ours.SIMD)
            elif node.op_type.startswith("Pool"):
                assert instance.get_nodeattr("PE") == ours.PE
            else:
                assert instance.get_nodeattr("SIMD") == ours.PE


def test_a_folding_that_finn_drops_is_found(made):
    wanted = {name: dict(values) for name, values in made.finn.folding.items()}
    name = next(n for n in wanted if n.startswith("MVAU"))
    wanted[name]["PE"] += 1
    with pytest.raises(ToolError, match=f"{name} PE"):
        check_folding_of(made.finn.model, wanted)


def test_another_chain_is_refused(made):
    shorter = replace(made.graph, layers=made.graph.layers[:-1], output=made.graph.layers[-2].output)
    with pytest.raises(UnsupportedModelError, match="does not have"):
        nodes_of_layers(shorter, made.finn.model)


def test_estimates_are_finns(made):
    estimates = read_estimates(made.reports, made.finn.names)
    assert (estimates.kind, estimates.source) == ("estimated", "FINN's estimates")
    ours = analysis.graph_cycles(made.graph, made.folding)
    for layer in made.graph:
        if isinstance(layer, MatVec):  # a matrix product takes rows / PE x columns / SIMD in any hardware
            (node,) = made.finn.names[layer.name]
            assert estimates.cycles[node] == ours[layer.name]
        elif isinstance(layer, MaxPool):
            assert made.finn.names[layer.name][-1].startswith("Pool")
    assert estimates.max_cycles == max(estimates.cycles.values()) == estimates.cycles[estimates.slowest]
    assert estimates.fps == pytest.approx(100e6 / estimates.max_cycles)
    assert estimates.total["LUT"] == sum(each["LUT"] for each in estimates.resources.values()) > 0
    assert json.loads(json.dumps(estimates.to_json()))["total"] == estimates.total


@pytest.mark.parametrize("damage", ["missing", "rubbish", "list", "figure"])
def test_reports_that_cannot_be_read_are_errors(made, tmp_path, damage):
    for path in made.reports.glob("*.json"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    victim = tmp_path / "estimate_network_performance.json"
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_text({"rubbish": "{", "list": "[]", "figure": "{}"}[damage])
    with pytest.raises(ToolError, match=r"estimate_network|lack a figure"):
        read_estimates(tmp_path, made.finn.names)


def test_finn_gets_back_what_it_lent(tmp_path):
    """Environment and placeholder are gone when the steps have run; a bad folding names FINN's step."""
    import finn.xsi

    result, folding = compiled_net(9, tmp_path)
    before = dict(os.environ)
    values = folding.to_json()
    values["conv0"]["PE"] = result.graph.layer("conv0").MH + 1
    bad = Folding.of(values)
    config = build_config(BOARD, 100.0, tmp_path)
    with pytest.raises(ToolError, match="FINN's step_"):
        run_finn_steps(result.graph, bad, result.finn_model_path, config, tmp_path / "tmp")
    assert dict(os.environ) == before
    assert "SimEngine" not in vars(finn.xsi)


def test_folding_names_every_node(made):
    model = ModelWrapper(str(made.result.finn_model_path))
    document = finn_folding(made.graph, made.folding, model)
    assert document.pop("Defaults") == {}
    assert set(document) == {node.name for node in model.graph.node}
