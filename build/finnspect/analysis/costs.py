"""What one of each term costs: ``costs_<technology>.json``, written by the fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from finnspect.analysis.technology import Resources, Technology
from finnspect.analysis.terms import Terms
from finnspect.errors import ConfigError

FORMAT = "finnspect-costs"
FORMAT_VERSION = 1
#: Quantities that are fitted.
FITTED = ("lut", "ff")


def cost_file(tech: Technology) -> Path:
    """Return the file of a technology's fitted costs."""
    return Path(__file__).with_name(f"costs_{tech.name}.json")


@dataclass(frozen=True)
class Costs:
    """Fitted costs of one technology.

    Parameters
    ----------
    models
        Model -> quantity (``lut``, ``ff``) -> term -> cost of one.
    shells
        Shell -> what it takes beside the core.
    """

    models: Mapping[str, Mapping[str, Mapping[str, float]]]
    shells: Mapping[str, Resources]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Costs:
        """Read the document of a cost file."""
        models = {
            name: {quantity: model[quantity] for quantity in FITTED}
            for name, model in document["models"].items()
        }
        shells = {
            name: Resources(**{key: int(shell[key]) for key in ("lut", "ff", "bram", "dsp")})
            for name, shell in document["shells"].items()
        }
        return cls(models, shells)

    def resources(self, terms: Terms, tech: Technology) -> Resources:
        """Return what ``terms`` cost.

        A term of a model that was never fitted counts one LUT and one flip-flop.
        """
        fitted = self.models.get(terms.model, {})
        values = {**terms.values, "memory": sum(m.luts(tech) * n for m, n in terms.memories)}
        sums = {
            quantity: sum(fitted.get(quantity, {}).get(name, 0.0 if fitted else 1.0) * value
                          for name, value in values.items())
            for quantity in FITTED
        }  # fmt: skip
        blocks = [(memory, count) for memory, count in terms.memories if memory.style == "block"]
        return Resources(
            lut=round(sums["lut"]),
            ff=round(sums["ff"]),
            bram=sum(memory.blocks(tech) * count for memory, count in blocks),
            bram_bits=sum(memory.depth * memory.width * count for memory, count in blocks),
            dsp=terms.dsp,
        )


@cache
def load_costs(tech: Technology) -> Costs:
    """Return the fitted costs of a technology.

    Raises
    ------
    ConfigError
        The file is missing or not of this format.
    """
    path = cost_file(tech)
    try:
        document = json.loads(path.read_text())
        if (document["format"], document["format_version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError(f"format {document['format']} version {document['format_version']}")
        return Costs.of(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} holds no cost models: {error!r}", "make fit-costs") from error
