"""Random brevitas networks, as users write them: drawn, calibrated, exported by the product itself.

:func:`random_brevitas` draws one. Statistics of batch norms and scales of quantizers come from sample images;
as in ``random_networks``, a network is drawn again until each quantizer hits at least half of its codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.quant import (
    Int8BiasPerTensorFloatInternalScaling,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    SignedBinaryActPerTensorConst,
    SignedBinaryWeightPerTensorConst,
)
from brevitas.quant.scaled_int import Int8ActPerTensorFloatMinMaxInit, Uint8ActPerTensorFloatMaxInit
from random_writer import SAMPLES, images_of
from torch import nn

import quant_models.torch_compat  # noqa: F401
from quant_models.layers import PixelScale

KERNELS = ((1, 1), (3, 3), (5, 5), (7, 7), (3, 1), (1, 5), (3, 5))


class Program(nn.Module):
    """Modules and functions applied in turn to numbered tensors; tensor 0 is the image."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        self.steps: list[tuple[Callable[..., torch.Tensor] | int, tuple[int, ...]]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last tensor."""
        tensors = [x]
        for what, sources in self.steps:
            function = self.parts[what] if isinstance(what, int) else what
            tensors.append(function(*(tensors[source] for source in sources)))
        return tensors[-1]


def _sum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a + b


def _joined(*parts: torch.Tensor) -> torch.Tensor:
    return torch.cat(parts, 1)


def _flat(x: torch.Tensor) -> torch.Tensor:
    return torch.flatten(x, 1)


def _class(x: torch.Tensor) -> torch.Tensor:
    return torch.argmax(x, 1, keepdim=True)


class Drawing:
    """Adds layers to a program and follows the samples through them; methods return numbers of tensors."""

    def __init__(self, seed: int, attempt: int) -> None:
        self.rng = np.random.default_rng([seed, attempt])
        torch.manual_seed(1000 * seed + attempt)
        side = [int(self.rng.integers(7, 11)) for _ in range(2)]
        self.shape = (*side, int(self.rng.choice([1, 3])))
        self.images = images_of(self.rng, SAMPLES, self.shape)
        self.program = Program().eval()
        self.values = [torch.from_numpy(self.images).permute(0, 3, 1, 2).float()]
        self.lively = True

    def pick(self, *options):
        """Return one of some options."""
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability: float) -> bool:
        """Return True as often as asked."""
        return bool(self.rng.random() < probability)

    def then(self, what: nn.Module | Callable[..., torch.Tensor], *sources: int) -> int:
        """Apply a module or function."""
        step: Callable[..., torch.Tensor] | int = what
        if isinstance(what, nn.Module):
            if what not in list(self.program.parts):
                self.program.parts.append(what.eval())
            step = list(self.program.parts).index(what)
        self.program.steps.append((step, sources))
        with torch.no_grad():
            self.values.append(what(*(self.values[source] for source in sources)))
        return len(self.values) - 1

    # -- layers

    def _weights(self, *, classes: bool = False) -> dict:
        bits = self.pick(1, 2, 3, 4, 4, 5, 6, 7, 8)
        if bits == 1:
            return {"weight_quant": SignedBinaryWeightPerTensorConst}
        quant = (
            Int8WeightPerTensorFloat
            if classes
            else self.pick(Int8WeightPerTensorFloat, Int8WeightPerChannelFloat)
        )
        narrow = bits == 2 or self.chance(0.6)
        return {"weight_quant": quant, "weight_bit_width": bits, "weight_narrow_range": narrow}

    def _bias(self, layer: nn.Module) -> nn.Module:
        if layer.bias is not None:
            layer.bias.data = 0.2 * torch.randn_like(layer.bias)
        return layer

    def conv(self, x: int, out: int, kernel: tuple[int, int] | None = None, *, same: bool = False) -> int:
        """Convolution."""
        channels, *side = self.values[x].shape[1:]
        kernel = tuple(min(k, s) for k, s in zip(kernel or self.pick(*KERNELS), side, strict=True))
        kernel = tuple(k - (k + 1) % 2 for k in kernel) if same else kernel
        pad = tuple(k // 2 if same or self.chance(0.6) else 0 for k in kernel)
        stride = (1, 1) if same else (self.pick(1, 1, 2), self.pick(1, 1, 2))
        bias = self.chance(0.3)
        extra = {"bias_quant": Int8BiasPerTensorFloatInternalScaling} if bias and self.chance(0.4) else {}
        layer = qnn.QuantConv2d(
            channels, out, kernel, stride=stride, padding=pad, bias=bias, **self._weights(), **extra
        )
        return self.then(self._bias(layer), x)

    def depthwise(self, x: int) -> int:
        """Depthwise convolution."""
        channels = self.values[x].shape[1]
        k = min(self.pick(1, 3, 3, 5), *self.values[x].shape[2:])
        k -= (k + 1) % 2
        layer = qnn.QuantConv2d(
            channels, channels, k, padding=k // 2, groups=channels, bias=False, **self._weights()
        )
        return self.then(layer, x)

    def dense(self, x: int, out: int, *, classes: bool = False) -> int:
        """Dense layer; ``classes``: with one scale."""
        bias = self.chance(0.5)
        layer = qnn.QuantLinear(self.values[x].shape[1], out, bias=bias, **self._weights(classes=classes))
        return self.then(self._bias(layer), x)

    def norm(self, x: int) -> int:
        """Batch norm with statistics near the samples' and gammas of both signs."""
        value = self.values[x]
        axes = [d for d in range(value.dim()) if d != 1]
        made = (nn.BatchNorm2d if value.dim() == 4 else nn.BatchNorm1d)(value.shape[1])
        made.running_mean = value.mean(axes) + 0.1 * torch.randn(value.shape[1]) * value.std(axes)
        made.running_var = value.var(axes) * (0.7 + 0.7 * torch.rand(value.shape[1])) + 1e-3
        made.weight.data = (0.5 + torch.rand(value.shape[1])) * (
            1 - 2 * (torch.rand(value.shape[1]) < 0.3).float()
        )
        made.bias.data = 0.3 * torch.randn(value.shape[1]) + 0.2
        return self.then(made, x)

    def _noted(self, x: int, codes: int) -> int:
        """Note whether a quantizer hits at least half of its codes."""
        self.lively &= len(torch.unique(self.values[x])) >= codes / 2
        return x

    def signed(self, bits: int, *sources: int) -> qnn.QuantIdentity:
        """Return a signed quantizer for the values of some tensors."""
        top = max(float(torch.cat([self.values[x].abs().flatten() for x in sources]).quantile(0.98)), 1e-3)
        return qnn.QuantIdentity(
            act_quant=Int8ActPerTensorFloatMinMaxInit, bit_width=bits, min_val=-top, max_val=top
        )

    def act(self, x: int, *, quantized: bool = False) -> int:
        """Batch norm mostly, then a quantizer: of a ReLU, signed, or of signs."""
        x = self.norm(x) if self.chance(0.8) and not quantized else x
        kind = self.pick("relu", "relu", "relu", "signed", "signed", "bipolar")
        if kind == "bipolar":
            return self.then(qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst), x)
        bits = self.pick(1, 2, 3, 4, 5, 6, 7, 8) if kind == "relu" else self.pick(2, 3, 4, 5, 6, 7, 8)
        if kind == "signed":
            return self._noted(self.then(self.signed(bits, x), x), 1 << bits)
        top = max(float(self.values[x].relu().quantile(0.98)), 1e-3)
        relu = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloatMaxInit, bit_width=bits, max_val=top)
        return self._noted(self.then(relu, x), 1 << bits)

    # -- blocks

    def plain(self, x: int) -> int:
        """Convolution and activation."""
        x = self.conv(x, self.pick(2, 4, 6))
        x = self.max_pool(x) if self.chance(0.2) else x
        return self.act(x)

    def separable(self, x: int) -> int:
        """Depthwise and pointwise convolution."""
        return self.act(self.conv(self.act(self.depthwise(x)), self.pick(4, 6), (1, 1)))

    def residual(self, x: int) -> int:
        """Two branches added, of one scale or two."""
        channels, bits = self.values[x].shape[1], self.pick(3, 4)
        y = self.norm(self.conv(x, channels, self.pick((1, 1), (3, 3)), same=True))
        first = self.signed(bits, x, y)
        second = first if self.chance(0.5) else self.signed(self.pick(3, 4, 5), x)
        return self.act(self.then(_sum, self.then(first, y), self.then(second, x)), quantized=True)

    def joined(self, x: int) -> int:
        """Branches of one quantizer, concatenated."""
        parts = [self.norm(self.conv(x, 2, self.pick((1, 1), (3, 3), (5, 5)), same=True)) for _ in range(2)]
        quantizer = self.signed(self.pick(2, 3, 4), *parts)
        return self.then(_joined, *(self.then(quantizer, part) for part in parts))

    def max_pool(self, x: int) -> int:
        """Max pool."""
        kernel, stride, pad = self.pick((2, 2, 0), (3, 2, 1), (3, 1, 0))
        return x if min(self.values[x].shape[2:]) < 3 else self.then(nn.MaxPool2d(kernel, stride, pad), x)

    def average(self, x: int) -> int:
        """Average pool and quantizer."""
        if min(self.values[x].shape[2:]) < 3:
            return x
        y = self.then(nn.AvgPool2d(*self.pick((2, 2), (3, 2))), x)
        return self._noted(self.then(self.signed(4, y), y), 1 << 4)

    def head(self, x: int) -> int:
        """Flatten or average, then the classes."""
        if self.chance(0.4):
            x = self.then(nn.AdaptiveAvgPool2d(1), x)
            x = self.then(self.signed(3, x), x) if self.chance(0.5) else x
        x = self.then(_flat, x)
        if self.chance(0.4):
            x = self.act(self.dense(x, self.pick(6, 8)))
        end = self.pick("logits", "logits", "class")
        x = self.dense(x, int(self.rng.integers(3, 6)), classes=end == "class")
        return self.then(_class, x) if end == "class" else x


@dataclass(frozen=True)
class DrawnNet:
    """A network in evaluation mode and the shape (H, W, C) of its images."""

    seed: int
    net: nn.Module
    shape: tuple[int, int, int]

    def images(self, count: int) -> np.ndarray:
        """Return uint8 images (N, H, W, C), extremes among them."""
        return images_of(np.random.default_rng([self.seed, 99]), count, self.shape)


def random_brevitas(seed: int) -> DrawnNet:
    """Return a random network whose quantizers hit at least half of their codes."""
    for attempt in range(60):
        drawing = Drawing(seed, attempt)
        x = drawing.then(PixelScale(1 / 255), 0)
        x = drawing.plain(x)
        blocks = ("plain", "separable", "residual", "residual", "joined", "max_pool", "average")
        for _ in range(int(drawing.rng.integers(2, 5))):
            if min(drawing.values[x].shape[2:]) < 2:
                break
            x = getattr(drawing, drawing.pick(*blocks))(x)
        out = drawing.values[drawing.head(x)]
        if drawing.lively and len(torch.unique(out, dim=0)) >= (2 if out.shape[1] == 1 else SAMPLES // 2):
            return DrawnNet(seed, drawing.program, drawing.shape)
    raise AssertionError(f"no lively network for seed {seed}")
