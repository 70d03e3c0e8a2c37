import json

import pytest
import torch
from finnspect.cli import run
from finnspect.errors import ConfigError

from quant_models.export import export_qonnx_graph
from quant_models.models import (
    available_models,
    build_float_twin,
    build_model,
    default_image_size,
    model_cost,
    model_name,
    parse_name,
)
from quant_models.quantizers import QuantSpec, best_clip, scale_parameters, set_act_clip, set_weight_clip


def test_names_cover_every_family_and_standard_width():
    names = available_models()
    assert "cnv_w4a4" in names
    for family in ("cnv", "cnv_tiny"):
        for bits in ("w8a8", "w4a4", "w3a3", "w2a2"):
            assert f"{family}_{bits}" in names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cnv_w4a4", ("cnv", QuantSpec(4, 4, 4))),
        ("cnv_tiny_w2a3", ("cnv_tiny", QuantSpec(2, 3, 2))),
        ("cnv_w3a3_first8", ("cnv", QuantSpec(3, 3, 8))),
        ("resnet8_w1a2_first8_flat", ("resnet8", QuantSpec(1, 2, 8, "flat"))),
        ("cnv-x0.5_w4a4", ("cnv", QuantSpec(4, 4, 4, width=0.5))),
        ("cnv_tiny-x2_w2a2_gap", ("cnv_tiny", QuantSpec(2, 2, 2, "gap", 2.0))),
    ],
)
def test_parse_name(name, expected):
    assert parse_name(name) == expected


@pytest.mark.parametrize(
    "name", ["resnet_w4a4", "ds_w4a4", "cnv", "cnv_", "cnv_tiny", "", "cnv_4w4a", "cnv-x_w4a4", "cnvx2_w4a4"]
)
def test_unknown_family_is_refused_with_the_known_names(name):
    with pytest.raises(ConfigError, match="unknown model") as error:
        parse_name(name)
    assert "cnv_w4a4" in error.value.remedy


@pytest.mark.parametrize(
    "name", ["cnv_w4", "cnv_w0a4", "cnv_w1a1", "dsnet_w1a4", "cnv_w9a4", "cnv_w4a0", "cnv_w4a4_last8"]
)
def test_malformed_or_impossible_widths_are_refused(name):
    with pytest.raises(ConfigError, match="bit widths"):
        parse_name(name)


@pytest.mark.parametrize("name", ["cnv-x0_w4a4", "cnv-x0.05_w4a4", "mlp-x9_w4a4"])
def test_impossible_number_of_channels_is_refused(name):
    with pytest.raises(ConfigError, match="times the channels") as error:
        parse_name(name)
    assert "from 0.1 to 8" in error.value.remedy


def test_width_scales_the_channels_of_every_family():
    assert model_name("cnv", 0.5, 4, 2) == "cnv-x0.5_w4a2" and model_name("cnv", 1.0, 4, 4) == "cnv_w4a4"
    # 3x3 kernels: 9 * (1*8 + 8*16 + 16*32 + 32*32 + 32*32); dense 2*2*32 to 6.
    narrow = model_cost(build_model("cnv-x0.5_w4a4", 6, (64, 64, 1)), (64, 64, 1))
    assert narrow.weights == 9 * (8 + 128 + 512 + 1024 + 1024) + 128 * 6
    for family, side in (("mlp", 32), ("vgg6", 32), ("resnet8", 32), ("dsnet", 64), ("cnv_tiny", 16)):
        found = [
            model_cost(
                build_model(model_name(family, width, 4, 4), 6, (side, side, 3)), (side, side, 3)
            ).weights
            for width in (0.25, 1, 1.5)
        ]
        assert found == sorted(set(found)), family
        twin = build_float_twin(model_name(family, 0.25, 4, 4), 6, (side, side, 3))
        assert sum(p.numel() for p in twin.parameters()) < found[1]


@pytest.mark.parametrize("shape", [(60, 64, 1), (64, 40, 1), (16, 16, 1)])
def test_input_that_cannot_be_halved_is_refused_with_the_multiple(shape):
    with pytest.raises(ConfigError, match="halved 5 times") as error:
        build_model("cnv_w4a4", 6, shape)
    assert "multiples of 32" in error.value.remedy


def test_channels_and_classes_are_checked():
    with pytest.raises(ConfigError, match="2 channels"):
        build_model("cnv_tiny_w4a4", 4, (16, 16, 2))
    with pytest.raises(ConfigError, match="1 classes"):
        build_model("cnv_tiny_w4a4", 1, (16, 16, 1))


def test_cnv_size_by_hand():
    # 3x3 kernels: 9 * (1*16 + 16*32 + 32*64 + 64*64 + 64*64); dense 2*2*64 to 6.
    weights = 9 * (16 + 512 + 2048 + 4096 + 4096) + 256 * 6
    macs = 9 * (16 * 4096 + 512 * 1024 + 2048 * 256 + 4096 * 64 + 4096 * 16) + 256 * 6
    cost = model_cost(build_model("cnv_w4a4", 6, (64, 64, 1)), (64, 64, 1))
    assert (cost.weights, cost.macs) == (weights, macs)
    assert default_image_size("cnv_w4a4") == 64


@pytest.mark.parametrize(
    ("name", "shape"), [("cnv_w4a4", (64, 64, 1)), ("cnv_tiny_w3a2_first8", (16, 24, 3))]
)
def test_cost_agrees_with_qonnx(name, shape):
    from qonnx.util.inference_cost import inference_cost

    net = build_model(name, 5, shape)
    cost = inference_cost(export_qonnx_graph(net, shape, name), discount_sparsity=False)["total_cost"]
    ours = model_cost(net, shape)
    assert sum(v for key, v in cost.items() if key.startswith("op_mac")) == ours.macs
    assert sum(v for key, v in cost.items() if key.startswith("mem_w")) == ours.weights


def test_twin_has_the_same_parameters_less_the_scales():
    twin = build_float_twin("cnv_tiny_w4a4", 4, (16, 16, 1))
    model = build_model("cnv_tiny_w4a4", 4, (16, 16, 1))
    names = dict(twin.named_parameters())
    scales = scale_parameters(model)
    assert len(scales) == 3 + 3 + 1  # a stage's weights and activation each, the head's weights
    others = {n: p for n, p in model.named_parameters() if not any(p is s for s in scales)}
    assert {n: p.shape for n, p in others.items()} == {n: p.shape for n, p in names.items()}


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_are_narrow_integers_on_learned_scales(bits):
    net = build_model(f"cnv_tiny_w{bits}a4", 4, (16, 16, 1)).eval()
    limit = 2 ** (bits - 1) - 1
    for layer in net.modules():
        if not isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            continue
        torch.nn.init.normal_(layer.weight)
        set_weight_clip(layer)
        quant = layer.quant_weight()
        codes = quant.value / quant.scale
        assert torch.equal(codes.round() * quant.scale, quant.value)
        assert codes.round().abs().max() == limit
        # Convolutions scale by channel; the head by one number, so that integer logits compare.
        assert quant.scale.numel() == (1 if isinstance(layer, torch.nn.Linear) else layer.weight.shape[0])


def test_first8_widens_only_the_first_layer():
    net = build_model("cnv_tiny_w2a2_first8", 4, (16, 16, 1))
    widths = [
        int(m.weight_quant.bit_width())
        for m in net.modules()
        if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)
    ]
    assert widths == [8, 2, 2, 2]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [2, 4])
def test_best_clip_beats_the_largest_value(bits, signed):
    generator = torch.Generator().manual_seed(bits)
    values = torch.randn(5, 400, generator=generator)
    values = values if signed else values.relu()
    clip = best_clip(values, bits, signed=signed)
    steps = 2 ** (bits - 1) - 1 if signed else 2**bits - 1

    def error(limit):
        scale = limit[:, None].double() / steps
        codes = (values.double() / scale).round().clamp(-steps if signed else 0, steps)
        return ((codes * scale - values) ** 2).sum(1)

    assert torch.all(error(clip) < error(values.abs().amax(1)))
    assert torch.equal(best_clip(torch.zeros(1, 8), bits, signed=signed), torch.ones(1, dtype=torch.float64))


def test_activation_clip_is_the_largest_code():
    net = build_model("cnv_tiny_w4a3", 4, (16, 16, 1)).eval()
    act = net.stages[0].act
    values = torch.linspace(0, 2, 1000)
    set_act_clip(act, values)
    out = act(torch.tensor([-1.0, 0.0, 100.0]))
    assert out[0] == out[1] == 0
    assert float(out[2]) == pytest.approx(float(best_clip(values[None], 3, signed=False)), rel=1e-6)
    assert len(act(values).unique()) == 8


def test_pool_and_activation_commute():
    """Training pools first, evaluation and hardware last: the same numbers."""
    torch.manual_seed(0)
    net = build_model("cnv_tiny_w4a4", 4, (16, 16, 1))
    stage = net.stages[0].train()
    stage.bn.eval()  # the same statistics in both
    torch.nn.init.normal_(stage.bn.weight)  # negative factors too
    x = torch.randn(4, 1, 16, 16)
    with torch.no_grad():
        first = stage(x)
        assert torch.equal(first, stage.eval()(x))
    assert len(first.unique()) > 4


def test_loading_a_state_keeps_the_learned_scales_the_same_parameters():
    """An optimizer holds them, and the averaged weights are loaded at every validation."""
    net = build_model("cnv_tiny_w4a4", 4, (16, 16, 1))
    net(torch.randn(2, 1, 16, 16))
    before = [id(p) for p in net.parameters()]
    net.load_state_dict(net.state_dict())
    assert [id(p) for p in net.parameters()] == before


def test_the_command_lists_every_model_with_its_cost(capsys):
    assert run(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == available_models()
    for row in rows:
        bits = parse_name(row["model"])[1].weight_bits
        assert row["weight_bits"] == bits * row["weights"]
        assert row["macs"] >= row["weights"] > 0 and row["parameters"] > row["weights"]
    assert run(["models", "resnet8_w4a4", "--size", "32", "--rgb"]) == 0
    text = capsys.readouterr().out
    assert "77,360" in text and "309,440" in text and "12,501,632" in text and "32x32x3" in text
    assert run(["models", "resnet9_w4a4"]) == 1
    assert "unknown model 'resnet9_w4a4'" in capsys.readouterr().err
    assert run(["models", "cnv_w4a4", "--size", "40"]) == 1
    assert "multiples of 32" in capsys.readouterr().err
