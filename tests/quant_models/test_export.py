import hashlib
import json
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from finnspect import train_flow
from finnspect.cli import run
from finnspect.config import list_packages
from finnspect.errors import ConfigError, PackageError
from finnspect.package import ModelPackage
from finnspect.paths import PACKAGES_DIR
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

from quant_models.export import (
    export_package,
    export_qonnx_graph,
    golden_inputs,
    package_metrics,
    repeat_command,
)
from quant_models.models import build_float_twin, build_model
from quant_models.qonnx_tools import execute, tidy, with_batch
from quant_models.train import AugmentConfig, TrainConfig
from quant_models.training.calibrate import quantize_from

SHIPPED = sorted(path for path in PACKAGES_DIR.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def package(tiny_run, tmp_path_factory) -> ModelPackage:
    return export_package(tiny_run.path, tmp_path_factory.mktemp("packages") / "tiny", 8)


def one_by_one(model_path, images):
    """Logits and integers of the last layer: one image at a time, tensors looked up by hand."""
    model = ModelWrapper(str(model_path))
    head = model.graph.node[-1]
    reshape = model.find_producer(head.input[0])
    act_scale = model.get_initializer(
        model.find_producer(model.find_producer(reshape.input[0]).input[0]).input[1]
    )
    weight_scale = model.get_initializer(model.find_producer(head.input[1]).input[1])
    logits, integers = [], []
    for image in images:
        feed = {"global_in": image.transpose(2, 0, 1)[None].astype(np.float32)}
        context = execute_onnx(model, feed, return_full_exec_context=True)
        logits.append(context["global_out"][0])
        codes = np.rint(context[head.input[0]][0] / act_scale).astype(np.int64)
        weights = np.rint(context[head.input[1]] / weight_scale).astype(np.int64)
        integers.append(weights @ codes)
    return np.array(logits), np.array(integers)


def test_package_says_where_it_comes_from(package, tiny_run):
    info = ModelPackage.load(package.path).info
    assert info.name == "cnv_tiny_w4a4-synthetic"
    assert info.classes == tiny_run.info.classes
    assert info.data_sha256 == tiny_run.info.data_sha256
    assert info.metrics["test_accuracy"] == tiny_run.metrics["test_accuracy"]
    assert info.metrics["test_confusion"] == tiny_run.metrics["quantized"]["test"]["confusion"]
    assert info.preprocessing.scale == 1 / 255
    assert package.input_shape == (16, 16, 1)


def test_golden_vectors_equal_a_fresh_execution(package):
    golden = package.golden()
    logits, integers = one_by_one(package.model_path, golden.images)
    assert np.array_equal(integers, golden.logits_int)
    assert np.allclose(logits, golden.logits, rtol=1e-5, atol=1e-5)
    again = execute(ModelWrapper(str(package.model_path)), golden.images)
    assert np.array_equal(again.integers, golden.logits_int)
    # An image's float sums may be formed in another order in a batch of another size.
    assert np.allclose(again.logits, golden.logits, rtol=1e-5, atol=1e-5)
    assert np.array_equal(np.rint(golden.logits / again.scale), golden.logits_int)
    assert len(np.unique(golden.logits_int)) > 8


def test_export_counts_torch_against_qonnx(package, tiny_run):
    counted = package.info.metrics["export"]
    images, _ = tiny_run.test_images()
    with torch.no_grad():
        ours = tiny_run.model()(torch.from_numpy(images).permute(0, 3, 1, 2).float()).numpy()
    _, integers = one_by_one(package.model_path, images)
    tied = np.sort(integers, axis=1)[:, -1] == np.sort(integers, axis=1)[:, -2]
    differ = ours.argmax(1) != integers.argmax(1)
    assert counted["images"] == len(images)
    assert counted["ties"] == tied.sum()
    assert counted["changed_predictions"] == (differ & ~tied).sum()
    assert counted["changed_predictions_at_ties"] == (differ & tied).sum()


def test_graph_takes_raw_codes_and_scales_them_first(package):
    model = ModelWrapper(str(package.model_path))
    assert [i.name for i in model.graph.input] == ["global_in"]
    assert model.get_tensor_shape("global_in") == [1, 1, 16, 16]
    assert model.get_tensor_datatype("global_in").name == "UINT8"
    first = model.graph.node[0]
    assert first.op_type == "Mul" and "global_in" in first.input
    assert model.get_initializer(first.input[1]) == np.float32(1 / 255)
    flow = [n.op_type for n in model.graph.node if n.op_type != "Quant"]
    stage = ["Conv", "BatchNormalization", "Relu", "MaxPool"]
    assert flow == ["Mul", *stage * 3, "Reshape", "Gemm"]
    # The pool reads codes: its input comes from a quantizer.
    for node in model.get_nodes_by_op_type("MaxPool"):
        assert model.find_producer(node.input[0]).op_type == "Quant"
    assert all(model.get_tensor_shape(n.output[0]) for n in model.graph.node)


def test_export_is_repeatable_to_the_byte_and_names_no_machine(package, tiny_run, tmp_path):
    again = export_package(tiny_run.path, tmp_path / "again", 8)
    assert again.digest == package.digest
    content = b"".join(p.read_bytes() for p in sorted(package.path.iterdir()))
    assert str(tiny_run.path.parent).encode() not in content
    assert b"site-packages" not in content and b"quant_models/models" not in content


def test_export_replaces_a_package_whole(package, tiny_run, tmp_path):
    target = tmp_path / "p"
    target.mkdir()
    (target / "stray").write_text("x")
    export_package(tiny_run.path, target, 2)
    assert sorted(p.name for p in target.iterdir()) == ["golden.npz", "model.qonnx.onnx", "package.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_interrupted_export_leaves_nothing(tiny_run, tmp_path, monkeypatch):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("quant_models.export.write_package", stop)
    with pytest.raises(KeyboardInterrupt):
        export_package(tiny_run.path, tmp_path / "p", 2)
    assert list(tmp_path.iterdir()) == []


def test_unfinished_run_and_silly_counts_are_refused(tiny_run, tmp_path):
    with pytest.raises(ConfigError, match="not a finished training run"):
        export_package(tmp_path, tmp_path / "p")
    with pytest.raises(ConfigError, match="at least one"):
        export_package(tiny_run.path, tmp_path / "p", 0)


def test_golden_images_are_drawn_the_same_every_time(package):
    p = package.info.preprocessing
    images, labels = golden_inputs(8, p)
    drawn, found = package.golden().images, package.golden().labels
    # Surfaces near a threshold are left out, so the package may hold later ones.
    pool = {i.tobytes() for i in golden_inputs(8, p, spare=8)[0]}
    assert all(image.tobytes() in pool for image in drawn)
    assert np.array_equal(found[-2:], labels[-2:])
    assert np.array_equal(images, golden_inputs(8, p)[0])
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, -1, -1]
    assert set(np.unique(images[-1])) == {0, 255}
    assert len({hashlib.sha256(i.tobytes()).hexdigest() for i in images}) == 8
    rgb, _ = golden_inputs(3, p.model_copy(update={"color": "rgb", "height": 24}))
    assert rgb.shape == (3, 24, 16, 3) and rgb.dtype == np.uint8


@pytest.mark.parametrize("name", ["cnv_tiny_w2a2", "cnv_tiny_w8a8", "cnv_tiny_w3a3_first8"])
def test_widths_and_rgb_export_to_what_torch_computes(name):
    torch.manual_seed(1)
    shape = (16, 24, 3)
    images = np.random.default_rng(0).integers(0, 256, (12, *shape), dtype=np.uint8)
    codes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    twin = build_float_twin(name, 5, shape)
    twin.train()(codes)  # batch norm learns the spread of the activations
    net = build_model(name, 5, shape)
    quantize_from(net, twin, codes)
    model = export_qonnx_graph(net, shape, name)
    result = execute(model, images, batch_size=5)
    with torch.no_grad():
        ours = net(codes).numpy()
    # Random nets sit anywhere on their thresholds: the executions may differ on a few images, no more.
    assert (np.abs(ours - result.logits).max(1) < 1e-5).sum() >= 10
    assert np.unique(result.integers).size > 10


def test_a_bias_of_the_head_is_told_from_its_integers(tiny_run):
    images = golden_inputs(3, tiny_run.info.preprocessing)[0]
    model = export_qonnx_graph(tiny_run.model(), (16, 16, 1), "biased")
    plain = execute(model, images)
    bias = np.linspace(-1, 2, 7, dtype=np.float32)
    model.set_initializer("bias", bias)
    model.graph.node[-1].input.append("bias")
    biased = execute(model, images)
    assert np.array_equal(biased.integers, plain.integers) and np.array_equal(biased.offset, bias)
    assert np.allclose(biased.logits, plain.logits + bias, atol=1e-5)
    assert np.array_equal(biased.steps(biased.logits), biased.integers)
    assert plain.comparable() is plain.integers
    assert np.array_equal(biased.comparable().argmax(1), biased.logits.argmax(1))


def test_a_graph_that_does_not_end_in_a_dense_layer_is_refused(tiny_run):
    from onnx import helper

    model = export_qonnx_graph(tiny_run.model(), (16, 16, 1), "tailed")
    head = model.graph.node[-1]
    head.output[0] = "before"
    model.graph.node.append(helper.make_node("Relu", ["before"], ["global_out"], name="Tail"))
    with pytest.raises(PackageError, match="is Relu, expected a Gemm"):
        execute(model, golden_inputs(1, tiny_run.info.preprocessing)[0])


def test_execution_notices_integers_that_do_not_explain_the_logits(tiny_run):
    model = export_qonnx_graph(tiny_run.model(), (16, 16, 1), "skewed")
    alpha = next(a for a in model.graph.node[-1].attribute if a.name == "alpha")
    alpha.f = 1.5
    with pytest.raises(PackageError, match="logit"):
        execute(model, golden_inputs(1, tiny_run.info.preprocessing)[0])


def test_batches_and_single_images_agree(package):
    model = ModelWrapper(str(package.model_path))
    images = package.golden().images
    whole = execute(model, images, batch_size=8)
    single = execute(model, images, batch_size=1)
    assert np.array_equal(whole.integers, single.integers)
    assert with_batch(model, 3).get_tensor_shape("global_out") == [3, 7]
    assert model.get_tensor_shape("global_out") == [1, 7]


def test_tidy_is_idempotent(package):
    model = ModelWrapper(str(package.model_path))
    data = model.model.SerializeToString(deterministic=True)
    assert tidy(model, "cnv_tiny_w4a4").model.SerializeToString(deterministic=True) == data


def test_command_repeats_the_run_without_paths(tmp_path):
    plain = TrainConfig(run_dir=tmp_path, dataset="neu-det", data=tmp_path / "NEU.tar.xz", seed=3)
    assert repeat_command(plain) == (
        "finnspect train --model cnv_w4a4 --dataset neu-det --data NEU.tar.xz --seed 3, then finnspect export"
    )


def test_the_command_that_a_package_names_makes_the_same_run(tmp_path, monkeypatch):
    seen = []

    def stop(request, *_args, **_kwargs):
        seen.append(request)
        raise ConfigError("far enough", "none")

    monkeypatch.setattr(train_flow, "train", stop)
    config = TrainConfig(
        run_dir=tmp_path,
        dataset="deep-pcb",
        data=tmp_path / "Deep PCB.tar.xz",
        dataset_options={"task": "binary", "least": 32},
        model="cnv-x0.5_w4a4",
        image_size=32,
        color="rgb",
        float_epochs=2,
        shots=7,
        fold=(1, 4),
        device="cpu",
        balance="none",
        patience=3,
        augment=AugmentConfig(noise=0, flips=False),
    )
    command = repeat_command(config)
    assert str(tmp_path) not in command
    words = shlex.split(command.removesuffix(", then finnspect export"))
    assert words[0] == "finnspect" and run(words[1:]) == 1
    (request,) = seen
    again = TrainConfig(**request.fields(), run_dir=tmp_path, data=tmp_path / request.data)
    assert again == config


def test_a_run_without_the_figures_of_a_package_is_refused(tiny_run, tmp_path, capsys):
    old = shutil.copytree(tiny_run.path, tmp_path / "run")
    document = json.loads((old / "metrics.json").read_text())
    later = ("weight_bits", "leading", "reject", "reject_effect")
    without = {key: value for key, value in document.items() if key not in later}
    assert "reject" not in package_metrics(replace(tiny_run, metrics=without))  # it has what is needed
    for key in ("kind", "weights", "quantized", "epochs"):
        broken = {name: value for name, value in document.items() if name != key}
        with pytest.raises(ConfigError, match=f"metrics.json has no '{key}'"):
            package_metrics(replace(tiny_run, metrics=broken))
    for broken in ({**document, "quantized": {"test": {"accuracy": 1}}}, {"test_accuracy": 1}, []):
        (old / "metrics.json").write_text(json.dumps(broken))
        assert run(["export", str(old), "--output", str(tmp_path / "package")]) == 1
        said = capsys.readouterr().err
        assert "metrics.json has" in said and "train again" in said and "Traceback" not in said
        assert not (tmp_path / "package").exists()


def test_images_on_a_threshold_are_no_golden_images(tiny_run, monkeypatch):
    """The first drawn image is made to differ in float64: the package holds the next ones."""
    from quant_models import export

    net, exact = tiny_run.model(), export.exact_integers

    def first_differs(*args):
        integers = exact(*args)
        integers[0, 0] += 1
        return integers

    model = export_qonnx_graph(net, (16, 16, 1), "m")
    plain = export._golden(tiny_run, net, model, 4)
    monkeypatch.setattr(export, "exact_integers", first_differs)
    shifted = export._golden(tiny_run, net, model, 4)
    assert len(shifted.images) == len(plain.images) == 4
    assert np.array_equal(shifted.images[:2], plain.images[1:3])
    assert np.array_equal(shifted.images[3], plain.images[3])
    monkeypatch.setattr(export, "exact_integers", lambda *args: exact(*args) + 1)
    with pytest.raises(PackageError, match="only 0 of 12"):
        export._golden(tiny_run, net, model, 4)


def test_a_package_is_shipped():
    assert [path.name for path in SHIPPED] == ["cnv_w4a4-neu-det", "cnv_w4a4-synthetic"]
    assert [path.name for path in SHIPPED] == list_packages()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_package(path):
    package = ModelPackage.load(path)
    golden = package.golden()
    assert sum(file.stat().st_size for file in path.iterdir()) < 1_000_000
    assert len(golden.images) >= 8
    integers = execute(ModelWrapper(str(package.model_path)), golden.images).integers
    assert np.array_equal(integers, golden.logits_int)
    assert package.info.metrics["test_accuracy"] > 0.95
    assert package.info.metrics["export"]["changed_predictions"] == 0
    labels, seed = golden.labels, package.info.seed
    assert f"--seed {seed}" in package.info.command
    pool = {i.tobytes() for i in golden_inputs(len(labels), package.info.preprocessing, spare=8)[0]}
    assert all(image.tobytes() in pool for image in golden.images)  # drawn, none of a real set
    drawn = labels >= 0
    if package.info.dataset == "synthetic":
        assert drawn.sum() == len(labels) - 4
        assert np.mean(integers.argmax(1)[drawn] == labels[drawn]) > 0.8  # images it was not trained on
    else:
        assert not drawn.any()
