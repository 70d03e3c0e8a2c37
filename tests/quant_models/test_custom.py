"""A user's own network in a file: trained, reopened, exported; refused before training where it must be."""

import numpy as np
import pytest
from finnspect.cli import run
from finnspect.errors import ConfigError, PackageError, UnsupportedModelError
from finnspect.frontend import compile_package

from quant_models.export import export_package
from quant_models.train import open_run, train

NET = """
import brevitas.nn as qnn
import torch
from brevitas.quant.scaled_int import (
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Uint8ActPerTensorFloat,
)
from torch import nn


class Net(nn.Module):
    def __init__(self, classes, shape):
        super().__init__()
        height, width, channels = shape
        self.body = nn.Sequential(
            qnn.QuantConv2d(channels, 8, 3, padding=1, bias=False, weight_bit_width=4),
            nn.BatchNorm2d(8),
            {act},
            nn.MaxPool2d(4),
        )
        self.head = qnn.QuantLinear(
            8 * (height // 4) * (width // 4), classes, bias=False, weight_bit_width=4,
            weight_quant=Int8WeightPerTensorFloat,
        )

    def forward(self, x):
        return self.head(torch.flatten(self.body(x / 255), 1))


def make(classes, input_shape):
    return Net(classes, input_shape)


def biased(classes, input_shape):
    net = Net(classes, input_shape)
    net.head = qnn.QuantLinear(
        net.head.in_features, classes, bias=True, weight_bit_width=4, weight_quant=Int8WeightPerTensorFloat
    )
    return net


def by_class(classes, input_shape):
    net = Net(classes, input_shape)
    net.head = qnn.QuantLinear(
        net.head.in_features, classes, bias=False, weight_bit_width=4, weight_quant=Int8WeightPerChannelFloat
    )
    return net


class Other(Net):
    def forward(self, x):
        return super().forward(x * 1.5)


def other_scale(classes, input_shape):
    return Other(classes, input_shape)


class Scaled(Net):
    def forward(self, x):
        return super().forward(x) * 2


def scaled(classes, input_shape):
    return Scaled(classes, input_shape)


class Branching(Net):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


def branching(classes, input_shape):
    return Branching(classes, input_shape)


def leaves(classes, input_shape):
    raise SystemExit(3)


def narrow(classes, input_shape):
    return Net(classes - 1, input_shape)


def tall(classes, input_shape):
    return Net(classes, (input_shape[0] * 2, *input_shape[1:]))


def broken(classes, input_shape):
    raise RuntimeError("no luck")


def plain(classes):
    return Net(classes, (16, 16, 1))


def other(classes, input_shape):
    return 3
"""
QUANT_RELU = "qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=4)"


@pytest.fixture
def net_file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NET.replace("{act}", QUANT_RELU))
    return path


def test_own_network_is_trained_and_exported(net_file, make_config, tmp_path):
    config = make_config(
        tmp_path / "run", model=f"{net_file}:make", image_size=16, float_epochs=4, quant_epochs=3
    )
    run = open_run(train(config, lambda _: None))
    assert config.name == "make-synthetic"
    net_file.write_text("raise RuntimeError('changed since')")
    package = export_package(run.path, tmp_path / "package", 4)
    assert package.info.name == "make-synthetic" and package.info.model == "net.py:make"
    assert str(tmp_path) not in (package.path / "package.json").read_text()
    assert package.info.metrics["export"]["changed_predictions"] == 0
    assert len({tuple(row) for row in package.golden().logits_int.tolist()}) == 4
    weights = run.model().head.quant_weight()
    assert weights.bit_width == 4 and weights.scale.numel() == 1


def test_own_network_that_cannot_compile_is_refused_before_the_data_is_read(net_file, make_config, tmp_path):
    missing = tmp_path / "no_such_data"
    net_file.write_text(NET.replace("{act}", "nn.Sigmoid()"))
    config = make_config(
        tmp_path / "run", model=f"{net_file}:make", image_size=16, dataset="neu-det", data=missing
    )
    with pytest.raises(UnsupportedModelError, match="Sigmoid") as error:
        train(config)
    assert "ReLU" in error.value.remedy
    net_file.write_text(NET.replace("{act}", "nn.ReLU()"))
    with pytest.raises(UnsupportedModelError, match="not quantized"):
        train(config)


@pytest.mark.parametrize("factory", ["make", "biased", "by_class", "other_scale"])
def test_own_network_is_compiled_from_its_package(net_file, make_config, tmp_path, factory):
    config = make_config(
        tmp_path / "run", model=f"{net_file}:{factory}", image_size=16, float_epochs=1, quant_epochs=1
    )
    package = export_package(train(config, lambda _: None), tmp_path / "package", 6)
    compiled = compile_package(package, tmp_path / "work")  # requires every golden integer
    scales, biases = compiled.graph.logit_scale, compiled.graph.logit_bias
    assert len(set(scales)) == (7 if factory == "by_class" else 1)
    assert any(biases) == (factory == "biased")
    assert package.info.preprocessing.scale == (1.5 / 255 if factory == "other_scale" else 1 / 255)
    golden = package.golden()
    assert np.allclose(golden.logits_int * np.array(scales) + biases, golden.logits, atol=1e-4)


@pytest.mark.parametrize(
    ("factory", "error", "words"),
    [
        ("scaled", PackageError, "is Mul, expected a Gemm"),
        ("branching", UnsupportedModelError, "data-dependent"),
    ],
)
def test_what_only_the_export_would_refuse_is_refused_before_the_data_is_read(
    net_file, make_config, tmp_path, capfd, factory, error, words
):
    config = make_config(
        tmp_path / "run",
        model=f"{net_file}:{factory}",
        image_size=16,
        dataset="neu-det",
        dataset_options={},
        data=tmp_path / "none",
    )
    with pytest.raises(error, match=words) as found:
        train(config)
    assert "\n" not in found.value.message and "\x1b" not in found.value.message
    assert len(capfd.readouterr().err) < 500  # not the graph of what failed


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("narrow", "expected a tensor"),
        ("tall", "does not take pixel codes"),
        ("broken", "no luck"),
        ("leaves", "leaves failed: SystemExit: 3"),
        ("plain", "cannot be called"),
        ("other", "returned a int"),
        ("missing", "no function 'missing'"),
        ("1x", "names no factory"),
    ],
)
def test_own_network_of_another_interface_is_refused(net_file, make_config, tmp_path, factory, words):
    with pytest.raises(ConfigError, match=words):
        train(make_config(tmp_path / "run", model=f"{net_file}:{factory}", image_size=16))


def test_file_that_is_missing_or_no_python_is_refused(make_config, tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        train(make_config(tmp_path / "run", model="nowhere.py:make"))
    (tmp_path / "net.py").write_text("def make(:")
    with pytest.raises(ConfigError, match="cannot be imported: SyntaxError"):
        train(make_config(tmp_path / "run", model=f"{tmp_path / 'net.py'}:make"))
    (tmp_path / "net.py").write_text("import a_file_beside_it")
    with pytest.raises(ConfigError, match="cannot be imported: ModuleNotFoundError") as error:
        train(make_config(tmp_path / "run", model=f"{tmp_path / 'net.py'}:make"))
    assert "must stand alone" in error.value.remedy


@pytest.mark.parametrize(
    "model", ["net.py", "net.py:", "net.txt:make", "../net", "none.py:make", ":make", ""]
)
def test_what_is_no_model_is_said_on_the_command_line(model, tmp_path, monkeypatch, capsys):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    for name in ("net.py", "net.txt"):
        (tmp_path / "in" / name).write_text(NET)
    assert run(["train", "--model", model]) == 1
    assert "remedy: write a name that `finnspect models` lists, or path" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "net.py", "net.txt"]
