"""Cleaning and executing exported QONNX graphs."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from finnspect.errors import PackageError

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

#: Nodes that move values without changing them.
_MOVES = {"Reshape", "Flatten", "MaxPool", "Transpose", "Identity"}


def tidy(model: ModelWrapper, name: str) -> ModelWrapper:
    """Return a cleaned graph whose bytes depend on the network only.

    Shapes are inferred and names made readable; the exporter's notes (stack traces with file names of
    the machine it ran on) are dropped, lists without a meaningful order are sorted, the input is
    annotated as UINT8 and flattening is written as ``Reshape`` to (1, -1), the form FINN looks for.

    Parameters
    ----------
    model
        As brevitas exported it, with pixel codes as its input.
    name
        Name for the graph.
    """
    from qonnx.core.datatype import DataType
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes
    from qonnx.util.cleanup import cleanup_model

    model = cleanup_model(model)
    for node in model.get_nodes_by_op_type("Reshape"):
        model.set_initializer(node.input[1], np.array([1, -1], dtype=np.int64))
    model.set_tensor_datatype(model.graph.input[0].name, DataType["UINT8"])
    model = model.transform(InferShapes()).transform(InferDataTypes())
    proto, graph = model.model, model.graph
    graph.name = name
    proto.doc_string = graph.doc_string = ""
    for item in (
        proto,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ):
        item.doc_string = ""
        del item.metadata_props[:]
    for items in (graph.initializer, graph.value_info):
        items.sort(key=lambda item: item.name)
    graph.quantization_annotation.sort(key=lambda item: item.tensor_name)
    return model


def with_batch(model: ModelWrapper, size: int) -> ModelWrapper:
    """Return a copy of ``model`` for batches of ``size`` images."""
    from qonnx.transformation.change_batchsize import ChangeBatchSize
    from qonnx.transformation.infer_shapes import InferShapes

    return model.transform(ChangeBatchSize(size), make_deepcopy=True).transform(InferShapes())


@dataclass(frozen=True, slots=True)
class Execution:
    """What executing a graph gave.

    Parameters
    ----------
    logits
        float32, shape (N, classes).
    integers
        int64, shape (N, classes): accumulators of the last layer.
    scale, offset
        float64, shape (classes,): a real logit is ``integer * scale + offset``.
    """

    logits: np.ndarray
    integers: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def steps(self, logits: np.ndarray) -> np.ndarray:
        """Return the integers that real logits (N, classes) stand for, int64."""
        return np.rint((logits.astype(np.float64) - self.offset) / self.scale).astype(np.int64)

    def comparable(self) -> np.ndarray:
        """Return what tells the class: the integers where all classes share one scale, else real logits."""
        if np.all(self.scale == self.scale[0]) and not np.any(self.offset):
            return self.integers
        return self.integers * self.scale + self.offset


def execute(model: ModelWrapper, images: np.ndarray, batch_size: int = 64) -> Execution:
    """Execute a QONNX graph with QONNX's own executor.

    Parameters
    ----------
    model
        A graph for batches of one image, cleaned by :func:`tidy`.
    images
        uint8, shape (N, H, W, C).
    batch_size
        Images executed at once.

    Raises
    ------
    PackageError
        The last layer is not a dense layer of quantized inputs and weights, or an executed tensor is not on
        its quantizer's grid.
    """
    from qonnx.core.onnx_exec import execute_onnx

    logits, integers = [], []
    wrapped: dict[int, ModelWrapper] = {}
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size].astype(np.float32).transpose(0, 3, 1, 2)
        n = len(batch)
        if n not in wrapped:
            wrapped[n] = with_batch(model, n)
        sized = wrapped[n]
        feed = {sized.graph.input[0].name: np.ascontiguousarray(batch)}
        context = execute_onnx(sized, feed, return_full_exec_context=True)
        real = context[sized.graph.output[0].name]
        logits.append(real.astype(np.float32))
        head = _head_integers(sized, context, real)
        integers.append(head.integers)
    return replace(head, logits=np.concatenate(logits), integers=np.concatenate(integers))


@dataclass(frozen=True, slots=True)
class _Grid:
    """Integer codes of an executed tensor, and the real value of code 1, shaped to multiply them."""

    codes: np.ndarray
    scale: np.ndarray


def _head_integers(model: ModelWrapper, context: dict[str, np.ndarray], logits: np.ndarray) -> Execution:
    """Return the last layer's accumulators, from the tensors that the execution gave."""
    head = model.find_producer(model.graph.output[0].name)
    if head is None or head.op_type not in ("Gemm", "MatMul"):
        found = head.op_type if head is not None else "nothing"
        raise PackageError(
            f"the last node of the exported graph is {found}, expected a Gemm or MatMul",
            "end the network with a dense layer",
        )
    inputs = _on_grid(model, context, head, 0)
    weights = _on_grid(model, context, head, 1)
    turned = bool(_attribute(head, "transB"))
    integers = inputs.codes @ (weights.codes.T if turned else weights.codes)
    classes = integers.shape[1]
    by_class = weights.scale.size == 1 or weights.scale.shape[0 if turned else 1] == classes
    if inputs.scale.size != 1 or not by_class:
        raise PackageError(
            f"the quantizers of the last layer, node {head.name!r}, have scales of shape "
            f"{inputs.scale.shape} and {weights.scale.shape}",
            "use one scale for its input, and one, or one a class, for its weights",
        )
    bias = context[head.input[2]].reshape(-1) if len(head.input) > 2 else np.zeros(1)
    result = Execution(
        logits,
        integers,
        np.broadcast_to(inputs.scale.reshape(-1) * weights.scale.reshape(-1), classes),
        np.broadcast_to(bias.astype(np.float64), classes),
    )
    # The executed float logits must round to the integers they stand for.
    rounded = result.steps(logits)
    if not np.array_equal(rounded, integers):
        image, index = np.argwhere(rounded != integers)[0]
        raise PackageError(
            f"logit {index} of image {image}: QONNX execution gives {rounded[image, index]} steps, its own "
            f"integer inputs and weights give {integers[image, index]}",
            "report this: the exported graph and its execution disagree",
        )
    return result


def _attribute(node: NodeProto, name: str) -> int:
    return next((a.i for a in node.attribute if a.name == name), 0)


def _on_grid(model: ModelWrapper, context: dict[str, np.ndarray], node: NodeProto, index: int) -> _Grid:
    """Return the integer codes of one input of ``node``."""
    tensor = node.input[index]
    source = model.find_producer(tensor)
    while source is not None and source.op_type in _MOVES:
        source = model.find_producer(source.input[0])
    if source is None or source.op_type not in ("Quant", "BipolarQuant"):
        raise PackageError(
            f"input {index} of node {node.name!r} does not come from a quantizer",
            "quantize the inputs and weights of the last layer",
        )
    scale = model.get_initializer(source.input[1])
    zero = model.get_initializer(source.input[2]) if source.op_type == "Quant" else np.zeros(1)
    if scale is None or zero is None or np.any(zero != 0):
        raise PackageError(
            f"quantizer {source.name!r} of the last layer has not a constant scale and zero point 0",
            "use a quantizer with a learned or constant scale there, and no zero point",
        )
    values = context[tensor]
    # One scale, or one a row; a tensor that moved since its quantizer has one.
    step = scale.astype(np.float32).reshape(scale.shape if scale.size > 1 else (1,) * values.ndim)
    codes = np.rint(values.astype(np.float64) / step)
    if not np.array_equal((codes.astype(np.float32) * step), values.astype(np.float32)):
        raise PackageError(
            f"tensor {tensor!r} holds values that are no multiple of its quantizer's scale",
            "report this: the QONNX execution is not exact",
        )
    return _Grid(codes.astype(np.int64), step.astype(np.float64))


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep the exporter's chatter from the user: packages that are not needed, whole graphs of what fails."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        said = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
