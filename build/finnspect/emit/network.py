"""The accelerator as a network of module instances joined by streams, before it is text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import lcm
from typing import Any

from finnspect.errors import UnsupportedModelError
from finnspect.folding import Folding
from finnspect.ir import DataflowGraph, IntType


@dataclass(frozen=True)
class Stream:
    """A valid/ready stream of the core: the nets ``<net>_tdata``, ``<net>_tvalid``, ``<net>_tready``.

    Parameters
    ----------
    net
        Prefix of the nets.
    tensor
        Tensor of the graph that it carries, in order y, x, channel.
    dtype
        Type of an element.
    elements
        Elements a beat, the first in the low bits.
    beats
        Beats a frame.
    repeat
        How often each pixel's channels are sent in a row (windows: NF of the MatVec behind).
    layer
        Layer that makes the tensor; the tensor itself for the graph's input.
    role
        ``layer``: as the layer makes it; ``width``: behind a width converter; ``fifo``: behind a FIFO.
    """

    net: str
    tensor: str
    dtype: IntType
    elements: int
    beats: int
    repeat: int
    layer: str
    role: str

    @property
    def width(self) -> int:
        """Bits of ``tdata``."""
        return self.elements * self.dtype.bits

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entry."""
        return {
            "net": self.net,
            "tensor": self.tensor,
            "dtype": str(self.dtype),
            "elements": self.elements,
            "beats": self.beats,
            "repeat": self.repeat,
            "layer": self.layer,
            "role": self.role,
        }

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Stream:
        """Return what :meth:`to_json` described."""
        return cls(**{**item, "dtype": IntType.parse(item["dtype"])})


@dataclass(frozen=True)
class Instance:
    """One library module between two streams.

    Parameters
    ----------
    layer
        Layer it implements, None for plumbing.
    params
        In the order they are written; strings are written quoted.
    """

    module: str
    name: str
    params: Mapping[str, int | str]
    source: Stream
    sink: Stream
    layer: str | None = None


def identifier(name: str) -> str:
    """Return ``name`` as a SystemVerilog identifier (never a keyword once a suffix follows)."""
    clean = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"n{clean}" if not clean or clean[0].isdigit() else clean


@dataclass
class Network:
    """Collects instances, streams and memory images while the layers of a graph are emitted.

    Parameters
    ----------
    fifo_depths
        Tensor name -> beats of FIFO in front of its consumer.
    mul_styles
        MatVec name -> ``MUL_STYLE`` of its MVAU.
    """

    graph: DataflowGraph
    folding: Folding
    fifo_depths: Mapping[str, int] = field(default_factory=dict)
    mul_styles: Mapping[str, str] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    _made: dict[str, Stream] = field(default_factory=dict)  # tensor -> stream at its producer
    _taken: dict[str, str] = field(default_factory=dict)  # tensor -> its one consumer

    def put(self, layer: str, tensor: str, elements: int, repeat: int = 1) -> Stream:
        """Return a new stream in which ``layer`` puts out ``tensor``."""
        stream = self._stream(tensor, elements, repeat, layer, "layer", identifier(tensor))
        self._made[tensor] = stream
        return stream

    def take(self, consumer: str, tensor: str, elements: int) -> Stream:
        """Return the stream of ``tensor`` with ``elements`` a beat, converted and buffered as needed.

        Raises
        ------
        UnsupportedModelError
            Another layer reads the tensor already: streams do not fork.
        """
        if tensor in self._taken:
            raise UnsupportedModelError(
                consumer,
                f"tensor {tensor!r} is also read by {self._taken[tensor]!r}; a stream has one reader",
                "use a chain of layers without branches",
            )
        self._taken[tensor] = consumer
        stream = self._made[tensor]
        wide = lcm(stream.elements, elements)
        for step, count in enumerate(dict.fromkeys((wide, elements))):
            if count != stream.elements:
                stream = self._convert(stream, count, f"{identifier(tensor)}_dwc{step}")
        depth = self.fifo_depths.get(tensor, 0)
        if depth:
            net = f"{identifier(tensor)}_fifo"
            sink = self._stream(tensor, elements, stream.repeat, stream.layer, "fifo", net)
            params = {"WIDTH": sink.width, "DEPTH": depth, "RAM_STYLE": "auto"}
            self.add("fs_fifo", net, params, stream, sink)
            stream = sink
        return stream

    def add(
        self,
        module: str,
        name: str,
        params: Mapping[str, int | str],
        source: Stream,
        sink: Stream,
        layer: str | None = None,
    ) -> None:
        """Add an instance ``u_<name>``."""
        name = f"u_{identifier(name)}"
        assert name not in {each.name for each in self.instances}, name
        self.instances.append(Instance(module, name, dict(params), source, sink, layer))

    def add_images(self, images: Mapping[str, str]) -> None:
        """Add memory images: name relative to the accelerator's folder -> text."""
        assert not images.keys() & self.images.keys(), images.keys() & self.images.keys()
        self.images |= images

    def _convert(self, stream: Stream, elements: int, net: str) -> Stream:
        sink = self._stream(stream.tensor, elements, stream.repeat, stream.layer, "width", net)
        params = {"IN_WIDTH": stream.width, "OUT_WIDTH": sink.width}
        self.add("fs_dwc", net, params, stream, sink)
        return sink

    def _stream(self, tensor: str, elements: int, repeat: int, layer: str, role: str, net: str) -> Stream:
        about = self.graph.tensors[tensor]
        assert about.shape[2] % elements == 0, (tensor, elements)
        taken = {"s_axis", "m_axis", *(each.net for each in self.streams)}
        while net in taken:  # two names can differ in punctuation only
            net += "_"
        beats = about.size // elements * repeat
        stream = Stream(net, tensor, about.dtype, elements, beats, repeat, layer, role)
        self.streams.append(stream)
        return stream
