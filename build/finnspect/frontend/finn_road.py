"""FINN's transformations beside our reading: the same integers, where FINN can express the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError, VerificationError
from finnspect.frontend.check import inner_values, require_equal
from finnspect.frontend.execution import BatchRunner, quiet, run_activations
from finnspect.frontend.finn_graph import named_nodes
from finnspect.frontend.network import Compute, Network, Pool
from finnspect.frontend.steps import STEPS, Step, Work
from finnspect.ir import DataflowGraph
from finnspect.reference import evaluate

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

FINN_MODEL_FILE = "finn_hw.onnx"
#: Operators that FINN's steps turn into the same integers; with others they may not.
_EXPRESSED = frozenset(
    {"Conv", "Gemm", "MatMul", "Quant", "BatchNormalization", "Relu", "MaxPool", "Reshape", "Flatten", "Mul"}
    | {"Div", "Add", "Sub", "Identity", "Dropout"}
)
_OURS = "build with our own hardware (any other toolchain)"


@dataclass(frozen=True)
class StepReport:
    """One step, and how its graph's execution compares.

    Attributes
    ----------
    seconds
        Time of the step itself.
    max_abs_diff
        Greatest difference of a real logit from the QONNX file's (float32 rounding).
    changed_predictions
        Images whose class differs from the QONNX file's.
    exact
        Whether every integer activation and logit equals the step's before, element by element
        (required from ``exact_thresholds`` on).
    nodes
        Number of nodes after the step.
    """

    step: str
    seconds: float
    max_abs_diff: float
    changed_predictions: int
    exact: bool
    nodes: int


@dataclass(frozen=True)
class FinnRoad:
    """What came of FINN's transformations.

    Attributes
    ----------
    graph
        The dataflow graph, with FINN's names where there are any.
    path
        FINN's hardware graph; None where there is none.
    unavailable
        Why there is none: names the node; None where there is one.
    steps
        Done, in order.
    thresholds, thresholds_changed
        See :class:`finnspect.frontend.compile.FrontendReport`.
    """

    graph: DataflowGraph
    path: Path | None
    unavailable: str | None
    steps: tuple[StepReport, ...]
    thresholds: int = 0
    thresholds_changed: int = 0


def not_expressed(network: Network) -> UnsupportedModelError | None:
    """Return why FINN's transformations are not tried on a network; None where they are."""
    for layer in network.layers:
        reason = None
        if not isinstance(layer, Compute | Pool):
            reason = f"its {type(layer).__name__.lower()} layer has no counterpart that FINN's steps reach"
        elif isinstance(layer, Compute) and layer.steps is not None and layer.steps.recoded:
            reason = "FINN has no such codes"
        elif isinstance(layer, Compute) and layer.kind == "depthwise":
            reason = "FINN's steps are not run on depthwise convolutions"
        elif isinstance(layer, Pool) and (any(layer.pad) or layer.kernel != layer.stride):
            reason = "FINN pools neither over padding nor over windows that overlap or leave gaps"
        if reason is not None:
            return UnsupportedModelError(layer.node, reason, _OURS)
    if min(network.slopes) < 0:
        return UnsupportedModelError(network.last.node, "a logit falls where its integers rise", _OURS)
    if not network.chain:
        return UnsupportedModelError(network.last.node, "FINN's steps are run on chains only", _OURS)
    return None


def run_finn(
    model: ModelWrapper,
    network: Network,
    graph: DataflowGraph,
    images: np.ndarray,
    work_dir: Path,
    progress: Callable[[str], None] | None,
) -> FinnRoad:
    """Run FINN's steps, execute the graph after each, and hold the last against the dataflow graph.

    Parameters
    ----------
    model, network, graph
        The file, what it means, and the dataflow graph made of that.
    images
        uint8, shape (N, H, W, C).
    work_dir
        Gets ``finn_hw.onnx``.

    Raises
    ------
    VerificationError
        FINN's integers are not ours, in a chain of the layers that FINN expresses.
    """
    refusal = not_expressed(network)
    reports: list[StepReport] = []
    if refusal is None:
        try:
            return _run(model, network, graph, images, work_dir, progress, reports)
        except ImportError:
            raise
        except VerificationError as error:
            if {node.op_type for node in model.graph.node} <= _EXPRESSED:
                raise
            refusal = UnsupportedModelError(
                network.last.node, f"FINN computes other integers: {error}", _OURS
            )
        except UnsupportedModelError as error:
            refusal = error
        except Exception as error:  # FINN raises whatever comes; all of it means that a step failed
            said = " ".join(str(error).split())[:300]
            refusal = UnsupportedModelError(
                network.last.node,
                f"FINN's transformations failed: {type(error).__name__}: {said}",
                _OURS,
            )
    return FinnRoad(graph, None, str(refusal), tuple(reports))


def _run(
    model: ModelWrapper,
    network: Network,
    graph: DataflowGraph,
    images: np.ndarray,
    work_dir: Path,
    progress: Callable[[str], None] | None,
    reports: list[StepReport],
) -> FinnRoad:
    comparison = _Comparison(network, images, BatchRunner(model).run(images))
    work = Work(deepcopy(model), network)
    with quiet():
        for step in STEPS:
            if progress is not None:
                progress(f"front end: {step.name}")
            start = time.perf_counter()
            step.run(work)
            reports.append(comparison.compare(step, work, time.perf_counter() - start))
    comparison.compare_reference(graph)
    named = replace(graph, finn_nodes=named_nodes(work.model, graph, work.network))
    return FinnRoad(
        graph=named,
        path=_save(work.model, work_dir),
        unavailable=None,
        steps=tuple(reports),
        thresholds=sum(count.total for count in work.thresholds),
        thresholds_changed=sum(count.different for count in work.thresholds),
    )


def _save(model: ModelWrapper, work_dir: Path) -> Path:
    work_dir.mkdir(parents=True, exist_ok=True)
    path = work_dir / FINN_MODEL_FILE
    partial = path.with_suffix(".onnx.partial")
    partial.write_bytes(model.model.SerializeToString(deterministic=True))
    partial.replace(path)
    return path


class _Comparison:
    """Executes the graph after each step and compares it with what came before.

    Parameters
    ----------
    expected
        The QONNX file's real logits on ``images``.
    """

    def __init__(self, network: Network, images: np.ndarray, expected: np.ndarray) -> None:
        self._images = images
        self._expected = expected
        self._slopes, self._offsets = (
            np.array([float(v) for v in values]) for values in (network.slopes, network.offsets)
        )
        self._before: list[tuple[str, np.ndarray]] | None = None

    def compare(self, step: Step, work: Work, seconds: float) -> StepReport:
        """Execute after ``step``; raise VerificationError where integers must be equal and are not."""
        activations, out = run_activations(work.model, self._images, work.layout)
        real = out * self._slopes + self._offsets if work.integer_output else out
        if work.exact:
            values = [*activations, (work.model.graph.node[-1].name, out)]
            if self._before is not None:
                require_equal(f"FINN graph after step {step.name!r} vs before", values, self._before)
            self._before = values
        return StepReport(
            step=step.name,
            seconds=round(seconds, 4),
            max_abs_diff=float(np.abs(real - self._expected).max()),
            changed_predictions=int(np.count_nonzero(real.argmax(1) != self._expected.argmax(1))),
            exact=work.exact,
            nodes=len(work.model.graph.node),
        )

    def compare_reference(self, graph: DataflowGraph) -> None:
        """Require the reference's integers, layer by layer, to be those of FINN's hardware graph."""
        require_equal(
            "reference vs FINN's hardware graph",
            inner_values(graph, evaluate(graph, self._images)),
            self._before,
        )
