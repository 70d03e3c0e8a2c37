"""Folding: how many elements each layer handles a cycle, and the cheapest choice for a target.

``PE`` and ``SIMD`` are FINN's attributes: a MatVec computes PE rows of its matrix from SIMD columns a
cycle; a sliding window delivers SIMD channels a beat (the SIMD of the MatVec behind it); a max pool
handles PE channels a beat.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import singledispatch
from math import lcm
from pathlib import Path
from typing import Any

from finnspect import analysis
from finnspect.errors import ConfigError
from finnspect.ir import DataflowGraph, Layer, MatVec, MaxPool, SlidingWindow

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LayerFolding:
    """PE and SIMD of one layer; None where the layer has no such attribute."""

    PE: int | None = None
    SIMD: int | None = None

    def to_json(self) -> dict[str, int]:
        """Return the attributes that are set, by FINN's names."""
        return {name: value for name in ("PE", "SIMD") if (value := getattr(self, name)) is not None}


@dataclass(frozen=True)
class Folding(Mapping[str, LayerFolding]):
    """PE and SIMD of every layer of a graph, in the graph's order.

    Parameters
    ----------
    layers
        (layer name, folding) pairs.
    """

    layers: tuple[tuple[str, LayerFolding], ...]

    def __getitem__(self, name: str) -> LayerFolding:
        for key, value in self.layers:
            if key == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @classmethod
    def of(cls, layers: Mapping[str, Mapping[str, int] | LayerFolding]) -> Folding:
        """Build from ``{layer: {"PE": 2, "SIMD": 4}}``.

        Raises
        ------
        ConfigError
            An attribute is unknown or no positive integer.
        """
        return cls(tuple((name, _parse(name, value)) for name, value in layers.items()))

    def to_json(self) -> dict[str, dict[str, int]]:
        """Return ``{layer: {"PE": 2, "SIMD": 4}}``."""
        return {name: value.to_json() for name, value in self.layers}

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the JSON form."""
        path.write_text(json.dumps(self.to_json(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Folding:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ConfigError
            The file is missing, no JSON object of objects, or holds a bad attribute.
        """
        try:
            document = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(f"no readable folding in {path}: {error}") from error
        if not isinstance(document, dict):
            raise ConfigError(f"{path} is no folding: expected an object of layers")
        return cls.of(document)


def _parse(name: str, value: Mapping[str, int] | LayerFolding) -> LayerFolding:
    if isinstance(value, LayerFolding):
        return value
    if not isinstance(value, Mapping) or not set(value) <= {"PE", "SIMD"}:
        raise ConfigError(
            f"folding of layer {name!r} is {value!r}", 'write an object with "PE" and "SIMD", nothing else'
        )
    for key, number in value.items():
        if type(number) is not int or number < 1:
            raise ConfigError(f"folding of layer {name!r}: {key} is {number!r}, expected a positive integer")
    return LayerFolding(**value)


def divisors(number: int) -> list[int]:
    """Return the divisors of ``number``, ascending."""
    return [d for d in range(1, number + 1) if number % d == 0]


# -- checking ------------------------------------------------------------------------------------


@singledispatch
def allowed(layer: Layer, graph: DataflowGraph) -> dict[str, list[int]]:
    """Return the values that each folding attribute of ``layer`` may take, by attribute name."""
    raise NotImplementedError(f"no folding for a layer of kind {layer.kind!r}")


@allowed.register
def _(layer: SlidingWindow, graph: DataflowGraph) -> dict[str, list[int]]:
    return {"SIMD": divisors(graph.tensors[layer.input].shape[2])}


@allowed.register
def _(layer: MatVec, graph: DataflowGraph) -> dict[str, list[int]]:
    window = graph.producer(layer.input)
    simd = allowed(window, graph)["SIMD"] if isinstance(window, SlidingWindow) else divisors(layer.MW)
    return {"PE": divisors(layer.MH), "SIMD": simd}


@allowed.register
def _(layer: MaxPool, graph: DataflowGraph) -> dict[str, list[int]]:
    return {"PE": divisors(graph.tensors[layer.input].shape[2])}


def check_folding(graph: DataflowGraph, folding: Folding) -> None:
    """Check that a folding covers the graph and that every value divides what it must.

    Raises
    ------
    ConfigError
        Naming the layer, the attribute, its value and the allowed values.
    """
    known = {layer.name for layer in graph}
    for name in folding:
        if name not in known:
            raise ConfigError(
                f"folding names layer {name!r}, which the graph does not have",
                f"layers of {graph.name}: {', '.join(sorted(known))}",
            )
    for layer in graph:
        values = folding[layer.name].to_json() if layer.name in folding else {}
        choices = allowed(layer, graph)
        for attribute, options in choices.items():
            if values.get(attribute) not in options:
                raise ConfigError(
                    f"folding of layer {layer.name!r}: {attribute} is {values.get(attribute, 'not set')}",
                    f"allowed: {', '.join(map(str, options))}",
                )
        for attribute in values:
            if attribute not in choices:
                raise ConfigError(
                    f"folding of layer {layer.name!r}: a {layer.kind} has no {attribute}",
                    f"it has: {', '.join(choices)}",
                )
        if isinstance(layer, MatVec):
            _check_window(graph, layer, folding)


def _check_window(graph: DataflowGraph, layer: MatVec, folding: Folding) -> None:
    window = graph.producer(layer.input)
    if isinstance(window, SlidingWindow) and folding[window.name].SIMD != folding[layer.name].SIMD:
        raise ConfigError(
            f"folding of layer {window.name!r}: SIMD is {folding[window.name].SIMD}, "
            f"the MatVec {layer.name!r} behind it has {folding[layer.name].SIMD}",
            "give both the same SIMD",
        )


# -- choosing ------------------------------------------------------------------------------------


def full_folding(graph: DataflowGraph) -> Folding:
    """Return the folding with every attribute at its largest: the fastest the graph can be."""
    return Folding(
        tuple(
            (layer.name, LayerFolding(**{k: v[-1] for k, v in allowed(layer, graph).items()}))
            for layer in graph
        )
    )


def choose_folding(graph: DataflowGraph, target_cycles: int) -> Folding:
    """Return a cheap folding of which no layer needs more than ``target_cycles`` a frame.

    Each MatVec gets the smallest PE x SIMD that meets the target, alone and together with its sliding
    window; among equals, the one that needs the least width conversion after its producer, then the
    one with the smallest estimated area. A max pool takes the width of a neighbour.

    Raises
    ------
    ConfigError
        The target cannot be met; names the layer that limits and the best target that can.
    """
    best = analysis.folding_bound(graph, full_folding(graph))
    if target_cycles < best.cycles:
        raise ConfigError(
            f"{graph.name} cannot run in {target_cycles} cycles a frame: layer {best.layer!r} needs "
            f"{best.cycles} even at its largest PE and SIMD",
            f"ask for {best.cycles} cycles or more",
        )
    chosen: dict[str, LayerFolding] = {}
    width = 0  # elements a beat of the stream that feeds the next layer; 0: the graph's input, any
    for layer in graph:
        if isinstance(layer, MatVec):
            window = graph.producer(layer.input)
            pe, simd = _choose_matvec(graph, layer, window, target_cycles, width)
            if isinstance(window, SlidingWindow):
                chosen[window.name] = LayerFolding(SIMD=simd)
            chosen[layer.name] = LayerFolding(PE=pe, SIMD=simd)
            width = pe
        elif isinstance(layer, MaxPool):
            width = _choose_pool(graph, layer, target_cycles, width)
            chosen[layer.name] = LayerFolding(PE=width)
    folding = Folding.of({layer.name: chosen[layer.name] for layer in graph})
    check_folding(graph, folding)
    bound = analysis.folding_bound(graph, folding)
    assert bound.cycles <= target_cycles, bound
    logger.info("folding of %s: %d cycles a frame, limited by %s", graph.name, bound.cycles, bound.layer)
    return folding


def conversion_steps(producer: int, consumer: int) -> int:
    """Return how many width converters join a stream of ``producer`` elements to ``consumer`` (0 to 2)."""
    if producer in (0, consumer):
        return 0
    return 1 if lcm(producer, consumer) in (producer, consumer) else 2


def _choose_matvec(
    graph: DataflowGraph, layer: MatVec, window: Layer | None, target_cycles: int, width: int
) -> tuple[int, int]:
    options = allowed(layer, graph)
    best: tuple[Any, int, int] | None = None
    for simd in options["SIMD"]:
        for pe in options["PE"]:
            trial = {layer.name: LayerFolding(PE=pe, SIMD=simd)}
            layers = [layer]
            if window is not None:
                trial[window.name] = LayerFolding(SIMD=simd)
                layers.append(window)
            if any(analysis.layer_cycles(each, graph, trial) > target_cycles for each in layers):
                continue
            area = sum(analysis.layer_resources(each, graph, trial).lut for each in layers)
            cost = (pe * simd, conversion_steps(width, simd), area)
            if best is None or cost < best[0]:
                best = (cost, pe, simd)
    assert best is not None, f"{layer.name}: the full folding meets the target, so some folding does"
    return best[1], best[2]


def _choose_pool(graph: DataflowGraph, layer: MaxPool, target_cycles: int, width: int) -> int:
    """Return the smallest PE that meets the target and needs no more than the fewest conversions."""
    feasible = [
        pe
        for pe in allowed(layer, graph)["PE"]
        if analysis.layer_cycles(layer, graph, {layer.name: LayerFolding(PE=pe)}) <= target_cycles
    ]
    return min(feasible, key=lambda pe: (conversion_steps(width, pe), pe))
