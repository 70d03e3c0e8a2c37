"""Reading QONNX files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from finnspect.errors import PackageError

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: Domain of the quantizer nodes; exporters have used several.
QONNX_DOMAIN = "qonnx.custom_op.general"
QUANTIZERS = ("Quant", "BipolarQuant", "Trunc")


def load_qonnx(path: Path) -> ModelWrapper:
    """Read a QONNX file and make it uniform, keeping the names of nodes that have one.

    Shapes are inferred, constants folded (quantizers of weights stay), and no two nodes share a
    parameter tensor, so that a change to one leaves the other alone.

    Raises
    ------
    PackageError
        The file is missing or is not an ONNX model.
    """
    from google.protobuf.message import DecodeError
    from onnx.checker import ValidationError
    from qonnx.core.modelwrapper import ModelWrapper

    if not path.is_file():
        raise PackageError(f"there is no QONNX file {path}", "point to a file made by `finnspect export`")
    try:
        model = ModelWrapper(str(path))
    except (DecodeError, ValidationError, OSError, ValueError) as error:
        raise PackageError(
            f"{path} is not a readable ONNX model: {error}", "export the model again"
        ) from error
    if not model.graph.node or not model.graph.input or not model.graph.output:
        raise PackageError(
            f"{path} is not a readable ONNX model: its graph is empty", "export the model again"
        )
    return normalise(model)


def normalise(model: ModelWrapper) -> ModelWrapper:
    """Return a model of the same function in the form that the front end reads."""
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.general import (
        GiveUniqueParameterTensors,
        RemoveStaticGraphInputs,
        RemoveUnusedTensors,
        SortGraph,
    )
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.transformation.quant_constant_folding import FoldTransposeIntoQuantInit

    taken = {node.name for node in model.graph.node}
    for index, node in enumerate(model.graph.node):
        if node.op_type in QUANTIZERS:
            node.domain = QONNX_DOMAIN
        if not node.name:
            name = f"{node.op_type}_{index}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for transformation in (
            InferShapes(),
            GiveUniqueParameterTensors(),
            FoldConstants(exclude_op_types=list(QUANTIZERS)),
            FoldTransposeIntoQuantInit(),
            RemoveUnusedTensors(),
            RemoveStaticGraphInputs(),
            SortGraph(),
            InferShapes(),
        ):
            model = model.transform(transformation)
    return model
