"""The front end's entrances: a model package or QONNX file becomes a dataflow graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.errors import PackageError, UnsupportedModelError, VerificationError
from finnspect.frontend.check import QonnxCheck, check_model
from finnspect.frontend.execution import BatchRunner
from finnspect.frontend.finn_road import FINN_MODEL_FILE, StepReport, run_finn
from finnspect.frontend.lower import dataflow_graph
from finnspect.frontend.network import Network
from finnspect.frontend.qonnx_file import load_qonnx
from finnspect.frontend.reader import read_network
from finnspect.ir import DataflowGraph
from finnspect.package import Golden, ModelPackage
from finnspect.reference import logits

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

__all__ = ["FINN_MODEL_FILE", "FrontendReport", "FrontendResult", "compile_package", "compile_qonnx"]

#: Random and golden images on which every step is executed.
RANDOM_IMAGES, GOLDEN_IMAGES = 2, 2

Progress = Callable[[str], None]


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
    finn_unavailable
        Why FINN's own builder cannot be used on this model: names the node. None where it can.
    """

    images: int
    steps: tuple[StepReport, ...]
    thresholds: int
    thresholds_changed: int
    check: QonnxCheck
    golden_rounding_images: int = 0
    finn_unavailable: str | None = None

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
        FINN's hardware graph, before SpecializeLayers, with the same integers. None where FINN cannot
        express the model: the report says why.
    report
        Steps, thresholds and checks.
    """

    graph: DataflowGraph
    finn_model_path: Path | None
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
        "pixel scale": tuple(  # in the file it is a float32, or a quotient as x / 255
            float(np.float32(scale)) for scale in (network.input_scale, package.info.preprocessing.scale)
        ),
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
    graph = dataflow_graph(network, name)
    if progress is not None:
        progress(f"front end: {len(graph.layers)} layers, checked against the QONNX file")
    check = check_model(graph, model, network, images)
    road = run_finn(model, network, graph, images, work_dir, progress)
    if road.unavailable is not None and progress is not None:
        progress(f"front end: FINN's road is not available: {road.unavailable}")
    report = FrontendReport(
        images=len(images),
        steps=road.steps,
        thresholds=_thresholds(road.graph),
        thresholds_changed=road.thresholds_changed,
        check=check,
        finn_unavailable=road.unavailable,
    )
    return FrontendResult(road.graph, road.path, report)


def _thresholds(graph: DataflowGraph) -> int:
    """Return the number of thresholds: one for each channel and step of a staircase."""
    staircases = [(layer, getattr(layer, "activation", None)) for layer in graph]
    return sum(s.steps * graph.tensors[layer.output].shape[2] for layer, s in staircases if s is not None)
