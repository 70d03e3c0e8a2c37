"""The dataflow graph, and its files ``dataflow.json`` and ``dataflow.npz``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from finnspect.errors import PackageError
from finnspect.ir.layers import Layer
from finnspect.ir.types import ArrayEq, IntType, Staircase, Tensor

FORMAT = "finnspect-dataflow"
FORMAT_VERSION = 2


@dataclass(frozen=True, eq=False)
class DataflowGraph(ArrayEq):
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
