"""The front end's entrances: a model package or QONNX file becomes a dataflow graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.errors import PackageError, UnsupportedModelError, VerificationError
from finnspect.frontend.check import QonnxCheck, check_model, inner_values, require_equal
from finnspect.frontend.exact import channel_signs
from finnspect.frontend.execution import BatchRunner, quiet, run_activations
from finnspect.frontend.lower import dataflow_graph
from finnspect.frontend.network import Network
from finnspect.frontend.qonnx_file import load_qonnx
from finnspect.frontend.reader import read_network
from finnspect.frontend.steps import STEPS, Step, Work
from finnspect.ir import DataflowGraph
from finnspect.package import Golden, ModelPackage
from finnspect.reference import evaluate, logits

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

FINN_MODEL_FILE = "finn_hw.onnx"
#: Random and golden images on which every step is executed.
RANDOM_IMAGES, GOLDEN_IMAGES = 2, 2

Progress = Callable[[str], None]


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
class FrontendReport:
    """What the front end did, as data.

    Attributes
    ----------
    images
        Images on which every step was executed.
    steps
        In order.
    thresholds, thresholds_changed
        All thresholds, and those where FINN's float32 value, rounded up, was another integer.
    check
        The dataflow graph against the QONNX file on the same images.
    golden_rounding_images
        Golden images whose float32 logits differ by rounding alone: the float64 execution of the file
        equals the reference in every integer.
    """

    images: int
    steps: tuple[StepReport, ...]
    thresholds: int
    thresholds_changed: int
    check: QonnxCheck
    golden_rounding_images: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for ``report.json``."""
        return asdict(self)


@dataclass(frozen=True)
class FrontendResult:
    """The front end's products.

    Attributes
    ----------
    graph
        The dataflow graph.
    finn_model_path
        FINN's hardware graph, before SpecializeLayers, with the same integers.
    report
        Steps, thresholds and checks.
    """

    graph: DataflowGraph
    finn_model_path: Path
    report: FrontendReport


def compile_package(
    package: ModelPackage, work_dir: Path, progress: Progress | None = None
) -> FrontendResult:
    """Compile a model package.

    Parameters
    ----------
    package
        An opened package.
    work_dir
        Folder for ``finn_hw.onnx``; made if missing.
    progress
        Called with a line of text at each step.

    Raises
    ------
    UnsupportedModelError
        Before any long work, naming node, reason and remedy.
    PackageError
        The package contradicts its model.
    VerificationError
        An execution differs where it must not; names the step and the node.
    """
    model = load_qonnx(package.model_path)
    network = read_network(model)
    _agree_with_package(network, package)
    golden = package.golden()
    result = _compile(model, network, work_dir, package.info.name, golden.images[:GOLDEN_IMAGES], progress)
    rounded = _check_golden(result.graph, model, network, golden)
    return replace(result, report=replace(result.report, golden_rounding_images=rounded))


def _check_golden(graph: DataflowGraph, model: ModelWrapper, network: Network, golden: Golden) -> int:
    """Require the golden logits; return how many images float32 rounding in their making excuses.

    Golden vectors come from a float32 execution. Where one differs, the float64 execution of the same
    file must equal the reference in every layer.
    """
    got = logits(graph, golden.images)
    differing = np.flatnonzero((got != golden.logits_int).any(axis=1))
    if not len(differing):
        return 0
    real = BatchRunner(model).run(golden.images[differing])
    executed = np.round((real - graph.logit_bias) / graph.logit_scale)
    wrong = np.argwhere(executed != golden.logits_int[differing])
    if len(wrong):
        image, index = int(differing[wrong[0][0]]), int(wrong[0][1])
        raise VerificationError(
            "reference vs golden.npz",
            graph.layers[-1].name,
            image,
            (index,),
            int(got[image, index]),
            int(golden.logits_int[image, index]),
            "export the package again",
        )
    check_model(graph, model, network, golden.images[differing])
    return len(differing)


def compile_qonnx(
    path: Path,
    classes: Sequence[str],
    work_dir: Path,
    *,
    name: str | None = None,
    images: np.ndarray | None = None,
    progress: Progress | None = None,
) -> FrontendResult:
    """Compile a QONNX file; as :func:`compile_package`, without a package's golden vectors.

    Parameters
    ----------
    path
        QONNX file that takes raw pixel codes (1, C, H, W).
    classes
        Names of the classes.
    name
        Name of the graph; the file's stem by default.
    images
        uint8 (N, H, W, C): executed besides random ones at every step.
    """
    model = load_qonnx(path)
    network = read_network(model)
    if network.classes != len(classes):
        raise UnsupportedModelError(
            network.last.node,
            f"it puts out {network.classes} logits for {len(classes)} classes",
            "give one name for each logit",
        )
    return _compile(model, network, work_dir, name or path.name.split(".")[0], images, progress)


def _agree_with_package(network: Network, package: ModelPackage) -> None:
    wanted = {
        "input shape": (network.input_shape, package.input_shape),
        "number of classes": (network.classes, len(package.info.classes)),
        "pixel scale": (float(network.input_scale), float(np.float32(package.info.preprocessing.scale))),
    }
    for what, (model, info) in wanted.items():
        if model != info:
            raise PackageError(
                f"{package.path}: the model's {what} is {model}, package.json says {info}",
                "export the package again",
            )


def _images(network: Network, extra: np.ndarray | None) -> np.ndarray:
    shape = (RANDOM_IMAGES, *network.input_shape)
    random = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return random if extra is None else np.concatenate([random, extra])


def _compile(
    model: ModelWrapper,
    network: Network,
    work_dir: Path,
    name: str,
    extra: np.ndarray | None,
    progress: Progress | None,
) -> FrontendResult:
    images = _images(network, extra)
    comparison = _Comparison(network, images, BatchRunner(model).run(images))
    work = Work(deepcopy(model), network)
    reports = []
    with quiet():
        for step in STEPS:
            if progress is not None:
                progress(f"front end: {step.name}")
            seconds = _timed(step, work)
            reports.append(comparison.compare(step, work, seconds))
    graph = dataflow_graph(work.model, work.network, name)
    comparison.compare_reference(graph)
    path = _save(work.model, work_dir)
    report = FrontendReport(
        images=len(images),
        steps=tuple(reports),
        thresholds=sum(count.total for count in work.thresholds),
        thresholds_changed=sum(count.different for count in work.thresholds),
        check=check_model(graph, model, network, images),
    )
    return FrontendResult(graph, path, report)


def _timed(step: Step, work: Work) -> float:
    start = time.perf_counter()
    step.run(work)
    return time.perf_counter() - start


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
        self._last = network.last
        self._before: list[tuple[str, np.ndarray]] | None = None

    def compare(self, step: Step, work: Work, seconds: float) -> StepReport:
        """Execute after ``step``; raise VerificationError where integers must be equal and are not."""
        activations, out = run_activations(work.model, self._images, work.layout)
        real = self._real(work.model, out) if work.integer_output else out
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

    def _real(self, model: ModelWrapper, integers: np.ndarray) -> np.ndarray:
        weights = next(
            w
            for w in (
                model.get_initializer(n.input[1]) for n in reversed(model.graph.node) if len(n.input) > 1
            )
            if w is not None
        )
        signs = channel_signs(self._last, weights)
        scale = np.array([float(s) for s in self._last.slopes]) * signs
        return integers * scale + np.array([float(b) for b in self._last.offsets])

    def compare_reference(self, graph: DataflowGraph) -> None:
        """Require the reference's integers, layer by layer, to be those of FINN's hardware graph."""
        require_equal(
            "reference vs FINN's hardware graph",
            inner_values(graph, evaluate(graph, self._images)),
            self._before,
        )
