"""The dataflow graph against executions of the exported QONNX file, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.errors import VerificationError
from finnspect.frontend.execution import BatchRunner, run_activations
from finnspect.frontend.float64 import Float64Model
from finnspect.frontend.lower import layer_names
from finnspect.frontend.network import Network
from finnspect.frontend.qonnx_file import load_qonnx
from finnspect.frontend.reader import read_network
from finnspect.ir import ArgMax, DataflowGraph, MatVec, MaxPool
from finnspect.package import ModelPackage
from finnspect.reference import Reference, predictions, real_logits

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: How far a float code or logit may be from an integer before it is no integer at all.
RESIDUE = 0.2
#: Rounding of a sum in float32, relative.
FLOAT32_STEP = 2.0**-20

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
        Called with a line of text after every batch.

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
    reference, runner = Reference(graph), BatchRunner(model)
    probes = _probes(graph, network)
    wide: Float64Model | None = None
    rounding = changed = ties = 0
    for start in range(0, len(images), runner.batch):
        batch = images[start : start + runner.batch]
        values = reference.evaluate(batch)
        context = runner.run_all(batch)
        for number in _differing_images(values, context, probes, graph):
            wide = wide or Float64Model(model)
            mine = {name: value[number : number + 1] for name, value in values.items()}
            _require_equal(mine, wide.run_all(batch[number]), probes, graph, start + number)
            _require_small(mine, context, probes, graph, number, start + number)
            rounding += 1
        tied, other = _predictions(values, context[network.output_tensor], graph)
        ties, changed = ties + tied, changed + other
        if progress is not None:
            progress(f"checked {start + len(batch)} of {len(images)} images against the QONNX file")
    return QonnxCheck(
        images=len(images),
        layers=len(probes),
        equal_images=len(images) - rounding,
        rounding_images=rounding,
        changed_predictions=changed,
        ties=ties,
    )


def check_against_finn(
    graph: DataflowGraph, finn_model_path: Path, images: np.ndarray, progress: Progress | None = None
) -> None:
    """Require the reference to equal the execution of FINN's hardware graph: every layer, every element.

    Parameters
    ----------
    graph
        The dataflow graph.
    finn_model_path
        ``finn_hw.onnx`` of the same compilation.
    images
        uint8, shape (N, H, W, C).

    Raises
    ------
    VerificationError
        Naming the first layer that differs.
    """
    from qonnx.core.modelwrapper import ModelWrapper

    model, reference = ModelWrapper(str(finn_model_path)), Reference(graph)
    for number, image in enumerate(images):
        activations, out = run_activations(model, image[None], "NHWC")
        got = inner_values(graph, reference.evaluate(image[None]))
        require_equal("reference vs FINN's hardware graph", got, [*activations, ("logits", out)], number)
        if progress is not None and (number + 1) % 50 == 0:
            progress(f"checked {number + 1} of {len(images)} images against FINN's hardware graph")


def inner_values(graph: DataflowGraph, values: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Return (layer name, integers) of the layers whose outputs FINN's graph has too: all but windows."""
    return [(layer.name, values[layer.output]) for layer in graph if isinstance(layer, MatVec | MaxPool)]


def require_equal(
    where: str,
    got: Sequence[tuple[str, np.ndarray]],
    expected: Sequence[tuple[str, np.ndarray]],
    first_image: int = 0,
) -> None:
    """Compare named integer tensors (N, ...) in order, element by element.

    Raises
    ------
    VerificationError
        Naming the first that differs.
    """
    if len(got) != len(expected):
        raise VerificationError(where, "number of activations", first_image, (), len(got), len(expected))
    for (name, a), (_, b) in zip(got, expected, strict=True):
        flat, other = a.reshape(len(a), -1), b.reshape(len(b), -1)
        wrong = np.argwhere(flat != other)
        if len(wrong):
            image, element = (int(v) for v in wrong[0])
            index = tuple(int(i) for i in np.unravel_index(element, a.shape[1:]))
            got_value, wanted = int(flat[image, element]), int(other[image, element])
            raise VerificationError(where, name, first_image + image, index, got_value, wanted)


@dataclass(frozen=True)
class _Probe:
    """A QONNX tensor, the layer and IR tensor whose integers it holds, and how far a threshold parts them."""

    layer: str
    tensor: str
    qonnx: str
    layout: str
    scale: np.ndarray
    offset: np.ndarray
    step: int


def _probes(graph: DataflowGraph, network: Network) -> list[_Probe]:
    """Return a probe of each layer that the file shows; all of the graph's, checked to be the network's."""
    names = layer_names(network)
    probes = []
    for source in network.layers:
        layer = graph.layer(names[source.output])
        if source.probe is not None:
            scale, offset = (
                np.array([float(v) for v in values]) for values in (source.probe.slopes, source.probe.offsets)
            )
            steps = getattr(source, "steps", None)
            step = max(1, steps.recoded) if steps is not None else 1
            probe = source.probe
            probes.append(_Probe(layer.name, layer.output, probe.tensor, probe.layout, scale, offset, step))
    return probes


def _integers(
    probe: _Probe, context: dict[str, np.ndarray], graph: DataflowGraph
) -> tuple[np.ndarray, np.ndarray]:
    """Return an execution's integers (N, H, W, C) as float64, and whether each is close to one."""
    tensor = context[probe.qonnx].astype(np.float64)
    height, width, channels = graph.tensors[probe.tensor].shape
    if probe.layout in ("NCHW", "CHW"):
        tensor = tensor.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    real = (tensor.reshape(-1, height, width, channels) - probe.offset) / probe.scale
    integers = np.round(real)
    return integers, np.abs(real - integers) <= RESIDUE


def _differing_images(
    values: dict[str, np.ndarray],
    context: dict[str, np.ndarray],
    probes: Sequence[_Probe],
    graph: DataflowGraph,
) -> list[int]:
    """Return the numbers of the batch's images with any differing element."""
    differs = np.zeros(len(values[graph.input]), bool)
    for probe in probes:
        expected, close = _integers(probe, context, graph)
        differs |= ((values[probe.tensor] != expected) | ~close).any(axis=(1, 2, 3))
    return np.flatnonzero(differs).tolist()


def _require_equal(
    values: dict[str, np.ndarray],
    context: dict[str, np.ndarray],
    probes: Sequence[_Probe],
    graph: DataflowGraph,
    number: int,
) -> None:
    """Raise VerificationError naming the first layer where one image's integers differ."""
    for probe in probes:
        expected, close = _integers(probe, context, graph)
        got = values[probe.tensor]
        wrong = np.argwhere((got != expected) | ~close)
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise VerificationError(
                "reference vs the QONNX file",
                probe.layer,
                number,
                index[1:],
                int(got[index]),
                int(expected[index]),
            )


def _require_small(
    values: dict[str, np.ndarray],
    context: dict[str, np.ndarray],
    probes: Sequence[_Probe],
    graph: DataflowGraph,
    number: int,
    image: int,
) -> None:
    """Require that rounding can explain an image's float32 execution: the first layer is off by one at most.

    Otherwise the two executions of the file do not do the same, and neither excuses the other. Where only the
    class differs, two logits share the first place.
    """
    for probe in probes:
        if isinstance(graph.layer(probe.layer), ArgMax):
            return
        expected = _integers(probe, context, graph)[0][number]
        got = values[probe.tensor][0]
        off = np.abs(got - expected)
        if not off.any():
            continue
        wrong = np.argwhere(off > probe.step + np.abs(expected) * FLOAT32_STEP)
        if len(wrong):
            index = tuple(int(i) for i in wrong[0])
            raise VerificationError(
                "float64 and float32 executions of the QONNX file",
                probe.layer,
                image,
                index,
                int(got[index]),
                int(expected[index]),
            )
        return


def _predictions(values: dict[str, np.ndarray], real: np.ndarray, graph: DataflowGraph) -> tuple[int, int]:
    """Return how many images have a tie for the first place, and how many another class."""
    integers, real = (v.reshape(len(real), -1) for v in (values[graph.output], real))
    last = graph.producer(graph.output)
    if isinstance(last, ArgMax):
        scores = last.scores(values[last.input]).reshape(len(real), -1)
        mine, theirs = scores.astype(np.float64), real[:, 0].astype(np.int64)
    else:
        mine, theirs = real_logits(graph, integers), real.argmax(axis=1)
    best = mine.max(axis=1)
    ties = np.count_nonzero(mine == best[:, None], axis=1) > 1
    changed = (theirs != predictions(graph, integers)) & (mine[np.arange(len(mine)), theirs] != best)
    return int(ties.sum()), int(changed.sum())
