"""Folding: how many elements each layer handles a cycle, and the cheapest choice for a target.

``PE`` and ``SIMD`` are FINN's attributes: a MatVec computes PE rows of its matrix from SIMD columns a
cycle; a sliding window delivers SIMD elements a beat (SIMD of the MatVec, PE of the Depthwise behind it); all
others handle PE channels a beat.
"""

from finnspect.folding.attributes import Folding, LayerFolding
from finnspect.folding.check import allowed, check_folding, divisors
from finnspect.folding.file import complete as complete_folding
from finnspect.folding.file import read_folding
from finnspect.folding.search import (
    Budget,
    Found,
    Search,
    cheapest_folding,
    choose_folding,
    conversion_steps,
    fastest_folding,
    full_folding,
)

__all__ = [
    "Budget",
    "Folding",
    "Found",
    "LayerFolding",
    "Search",
    "allowed",
    "cheapest_folding",
    "check_folding",
    "choose_folding",
    "complete_folding",
    "conversion_steps",
    "divisors",
    "fastest_folding",
    "full_folding",
    "read_folding",
]
