"""What the command line says of a training: loader options, settings, one clear error for what is wrong."""

import json

import pytest
from finnspect import train_flow
from finnspect.cli import run
from finnspect.commands.training import parse_data_options, parse_settings, training_request
from finnspect.errors import ConfigError
from finnspect.paths import ROOT

from quant_models.datasets import list_datasets
from quant_models.train import TrainConfig, open_run


def test_options_have_the_type_that_the_loader_wants():
    assert parse_data_options("synthetic", ["images=700", "seed = 3"]) == {"images": 700, "seed": 3}
    assert parse_data_options("deep-pcb", ["task=binary"]) == {"task": "binary"}
    assert parse_data_options("mvtec-itodd", ["visible=1"]) == {"visible": 1.0}
    assert parse_data_options("dagm-2007", ["texture=7"]) == {"texture": "7"}


@pytest.mark.parametrize("info", list_datasets(), ids=lambda info: info.name)
def test_every_option_of_every_set_can_be_given(info):
    for name, default in info.options.items():
        for value in default if isinstance(default, tuple) else (default,):
            assert parse_data_options(info.name, [f"{name}={value}"]) == {name: value}


@pytest.mark.parametrize(
    ("dataset", "words", "message", "remedy"),
    [
        ("deep-pcb", ["foo=1"], "no option 'foo'", "task=types|binary, least=64"),
        ("deep-pcb", ["task=some"], "task is 'some'", "task=types|binary"),
        ("deep-pcb", ["least=x"], "least is 'x', expected an integer", "least=64"),
        ("mvtec-itodd", ["visible=x"], "expected a number", "visible=0.5"),
        ("deep-pcb", ["task"], "'task' is not KEY=VALUE", "task=types|binary"),
        ("deep-pcb", ["least=3", "least=4"], "given twice", "leave one out"),
        ("image-folder", ["a=b"], "no option 'a'", "group_near"),
        ("deep-pbc", ["a=b"], "unknown data set", "deep-pcb"),
    ],
)
def test_a_bad_option_gives_one_error_that_lists_the_options(dataset, words, message, remedy):
    with pytest.raises(ConfigError) as error:
        parse_data_options(dataset, words)
    assert message in error.value.message and remedy in error.value.remedy


def test_settings_are_fields_of_the_configuration():
    words = ["float_lr=0.01", "device=cpu", "fold=[1, 5]", 'augment={"noise": 0}']
    assert parse_settings(words) == {
        "float_lr": 0.01,
        "device": "cpu",
        "fold": [1, 5],
        "augment": {"noise": 0},
    }
    request = training_request("synthetic", None, "cnv_w4a4", 4, None, settings=words, image_size=32)
    config = TrainConfig(**request.fields(), run_dir="x")
    assert (config.image_size, config.seed, config.fold, config.augment.noise) == (32, 4, (1, 5), 0)
    plain = training_request("synthetic", None, "cnv_w4a4", 0, None, image_size=None)
    assert plain == train_flow.TrainRequest(
        "synthetic"
    )  # what is not given does not make it another training


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["float_lr=-1"], "float_lr: Input should be greater than 0, got -1"),
        (["float_rl=1"], "no setting 'float_rl'"),
        (["run_dir=x"], "no setting 'run_dir'"),
        (["seed=2"], "no setting 'seed'"),
        (["device=tpu"], "device: Input should be"),
        (["fold=[5,5]"], "fold"),
        (["augment.noise=1"], "no setting"),
        (["image_size=16"], "image_size is given twice"),
    ],
)
def test_a_bad_setting_is_one_error(words, message):
    with pytest.raises(ConfigError) as error:
        training_request("synthetic", None, "cnv_w4a4", 0, None, settings=words, image_size=32)
    assert message in error.value.message and error.value.remedy


def test_every_setting_is_documented():
    from quant_models.training.config import PLACES

    table = (ROOT / "docs" / "training.md").read_text()
    for name in (
        set(TrainConfig.model_fields) - PLACES - {"model", "dataset", "data", "dataset_options", "seed"}
    ):
        assert f"`{name}`" in table, name


def test_train_and_build_pass_them_on(monkeypatch, tmp_path, capsys):
    seen = []

    def stop(request, *_args, **_kwargs):
        seen.append(request)
        raise ConfigError("far enough", "none")

    monkeypatch.setattr(train_flow, "train", stop)
    monkeypatch.setattr(train_flow, "train_and_export", stop)
    words = ["--dataset", "synthetic", "--data-option", "images=70", "--data-option", "seed=2"]
    words += ["--image-size", "32", "--color", "rgb", "--seed", "5", "--epochs", "3", "--set", "patience=4"]
    for command in (["train"], ["build", "--toolchain", "none"]):
        assert run([*command, *words, "--out", str(tmp_path)]) == 1
    assert "far enough" in capsys.readouterr().err
    assert seen[0] == seen[1]
    assert seen[0].fields() == {
        "model": "cnv_w4a4",
        "dataset": "synthetic",
        "seed": 5,
        "dataset_options": {"images": 70, "seed": 2},
        "image_size": 32,
        "color": "rgb",
        "patience": 4,
        "float_epochs": 3,
        "quant_epochs": 3,
    }
    assert run(["build", "--data-option", "images=70"]) == 1
    assert "no data set" in capsys.readouterr().err


def test_a_run_is_what_was_asked_for(tmp_path, capsys):
    words = [
        "--model",
        "cnv_tiny_w4a4",
        "--data-option",
        "images=140",
        "--image-size",
        "24",
        "--color",
        "rgb",
    ]
    arguments = ["train", *words, "--epochs", "1", "--set", "device=cpu", "--out", str(tmp_path), "--json"]
    assert run(arguments) == 0
    run_of = open_run(tmp_path / "cnv_tiny_w4a4-synthetic" / "train" / "run")
    assert sum(json.loads(capsys.readouterr().out)["metrics"]["images"].values()) == 140
    assert run_of.input_shape == (24, 24, 3)
    assert run_of.info.config.dataset_options == {"images": 140}
