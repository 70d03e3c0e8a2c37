"""PE and SIMD of every layer: FINN's attributes, and their JSON form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from finnspect.errors import ConfigError


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
