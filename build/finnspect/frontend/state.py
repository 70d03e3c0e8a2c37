"""The reading of a file: its tensors so far and the layers made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from finnspect.errors import UnsupportedModelError
from finnspect.frontend.network import PIXELS, Add, Compute, Layer, Pool, Probe, Requantize, Steps
from finnspect.frontend.thresholds import Step, channel_thresholds
from finnspect.frontend.values import PoolSpec, Value
from finnspect.ir import IntType

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Widest integers that a layer reads as codes, and that a stream carries.
CODE_BITS, STREAM_BITS = 8, 32


@dataclass
class Reading:
    """What the functions that read nodes work on.

    Attributes
    ----------
    model
        The file.
    values
        Tensors of the file that are computed from the image.
    layers
        Made so far, by their output.
    pixel_scale
        Real value of pixel code 1 as the first layer reads it.
    """

    model: ModelWrapper
    values: dict[str, Value] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    pixel_scale: Fraction | None = None

    # -- what is known of an integer tensor

    def span(self, name: str) -> tuple[int, int]:
        """Return the least and greatest integer of a tensor."""
        return (0, 255) if name == PIXELS else (self.layers[name].low, self.layers[name].high)

    def dtype(self, name: str) -> IntType:
        """Return the type of a tensor."""
        return IntType(8, False) if name == PIXELS else self.layers[name].dtype

    def raw(self, name: str) -> bool:
        """Whether a tensor holds accumulators to which a staircase can still be fused."""
        layer = self.layers.get(name)
        return layer is not None and getattr(layer, "steps", 0) is None

    # -- making layers

    def name(self) -> str:
        """Return a new tensor's name."""
        return f"x{len(self.layers)}"

    def add(self, layer: Layer) -> str:
        """Add a layer; return its output."""
        self.layers[layer.output] = layer
        return layer.output

    def used(self, value: Value) -> None:
        """Note the pixels' scale where a first layer reads them."""
        if value.layer == PIXELS and self.pixel_scale is None:
            self.pixel_scale = value.slopes[0]

    def probe(self, value: Value, tensor: str) -> None:
        """Note that a tensor of the file holds the integers of the value's layer."""
        if value.layer != PIXELS:
            made = Probe(tensor, value.layout, value.slopes, value.offsets)
            self.layers[value.layer] = replace(self.layers[value.layer], probe=made)

    def oriented(self, value: Value) -> Value:
        """Turn the signs of the weights that made a value so that it ascends, where that can still be."""
        layer = self.layers.get(value.layer)
        if not isinstance(layer, Compute) or layer.steps is not None:
            return value
        if layer.signs is None:
            # the negative of the least 8-bit weight has 9 bits: such a channel is turned behind its staircase
            least = -(1 << (CODE_BITS - 1))
            signs = tuple(
                -1 if slope < 0 and weights.min() > least else 1
                for slope, weights in zip(value.slopes, layer.weights, strict=True)
            )
            rows = [-w if sign < 0 else w for w, sign in zip(layer.weights, signs, strict=True)]
            weights = layer.weights.copy()
            weights[...] = rows
            probe = layer.probe
            if probe is not None:
                slopes = tuple(s * sign for s, sign in zip(probe.slopes, signs, strict=True))
                probe = replace(probe, slopes=slopes)
            layer = replace(layer, weights=weights, signs=signs, probe=probe)
            layer = self.layers[value.layer] = replace(layer, **_span(layer))
        return value.turned(layer.signs)

    def settled(self, value: Value, node: NodeProto) -> Value:
        """Return a value without bounds and waiting pools: an affine function of integers.

        Raises
        ------
        UnsupportedModelError
            A bound lies between two codes.
        """
        value = self.oriented(value)
        if value.clipped:
            value = self._clipped_codes(value, node)
        return self._pooled(value)

    def codes(self, value: Value, node: NodeProto) -> Value:
        """Return a settled value of at most 8 bits, for a layer that multiplies it."""
        value = self.settled(value, node)
        self.used(value)
        if self.dtype(value.layer).bits > CODE_BITS:
            made = self.layers[value.layer]
            if isinstance(made, Compute):
                reason = f"its input is the output of {made.node!r}, which is not quantized"
                remedy = "put an activation quantizer (for example QuantReLU) after every layer but the last"
            else:
                bits = made.dtype.bits
                reason = f"its input, the sum of {made.node!r}, is not quantized and has {bits} bits"
                remedy = "put a quantizer behind the average pool or addition"
                if isinstance(made, Add):
                    remedy = (
                        "put a quantizer behind the addition, or share one quantizer between its branches"
                    )
            raise UnsupportedModelError(node.name, reason, remedy)
        return value

    def centred(self, value: Value, node: NodeProto) -> Value | None:
        """Return a settled value with codes of which 0 means zero, None where 8 bits hold none such.

        Bipolar codes 0 and 1 become -1 and +1: a convolution's padding is a code then.
        """
        if 0 in value.slopes:
            return None
        ratios = {o / s for o, s in zip(value.offsets, value.slopes, strict=True)}
        if ratios == {Fraction(0)}:
            return value
        if len(ratios) != 1:
            return None
        (ratio,) = ratios
        factor, shift = ratio.denominator, ratio.numerator
        low, high = self.span(value.layer)
        dtype = IntType.spanning(min(factor * low + shift, 0), max(factor * high + shift, 0))
        if dtype.bits > CODE_BITS:
            return None
        slopes = tuple(slope / factor for slope in value.slopes)
        codes = [code for code in range(low + 1, high + 1) for _ in range(factor)]
        made = self._recoded(value, codes, factor * low + shift, dtype, factor)
        made = replace(made, slopes=slopes, offsets=(Fraction(0),) * value.channels)
        self.probe(made, node.input[0])
        return made

    def widened(self, value: Value, dtype: IntType) -> Value:
        """Return a settled value with the same codes in a wider type."""
        if self.dtype(value.layer) == dtype:
            return value
        low, high = self.span(value.layer)
        return self._recoded(value, range(low + 1, high + 1), low, dtype)

    def _recoded(self, value: Value, codes: Sequence[int], base: int, dtype: IntType, step: int = 1) -> Value:
        """Add a staircase with its steps at some codes, the same for all channels."""
        self.used(value)
        rows = (tuple(codes),) * value.channels
        steps = Steps(value.maker, rows, base, dtype, (False,) * value.channels, step)
        return replace(value, layer=self._requantize(value.maker, value, steps))

    def pool(self, value: Value, spec: PoolSpec, shape: tuple[int, int, int]) -> Value:
        """Return the value behind a max pool, which waits where a quantizer may still come."""
        waits = value.clipped or value.pools or self.raw(value.layer) or min(value.slopes) < 0
        made = replace(value, pools=(*value.pools, spec), shape=shape)
        return made if waits else self._pooled(made)

    def _pooled(self, value: Value) -> Value:
        """Make the pools that wait."""
        for spec in value.pools:
            self.used(value)
            if min(value.slopes) < 0:
                raise UnsupportedModelError(
                    spec.node,
                    "it takes the maximum of values that fall where their codes rise",
                    "put a quantizer in front of the pool",
                )
            channels, height, width = self._shape(value.layer)
            top, left, bottom, right = spec.pad
            height = (height + top + bottom - spec.kernel[0]) // spec.stride[0] + 1
            width = (width + left + right - spec.kernel[1]) // spec.stride[1] + 1
            low, high = self.span(value.layer)
            layer = Pool(
                spec.node, (value.layer,), self.name(), (height, width, channels), low, high, None,
                spec.kernel, spec.stride, spec.pad,
            )  # fmt: skip
            value = replace(value, layer=self.add(layer))
        return replace(value, pools=())

    def _shape(self, name: str) -> tuple[int, int, int]:
        if name == PIXELS:
            return self._pixels
        height, width, channels = self.layers[name].shape
        return channels, height, width

    def start(self, tensor: str, shape: tuple[int, int, int]) -> None:
        """Begin with pixels of shape (C, H, W)."""
        self._pixels = shape
        self.values[tensor] = Value.of(PIXELS, shape, "NCHW", [Fraction(1)] * shape[0])

    # -- staircases

    def _clipped_codes(self, value: Value, node: NodeProto) -> Value:
        """Make the bounds a staircase on codes, or drop them where they bound nothing."""
        low, high = self.span(value.layer)
        bounds = []
        for slope, offset, *ends in zip(value.slopes, value.offsets, value.lows, value.highs, strict=True):
            if slope == 0:
                bounds.append((None, None))
                continue
            marks = [None if end is None else (end - offset) / slope for end in ends]
            bottom, top = marks if slope > 0 else marks[::-1]
            bottom = None if bottom is not None and bottom <= low else bottom
            top = None if top is not None and top >= high else top
            bounds.append((bottom, top))
        free = replace(value, lows=(None,) * value.channels, highs=(None,) * value.channels)
        if all(pair == (None, None) for pair in bounds):
            return free
        base = int(min(low if bottom is None else max(low, bottom) for bottom, _ in bounds))
        last = int(max(high if top is None else min(high, top) for _, top in bounds))
        whole = all(end is None or end.denominator == 1 for pair in bounds for end in pair)
        if not whole or last - base >= 1 << CODE_BITS or any(s == 0 for s in value.slopes):
            raise UnsupportedModelError(
                node.name,
                f"its input is not quantized behind {value.maker!r}",
                "put an activation quantizer (for example QuantReLU) after every layer but the last",
            )
        steps = [Step(Fraction(code), False) for code in range(base + 1, last + 1)]
        rows = tuple(
            tuple(channel_thresholds(Fraction(1), Fraction(0), steps, pair, (low, high))) for pair in bounds
        )
        dtype = IntType.spanning(min(base, 0), max(last, 0))
        made = Steps(value.maker, rows, base, dtype, (False,) * value.channels)
        return replace(free, layer=self._requantize(value.maker, value, made))

    def staircase(
        self, value: Value, node: NodeProto, steps: Sequence[Sequence[Step]], base: int, dtype: IntType
    ) -> Value:
        """Return the codes of a quantizer: ``base`` plus the number of steps reached.

        Parameters
        ----------
        steps
            For each channel, ascending.

        Returns
        -------
        Value
            Slopes are 1: the caller scales it.
        """
        value = self.oriented(value)
        self.used(value)
        low, high = self.span(value.layer)
        rows = [
            tuple(channel_thresholds(slope, offset, each, clip, (low, high)))
            for slope, offset, each, *clip in zip(
                value.slopes, value.offsets, steps, value.lows, value.highs, strict=True
            )
        ]
        dead = tuple(slope == 0 for slope in value.slopes)
        plain = Value.of(
            value.layer, value.shape, value.layout, [Fraction(1)] * value.channels, maker=node.name
        )
        plain = replace(plain, pools=value.pools)
        if min(value.slopes) >= 0:
            if not self.raw(value.layer) and self._identity(value.layer, rows, base):
                return self._pooled(plain)
            made = Steps(node.name, tuple(rows), base, dtype, dead)
            return self._pooled(replace(plain, layer=self._requantize(node.name, value, made)))
        return self._pooled(self._descending(value, node, rows, plain, base, dtype, dead))

    def _identity(self, name: str, rows: Sequence[Sequence[int]], base: int) -> bool:
        """Whether a staircase gives back every integer of a tensor."""
        low, high = self.span(name)
        return all(
            base + sum(1 for t in row if t <= a) == a
            for row in set(rows)
            for a in (range(low, high + 1) if high - low < 1 << CODE_BITS else (low, high + 1))
        )

    def _requantize(self, node: str, value: Value, steps: Steps) -> str:
        height_width = self._shape(value.layer)[1:]
        return self.add(
            Requantize(
                node, (value.layer,), self.name(), (*height_width, value.channels),
                steps.dtype.min, steps.dtype.max, None, steps,
            )
        )  # fmt: skip

    def _descending(
        self,
        value: Value,
        node: NodeProto,
        rows: Sequence[tuple[int, ...]],
        plain: Value,
        base: int,
        dtype: IntType,
        dead: tuple[bool, ...],
    ) -> Value:
        """Count the steps not reached where a channel's staircase descends, then turn those channels.

        ``q = base + N - u`` is a 1x1 depthwise layer with weights of -1 on the count ``u``.
        """
        import numpy as np

        count = len(rows[0])
        counts = IntType.spanning(0, count)
        first = Steps(node.name, tuple(rows), 0, counts, dead)
        source = self._requantize(node.name, value, first)
        signs = [-1 if slope < 0 else 1 for slope in value.slopes]
        turn = tuple(tuple(range(1, count + 1)) if sign > 0 else tuple(range(1 - count, 1)) for sign in signs)
        height_width = self._shape(source)[1:]
        layer = Compute(
            node.name, (source,), self.name(), (*height_width, value.channels), dtype.min, dtype.max, None,
            "depthwise", np.array(signs, np.int64).reshape(-1, 1, 1, 1), (1, 1), (0, 0, 0, 0), counts,
            tuple(signs), Steps(node.name, turn, base, dtype, (False,) * value.channels),
        )  # fmt: skip
        return replace(plain, layer=self.add(layer))


def _span(layer: Compute) -> dict[str, int]:
    from finnspect.reference import accumulator_bounds

    low, high = accumulator_bounds(layer.matrix, layer.input_dtype)
    return {"low": min(int(low.min()), -1), "high": max(int(high.max()), 0)}  # accumulators are signed


def compute_layer(
    reading: Reading,
    node: NodeProto,
    value: Value,
    kind: str,
    weights,
    stride: tuple[int, int],
    pad: tuple[int, int, int, int],
    shape: tuple[int, int, int],
) -> str:
    """Add a layer of products; ``shape`` is (C, H, W) of its output, weights (O, KH, KW, I)."""
    channels, height, width = shape
    layer = Compute(
        node.name, (value.layer,), reading.name(), (height, width, channels), 0, 0, None,
        kind, weights, stride, pad, reading.dtype(value.layer),
    )  # fmt: skip
    return reading.add(replace(layer, **_span(layer)))


Handler = Callable[[Reading, "NodeProto", Value], Value | None]
#: Reads a kind of node: given the value of its first computed input, returns that of its output. Other
#: files may add to it.
HANDLERS: dict[str, Handler] = {}


def handles(*op_types: str) -> Callable[[Handler], Handler]:
    """Register a function for nodes of these kinds."""

    def register(function: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(op_types, function))
        return function

    return register
