"""The registry of model families and what can be asked of any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from finnspect.errors import ConfigError
from torch import nn

from quant_models.quantizers import LayerFactory, QuantSpec, float_layers, quant_layers

#: Bit widths that are listed and tested; any ``w<2..8>a<1..8>`` is accepted.
STANDARD_BITS = ("w8a8", "w4a4", "w3a3", "w2a2")


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


_FAMILIES: dict[str, _Entry] = {}


def register_model(name: str, *, image_size: int) -> Callable[[Family], Family]:
    """Register a family under ``name``.

    Parameters
    ----------
    name
        Family name, without the bit widths.
    image_size
        Side, in pixels, of the square input it was made for.
    """

    def register(build: Family) -> Family:
        if name in _FAMILIES:
            raise ValueError(f"model family {name!r} is registered twice")
        _FAMILIES[name] = _Entry(build, image_size)
        return build

    return register


def available_models() -> list[str]:
    """Return the standard model names."""
    return [f"{family}_{bits}" for family in sorted(_FAMILIES) for bits in STANDARD_BITS]


def parse_name(name: str) -> tuple[str, QuantSpec]:
    """Split a model name into its family and bit widths.

    Raises
    ------
    ConfigError
        No such family, or the bit widths are malformed or out of range.
    """
    for family in sorted(_FAMILIES, key=len, reverse=True):
        suffix = name.removeprefix(f"{family}_")
        if suffix != name and suffix.startswith("w"):
            return family, QuantSpec.parse(suffix)
    raise ConfigError(f"unknown model {name!r}", f"choose one of {', '.join(available_models())}")


def default_image_size(name: str) -> int:
    """Return the side, in pixels, of the input that the model's family was made for."""
    return _FAMILIES[parse_name(name)[0]].image_size


def _build(
    name: str, layers: LayerFactory, classes: int, input_shape: tuple[int, int, int], scale: float
) -> nn.Module:
    family, _ = parse_name(name)
    if classes < 2:
        raise ConfigError(f"a classifier of {classes} classes", "give data with at least two classes")
    if input_shape[2] not in (1, 3):
        raise ConfigError(f"input of {input_shape[2]} channels", "images are grey (1) or RGB (3)")
    return _FAMILIES[family].build(layers, classes, input_shape, scale)


def build_model(
    name: str, classes: int, input_shape: tuple[int, int, int], scale: float = 1 / 255
) -> nn.Module:
    """Build the quantized network ``name``.

    Parameters
    ----------
    name
        For example ``cnv_w4a4``; ``cnv_w4a4_first8`` keeps 8-bit weights in the first layer.
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
    return _build(name, quant_layers(parse_name(name)[1]), classes, input_shape, scale)


def build_float_twin(
    name: str, classes: int, input_shape: tuple[int, int, int], scale: float = 1 / 255
) -> nn.Module:
    """Build the float network of the same topology and parameter names as :func:`build_model`."""
    return _build(name, float_layers(), classes, input_shape, scale)


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Size of a network: weights (batch norm and scales apart) and multiply-accumulates an image."""

    weights: int
    macs: int


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
        model.eval()(torch.zeros(1, channels, height, width))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return ModelCost(weights=sum(m.weight.numel() for m in counted), macs=macs)
