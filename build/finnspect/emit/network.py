"""The accelerator as a network of module instances joined by streams, before it is text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import Any

import numpy as np

from finnspect.analysis import taken_elements
from finnspect.analysis.technology import ECP5
from finnspect.errors import UnsupportedModelError
from finnspect.fifo import Edge, edges
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
    taps
        Greater than 1: a pixel's elements (tap, channel) are sent as (channel fold, tap, channel of the
        fold), as a depthwise layer takes them.
    layer
        Layer that makes the tensor; the tensor itself for the graph's input.
    role
        ``layer``: as the layer makes it; ``width``: behind a width converter; ``fork``: one of the copies
        for several readers; ``fifo``: behind a FIFO.
    """

    net: str
    tensor: str
    dtype: IntType
    elements: int
    beats: int
    repeat: int
    layer: str
    role: str
    taps: int = 1

    def arrange(self, channels: np.ndarray) -> np.ndarray:
        """Return a pixel's elements (..., channels) in the order in which they are sent once."""
        if self.taps == 1:
            return channels
        split = channels.reshape(*channels.shape[:-1], self.taps, -1, self.elements)
        return np.swapaxes(split, -3, -2).reshape(channels.shape)

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
            "taps": self.taps,
        }

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Stream:
        """Return what :meth:`to_json` described."""
        return cls(**{**item, "dtype": IntType.parse(item["dtype"])})


@dataclass(frozen=True)
class Instance:
    """One library module between streams.

    Several streams on one side are side by side on its port, the first in the low bits.

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
    sources: tuple[Stream, ...]
    sinks: tuple[Stream, ...]
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
        Key of a reader (:func:`finnspect.fifo.edges`) -> beats of FIFO in front of it, of
        :func:`finnspect.fifo.fifo_elements`.
    mul_styles
        MatVec name -> ``MUL_STYLE`` of its MVAU.
    technology
        Device family, a key of :data:`finnspect.analysis.TECHNOLOGIES`.
    """

    graph: DataflowGraph
    folding: Folding
    fifo_depths: Mapping[str, int] = field(default_factory=dict)
    mul_styles: Mapping[str, str] = field(default_factory=dict)
    technology: str = ECP5.name
    instances: list[Instance] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    fifos: dict[str, str] = field(default_factory=dict)  # net behind a FIFO -> its key in fifo_depths
    _made: dict[str, Stream] = field(default_factory=dict)  # tensor -> stream at its producer
    _left: dict[str, list[Edge]] = field(default_factory=dict)  # tensor -> readers without a stream yet
    _branches: dict[str, list[Stream]] = field(default_factory=dict)  # tensor -> the fork's free outputs

    def __post_init__(self) -> None:
        for edge in edges(self.graph):
            self._left.setdefault(edge.tensor, []).append(edge)

    def put(self, layer: str, tensor: str, elements: int, repeat: int = 1, taps: int = 1) -> Stream:
        """Return a new stream in which ``layer`` puts out ``tensor``; see :class:`Stream`."""
        stream = self._stream(tensor, elements, repeat, layer, "layer", identifier(tensor), taps)
        self._made[tensor] = stream
        return stream

    def take(self, consumer: str | None, tensor: str, elements: int) -> Stream:
        """Return the stream of ``tensor`` for one reader: forked, converted and buffered as needed.

        Parameters
        ----------
        consumer
            Layer that reads it; None for the core's output. One that reads a tensor twice takes it twice.
        elements
            Elements a beat that the reader takes.

        Raises
        ------
        UnsupportedModelError
            Several layers read windows: they come in the order and as often as one reader needs.
        """
        edge = next(each for each in self._left[tensor] if each.reader == consumer)
        if tensor not in self._branches:
            self._fork(tensor)
        self._left[tensor].remove(edge)
        stream = self._branches[tensor].pop(0)
        name = identifier(edge.key)
        if elements % stream.elements == 0:  # a FIFO stands where beats are widest: see fifo.fifo_elements
            return self._buffer(self._widen(stream, elements, name), edge)
        return self._widen(self._buffer(stream, edge), elements, name)

    def _buffer(self, stream: Stream, edge: Edge) -> Stream:
        """Put a FIFO behind a stream where its reader is to have one."""
        depth = self.fifo_depths.get(edge.key, 0)
        if not depth:
            return stream
        net = f"{identifier(edge.key)}_fifo"
        sink = self._stream(
            stream.tensor, stream.elements, stream.repeat, stream.layer, "fifo", net, stream.taps
        )
        params = {"WIDTH": sink.width, "DEPTH": depth, "RAM_STYLE": "auto"}
        self.add("fs_fifo", sink.net, params, stream, sink)
        self.fifos[sink.net] = edge.key
        return sink

    def _fork(self, tensor: str) -> None:
        """Give each reader of a tensor its own copy of the stream."""
        stream, readers = self._made[tensor], self._left[tensor]
        if len(readers) == 1:
            self._branches[tensor] = [stream]
            return
        if stream.repeat > 1 or stream.taps > 1:
            names = ", ".join(repr(each.reader) for each in readers)
            raise UnsupportedModelError(
                stream.layer,
                f"its windows are read by {names}: windows have one reader",
                "give each of them a sliding window of its own",
            )
        # one converter instead of one a branch, where all want the same
        wanted = {
            taken_elements(self.graph.layer(each.reader), self.graph, self.folding) if each.reader else 1
            for each in readers
        }
        buffered = any(each.key in self.fifo_depths for each in readers)
        if len(wanted) == 1 and (not buffered or min(wanted) % stream.elements == 0):
            stream = self._widen(stream, wanted.pop(), identifier(tensor))
        sinks = [
            self._stream(
                tensor, stream.elements, 1, stream.layer, "fork", f"{identifier(tensor)}_fork{place}"
            )
            for place in range(len(readers))
        ]
        params = {"WIDTH": stream.width, "N": len(readers)}
        self.add("fs_fork", f"{tensor}_fork", params, stream, sinks)
        self._branches[tensor] = sinks

    def _widen(self, stream: Stream, elements: int, name: str) -> Stream:
        """Convert a stream to ``elements`` a beat, in two steps where neither width divides the other."""
        wide = lcm(stream.elements, elements)
        for step, count in enumerate(dict.fromkeys((wide, elements))):
            if count != stream.elements:
                stream = self._convert(stream, count, f"{name}_dwc{step}")
        return stream

    def add(
        self,
        module: str,
        name: str,
        params: Mapping[str, int | str],
        source: Stream | Sequence[Stream],
        sink: Stream | Sequence[Stream],
        layer: str | None = None,
    ) -> None:
        """Add an instance ``u_<name>``; of several streams on a side the first is in the low bits."""
        name = f"u_{identifier(name)}"
        assert name not in {each.name for each in self.instances}, name
        sources, sinks = ((x,) if isinstance(x, Stream) else tuple(x) for x in (source, sink))
        self.instances.append(Instance(module, name, dict(params), sources, sinks, layer))

    def add_images(self, images: Mapping[str, str]) -> None:
        """Add memory images: name relative to the accelerator's folder -> text."""
        assert not images.keys() & self.images.keys(), images.keys() & self.images.keys()
        self.images |= images

    def _convert(self, stream: Stream, elements: int, net: str) -> Stream:
        assert stream.taps == 1, (stream.net, "windows for a depthwise layer have its width")
        sink = self._stream(stream.tensor, elements, stream.repeat, stream.layer, "width", net)
        params = {"IN_WIDTH": stream.width, "OUT_WIDTH": sink.width}
        self.add("fs_dwc", net, params, stream, sink)
        return sink

    def _stream(
        self, tensor: str, elements: int, repeat: int, layer: str, role: str, net: str, taps: int = 1
    ) -> Stream:
        about = self.graph.tensors[tensor]
        assert about.shape[2] % elements == 0, (tensor, elements)
        taken = {"s_axis", "m_axis", *(each.net for each in self.streams)}
        while net in taken:  # two names can differ in punctuation only
            net += "_"
        beats = about.size // elements * repeat
        stream = Stream(net, tensor, about.dtype, elements, beats, repeat, layer, role, taps)
        self.streams.append(stream)
        return stream
