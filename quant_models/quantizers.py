"""Which quantizer goes where: the only place that decides it.

Weights are signed, narrow range (``-(2^(W-1)-1) .. 2^(W-1)-1``, no extra negative value), scales are
learned. A convolution has one scale an output channel: the batch norm behind it absorbs them. The
dense head has one scale for all classes, so that the argmax of the integer logits is the argmax of
the real ones. Activations are unsigned with one learned scale a tensor.

Scales start where the mean squared error of the float twin's values is smallest
(:func:`best_clip`), which matters below 4 bits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from finnspect.errors import ConfigError
from torch import nn

import quant_models.torch_compat  # noqa: F401  (before any brevitas layer is built)

#: Candidate clips tried by :func:`best_clip`, as fractions of the largest magnitude.
_CLIP_GRID = torch.linspace(0.02, 1.0, 99, dtype=torch.float64)
_SUFFIX = re.compile(r"w(?P<w>\d+)a(?P<a>\d+)(?P<first>_first8)?")


@dataclass(frozen=True, slots=True)
class QuantSpec:
    """Bit widths of a network.

    Parameters
    ----------
    weight_bits
        Bits of every weight, 2 to 8.
    act_bits
        Bits of every activation, 1 to 8.
    first_weight_bits
        Bits of the first layer's weights; ``weight_bits`` unless the name ends in ``_first8``.
    """

    weight_bits: int
    act_bits: int
    first_weight_bits: int

    @classmethod
    def parse(cls, suffix: str) -> QuantSpec:
        """Return the widths that ``w<W>a<A>`` or ``w<W>a<A>_first8`` stands for.

        Raises
        ------
        ConfigError
            The suffix has another form or a width is out of range.
        """
        match = _SUFFIX.fullmatch(suffix)
        if match is None:
            raise ConfigError(
                f"bit widths {suffix!r} are not of the form w<bits>a<bits>", "write for example w4a4"
            )
        w, a = int(match["w"]), int(match["a"])
        if not (2 <= w <= 8 and 1 <= a <= 8):
            raise ConfigError(
                f"bit widths {suffix!r} are out of range: weights have 2 to 8 bits, activations 1 to 8",
                "write for example w4a4",
            )
        return cls(w, a, 8 if match["first"] else w)


@dataclass(frozen=True, slots=True)
class LayerFactory:
    """Makes the layers of a topology, float or quantized.

    Parameters
    ----------
    conv
        ``conv(in_channels, out_channels, kernel, first)``: 'same' padding, no bias.
    act
        ``act()``: ReLU, quantized or not.
    dense
        ``dense(in_features, out_features)``: no bias.
    """

    conv: Callable[[int, int, int, bool], nn.Module]
    act: Callable[[], nn.Module]
    dense: Callable[[int, int], nn.Module]


def float_layers() -> LayerFactory:
    """Return the factory of the float twin."""
    return LayerFactory(
        conv=lambda cin, cout, kernel, first: nn.Conv2d(cin, cout, kernel, padding=kernel // 2, bias=False),
        act=nn.ReLU,
        dense=lambda fin, fout: nn.Linear(fin, fout, bias=False),
    )


def quant_layers(spec: QuantSpec) -> LayerFactory:
    """Return the factory of brevitas layers for the widths of ``spec``."""
    import brevitas.nn as qnn
    from brevitas.inject.enum import ScalingImplType
    from brevitas.quant.scaled_int import (
        Int8WeightPerChannelFloat,
        Int8WeightPerTensorFloat,
        Uint8ActPerTensorFloatMaxInit,
    )

    learned = ScalingImplType.PARAMETER_FROM_STATS

    def conv(cin: int, cout: int, kernel: int, first: bool) -> nn.Module:
        return qnn.QuantConv2d(
            cin,
            cout,
            kernel,
            padding=kernel // 2,
            bias=False,
            weight_quant=Int8WeightPerChannelFloat,
            weight_bit_width=spec.first_weight_bits if first else spec.weight_bits,
            weight_scaling_impl_type=learned,
        )

    def act() -> nn.Module:
        # The ReLU stays a node of its own (brevitas exports Relu + Quant); max_val is set by calibration.
        return qnn.QuantReLU(
            act_quant=Uint8ActPerTensorFloatMaxInit,
            bit_width=spec.act_bits,
            max_val=6.0,
            return_quant_tensor=False,
        )

    def dense(fin: int, fout: int) -> nn.Module:
        return qnn.QuantLinear(
            fin,
            fout,
            bias=False,
            weight_quant=Int8WeightPerTensorFloat,
            weight_bit_width=spec.weight_bits,
            weight_scaling_impl_type=learned,
        )

    return LayerFactory(conv=conv, act=act, dense=dense)


def best_clip(values: torch.Tensor, bits: int, *, signed: bool) -> torch.Tensor:
    """Return, for each row, the clip at which quantizing the row costs the least squared error.

    Parameters
    ----------
    values
        Float, shape (rows, n). Negative values are clipped to 0 where ``signed`` is false.
    bits
        Width of the codes.
    signed
        Narrow-range signed codes ``-(2^(bits-1)-1) ..``, else unsigned ``0 .. 2^bits-1``.

    Returns
    -------
    torch.Tensor
        Float64, shape (rows,): the real value of the largest code; 1 for a row of zeros.
    """
    values = values.detach().double()
    steps = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    peak = values.abs().amax(1)
    best_error = torch.full_like(peak, float("inf"))
    best = torch.ones_like(peak)
    for fraction in _CLIP_GRID:
        clip = torch.where(peak > 0, peak * fraction, torch.ones_like(peak))
        scale = (clip / steps)[:, None]
        codes = torch.clamp(torch.round(values / scale), -steps if signed else 0, steps)
        error = ((codes * scale - values) ** 2).sum(1)
        better = error < best_error
        best_error = torch.where(better, error, best_error)
        best = torch.where(better, clip, best)
    return best


@torch.no_grad()
def set_weight_clip(layer: nn.Module) -> None:
    """Set the learned weight scales of a brevitas layer from its present weights."""
    scaling = layer.weight_quant.tensor_quant.scaling_impl
    weight = layer.weight
    rows = weight.reshape(weight.shape[0], -1) if scaling.value.numel() > 1 else weight.reshape(1, -1)
    bits = int(layer.weight_quant.bit_width())
    clip = best_clip(rows, bits, signed=True).to(weight.dtype).reshape(scaling.value.shape)
    scaling.load_state_dict({"value": clip})  # loading ends the layer's own collection of statistics


@torch.no_grad()
def set_act_clip(layer: nn.Module, values: torch.Tensor) -> None:
    """Set the learned scale of a brevitas activation from a sample of its float twin's outputs."""
    quant = layer.act_quant.fused_activation_quant_proxy.tensor_quant
    clip = best_clip(values.reshape(1, -1), int(quant.msb_clamp_bit_width_impl()), signed=False)
    quant.scaling_impl.value.copy_(clip.to(quant.scaling_impl.value.dtype).reshape(()))


def scale_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the learned scales of a quantized model (they get a smaller learning rate)."""
    return [p for name, p in model.named_parameters() if name.endswith("scaling_impl.value")]
