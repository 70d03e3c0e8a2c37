"""FINN's own builder as far as it goes without Vivado: its steps, on our integers and our folding.

FINN's modules want its simulator when they are imported, and its settings in the environment: both are lent
for as long as a step runs. The bodies import FINN when they run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finnspect.errors import ToolError, UnsupportedModelError
from finnspect.folding import Folding
from finnspect.ir import DataflowGraph, Layer, MatVec, MaxPool, SlidingWindow

if TYPE_CHECKING:
    from finn.builder.build_dataflow_config import DataflowBuildConfig
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Steps that name FINN's nodes; the folding is written by these names.
NAMING_STEPS = ("step_create_dataflow_partition", "step_specialize_layers")
#: Steps from there that need no Vivado.
FOLDING_STEPS = (
    "step_apply_folding_config",
    "step_minimize_bit_width",
    "step_transpose_decomposition",
    "step_generate_estimate_reports",
)
#: Steps of a whole build.
BUILD_STEPS = (
    *NAMING_STEPS,
    *FOLDING_STEPS,
    "step_generate_hardware",
    "step_prepare_synthesis",
    "step_synthesize_bitfile",
    "step_make_driver",
    "step_deployment_package",
)
#: Writes the sources of every layer, HLS and RTL, but runs no tool.
CODE_STEP = "step_hw_codegen"
_DOMAIN = "finn.custom_op.fpgadataflow"


@contextmanager
def finn_builder(build_dir: Path) -> Iterator[Any]:
    """Lend FINN what its builder wants, and yield its module of steps.

    Parameters
    ----------
    build_dir
        Folder for FINN's temporary folders; made if missing.
    """
    import finn.xsi
    from finn.util import settings

    from finnspect.frontend.execution import quiet

    build_dir.mkdir(parents=True, exist_ok=True)
    environment, before = dict(os.environ), settings._SETTINGS
    lent = "SimEngine" not in vars(finn.xsi)
    if lent:
        # FINN's steps import the simulator's class by name; none of the steps that we run makes one.
        finn.xsi.SimEngine = type("SimEngine", (), {})
    try:
        os.environ["FINN_BUILD_DIR"] = str(build_dir.absolute())
        settings.initialize_dummy_settings()
        with quiet():
            from finn.builder import build_dataflow_steps

            yield build_dataflow_steps
    finally:
        if lent:
            del finn.xsi.SimEngine
        settings._SETTINGS = before
        os.environ.clear()
        os.environ.update(environment)


def run_step(steps: Any, name: str, model: ModelWrapper, config: DataflowBuildConfig) -> ModelWrapper:
    """Run one of FINN's steps.

    Raises
    ------
    ToolError
        It failed; carries what FINN says.
    """
    try:
        return getattr(steps, name)(model, config)
    except Exception as error:  # FINN raises whatever comes; all of it means that this step failed
        said = str(error).strip().splitlines()
        raise ToolError(
            f"FINN's {name} failed: {type(error).__name__}: {' '.join(said[:4])}",
            "choose another folding, or another toolchain",
        ) from error


# -- names and folding ---------------------------------------------------------------------------------


def nodes_of_layers(graph: DataflowGraph, model: ModelWrapper) -> dict[str, tuple[NodeProto, ...]]:
    """Return FINN's nodes of each layer, by the layer's name.

    Padding and input generator are one sliding window of ours; a max pool is an input generator and a
    pool of FINN's. A window that takes the whole map is nothing in FINN.

    Raises
    ------
    UnsupportedModelError
        FINN's chain is not that of the graph, names the first node that is not.
    """
    chain = list(model.graph.node)
    found: dict[str, tuple[NodeProto, ...]] = {}
    for layer in graph:
        taken = []
        for kind, needed in _kinds(layer):
            if chain and _kind(chain[0]) == kind:
                taken.append(chain.pop(0))
            elif needed:
                got = f"{chain[0].name} ({chain[0].op_type})" if chain else "nothing"
                raise UnsupportedModelError(layer.name, f"FINN made {got}, not {kind}", "report this model")
        found[layer.name] = tuple(taken)
    if chain:
        raise UnsupportedModelError(
            chain[0].name, "FINN made a layer that the graph does not have", "report this model"
        )
    return found


def _kinds(layer: Layer) -> tuple[tuple[str, bool], ...]:
    """Return kinds of FINN's nodes in order, and whether they must be there."""
    if isinstance(layer, SlidingWindow):
        return ("FMPadding", False), ("ConvolutionInputGenerator", False)
    if isinstance(layer, MaxPool):
        return ("ConvolutionInputGenerator", True), ("Pool", True)
    assert isinstance(layer, MatVec), layer
    return (("MVAU", True),)


def _kind(node: NodeProto) -> str:
    return node.op_type.removesuffix("_rtl").removesuffix("_hls")


def finn_folding(graph: DataflowGraph, folding: Folding, model: ModelWrapper) -> dict[str, dict[str, int]]:
    """Return the folding as FINN takes it: ``{node: {"PE": 2, "SIMD": 4}}``, of every node."""
    document: dict[str, dict[str, int]] = {"Defaults": {}}
    for name, nodes in nodes_of_layers(graph, model).items():
        values = folding[name].to_json()
        for node in nodes:
            if _kind(node) in ("MVAU", "Pool"):
                document[node.name] = dict(values)
            else:  # of a max pool, FINN folds the input generator as it does the pool
                simd = values.get("SIMD", values.get("PE"))
                channels = graph.tensors[graph.layer(name).input].shape[2]
                document[node.name] = {"SIMD": min(simd, channels)}
                if simd > channels and _kind(node) == "ConvolutionInputGenerator":
                    # FINN's name for windows of several pixels a beat; a width converter follows there
                    document[node.name]["parallel_window"] = 1
    return document


def check_folding_of(model: ModelWrapper, wanted: Mapping[str, Mapping[str, int]]) -> None:
    """Require that FINN took every attribute of the folding.

    Raises
    ------
    ToolError
        Names node, attribute, got and expected.
    """
    from qonnx.custom_op.registry import getCustomOp

    for node in model.graph.node:
        for attribute, value in wanted[node.name].items():
            got = getCustomOp(node).get_nodeattr(attribute)
            if got != value:
                raise ToolError(
                    f"FINN gave {node.name} {attribute} {got}, the folding says {value}", "report this"
                )


# -- the same integers ---------------------------------------------------------------------------------


def executable(model: ModelWrapper) -> ModelWrapper:
    """Return a copy whose nodes are FINN's generic ones, which it executes without HLS or Vivado.

    Weights, thresholds, data types and folding are the specialised nodes' own.
    """
    from copy import deepcopy

    copy = deepcopy(model)
    for node in copy.graph.node:
        node.op_type, node.domain = _kind(node), _DOMAIN
    return copy


def check_integers(graph: DataflowGraph, model: ModelWrapper, images: np.ndarray) -> None:
    """Require FINN's specialised graph to put out the reference's logits on each image.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).

    Raises
    ------
    VerificationError
        Naming the first layer that differs.
    """
    from finnspect.frontend.check import inner_values, require_equal
    from finnspect.frontend.execution import run_activations
    from finnspect.reference import evaluate

    expected = inner_values(graph, evaluate(graph, images))
    activations, out = run_activations(executable(model), images, "NHWC")
    values = [*(value for _, value in activations), out]
    names = [name for name, _ in expected]
    got = list(zip(names, values, strict=False)) if len(values) == len(names) else activations
    require_equal("FINN's builder vs reference", got, expected)


def check_ends(model: ModelWrapper) -> None:
    """Require that nothing is left to software: uint8 pixels in, integers out, no float tensor between.

    Raises
    ------
    UnsupportedModelError
        Names the node or tensor.
    """
    first = model.graph.input[0].name
    if model.get_tensor_datatype(first).name != "UINT8":
        raise UnsupportedModelError(first, "FINN's graph does not take uint8 pixels", "report this model")
    for node in model.graph.node:
        if not node.domain.startswith(_DOMAIN):
            raise UnsupportedModelError(node.name, f"FINN leaves {node.op_type} to software", "report this")
        for tensor in (*node.input, *node.output):
            if not model.get_tensor_datatype(tensor).is_integer():
                raise UnsupportedModelError(node.name, f"its tensor {tensor} is float", "report this model")


# -- all of it -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FinnModel:
    """FINN's graph when its builder has done what it does without Vivado.

    Parameters
    ----------
    model
        After the last of ``FOLDING_STEPS``.
    names
        Layer -> names of FINN's nodes.
    folding
        As FINN takes it.
    """

    model: ModelWrapper
    names: Mapping[str, tuple[str, ...]]
    folding: Mapping[str, Mapping[str, int]]


def some_images(graph: DataflowGraph, count: int = 2) -> np.ndarray:
    """Return images to compare executions on: black, white, then random ones; uint8 (N, H, W, C)."""
    shape = graph.tensors[graph.input].shape
    images = np.random.default_rng(1).integers(0, 256, (2 + count, *shape), dtype=np.uint8)
    images[0], images[1] = 0, 255
    return images


def run_finn_steps(
    graph: DataflowGraph,
    folding: Folding,
    finn_model_path: Path,
    config: DataflowBuildConfig,
    build_dir: Path,
    images: np.ndarray | None = None,
) -> FinnModel:
    """Run every step of FINN's builder that needs no Vivado, and check what it makes.

    Parameters
    ----------
    finn_model_path
        ``finn_hw.onnx`` of the front end.
    config
        Of the whole build; ``folding_config_file`` is written on the way.
    build_dir
        For FINN's temporary folders and reports; it may be deleted afterwards.
    images
        To compare executions on, uint8 (N, H, W, C); :func:`some_images` if None.

    Raises
    ------
    ToolError
        A step failed, or did not take the folding.
    UnsupportedModelError
        FINN's graph is not the graph, or leaves something to software.
    VerificationError
        FINN's graph computes another integer.
    """
    from dataclasses import replace

    from qonnx.core.modelwrapper import ModelWrapper

    path = Path(config.folding_config_file)
    config = replace(config, output_dir=str(build_dir / "output"))
    with finn_builder(build_dir) as steps:
        model = ModelWrapper(str(finn_model_path))
        before = nodes_of_layers(graph, model)
        _check_names(graph, before)
        for name in NAMING_STEPS:
            model = run_step(steps, name, model, config)
        wanted = finn_folding(graph, folding, model)
        path.write_text(json.dumps(wanted, indent=1) + "\n")
        for name in FOLDING_STEPS:
            model = run_step(steps, name, model, config)
        check_folding_of(model, wanted)
        check_ends(model)
        # The code is thrown away: it shows that FINN can write it, for a limit of HLS is found only there.
        run_step(steps, CODE_STEP, model, config)
        check_integers(graph, model, some_images(graph) if images is None else images)
    after = nodes_of_layers(graph, model)
    names = {layer: tuple(node.name for node in nodes) for layer, nodes in after.items()}
    return FinnModel(model, names, wanted)


def _check_names(graph: DataflowGraph, nodes: Mapping[str, tuple[NodeProto, ...]]) -> None:
    """Require that the front end and the chain name the same nodes."""
    for layer, wanted in graph.finn_nodes.items():
        found = [node.name for node in nodes[layer]]
        if wanted not in found:
            raise UnsupportedModelError(
                layer, f"the front end read it from {wanted}, FINN's chain has {found}", "compile it again"
            )
