"""Resources of one layer, ``estimated``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import TYPE_CHECKING

from finnspect.analysis.costs import load_costs
from finnspect.analysis.technology import ECP5, Resources, Technology
from finnspect.analysis.terms import layer_terms
from finnspect.ir import DataflowGraph, Layer

if TYPE_CHECKING:
    from finnspect.folding import LayerFolding


@singledispatch
def layer_resources(
    layer: Layer,
    graph: DataflowGraph,
    folding: Mapping[str, LayerFolding],
    tech: Technology = ECP5,
    styles: Mapping[str, str] | None = None,
) -> Resources:
    """Return the estimated resources of ``layer``, what joins it to others not counted.

    The fitted costs of the terms that :func:`finnspect.analysis.terms.layer_terms` names. A layer from
    outside the package registers its terms there, or a whole estimate here.

    Parameters
    ----------
    styles
        MatVec name -> ``lut`` or ``dsp``; ``lut`` where not named.
    """
    terms = layer_terms(layer, graph, folding, tech, (styles or {}).get(layer.name, "lut"))
    return load_costs(tech).resources(terms, tech)
