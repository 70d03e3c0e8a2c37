"""The registry of model families and what can be asked of any of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from finnspect.errors import ConfigError
from torch import nn

from quant_models.layers import FloatLayers, LayerFactory, QuantLayers
from quant_models.models.custom import build_custom, float_twin, is_custom
from quant_models.quantizers import QuantSpec, weight_bits

#: Bit widths that are listed and tested for every family; any ``w<2..8>a<1..8>`` is accepted.
STANDARD_BITS = ("w8a8", "w4a4", "w3a3", "w2a2")
#: Bipolar weights, for the families that have them.
BIPOLAR_BITS = ("w1a4", "w1a2")
#: Bipolar weights and activations; these have no zero, so nothing may be padded behind the first layer.
BIPOLAR_ACTIVATION_BITS = ("w1a1",)


#: What follows the family in a model's name: perhaps a width, then the bits.
_TAIL = re.compile(r"(?:-x(?P<width>\d+(?:\.\d+)?))?_(?P<bits>w.*)")
#: Narrowest and widest network that a name may ask for.
WIDTHS = (0.1, 8.0)
#: Side, in pixels, of the input of a user's own network, unless another is asked for.
CUSTOM_IMAGE_SIZE = 64


class Family(Protocol):
    """Builds one family: float or quantized, as the layer factory says."""

    def __call__(
        self, layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float
    ) -> nn.Module:
        """Return the network for images of shape (height, width, channels)."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    build: Family
    image_size: int
    bits: tuple[str, ...]
    heads: tuple[str, ...]


_FAMILIES: dict[str, _Entry] = {}


def register_model(
    name: str,
    *,
    image_size: int,
    bits: tuple[str, ...] = STANDARD_BITS + BIPOLAR_BITS,
    heads: tuple[str, ...] = (),
) -> Callable[[Family], Family]:
    """Register a family under ``name``.

    Parameters
    ----------
    name
        Family name, without the bit widths.
    image_size
        Side, in pixels, of the square input it was made for.
    bits
        Widths that are listed and tested. Bipolar ones (``w1a...``) are refused where none is listed,
        bipolar activations (``w1a1``) where that is not.
    heads
        The heads that a name may ask for by ``_flat`` or ``_gap``; the first is the family's own.
    """

    def register(build: Family) -> Family:
        if name in _FAMILIES:
            raise ValueError(f"model family {name!r} is registered twice")
        _FAMILIES[name] = _Entry(build, image_size, bits, heads)
        return build

    return register


def available_models() -> list[str]:
    """Return the standard model names."""
    return [f"{family}_{bits}" for family in sorted(_FAMILIES) for bits in _FAMILIES[family].bits]


def model_name(family: str, width: float, weight_bits: int, act_bits: int) -> str:
    """Return the name of a family's network of a width and bits: ``cnv-x0.5_w4a4``, ``cnv_w4a4``."""
    return f"{family}{'' if width == 1 else f'-x{width:g}'}_w{weight_bits}a{act_bits}"


def parse_name(name: str) -> tuple[str, QuantSpec]:
    """Split a model name into its family, and width and bits.

    Raises
    ------
    ConfigError
        No such family, or width or bit widths are malformed or out of range.
    """
    for family in sorted(_FAMILIES, key=len, reverse=True):
        match = _TAIL.fullmatch(name.removeprefix(family)) if name.startswith(family) else None
        if match is not None:
            spec = replace(QuantSpec.parse(match["bits"]), width=float(match["width"] or 1))
            _check_spec(name, family, spec)
            return family, spec
    raise ConfigError(f"unknown model {name!r}", f"choose one of {', '.join(available_models())}")


def _check_spec(name: str, family: str, spec: QuantSpec) -> None:
    """Refuse widths and heads that a family does not have."""
    entry = _FAMILIES[family]
    if not WIDTHS[0] <= spec.width <= WIDTHS[1]:
        raise ConfigError(
            f"model {name!r}: {spec.width:g} times the channels of the family {family!r}",
            f"use a width from {WIDTHS[0]:g} to {WIDTHS[1]:g}: {family}-x0.5_w4a4",
        )
    if spec.weight_bits == 1 and not any(bits.startswith("w1a") for bits in entry.bits):
        raise ConfigError(
            f"model {name!r}: bit widths: the family {family!r} has no bipolar weights",
            "use 2 to 8 bits: w2a2",
        )
    if spec.bipolar_activations and "w1a1" not in entry.bits:
        able = ", ".join(sorted(f for f, e in _FAMILIES.items() if "w1a1" in e.bits))
        raise ConfigError(
            f"model {name!r}: bit widths: the family {family!r} pads its maps with zeros, which bipolar "
            "activations do not have",
            f"use w1a2, or a family without padding ({able})",
        )
    if spec.head and spec.head not in entry.heads:
        raise ConfigError(
            f"model {name!r}: the family {family!r} has no head {spec.head!r}",
            f"leave _{spec.head} out" + (f", or use {' or '.join(entry.heads)}" if entry.heads else ""),
        )


def default_image_size(name: str) -> int:
    """Return the side, in pixels, of the input that the model's family was made for."""
    if is_custom(name):
        return CUSTOM_IMAGE_SIZE
    return _FAMILIES[parse_name(name)[0]].image_size


def _build(
    name: str, layers: type[LayerFactory], classes: int, input_shape: tuple[int, int, int], scale: float
) -> nn.Module:
    if classes < 2:
        raise ConfigError(f"a classifier of {classes} classes", "give data with at least two classes")
    if input_shape[2] not in (1, 3):
        raise ConfigError(f"input of {input_shape[2]} channels", "images are grey (1) or RGB (3)")
    if is_custom(name):
        net = build_custom(name, classes, input_shape)
        return float_twin(net) if layers is FloatLayers else net
    family, spec = parse_name(name)
    entry = _FAMILIES[family]
    spec = replace(spec, head=spec.head or next(iter(entry.heads), ""))
    return entry.build(layers(spec), classes, input_shape, scale)


def build_model(
    name: str, classes: int, input_shape: tuple[int, int, int], scale: float = 1 / 255
) -> nn.Module:
    """Build the quantized network ``name``.

    Parameters
    ----------
    name
        For example ``cnv_w4a4``; ``cnv_w4a4_first8`` keeps 8-bit weights in the first layer,
        ``cnv_w4a4_gap`` averages the last map instead of flattening it; ``cnv-x0.5_w4a4`` has half the
        channels (each a multiple of 4); ``path.py:factory`` is a
        network of the user's own, see :mod:`quant_models.models.custom`.
    classes
        Number of classes.
    input_shape
        Height, width, channels (1 or 3) of an image.
    scale
        Real value of pixel code 1; the network's first operation.

    Returns
    -------
    torch.nn.Module
        Takes pixel codes 0 .. 255 as float32, shape (N, C, H, W); returns logits (N, classes).

    Raises
    ------
    ConfigError
        Unknown name, or an input that the topology cannot divide.
    """
    return _build(name, QuantLayers, classes, input_shape, scale)


def build_float_twin(
    name: str, classes: int, input_shape: tuple[int, int, int], scale: float = 1 / 255
) -> nn.Module:
    """Build the float network of the same topology and parameter names as :func:`build_model`."""
    return _build(name, FloatLayers, classes, input_shape, scale)


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Size of a network.

    Parameters
    ----------
    weights
        Number of weights, batch norm and scales apart.
    macs
        Multiply-accumulates an image.
    weight_bits
        Bits of all weights together.
    parameters
        Number of all learned values: weights, batch norm, scales.
    """

    weights: int
    macs: int
    weight_bits: int
    parameters: int


@torch.no_grad()
def model_cost(model: nn.Module, input_shape: tuple[int, int, int]) -> ModelCost:
    """Count a network's weights and its multiply-accumulates an image, by running it once.

    Padding is counted as multiplied, as in QONNX's ``inference_cost``.
    """
    macs = 0

    def count(layer: nn.Module, _args: tuple, output: torch.Tensor) -> None:
        nonlocal macs
        positions = output[0].numel() // layer.weight.shape[0]
        macs += positions * layer.weight.numel()

    counted = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [m.register_forward_hook(count) for m in counted]
    training = model.training
    try:
        height, width, channels = input_shape
        device = next(model.parameters()).device
        model.eval()(torch.zeros(1, channels, height, width, device=device))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return ModelCost(
        weights=sum(m.weight.numel() for m in counted),
        macs=macs,
        weight_bits=sum(m.weight.numel() * weight_bits(m) for m in counted),
        parameters=sum(p.numel() for p in model.parameters()),
    )
