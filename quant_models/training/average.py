"""Averaged weights, and the batch-norm statistics that belong to them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Averaged:
    """Exponential moving average of a network's floating-point state.

    Starts as a running mean, so that early epochs are not held to the first weights.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self._decay, self._steps = decay, 0
        self._state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take in the network's present state."""
        self._steps += 1
        weight = 1 - min(self._decay, self._steps / (self._steps + 10))
        for key, value in net.state_dict().items():
            # The first step finds the network where it was built, the others where it is trained.
            mine = self._state[key] = self._state[key].to(value.device)
            if value.is_floating_point():
                mine.lerp_(value, weight)
            else:
                mine.copy_(value)

    def swap(self, net: nn.Module) -> None:
        """Exchange the network's state with the average; call again to change back."""
        present = {k: v.detach().clone() for k, v in net.state_dict().items()}
        net.load_state_dict(self._state)
        self._state = present

    def state(self) -> dict[str, torch.Tensor]:
        """Return a copy of the average."""
        return {k: v.detach().to("cpu", copy=True) for k, v in self._state.items()}

    def checkpoint(self) -> dict[str, Any]:
        """Return all that :meth:`restore` needs."""
        return {"state": self.state(), "steps": self._steps}

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Go on from where :meth:`checkpoint` was."""
        self._state = {k: v.clone() for k, v in checkpoint["state"].items()}
        self._steps = checkpoint["steps"]


def norms(net: nn.Module) -> list[nn.Module]:
    """Return the batch norms of a network."""
    return [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@torch.no_grad()
def measure_statistics(net: nn.Module, images: torch.Tensor, batch_size: int) -> None:
    """Replace the running statistics of every batch norm by those of ``images``, averaged over batches.

    The running statistics of training belong to other weights (not the averaged ones) and to varied
    images. With quantized weights the difference is large: a weight near a rounding threshold flips
    back and forth to the end, and takes the statistics of its channel along.

    Parameters
    ----------
    net
        Changed in place.
    images
        Pixel codes as the network will see them in use, shape (N, C, H, W).
    """
    found, training = norms(net), net.training
    if not found:
        return
    device = next(net.parameters()).device
    momenta = [norm.momentum for norm in found]
    for norm in found:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    net.train()
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        if len(batch) > 1 or len(images) == 1:  # one vector alone has no spread
            net(batch.to(device).float())
    net.train(training)
    for norm, momentum in zip(found, momenta, strict=True):
        norm.momentum = momentum
