"""Start a quantized network from its trained float twin."""

from __future__ import annotations

import torch
from torch import nn

from quant_models.layers import QUANTIZED_OUTPUTS
from quant_models.quantizers import (
    collects_statistics,
    is_quantizer,
    learns_act_scale,
    learns_weight_scale,
    set_act_clip,
    set_weight_clip,
)

#: Values of one activation that a clip is chosen from; a sample is enough for one scale.
_SAMPLE = 1 << 18


@torch.no_grad()
def quantize_from(model: nn.Module, twin: nn.Module, images: torch.Tensor) -> None:
    """Copy the twin's weights into ``model`` and set every scale where it costs the least error.

    Parameters
    ----------
    model, twin
        Quantized network and trained float twin: same topology, same parameter names.
    images
        Pixel codes, shape (N, C, H, W): a sample of training images.
    """
    missing, unexpected = model.load_state_dict(twin.state_dict(), strict=False)
    assert not unexpected and all("_quant." in name for name in missing), (missing, unexpected)

    sample: dict[str, list[torch.Tensor]] = {}

    def keep(name: str) -> object:
        def hook(_layer: nn.Module, _args: tuple, output: torch.Tensor) -> None:
            flat = getattr(output, "value", output).flatten()  # a quantized tensor has a value
            # A quantizer that both sides of an add go through is called once for each.
            sample.setdefault(name, []).append(flat[:: max(1, flat.numel() // _SAMPLE)].clone())

        return hook

    hooks = [
        m.register_forward_hook(keep(n))
        for n, m in twin.named_modules()
        if isinstance(m, QUANTIZED_OUTPUTS) or is_quantizer(m)
    ]
    try:
        twin.eval()(images.float())
    finally:
        for hook in hooks:
            hook.remove()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and learns_weight_scale(layer):
            set_weight_clip(layer)
    for name, values in sample.items():
        layer = model.get_submodule(name)
        if learns_act_scale(layer):
            set_act_clip(layer, torch.cat(values))
    if any(collects_statistics(m) for m in model.modules()):  # quantizers of a user's own network
        model.train()(images.float())
