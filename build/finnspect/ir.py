"""The dataflow graph: a small, typed, frozen description of the accelerator.

Everything after the front end reads only this: reference, analyses, folding, emission, reports.
A graph holds integers only; the float world ends at ``input_scale`` and begins again at
``logit_scale`` and ``logit_bias``.

A new kind of layer is a frozen dataclass derived from :class:`Layer` with a ``kind``; the other
parts of the flow dispatch on the class (``functools.singledispatch``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from finnspect.errors import PackageError

FORMAT = "finnspect-dataflow"
FORMAT_VERSION = 2


@dataclass(frozen=True, slots=True, order=True)
class IntType:
    """A two's-complement or unsigned integer type of ``bits`` bits."""

    bits: int
    signed: bool

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 64:
            raise ValueError(f"an integer type has 1 to 64 bits, not {self.bits}")

    @property
    def min(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        """Largest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @classmethod
    def spanning(cls, low: int, high: int, *, signed: bool | None = None) -> IntType:
        """Return the narrowest type that holds ``low`` to ``high``; signed if asked or if ``low < 0``."""
        signed = low < 0 if signed is None else signed
        bits = 1
        while cls(bits, signed).min > low or cls(bits, signed).max < high:
            bits += 1
        return cls(bits, signed)

    def __str__(self) -> str:
        return f"{'INT' if self.signed else 'UINT'}{self.bits}"

    @classmethod
    def parse(cls, text: str) -> IntType:
        """Return the type called ``INT<n>`` or ``UINT<n>``."""
        signed = text.startswith("INT")
        return cls(int(text.removeprefix("INT" if signed else "UINT")), signed)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A stream of integers: one frame's NHWC shape without the batch, and the element type."""

    name: str
    shape: tuple[int, int, int]
    dtype: IntType

    @property
    def size(self) -> int:
        """Elements in one frame."""
        return self.shape[0] * self.shape[1] * self.shape[2]


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and np.array_equal(a, b)
        )
    return type(a) is type(b) and a == b


class _ArrayEq:
    """Field-by-field equality that understands arrays."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Staircase(_ArrayEq):
    """A monotone activation: ``y = base + sum(x >= t for t in thresholds[channel])``.

    Parameters
    ----------
    thresholds
        int64, shape (channels, steps), ascending along the last axis. A step that no accumulator
        reaches holds ``acc_dtype.max`` of its layer, one that all reach ``acc_dtype.min``.
        Derived in exact or float64
        arithmetic by the front end.
    base
        Output for an accumulator below every threshold.
    """

    thresholds: np.ndarray
    base: int

    def __post_init__(self) -> None:
        t = self.thresholds
        if t.ndim != 2 or t.dtype != np.int64:
            raise ValueError("thresholds are a 2-D int64 array (channels, steps)")
        if np.any(np.diff(t, axis=1) < 0):
            raise ValueError("thresholds ascend along the last axis")

    @property
    def steps(self) -> int:
        """Number of thresholds a channel."""
        return self.thresholds.shape[1]


@dataclass(frozen=True, eq=False)
class Layer(_ArrayEq):
    """One node: reads the tensors ``inputs``, makes the tensors ``outputs``."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    kind: ClassVar[str] = ""
    registry: ClassVar[dict[str, type[Layer]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.kind:
            Layer.registry[cls.kind] = cls

    @property
    def input(self) -> str:
        """The only input."""
        (name,) = self.inputs
        return name

    @property
    def output(self) -> str:
        """The only output."""
        (name,) = self.outputs
        return name


@dataclass(frozen=True, eq=False)
class SlidingWindow(Layer):
    """Windows of a feature map, zero-padded: (H, W, C) -> (OH, OW, KH*KW*C).

    Elements of a window are ordered (kh, kw, c), c fastest. A dense layer over a whole feature map
    is a window of kernel (H, W) and stride (H, W); a 1x1 convolution has kernel (1, 1).
    A :class:`Depthwise` layer reads the same tensor; only the order on its stream differs (channel
    fold, kh, kw).
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]  # top, left, bottom, right

    kind: ClassVar[str] = "sliding_window"


@dataclass(frozen=True, eq=False)
class MatVec(Layer):
    """Integer matrix times vector over the last axis, then a staircase: (OH, OW, MW) -> (OH, OW, MH).

    Parameters
    ----------
    weights
        int64, shape (MH, MW).
    weight_dtype, acc_dtype
        Types that hold every weight, and every accumulator value on any input of the input type.
        ``acc_dtype`` is signed and, where there is an activation, holds at least one value above
        the largest accumulator: the "never reached" threshold.
    activation
        Applied to the accumulator, thresholds of shape (MH, steps); None puts the accumulator out.
    """

    weights: np.ndarray
    weight_dtype: IntType
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "matvec"

    @property
    def MH(self) -> int:  # noqa: N802
        """Matrix height: output channels."""
        return self.weights.shape[0]

    @property
    def MW(self) -> int:  # noqa: N802
        """Matrix width: inputs of one dot product."""
        return self.weights.shape[1]

    @cached_property
    def bipolar(self) -> bool:
        """Whether every weight is -1 or +1: the hardware keeps one bit of each."""
        return bool(np.all(np.abs(self.weights) == 1))


@dataclass(frozen=True, eq=False)
class Depthwise(Layer):
    """A dot product a channel over its own window, then a staircase: (OH, OW, K*C) -> (OH, OW, C).

    Reads the output of a :class:`SlidingWindow` (K = KH*KW). FINN calls the unit VVAU.

    Parameters
    ----------
    weights
        int64, shape (C, K), K in order (kh, kw).
    weight_dtype, acc_dtype, activation
        As in :class:`MatVec`.
    """

    weights: np.ndarray
    weight_dtype: IntType
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "depthwise"

    @property
    def channels(self) -> int:
        """Channels, in and out."""
        return self.weights.shape[0]

    @property
    def taps(self) -> int:
        """Positions of a window."""
        return self.weights.shape[1]

    @cached_property
    def bipolar(self) -> bool:
        """Whether every weight is -1 or +1: the hardware keeps one bit of each."""
        return bool(np.all(np.abs(self.weights) == 1))


@dataclass(frozen=True, eq=False)
class MaxPool(Layer):
    """Maximum over windows a channel: (H, W, C) -> (OH, OW, C).

    Floor division. Padding never wins: it counts as the input type's smallest value.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, bottom, right

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True, eq=False)
class SumPool(Layer):
    """Sum over windows a channel, then a staircase: (H, W, C) -> (OH, OW, C).

    Average and global average pools: the division is in the staircase, or in the scale of what follows.
    Windows do not overlap (``stride`` = ``kernel``, floor division); overlapping ones are a
    :class:`Depthwise` layer with weights of one.

    Parameters
    ----------
    acc_dtype
        Unsigned where the input is (one value above the largest sum where there is an activation),
        else signed.
    activation
        Thresholds of shape (C, steps); None puts the sum out.
    """

    kernel: tuple[int, int]
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "sum_pool"

    @property
    def stride(self) -> tuple[int, int]:
        """The kernel: windows do not overlap."""
        return self.kernel


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """Weighted sum of two maps, element by element, then a staircase: 2 x (H, W, C) -> (H, W, C).

    ``acc = multipliers[0] * a + multipliers[1] * b``. Equal scales have multipliers (1, 1); for unequal ones
    the front end chooses integers and thresholds, and proves them on every pair of codes.

    Parameters
    ----------
    multipliers
        Non-zero integers.
    acc_dtype
        Signed; holds every sum and, where there is an activation, one value above the largest.
    activation
        Thresholds of shape (C, steps) or, the same for all channels, (1, steps); None puts the sum out.
    """

    multipliers: tuple[int, int]
    acc_dtype: IntType
    activation: Staircase | None = None

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """Maps of one size and type joined along the channels: n x (H, W, C_i) -> (H, W, sum C_i)."""

    kind: ClassVar[str] = "concat"


@dataclass(frozen=True, eq=False)
class Threshold(Layer):
    """A staircase on its own, element by element: (H, W, C) -> (H, W, C).

    Parameters
    ----------
    activation
        Thresholds of shape (C, steps) or (1, steps). Every one lies within the input type or one above its
        largest value ("never reached").
    """

    activation: Staircase

    kind: ClassVar[str] = "threshold"


@dataclass(frozen=True, eq=False)
class ArgMax(Layer):
    """Index of the greatest of a vector, the lowest at a tie: (1, 1, C) -> (1, 1, 1)."""

    kind: ClassVar[str] = "argmax"


@dataclass(frozen=True, eq=False)
class DataflowGraph(_ArrayEq):
    """Layers in topological order, the tensors between them, and the scales at both ends.

    Parameters
    ----------
    tensors
        Every tensor by name, including ``input`` and ``output``.
    logit_scale, logit_bias
        float64, shape (classes,): real logit = integer logit * scale + bias.
    input_scale
        Real input value of pixel code 1 (for example 1/255).
    """

    name: str
    input: str
    output: str
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    logit_scale: np.ndarray
    logit_bias: np.ndarray
    input_scale: float
    finn_nodes: Mapping[str, str] = field(default_factory=dict)  # layer name -> FINN node name

    def __post_init__(self) -> None:
        made = {self.input}
        for layer in self.layers:
            for name in (*layer.inputs, *layer.outputs):
                if name not in self.tensors:
                    raise ValueError(f"layer {layer.name!r} names an unknown tensor {name!r}")
            for name in layer.inputs:
                if name not in made:
                    raise ValueError(f"layer {layer.name!r} reads {name!r} before it is made")
            made.update(layer.outputs)
        if self.output not in made:
            raise ValueError(f"output {self.output!r} is made by no layer")

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def layer(self, name: str) -> Layer:
        """Return the layer called ``name``."""
        return next(layer for layer in self.layers if layer.name == name)

    def producer(self, tensor: str) -> Layer | None:
        """Return the layer that makes ``tensor``, None for the graph's input."""
        return next((layer for layer in self.layers if tensor in layer.outputs), None)

    def consumers(self, tensor: str) -> tuple[Layer, ...]:
        """Return the layers that read ``tensor``."""
        return tuple(layer for layer in self.layers if tensor in layer.inputs)

    # -- serialisation: dataflow.json + dataflow.npz ------------------------------------------

    def save(self, folder: Path) -> None:
        """Write ``dataflow.json`` and ``dataflow.npz`` into ``folder``."""
        arrays: dict[str, np.ndarray] = {}
        doc = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "input": self.input,
            "output": self.output,
            "input_scale": self.input_scale,
            "tensors": {
                t.name: {"shape": list(t.shape), "dtype": str(t.dtype)} for t in self.tensors.values()
            },
            "layers": [_layer_to_json(layer, arrays) for layer in self.layers],
            "logit_scale": [float(v).hex() for v in self.logit_scale],
            "logit_bias": [float(v).hex() for v in self.logit_bias],
            "finn_nodes": dict(self.finn_nodes),
        }
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "dataflow.npz", **arrays)
        (folder / "dataflow.json").write_text(json.dumps(doc, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> DataflowGraph:
        """Read what :meth:`save` wrote.

        Raises
        ------
        PackageError
            The files are missing or of another format version.
        """
        try:
            doc = json.loads((folder / "dataflow.json").read_text())
            with np.load(folder / "dataflow.npz") as npz:
                arrays = dict(npz)
        except (OSError, ValueError) as error:
            raise PackageError(
                f"no readable dataflow graph in {folder}: {error}", "build it again"
            ) from error
        if (doc.get("format"), doc.get("format_version")) != (FORMAT, FORMAT_VERSION):
            raise PackageError(
                f"{folder} holds {doc.get('format')} version {doc.get('format_version')}, "
                f"this finnspect reads {FORMAT} version {FORMAT_VERSION}",
                "build it again with this version",
            )
        return cls(
            name=doc["name"],
            input=doc["input"],
            output=doc["output"],
            tensors={
                name: Tensor(name, tuple(t["shape"]), IntType.parse(t["dtype"]))
                for name, t in doc["tensors"].items()
            },
            layers=tuple(_layer_from_json(item, arrays) for item in doc["layers"]),
            logit_scale=np.array([float.fromhex(v) for v in doc["logit_scale"]]),
            logit_bias=np.array([float.fromhex(v) for v in doc["logit_bias"]]),
            input_scale=doc["input_scale"],
            finn_nodes=doc["finn_nodes"],
        )


def _encode(value: Any, key: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"array": key}
    if isinstance(value, IntType):
        return {"type": str(value)}
    if isinstance(value, Staircase):
        return {"staircase": _encode(value.thresholds, f"{key}.thresholds", arrays), "base": value.base}
    if isinstance(value, tuple):
        return list(value)
    return value


def _decode(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        if "type" in value:
            return IntType.parse(value["type"])
        return Staircase(_decode(value["staircase"], arrays), value["base"])
    return value


def _layer_to_json(layer: Layer, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    return {"kind": layer.kind} | {
        f.name: _encode(getattr(layer, f.name), f"{layer.name}.{f.name}", arrays) for f in fields(layer)
    }


def _layer_from_json(item: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Layer:
    kind = item["kind"]
    if kind not in Layer.registry:
        raise PackageError(
            f"unknown layer kind {kind!r}", "import the module that defines it, or update finnspect"
        )
    return Layer.registry[kind](**{k: _decode(v, arrays) for k, v in item.items() if k != "kind"})
