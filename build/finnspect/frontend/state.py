"""What the reader knows of the tensor at hand, and the functions that read each kind of node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from finnspect.frontend.network import Compute, Pool, Quantizer
from finnspect.ir import IntType

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


@dataclass
class State:
    """The tensor at hand, and the layers finished so far.

    Attributes
    ----------
    tensor
        Its name.
    shape
        (C, H, W), or (F,) once flattened.
    scale, dtype
        Of the newest codes.
    compute
        Fields of the layer being built; None while the tensor holds codes.
    slopes, offsets
        Of the accumulators of the layer being built, one for each channel.
    relu
        Name of a ReLU since the layer began.
    pools
        Name, kernel and stride of pools since the layer began: they move past its quantizer.
    flat_of
        (C, H, W) of the map that was flattened.
    """

    tensor: str
    shape: tuple[int, ...]
    scale: Fraction
    dtype: IntType
    compute: dict[str, Any] | None = None
    slopes: list[Fraction] = field(default_factory=list)
    offsets: list[Fraction] = field(default_factory=list)
    relu: str | None = None
    pools: list[tuple[str, tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    flat_of: tuple[int, int, int] | None = None
    layers: list[Compute | Pool] = field(default_factory=list)

    def finished(self, quantizer: Quantizer | None, tensor: str | None) -> Compute:
        """Return the layer that was being built."""
        for channel, slope in enumerate(self.slopes):
            if slope == 0:  # a batch norm gamma of zero: the channel is its offset, whatever the weights
                self.compute["weights"][channel] = 0
                self.slopes[channel] = Fraction(1)
        return Compute(
            **self.compute,
            slopes=tuple(self.slopes),
            offsets=tuple(self.offsets),
            quantizer=quantizer,
            tensor=tensor,
        )


Handler = Callable[["ModelWrapper", "NodeProto", State], None]
#: Reads a kind of node: checks it and moves the state past it. Other files may add to it.
HANDLERS: dict[str, Handler] = {}


def handles(*op_types: str) -> Callable[[Handler], Handler]:
    """Register a function for nodes of these kinds."""

    def register(function: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(op_types, function))
        return function

    return register
