"""Analyses of a folded graph: cycles a frame and resource estimates. Pure functions.

A cycle count here is a bound: what a layer needs when nothing ever makes it wait. Resources are
``estimated``; they serve to choose between foldings and to refuse a hopeless design before synthesis.
"""

from finnspect.analysis.cycles import (
    Bound,
    folding_bound,
    graph_cycles,
    layer_cycles,
    made_elements,
    neuron_folds,
    overlaps,
    taken_elements,
)
from finnspect.analysis.design import check_fit, graph_resources, multiplier_styles
from finnspect.analysis.resources import layer_resources
from finnspect.analysis.styles import (
    BLOCK_MIN_BITS,
    BLOCK_MIN_DEPTH,
    BLOCK_MIN_THRESHOLDS,
    DSP_BUDGET,
    memory_style,
    multiplier_groups,
    threshold_style,
    weight_bank,
    window_memory,
)
from finnspect.analysis.technology import ECP5, TECHNOLOGIES, XC7, Resources, Technology

__all__ = [
    "BLOCK_MIN_BITS",
    "BLOCK_MIN_DEPTH",
    "BLOCK_MIN_THRESHOLDS",
    "DSP_BUDGET",
    "ECP5",
    "TECHNOLOGIES",
    "XC7",
    "Bound",
    "Resources",
    "Technology",
    "check_fit",
    "folding_bound",
    "graph_cycles",
    "graph_resources",
    "layer_cycles",
    "layer_resources",
    "made_elements",
    "memory_style",
    "multiplier_groups",
    "multiplier_styles",
    "neuron_folds",
    "overlaps",
    "taken_elements",
    "threshold_style",
    "weight_bank",
    "window_memory",
]
