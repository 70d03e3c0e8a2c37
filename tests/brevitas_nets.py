"""Small brevitas networks for tests, and their export as the product does it."""

from __future__ import annotations

from pathlib import Path


def brevitas_net(shape: tuple[int, int, int], specs: list[tuple], seed: int = 0):
    """Return a calibrated brevitas network in evaluation mode.

    Parameters
    ----------
    shape
        H, W, C.
    specs
        ``("conv", out, kernel, stride, pad, bits)``, ``("norm",)``, ``("relu", bits)``,
        ``("signed", bits)``, ``("pool", kernel)``, ``("flatten",)``, ``("dense", out, bits)``.
    """
    import brevitas.nn as qnn
    import torch
    from brevitas.quant.scaled_int import (
        Int8ActPerTensorFloatMinMaxInit,
        Int8WeightPerChannelFloat,
        Int8WeightPerTensorFloat,
        Uint8ActPerTensorFloatMaxInit,
    )
    from torch import nn

    import quant_models.torch_compat  # noqa: F401
    from quant_models.models.cnv import PixelScale

    torch.manual_seed(seed)
    height, width, channels = shape
    layers: list[nn.Module] = [PixelScale(1 / 255)]
    x = layers[0](torch.randint(0, 256, (16, channels, height, width)).float())

    def norm() -> nn.Module:
        made = (nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d)(x.shape[1])
        axes = [d for d in range(x.dim()) if d != 1]
        made.running_mean = x.mean(axes) + 0.2 * torch.randn(x.shape[1]) * x.std(axes)
        made.running_var = x.var(axes) * (0.5 + torch.rand(x.shape[1])) + 1e-3
        made.weight.data = (0.5 + torch.rand(x.shape[1])) * (1 - 2 * (torch.rand(x.shape[1]) < 0.3).float())
        made.bias.data = 0.3 * torch.randn(x.shape[1]) + 0.3
        return made

    makers = {
        "conv": lambda out, kernel, stride, pad, bits: qnn.QuantConv2d(
            x.shape[1],
            out,
            kernel,
            stride=stride,
            padding=pad,
            bias=False,
            weight_bit_width=bits,
            weight_quant=Int8WeightPerChannelFloat,
        ),
        "dense": lambda out, bits: qnn.QuantLinear(
            x.shape[1], out, bias=False, weight_bit_width=bits, weight_quant=Int8WeightPerTensorFloat
        ),
        "norm": norm,
        "relu": lambda bits: qnn.QuantReLU(
            act_quant=Uint8ActPerTensorFloatMaxInit,
            bit_width=bits,
            max_val=float(x.relu().quantile(0.98)),
        ),
        "signed": lambda bits: qnn.QuantIdentity(
            act_quant=Int8ActPerTensorFloatMinMaxInit,
            bit_width=bits,
            min_val=-float(x.abs().quantile(0.98)),
            max_val=float(x.abs().quantile(0.98)),
        ),
        "pool": nn.MaxPool2d,
        "flatten": nn.Flatten,
    }
    with torch.no_grad():
        for kind, *arguments in specs:
            layers.append(makers[kind](*arguments).eval())
            x = layers[-1](x)
            x = getattr(x, "value", x)
    return nn.Sequential(*layers).eval()


def export_brevitas(net, shape: tuple[int, int, int], path: Path) -> Path:
    """Export a brevitas network to a QONNX file the way the product does."""
    from quant_models.export import export_qonnx_graph

    path.write_bytes(export_qonnx_graph(net, shape, "net").model.SerializeToString(deterministic=True))
    return path
