"""Folding: how many elements each layer handles a cycle, and the cheapest choice for a target.

``PE`` and ``SIMD`` are FINN's attributes: a MatVec computes PE rows of its matrix from SIMD columns a
cycle; a sliding window delivers SIMD elements a beat (SIMD of the MatVec, PE of the Depthwise behind it); all
others handle PE channels a beat.
"""

from finnspect.folding.attributes import Folding, LayerFolding
from finnspect.folding.check import allowed, check_folding, divisors
from finnspect.folding.search import choose_folding, conversion_steps, full_folding

__all__ = [
    "Folding",
    "LayerFolding",
    "allowed",
    "check_folding",
    "choose_folding",
    "conversion_steps",
    "divisors",
    "full_folding",
]
