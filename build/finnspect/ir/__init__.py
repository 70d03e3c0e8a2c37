"""The dataflow graph: a small, typed, frozen description of the accelerator.

Everything after the front end reads only this: reference, analyses, folding, emission, reports.
A graph holds integers only; the float world ends at ``input_scale`` and begins again at
``logit_scale`` and ``logit_bias``.
"""

from finnspect.ir.graph import FORMAT, FORMAT_VERSION, DataflowGraph
from finnspect.ir.layers import (
    Add,
    ArgMax,
    Concat,
    Depthwise,
    Layer,
    MatVec,
    MaxPool,
    SlidingWindow,
    SumPool,
    Threshold,
)
from finnspect.ir.types import IntType, Staircase, Tensor

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "Add",
    "ArgMax",
    "Concat",
    "DataflowGraph",
    "Depthwise",
    "IntType",
    "Layer",
    "MatVec",
    "MaxPool",
    "SlidingWindow",
    "Staircase",
    "SumPool",
    "Tensor",
    "Threshold",
]
