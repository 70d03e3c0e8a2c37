"""Augmentation of whole batches of pixel codes, with tensor operations only."""

from __future__ import annotations

import torch

from quant_models.training.config import AugmentConfig


class Augment:
    """Vary a batch of images.

    Parameters
    ----------
    config
        What to vary, and how much.
    seed
        Seeds a generator of its own: the global one is neither read nor moved.
    """

    def __init__(self, config: AugmentConfig, seed: int) -> None:
        self._config = config
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Return varied images.

        Parameters
        ----------
        codes
            Pixel codes 0 .. 255 as float32, shape (N, C, H, W).

        Returns
        -------
        torch.Tensor
            Whole pixel codes 0 .. 255 as float32, same shape.
        """
        if self._config.flips:
            codes = self._turn(codes)
        if self._config.shift > 0:
            codes = self._shift(codes)
        return self._light(codes)

    def _random(self, n: int, device: torch.device) -> torch.Tensor:
        """Return n values in [0, 1), shape (n, 1, 1, 1), drawn on the CPU so that devices agree."""
        return torch.rand(n, 1, 1, 1, generator=self.generator).to(device)

    def _turn(self, x: torch.Tensor) -> torch.Tensor:
        n, device = x.shape[0], x.device
        x = torch.where(self._random(n, device) < 0.5, x.flip(-1), x)
        x = torch.where(self._random(n, device) < 0.5, x.flip(-2), x)
        swap = self._random(n, device) < 0.5
        square = x.shape[-1] == x.shape[-2]
        return torch.where(swap, x.transpose(-1, -2), x) if square and self._config.turns else x

    def _shift(self, x: torch.Tensor) -> torch.Tensor:
        n, _, height, width = x.shape
        index = []
        for side in (height, width):
            reach = int(side * self._config.shift)
            offset = torch.randint(-reach, reach + 1, (n, 1), generator=self.generator)
            at = (torch.arange(side) + offset).abs()
            index.append(torch.where(at >= side, 2 * (side - 1) - at, at).to(x.device))
        rows, columns = index
        batch = torch.arange(n, device=x.device)[:, None, None]
        # Advanced indices around the channel slice put the channels last.
        return x[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)

    def _light(self, x: torch.Tensor) -> torch.Tensor:
        n, device = x.shape[0], x.device
        c = self._config
        gain = 1 + c.contrast * (2 * self._random(n, device) - 1)
        offset = c.brightness * (2 * self._random(n, device) - 1)
        mean = x.mean((1, 2, 3), keepdim=True)
        x = (x - mean) * gain + mean + offset
        if c.noise > 0:
            sigma = c.noise * self._random(n, device)
            x = x + sigma * torch.randn(x.shape, generator=self.generator).to(device)
        return x.clamp(0, 255).round()
