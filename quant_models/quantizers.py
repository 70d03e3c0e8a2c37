"""Bit widths of a network, and the choice and setting of its scales.

Scales start where the mean squared error of the float twin's values is smallest
(:func:`best_clip`), which matters below 4 bits. Which quantizer goes where is decided in
:mod:`quant_models.layers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from finnspect.errors import ConfigError
from torch import nn

#: Candidate clips tried by :func:`best_clip`, as fractions of the largest magnitude.
_CLIP_GRID = torch.linspace(0.02, 1.0, 99, dtype=torch.float64)
_SUFFIX = re.compile(r"w(?P<w>\d+)a(?P<a>\d+)(?P<first>_first8)?(?:_(?P<head>flat|gap))?")


@dataclass(frozen=True, slots=True)
class QuantSpec:
    """Bit widths of a network, and what else its name says beside the family.

    Parameters
    ----------
    weight_bits
        Bits of every weight, 2 to 8; 1 stands for bipolar weights, -1 and +1.
    act_bits
        Bits of every activation, 1 to 8. With bipolar weights 1 stands for bipolar activations, else
        for the codes 0 and 1.
    first_weight_bits
        Bits of the first layer's weights; ``weight_bits`` unless the name holds ``_first8``.
    head
        ``flat`` (the last map is flattened), ``gap`` (it is averaged), or empty: as the family has it.
    width
        What the family's numbers of channels are multiplied by.
    """

    weight_bits: int
    act_bits: int
    first_weight_bits: int
    head: str = ""
    width: float = 1.0

    @property
    def bipolar_activations(self) -> bool:
        """Whether activations are -1 and +1."""
        return self.weight_bits == 1 and self.act_bits == 1

    @classmethod
    def parse(cls, suffix: str) -> QuantSpec:
        """Return what ``w<W>a<A>``, with ``_first8``, ``_flat`` or ``_gap`` behind it, stands for.

        Raises
        ------
        ConfigError
            The suffix has another form or a width is out of range.
        """
        match = _SUFFIX.fullmatch(suffix)
        if match is None:
            raise ConfigError(
                f"bit widths {suffix!r} are not of the form w<bits>a<bits>",
                "write for example w4a4; _first8, then _flat or _gap may follow",
            )
        w, a = int(match["w"]), int(match["a"])
        if not (1 <= w <= 8 and 1 <= a <= 8):
            raise ConfigError(
                f"bit widths {suffix!r} are out of range: weights have 1 (bipolar) to 8 bits, "
                "activations 1 to 8",
                "write for example w4a4",
            )
        return cls(w, a, 8 if match["first"] else w, match["head"] or "")


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
    rows = weight.reshape(weight.shape[0], -1) if scaling.value.ndim > 0 else weight.reshape(1, -1)
    bits = weight_bits(layer)
    # A bipolar weight's best size is the mean one.
    clip = rows.abs().mean(1).clamp(min=1e-6) if bits == 1 else best_clip(rows, bits, signed=True)
    clip = clip.to(weight.dtype).reshape(scaling.value.shape)
    scaling.load_state_dict({"value": clip})  # loading ends the layer's own collection of statistics


@torch.no_grad()
def set_act_clip(layer: nn.Module, values: torch.Tensor) -> None:
    """Set the learned scale of a brevitas activation from a sample of its float twin's outputs."""
    quant = layer.act_quant.fused_activation_quant_proxy.tensor_quant
    bits = int(quant.msb_clamp_bit_width_impl())
    clip = best_clip(values.reshape(1, -1), bits, signed=bool(quant.int_quant.signed))
    quant.scaling_impl.value.copy_(clip.to(quant.scaling_impl.value.dtype).reshape(()))


def is_quantizer(layer: nn.Module) -> bool:
    """Whether a layer is a brevitas activation."""
    return hasattr(layer, "act_quant") and not isinstance(layer, nn.Conv2d | nn.Linear)


def learns_weight_scale(layer: nn.Module) -> bool:
    """Whether the weight scale of a layer is a parameter that :func:`set_weight_clip` can set."""
    tensor_quant = getattr(getattr(layer, "weight_quant", None), "tensor_quant", None)
    scaling = getattr(tensor_quant, "scaling_impl", None)
    narrow = getattr(getattr(tensor_quant, "int_quant", None), "narrow_range", True)
    return isinstance(getattr(scaling, "value", None), nn.Parameter) and bool(narrow)


def collects_statistics(module: nn.Module) -> bool:
    """Whether a module is a scale that starts from the first training images it sees."""
    return hasattr(module, "collect_stats_steps")


def learns_act_scale(layer: nn.Module) -> bool:
    """Whether the scale of an activation is a parameter that :func:`set_act_clip` can set."""
    fused = getattr(getattr(layer, "act_quant", None), "fused_activation_quant_proxy", None)
    quant = getattr(fused, "tensor_quant", None)
    integer = getattr(quant, "int_quant", None)
    if integer is None or not isinstance(getattr(quant.scaling_impl, "value", None), nn.Parameter):
        return False
    if quant.scaling_impl.value.numel() != 1 or collects_statistics(quant.scaling_impl):
        return False
    return not integer.signed or bool(integer.narrow_range)


def weight_bits(layer: nn.Module) -> int:
    """Return the bits of a layer's weights: 32 in float, 1 where they are bipolar."""
    quant = getattr(layer, "weight_quant", None)
    return 32 if quant is None or not quant.is_quant_enabled else int(quant.bit_width())


def scale_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the learned scales of a quantized model (they get a smaller learning rate)."""
    return [p for name, p in model.named_parameters() if name.endswith("scaling_impl.value")]
