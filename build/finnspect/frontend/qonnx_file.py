"""Reading QONNX files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from finnspect.errors import FlowError, PackageError
from finnspect.frontend.pads import absorb_pads

if TYPE_CHECKING:
    from onnx import NodeProto
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
        The file is missing, is not an ONNX model, or contradicts itself.
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
    try:
        return normalise(model)
    except Exception as error:  # ONNX's and qonnx's passes raise anything at all
        if isinstance(error, FlowError | ImportError):
            raise
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise PackageError(
            f"{path} is no consistent ONNX model: {line}",
            "export the model again; onnx.checker.check_model says more",
        ) from error


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

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = model.transform(InferShapes())
    taken = {node.name for node in model.graph.node}
    _channels_first(model)
    for index, node in enumerate(model.graph.node):
        if node.op_type == "IntQuant":  # another name of the same operator
            node.op_type = "Quant"
        if node.op_type in QUANTIZERS:
            node.domain = QONNX_DOMAIN
        if not node.name:
            name = f"{node.op_type}_{index}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
        _write_defaults(model, node)
    _import_quantizers(model)
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
    absorb_pads(model)
    return model


def _import_quantizers(model: ModelWrapper) -> None:
    """Import the version of QONNX's operators that the file's nodes are written for.

    ``Trunc`` has five inputs in the first and six, with its output's scale, in the second.
    """
    truncations = [node for node in model.graph.node if node.op_type == "Trunc"]
    if truncations:
        version = 2 if any(len(node.input) > 5 for node in truncations) else 1
        model.set_opset_import(QONNX_DOMAIN, version)
    elif QONNX_DOMAIN not in model.get_opset_imports():
        model.set_opset_import(QONNX_DOMAIN, 1)


def _channels_first(model: ModelWrapper) -> None:
    """Take channels-first images where the file takes channels-last ones and transposes them itself."""
    source = model.graph.input[0]
    readers = model.find_consumers(source.name)
    shape = model.get_tensor_shape(source.name)
    if len(readers) != 1 or readers[0].op_type != "Transpose" or shape is None or len(shape) != 4:
        return
    (node,) = readers
    order = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
    if order != [0, 3, 1, 2]:
        return
    for reader in model.find_consumers(node.output[0]):
        for index, name in enumerate(reader.input):
            if name == node.output[0]:
                reader.input[index] = source.name
    model.graph.node.remove(node)
    model.set_tensor_shape(source.name, [shape[0], shape[3], shape[1], shape[2]])


def _write_defaults(model: ModelWrapper, node: NodeProto) -> None:
    """Write out attributes that ONNX lets a file omit and that qonnx's and FINN's passes look for."""
    from onnx.helper import make_attribute

    if node.op_type == "Conv":
        shape = model.get_tensor_shape(node.input[1])
        spatial = 2 if shape is None else len(shape) - 2
        defaults = {
            "group": 1,
            "dilations": [1] * spatial,
            "strides": [1] * spatial,
            "pads": [0] * 2 * spatial,
        }
        if shape is not None:
            defaults["kernel_shape"] = list(shape[2:])
    elif node.op_type in ("MaxPool", "AveragePool"):
        spatial = 2
        defaults = {
            "strides": [1] * spatial,
            "pads": [0] * 2 * spatial,
            "dilations": [1] * spatial,
            "ceil_mode": 0,
        }
        if node.op_type == "AveragePool":
            del defaults["dilations"]  # not in every version of the operator
    elif node.op_type == "Gemm":
        defaults = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}
    else:
        return
    present = {a.name for a in node.attribute}
    node.attribute.extend(make_attribute(k, v) for k, v in defaults.items() if k not in present)
