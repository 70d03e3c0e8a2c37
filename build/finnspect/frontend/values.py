"""What a tensor of the file is: integers of a layer, and the exact function that gives its real values.

Real value of integer ``a`` of channel c: ``clip(slopes[c] * a + offsets[c], lows[c], highs[c])``. Scales,
biases, batch norms, ReLU and clips all keep to that form, so that whatever stands between a layer and
its quantizer folds into one staircase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

Bound = Fraction | None  # None: no bound


def _clamped(value: Bound, low: Bound, high: Bound, missing: Bound) -> Bound:
    if value is None:
        return missing
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


@dataclass(frozen=True)
class PoolSpec:
    """A max pool that waits behind a quantizer still to come: both are monotone, so it may."""

    node: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]


@dataclass(frozen=True)
class Value:
    """A tensor of the file.

    Parameters
    ----------
    layer
        The integer tensor (a layer's output) that it is a function of.
    shape
        C, H, W of the map; kept when it is flattened.
    layout
        ``NCHW``, ``NHWC``, or flattened from one of them: ``CHW``, ``HWC``.
    slopes, offsets, lows, highs
        One for each channel.
    pools
        Max pools not made yet, in order; ``shape`` is that behind them.
    maker
        Node of the file that the last change of scale came from, for refusals.
    """

    layer: str
    shape: tuple[int, int, int]
    layout: str
    slopes: tuple[Fraction, ...]
    offsets: tuple[Fraction, ...]
    lows: tuple[Bound, ...]
    highs: tuple[Bound, ...]
    pools: tuple[PoolSpec, ...] = ()
    maker: str = ""

    @classmethod
    def of(
        cls,
        layer: str,
        shape: tuple[int, int, int],
        layout: str,
        slopes: Sequence[Fraction],
        offsets: Sequence[Fraction] | None = None,
        maker: str = "",
    ) -> Value:
        """Return an affine function of a layer's integers; no offsets where None."""
        none = (None,) * len(slopes)
        offsets = offsets or (Fraction(0),) * len(slopes)
        return cls(layer, shape, layout, tuple(slopes), tuple(offsets), none, none, maker=maker)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.shape[0]

    @property
    def flat(self) -> bool:
        """Whether the file holds it flattened."""
        return len(self.layout) == 3

    @property
    def clipped(self) -> bool:
        """Whether any bound is left."""
        return any(v is not None for v in (*self.lows, *self.highs))

    @property
    def uniform(self) -> bool:
        """Whether one slope serves all channels."""
        return len(set(self.slopes)) == 1

    def affine(self, scales: Sequence[Fraction], shifts: Sequence[Fraction], maker: str) -> Value:
        """Return ``value * scale + shift`` of each channel."""
        slopes, offsets, lows, highs = [], [], [], []
        rows = zip(self.slopes, self.offsets, self.lows, self.highs, scales, shifts, strict=True)
        for slope, offset, low, high, scale, shift in rows:
            slopes.append(slope * scale)
            offsets.append(offset * scale + shift)
            ends = [None if end is None or scale == 0 else end * scale + shift for end in (low, high)]
            ends = ends if scale >= 0 else ends[::-1]
            lows.append(ends[0])
            highs.append(ends[1])
        return replace(
            self,
            slopes=tuple(slopes),
            offsets=tuple(offsets),
            lows=tuple(lows),
            highs=tuple(highs),
            maker=maker,
        )

    def clip(self, low: Bound, high: Bound) -> Value:
        """Return the value held between two bounds."""
        return replace(
            self,
            lows=tuple(_clamped(v, low, high, low) for v in self.lows),
            highs=tuple(_clamped(v, low, high, high) for v in self.highs),
        )

    def turned(self, signs: Sequence[int]) -> Value:
        """Return the same real values as a function of ``sign * integer``."""
        return replace(self, slopes=tuple(s * sign for s, sign in zip(self.slopes, signs, strict=True)))
