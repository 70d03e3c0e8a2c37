"""Foldings written by hand: our layers' names or FINN's nodes', PE and SIMD."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finnspect.errors import ConfigError
from finnspect.folding.attributes import Folding, LayerFolding
from finnspect.folding.check import allowed, window_attribute
from finnspect.ir import DataflowGraph, Depthwise, MatVec, SlidingWindow

logger = logging.getLogger(__name__)

#: Attributes of FINN's folding files that say how a node is built, not how much it does a cycle.
_FINN_ONLY = frozenset(
    (
        *("ram_style", "ram_style_thresholds", "resType", "mem_mode", "runtime_writeable_weights"),
        *("inFIFODepths", "outFIFODepths", "depth", "impl_style", "depth_trigger_bram", "depth_trigger_uram"),
        *("parallel_window", "dynamic_mode", "preferred_impl_style", "pumpedMemory", "pumpedCompute"),
    )
)
#: FINN's nodes that our hardware has within others, or puts in by itself.
_FINN_PLUMBING = re.compile(
    r"(FMPadding|StreamingDataWidthConverter|StreamingFIFO|ConvolutionInputGenerator|DuplicateStreams|"
    r"LabelSelect|Pool|Thresholding)(_hls|_rtl)?_\d+$"
)


def read_folding(path: Path) -> dict[str, dict[str, int]]:
    """Read a folding file: ``{layer or FINN node: {"PE": 2, "SIMD": 4}}``.

    FINN's ``Defaults`` entry and its attributes other than PE and SIMD are left out.

    Raises
    ------
    ConfigError
        The file is missing, no JSON object of objects, or holds a bad attribute.
    """
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no readable folding in {path}: {error}", 'write JSON as {"conv0": {"PE": 2, "SIMD": 4}}'
        ) from error
    if not isinstance(document, dict) or not all(isinstance(each, dict) for each in document.values()):
        raise ConfigError(
            f"{path} is no folding: expected an object of layers, each an object of PE and SIMD",
            'write JSON as {"conv0": {"PE": 2, "SIMD": 4}}',
        )
    found = {
        name: {key: value for key, value in values.items() if key not in _FINN_ONLY}
        for name, values in document.items()
        if name != "Defaults"
    }
    return Folding.of(found).to_json()


def _plain(node: str) -> str:
    """Return a FINN node's name without what SpecializeLayers adds."""
    return re.sub(r"_(hls|rtl)(?=_\d+$)", "", node)


def named(document: Mapping[str, Mapping[str, int]], graph: DataflowGraph) -> dict[str, dict[str, int]]:
    """Return a folding by our layers' names: FINN's nodes are looked up in ``graph.finn_nodes``.

    Raises
    ------
    ConfigError
        One layer is named twice. Unknown names are left for :func:`check_folding` to refuse.
    """
    layers = {_plain(node): layer for layer, node in graph.finn_nodes.items()}
    own = {layer.name for layer in graph}
    found: dict[str, dict[str, int]] = {}
    for name, values in document.items():
        layer = name if name in own else layers.get(_plain(name), name)
        if layer not in own and _FINN_PLUMBING.match(name):
            logger.info("folding: %s is no layer of its own here and is left out", name)
            continue
        if layer in found:
            raise ConfigError(
                f"the folding names layer {layer!r} twice, the second time as {name!r}", "leave one out"
            )
        found[layer] = dict(values)
    return found


def complete(document: Mapping[str, Mapping[str, int]], graph: DataflowGraph) -> Folding:
    """Return the folding of a graph from a hand-written one.

    A sliding window that is not named follows the layer behind it; a layer without attributes need not be
    named. A Depthwise layer has PE only: FINN's SIMD of 1 is dropped.
    """
    found: dict[str, Any] = named(document, graph)
    for layer in graph:
        if isinstance(layer, Depthwise) and found.get(layer.name, {}).get("SIMD") == 1:
            del found[layer.name]["SIMD"]
        if not allowed(layer, graph):
            found.setdefault(layer.name, {})
        if isinstance(layer, SlidingWindow) and layer.name not in found:
            reader = next(
                (r for r in graph.consumers(layer.output) if isinstance(r, MatVec | Depthwise)), None
            )
            value = reader and found.get(reader.name, {}).get(window_attribute(reader))
            if value is not None:
                found[layer.name] = {"SIMD": value}
    order = [layer.name for layer in graph if layer.name in found]
    order += [name for name in found if name not in order]
    return Folding(tuple((name, LayerFolding(**found[name])) for name in order))
