"""What a simulation gives: logits, cycles, handshake counts, recorded streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from finnspect.emit.network import Stream
from finnspect.errors import FlowError


class SimulationError(FlowError):
    """The simulated accelerator hung or broke a stream's protocol.

    Attributes
    ----------
    streams
        Nets that are stuck (valid, not ready), in topological order; or the one at fault.
    """

    def __init__(self, message: str, remedy: str | None = None, streams: Sequence[str] = ()) -> None:
        super().__init__(message, remedy)
        self.streams = tuple(streams)


@dataclass(frozen=True)
class LinkStats:
    """What one stream did: cycles in which it moved a beat, was stalled, was starved.

    Parameters
    ----------
    stream
        The stream.
    transfers
        Cycles with valid and ready.
    stalled
        Cycles with valid and not ready: the reader holds it up.
    starved
        Cycles with ready and not valid: the reader waits for data.
    """

    stream: Stream
    transfers: int
    stalled: int
    starved: int

    def to_json(self) -> dict[str, Any]:
        """Return the counts by net, tensor and layer."""
        stream = self.stream
        return {
            "net": stream.net,
            "tensor": stream.tensor,
            "layer": stream.layer,
            "transfers": self.transfers,
            "stalled_cycles": self.stalled,
            "starved_cycles": self.starved,
        }


@dataclass(frozen=True)
class SimResult:
    """What a simulation gave.

    Parameters
    ----------
    logits
        int32, shape (frames, classes).
    frame_cycles
        int64, shape (frames, 2): cycle of each frame's first beat in and last logit out. With several
        processes, those of the first; the others stream their own slices.
    links
        Handshake counts of every internal stream, over all processes.
    fifo_peaks
        Most beats that each FIFO held, by its key.
    bound
        Folding bound: cycles a frame of the slowest layer.
    cycles
        Simulated cycles, all processes together.
    seconds
        Wall time of the simulation alone.
    streams
        Probe builds: tensors as each stream carried them, by net; integer arrays (frames, beats, elements).
    """

    logits: np.ndarray
    frame_cycles: np.ndarray
    links: tuple[LinkStats, ...]
    bound: int
    cycles: int
    seconds: float
    streams: Mapping[str, np.ndarray] | None = None
    fifo_peaks: Mapping[str, int] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Frames simulated."""
        return len(self.logits)

    @property
    def cycles_per_frame(self) -> float | None:
        """Cycles a frame in steady state, between the last logits of frames; None below three frames."""
        done = self.frame_cycles[:, 1]
        if len(done) < 3:
            return None
        first = min(3, len(done) - 2)  # frames that the empty pipeline still hurried or held up
        return float(done[-1] - done[first]) / (len(done) - 1 - first)

    @property
    def latency_cycles(self) -> int:
        """Cycles from the first frame's first beat in to its last logit out."""
        return int(self.frame_cycles[0, 1] - self.frame_cycles[0, 0])

    @property
    def efficiency(self) -> float | None:
        """Folding bound over achieved cycles a frame; 1 is perfect."""
        return self.bound / self.cycles_per_frame if self.cycles_per_frame else None

    def stalls_by_layer(self) -> dict[str, dict[str, int]]:
        """Return for each layer the cycles its output was held up and the cycles its reader waited."""
        table: dict[str, dict[str, int]] = {}
        for link in self.links:
            row = table.setdefault(
                link.stream.layer, {"output_stalled_cycles": 0, "reader_starved_cycles": 0}
            )
            if link.stream.role == "layer":
                row["output_stalled_cycles"] = link.stalled
            row["reader_starved_cycles"] = link.starved  # the last stream of the tensor is the reader's
        return table

    def to_json(self) -> dict[str, Any]:
        """Return everything but the logits and tensors, labelled as simulated."""
        return {
            "kind": "simulated",
            "frames": self.frames,
            "cycles": self.cycles,
            "cycles_per_frame": self.cycles_per_frame,
            "latency_cycles": self.latency_cycles,
            "bound_cycles": self.bound,
            "efficiency": self.efficiency,
            "seconds": round(self.seconds, 3),
            "cycles_per_second": round(self.cycles / self.seconds) if self.seconds else None,
            "stalls_by_layer": self.stalls_by_layer(),
            "links": [link.to_json() for link in self.links],
            "fifo_peaks": dict(self.fifo_peaks),
        }


def unpack_stream(words: np.ndarray, stream: Stream, frames: int) -> np.ndarray:
    """Return the integers of a recorded stream.

    Parameters
    ----------
    words
        uint32, ``ceil(width / 32)`` a beat.

    Returns
    -------
    numpy.ndarray
        int64, shape (frames, beats, elements). Beats beyond the last frame are dropped (windows of a
        frame that never comes cannot be); missing ones raise.

    Raises
    ------
    SimulationError
        The stream carried fewer or more beats than the frames have.
    """
    per_beat = (stream.width + 31) // 32
    beats = len(words) // per_beat
    if beats != frames * stream.beats:
        raise SimulationError(
            f"stream {stream.net!r} carried {beats} beats, {frames} frames have {frames * stream.beats}",
            streams=(stream.net,),
        )
    bits = np.unpackbits(words.view(np.uint8).reshape(beats, per_beat * 4), axis=1, bitorder="little")
    bits = bits[:, : stream.width].reshape(frames, stream.beats, stream.elements, stream.dtype.bits)
    weights = np.int64(1) << np.arange(stream.dtype.bits, dtype=np.int64)
    if stream.dtype.signed:
        weights[-1] = -weights[-1]
    return bits.astype(np.int64) @ weights


def merge_results(results: Sequence[SimResult]) -> SimResult:
    """Return the results of slices of one batch as one; cycle numbers are the first slice's."""
    first = results[0]
    if len(results) == 1:
        return first
    links = tuple(
        LinkStats(
            group[0].stream,
            *(sum(getattr(link, name) for link in group) for name in ("transfers", "stalled", "starved")),
        )
        for group in zip(*(result.links for result in results), strict=True)
    )
    streams = None
    if first.streams is not None:
        streams = {net: np.concatenate([r.streams[net] for r in results]) for net in first.streams}
    return replace(
        first,
        logits=np.concatenate([result.logits for result in results]),
        links=links,
        fifo_peaks={key: max(r.fifo_peaks[key] for r in results) for key in first.fifo_peaks},
        cycles=sum(result.cycles for result in results),
        seconds=max(result.seconds for result in results),
        streams=streams,
    )
