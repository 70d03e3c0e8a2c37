"""The dataflow graph against executions of the exported QONNX file, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.errors import VerificationError
from finnspect.frontend.execution import Float64Model, run_all
from finnspect.frontend.network import Network
from finnspect.frontend.qonnx_file import load_qonnx
from finnspect.frontend.reader import read_network
from finnspect.ir import DataflowGraph, MatVec, MaxPool
from finnspect.package import ModelPackage
from finnspect.reference import Reference, predictions, real_logits

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: How far a float code or logit may be from an integer before it is no integer at all.
RESIDUE = 0.2

Progress = Callable[[str], None]


@dataclass(frozen=True)
class QonnxCheck:
    """The reference against the QONNX file's executions.

    Attributes
    ----------
    images, layers
        How many of each were compared, element by element.
    equal_images
        Images where every integer equals the float32 execution's.
    rounding_images
        The others: the float32 execution rounds a value to the other side of a threshold there, and
        the float64 execution of the same file equals the reference in every integer.
    changed_predictions
        Images whose class differs from the float32 execution's, ties apart.
    ties
        Images where two classes share the greatest logit exactly; the lowest index is taken.
    """

    images: int
    layers: int
    equal_images: int
    rounding_images: int
    changed_predictions: int
    ties: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for ``report.json``."""
        return asdict(self)


def check_against_package(
    graph: DataflowGraph, package: ModelPackage, images: np.ndarray, progress: Progress | None = None
) -> QonnxCheck:
    """Check a graph against its package's QONNX file; see :func:`check_against_qonnx`."""
    return check_against_qonnx(graph, package.model_path, images, progress)


def check_against_qonnx(
    graph: DataflowGraph, path: Path, images: np.ndarray, progress: Progress | None = None
) -> QonnxCheck:
    """Compare the reference with QONNX's own execution of a file: every layer, every element.

    Parameters
    ----------
    graph
        Compiled from the file.
    path
        The exported QONNX file.
    images
        uint8, shape (N, H, W, C).
    progress
        Called with a line of text every 50 images.

    Raises
    ------
    VerificationError
        Naming the first layer that differs for another reason than float32 rounding.
    """
    model = load_qonnx(path)
    return check_model(graph, model, read_network(model), images, progress)


def check_model(
    graph: DataflowGraph,
    model: ModelWrapper,
    network: Network,
    images: np.ndarray,
    progress: Progress | None = None,
) -> QonnxCheck:
    """As :func:`check_against_qonnx`, for a file that is already read."""
    reference = Reference(graph)
    probes = _probes(graph, network)
    wide: Float64Model | None = None
    rounding = changed = ties = 0
    for number, image in enumerate(images):
        values = reference.evaluate(image[None])
        context = run_all(model, image)
        if _first_difference(values, context, probes, graph) is not None:
            wide = wide or Float64Model(model)
            difference = _first_difference(values, wide.run_all(image), probes, graph)
            if difference is not None:
                layer, index, got, expected = difference
                raise VerificationError("reference vs the QONNX file", layer, number, index, got, expected)
            rounding += 1
        tied, other = _prediction(values, context[network.output_tensor], graph)
        ties, changed = ties + tied, changed + other
        if progress is not None and (number + 1) % 50 == 0:
            progress(f"checked {number + 1} of {len(images)} images against the QONNX file")
    return QonnxCheck(
        images=len(images),
        layers=len(probes),
        equal_images=len(images) - rounding,
        rounding_images=rounding,
        changed_predictions=changed,
        ties=ties,
    )


@dataclass(frozen=True)
class _Probe:
    """A QONNX tensor, and the layer and IR tensor whose integers it holds."""

    layer: str
    tensor: str
    qonnx: str
    scale: np.ndarray
    offset: np.ndarray


def _probes(graph: DataflowGraph, network: Network) -> list[_Probe]:
    layers = [layer for layer in graph if isinstance(layer, MatVec | MaxPool)]
    probes = []
    for layer, source in zip(layers, network.layers, strict=True):
        if source is network.last:
            scale, offset = graph.logit_scale, graph.logit_bias
        elif source.tensor is None:
            continue
        else:
            step = source.scale if isinstance(layer, MaxPool) else source.quantizer.scale
            scale, offset = np.array([float(step)]), np.zeros(1)
        probes.append(_Probe(layer.name, layer.output, source.tensor, scale, offset))
    return probes


def _first_difference(
    values: dict[str, np.ndarray],
    context: dict[str, np.ndarray],
    probes: Sequence[_Probe],
    graph: DataflowGraph,
) -> tuple[str, tuple[int, ...], int, int] | None:
    """Return (layer, index, got, expected) of the first differing element, or None."""
    for probe in probes:
        tensor = context[probe.qonnx].astype(np.float64)
        tensor = tensor.transpose(0, 2, 3, 1) if tensor.ndim == 4 else tensor
        real = (tensor.reshape(graph.tensors[probe.tensor].shape) - probe.offset) / probe.scale
        expected = np.round(real)
        got = values[probe.tensor][0]
        wrong = np.argwhere((got != expected) | (np.abs(real - expected) > RESIDUE))
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            return probe.layer, index, int(got[index]), int(expected[index])
    return None


def _prediction(values: dict[str, np.ndarray], real: np.ndarray, graph: DataflowGraph) -> tuple[bool, bool]:
    """Return whether the reference has a tie for the first place, and whether the class differs."""
    integers = values[graph.output].reshape(1, -1)
    mine = real_logits(graph, integers)[0]
    tied = int(np.count_nonzero(mine == mine.max())) > 1
    theirs = int(real.reshape(-1).argmax())
    return tied, bool(mine[theirs] != mine.max() and theirs != predictions(graph, integers)[0])
