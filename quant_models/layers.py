"""Layers of a topology, float or quantized: the only place that decides which quantizer goes where.

Weights are signed, narrow range (``-(2^(W-1)-1) .. 2^(W-1)-1``, no extra negative value), scales are
learned; one bit means bipolar, ``{-1, +1}`` times a scale. A convolution has one scale an output
channel: the batch norm behind it absorbs them. The dense head has one scale for all classes, so that
the argmax of the integer logits is the argmax of the real ones. Activations are unsigned with one
learned scale a tensor. The two sides of a residual add have one scale, so that codes add up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

import quant_models.torch_compat  # noqa: F401  (before any brevitas layer is built)
from quant_models.quantizers import QuantSpec

#: An average over a map tells more than one of its codes does: it keeps at least so many bits.
_POOLED_BITS = 4
#: Channels are a multiple of this at every width, so that there is something to fold.
_CHANNEL_STEP = 4
#: A signed side of an add gets a bit for its sign up to this width.
_SIGNED_BITS = 4


class PixelScale(nn.Module):
    """Multiply pixel codes by the real value of code 1."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return ``codes * scale``, of the same shape."""
        return codes * self.scale


class Signed(nn.Identity):
    """Stands in a float twin where the quantized network has a signed quantizer."""


class Pooled(nn.Identity):
    """Stands in a float twin where the quantized network quantizes an average."""


#: Layers of a float twin whose outputs a quantizer's scale is chosen from.
QUANTIZED_OUTPUTS = (nn.ReLU, Signed, Pooled)


class LayerFactory(ABC):
    """Makes the layers of a topology, float or quantized.

    Parameters
    ----------
    spec
        Bit widths; the float layers read only whether activations are bipolar.
    """

    def __init__(self, spec: QuantSpec) -> None:
        self.spec = spec

    def channels(self, count: int) -> int:
        """Return a layer's number of channels, or units, where the family's own is ``count``."""
        if self.spec.width == 1:
            return count
        return max(_CHANNEL_STEP, round(count * self.spec.width / _CHANNEL_STEP) * _CHANNEL_STEP)

    @abstractmethod
    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        first: bool = False,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
    ) -> nn.Module:
        """Make a convolution without a bias; padding ``kernel // 2`` unless given."""

    @abstractmethod
    def hidden(self, in_features: int, out_features: int, first: bool = False) -> nn.Module:
        """Make a dense layer with batch norm and activation behind it: no bias, one scale a row."""

    @abstractmethod
    def dense(self, in_features: int, out_features: int) -> nn.Module:
        """Make the dense head: no bias, one scale."""

    @abstractmethod
    def act(self) -> nn.Module:
        """Make an activation: ReLU, quantized or not; sign and hard tanh where activations are bipolar."""

    @abstractmethod
    def signed(self) -> nn.Module:
        """Make the signed quantizer that both sides of an add go through, called once for each."""

    @abstractmethod
    def signed_like(self, act: nn.Module) -> nn.Module:
        """Make a signed quantizer whose code 1 is always that of ``act``, the other side of an add."""

    @abstractmethod
    def pooled(self) -> nn.Module:
        """Make the quantizer of an average of unsigned codes."""


class FloatLayers(LayerFactory):
    """Layers of the float twin."""

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        first: bool = False,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
    ) -> nn.Module:
        """Make a float convolution."""
        padding = kernel // 2 if padding is None else padding
        return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)

    def hidden(self, in_features: int, out_features: int, first: bool = False) -> nn.Module:
        """Make a float dense layer."""
        return nn.Linear(in_features, out_features, bias=False)

    def dense(self, in_features: int, out_features: int) -> nn.Module:
        """Make a float dense layer."""
        return nn.Linear(in_features, out_features, bias=False)

    def act(self) -> nn.Module:
        """Make a ReLU, or a hard tanh."""
        return nn.Hardtanh() if self.spec.bipolar_activations else nn.ReLU()

    def signed(self) -> nn.Module:
        """Make an identity."""
        return Signed()

    def signed_like(self, act: nn.Module) -> nn.Module:
        """Make an identity."""
        return nn.Identity()

    def pooled(self) -> nn.Module:
        """Make an identity."""
        return Pooled()


class _Steps(nn.Module):
    """Number of steps up to the clip, whatever the width asked for."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, bit_width: torch.Tensor) -> torch.Tensor:
        """Return the number of steps."""
        return torch.full_like(bit_width, self.steps)


class QuantLayers(LayerFactory):
    """Brevitas layers."""

    def _weights(self, bits: int, per_channel: bool) -> dict:
        """Return the arguments of a brevitas layer for weights of ``bits`` bits."""
        from brevitas.inject.enum import ScalingImplType
        from brevitas.quant.scaled_int import Int8WeightPerChannelFloat, Int8WeightPerTensorFloat

        if bits == 1:
            return {"weight_quant": _bipolar_weights(), "weight_scaling_per_output_channel": per_channel}
        return {
            "weight_quant": Int8WeightPerChannelFloat if per_channel else Int8WeightPerTensorFloat,
            "weight_bit_width": bits,
            "weight_scaling_impl_type": ScalingImplType.PARAMETER_FROM_STATS,
        }

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        first: bool = False,
        *,
        stride: int = 1,
        groups: int = 1,
        padding: int | None = None,
    ) -> nn.Module:
        """Make a convolution with one weight scale an output channel."""
        import brevitas.nn as qnn

        return qnn.QuantConv2d(
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=kernel // 2 if padding is None else padding,
            groups=groups,
            bias=False,
            **self._weights(self.spec.first_weight_bits if first else self.spec.weight_bits, True),
        )

    def hidden(self, in_features: int, out_features: int, first: bool = False) -> nn.Module:
        """Make a dense layer with one weight scale a row."""
        import brevitas.nn as qnn

        bits = self.spec.first_weight_bits if first else self.spec.weight_bits
        return qnn.QuantLinear(in_features, out_features, bias=False, **self._weights(bits, True))

    def dense(self, in_features: int, out_features: int) -> nn.Module:
        """Make a dense layer with one weight scale."""
        import brevitas.nn as qnn

        weights = self._weights(self.spec.weight_bits, False)
        return qnn.QuantLinear(in_features, out_features, bias=False, **weights)

    def act(self) -> nn.Module:
        """Make a quantized ReLU, or a sign."""
        import brevitas.nn as qnn
        from brevitas.quant.binary import SignedBinaryActPerTensorConst
        from brevitas.quant.scaled_int import Uint8ActPerTensorFloatMaxInit

        if self.spec.bipolar_activations:
            return qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst, return_quant_tensor=False)
        # The ReLU stays a node of its own (brevitas exports Relu + Quant); max_val is set by calibration.
        return qnn.QuantReLU(
            act_quant=Uint8ActPerTensorFloatMaxInit,
            bit_width=self.spec.act_bits,
            max_val=6.0,
            return_quant_tensor=False,
        )

    def signed(self) -> nn.Module:
        """Make a signed narrow-range quantizer with a learned scale."""
        import brevitas.nn as qnn
        from brevitas.quant.scaled_int import Int8ActPerTensorFloatMinMaxInit

        return qnn.QuantIdentity(
            act_quant=Int8ActPerTensorFloatMinMaxInit,
            bit_width=max(self.spec.act_bits, min(self.spec.act_bits + 1, _SIGNED_BITS)),
            narrow_range=True,
            min_val=-6.0,
            max_val=6.0,
            return_quant_tensor=False,
        )

    def signed_like(self, act: nn.Module) -> nn.Module:
        """Make a signed quantizer that computes its scale from the parameter of ``act``, as ``act`` does."""
        made = self.signed()
        own, other = (_act_quantizer(layer) for layer in (made, act))
        own.scaling_impl = other.scaling_impl
        own.int_scaling_impl = _Steps((1 << self.spec.act_bits) - 1)
        return made

    def pooled(self) -> nn.Module:
        """Make an unsigned quantizer with a learned scale."""
        import brevitas.nn as qnn
        from brevitas.quant.scaled_int import Uint8ActPerTensorFloatMaxInit

        return qnn.QuantIdentity(
            act_quant=Uint8ActPerTensorFloatMaxInit,
            bit_width=max(self.spec.act_bits, _POOLED_BITS),
            max_val=6.0,
            return_quant_tensor=False,
        )


def _act_quantizer(layer: nn.Module) -> nn.Module:
    """Return the quantizer inside a brevitas activation."""
    return layer.act_quant.fused_activation_quant_proxy.tensor_quant


def _bipolar_weights() -> type:
    """Return brevitas's description of bipolar weights with learned scales that start at the mean size."""
    from brevitas.core.quant import BinaryQuant
    from brevitas.inject.enum import QuantType, ScalingImplType, StatsOp
    from brevitas.quant.solver import WeightQuantSolver

    class BipolarWeights(WeightQuantSolver):
        quant_type = QuantType.BINARY
        tensor_quant = BinaryQuant
        scaling_impl_type = ScalingImplType.PARAMETER_FROM_STATS
        scaling_stats_op = StatsOp.AVE
        restrict_scaling_type = "fp"
        scaling_min_val = 1e-6
        signed = True
        narrow_range = True
        bit_width = 1

    return BipolarWeights
