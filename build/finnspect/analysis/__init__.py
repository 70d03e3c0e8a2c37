"""Analyses of a folded graph: cycles a frame and resource estimates. Pure functions.

A cycle count here is a bound: what a layer needs when nothing ever makes it wait. Resources are
``estimated``; they serve to choose between foldings and to refuse a hopeless design before synthesis.
"""

from finnspect.analysis.costs import load_costs
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
from finnspect.analysis.design import (
    JOINTS,
    SHELL,
    check_fit,
    converters,
    graph_resources,
    multiplier_styles,
    shell_resources,
)
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
    window_copies,
    window_memory,
)
from finnspect.analysis.technology import ECP5, TECHNOLOGIES, XC7, Resources, Technology
from finnspect.analysis.terms import Memory, Terms, layer_terms

__all__ = [
    "BLOCK_MIN_BITS",
    "BLOCK_MIN_DEPTH",
    "BLOCK_MIN_THRESHOLDS",
    "DSP_BUDGET",
    "ECP5",
    "JOINTS",
    "SHELL",
    "TECHNOLOGIES",
    "XC7",
    "Bound",
    "Memory",
    "Resources",
    "Technology",
    "Terms",
    "check_fit",
    "converters",
    "folding_bound",
    "graph_cycles",
    "graph_resources",
    "layer_cycles",
    "layer_resources",
    "layer_terms",
    "load_costs",
    "made_elements",
    "memory_style",
    "multiplier_groups",
    "multiplier_styles",
    "neuron_folds",
    "overlaps",
    "shell_resources",
    "taken_elements",
    "threshold_style",
    "weight_bank",
    "window_copies",
    "window_memory",
]
