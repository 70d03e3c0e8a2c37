"""A user's own network in a file: trained, reopened, exported; refused before training where it must be."""

import pytest
from finnspect.errors import ConfigError, UnsupportedModelError

from quant_models.export import export_package
from quant_models.train import open_run, train

NET = """
import brevitas.nn as qnn
import torch
from brevitas.quant.scaled_int import Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
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


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("narrow", "expected a tensor"),
        ("tall", "does not take pixel codes"),
        ("broken", "no luck"),
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
