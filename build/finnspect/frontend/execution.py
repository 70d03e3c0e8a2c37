"""Executing QONNX and FINN graphs on uint8 images."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from finnspect.frontend.constants import quant_codes, quant_parameters

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: Operators whose outputs are the integer activations of a streamlined or hardware graph.
ACTIVATIONS = ("MultiThreshold", "MVAU", "Pool", "MaxPoolNHWC")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep FINN's and qonnx's remarks out of the terminal; they still reach configured loggers."""
    handler = logging.NullHandler()
    finn = logging.getLogger("finn_logger")
    finn.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        finn.removeHandler(handler)


def feed(model: ModelWrapper, image: np.ndarray, layout: str) -> dict[str, np.ndarray]:
    """Return the input dictionary for one uint8 image (H, W, C); ``layout`` is NCHW or NHWC."""
    name = model.graph.input[0].name
    pixels = image.transpose(2, 0, 1) if layout == "NCHW" else image
    return {name: pixels.reshape(model.get_tensor_shape(name)).astype(np.float32)}


def run_all(model: ModelWrapper, image: np.ndarray, layout: str = "NCHW") -> dict[str, np.ndarray]:
    """Execute on one image with QONNX's executor; return every tensor."""
    from qonnx.core.onnx_exec import execute_onnx

    with quiet():
        return execute_onnx(model, feed(model, image, layout), return_full_exec_context=True)


class BatchRunner:
    """Executes a QONNX file's graph with QONNX's executor on batches of images.

    Parameters
    ----------
    model
        A graph for one image, as :func:`finnspect.frontend.qonnx_file.load_qonnx` returns it.
    batch
        Images executed at once: the executor's cost for each node is paid once a batch.
    """

    def __init__(self, model: ModelWrapper, batch: int = 16) -> None:
        self.batch = batch
        self._model = model
        self._sized: dict[int, ModelWrapper] = {}

    def _for(self, size: int) -> ModelWrapper:
        from qonnx.transformation.change_batchsize import ChangeBatchSize
        from qonnx.transformation.infer_shapes import InferShapes

        if size not in self._sized:
            # transform() works on a copy; the file's own graph stays as it is
            self._sized[size] = self._model.transform(ChangeBatchSize(size)).transform(InferShapes())
        return self._sized[size]

    def run_all(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Execute on one batch of uint8 images (N, H, W, C); return every tensor, N first."""
        from qonnx.core.onnx_exec import execute_onnx

        model = self._for(len(images))
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
        with quiet():
            return execute_onnx(model, {model.graph.input[0].name: pixels}, return_full_exec_context=True)

    def run(self, images: np.ndarray) -> np.ndarray:
        """Execute on any number of images; return the outputs (N, classes)."""
        output = self._model.graph.output[0].name
        parts = [images[i : i + self.batch] for i in range(0, len(images), self.batch)]
        return np.concatenate([self.run_all(part)[output].reshape(len(part), -1) for part in parts])


def run_activations(
    model: ModelWrapper, images: np.ndarray, layout: str
) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """Return (node name, values (N, ...)) of every inner activation, in order, and the outputs."""
    output = model.graph.output[0].name
    nodes = [n for n in model.graph.node if n.op_type in ACTIVATIONS and n.output[0] != output]
    values = [run_all(model, image, layout) for image in images]
    return (
        [(node.name, np.concatenate([v[node.output[0]] for v in values])) for node in nodes],
        np.stack([v[output].reshape(-1) for v in values]),
    )


class Float64Model:
    """A QONNX model executed in float64 by ONNX's own reference evaluator.

    It tells float32 rounding from a real difference: quantized weights are QONNX's own float32
    codes, everything computed from the image is float64.

    Parameters
    ----------
    model
        As :func:`finnspect.frontend.qonnx_file.load_qonnx` returns it.
    """

    def __init__(self, model: ModelWrapper) -> None:
        from copy import deepcopy

        from onnx import TensorProto, numpy_helper
        from onnx.reference import ReferenceEvaluator

        model = deepcopy(model)
        for node in list(model.graph.node):
            source = model.get_initializer(node.input[0])
            if node.op_type == "Quant" and source is not None:
                parameters = quant_parameters(model, node)
                codes = quant_codes(source, parameters).astype(np.float64)
                value = codes * parameters.scale.astype(np.float64)
                model.graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
                model.graph.node.remove(node)
        for initializer in model.graph.initializer:
            if initializer.data_type == TensorProto.FLOAT:
                wide = numpy_helper.to_array(initializer).astype(np.float64)
                initializer.CopyFrom(numpy_helper.from_array(wide, initializer.name))
        self._input = model.graph.input[0].name
        self._shape = model.get_tensor_shape(self._input)
        self._evaluator = ReferenceEvaluator(model.model, new_ops=[_quant_operator()])

    def run_all(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Execute on one uint8 image (H, W, C); return every tensor."""
        pixels = image.transpose(2, 0, 1).reshape(self._shape).astype(np.float64)
        return self._evaluator.run(None, {self._input: pixels}, intermediate=True)


def _quant_operator() -> type:
    """Return QONNX's quantizer as an operator of ONNX's reference evaluator."""
    from onnx.reference.op_run import OpRun
    from qonnx.custom_op.general.quant import quant

    class Quant(OpRun):
        op_domain = "qonnx.custom_op.general"

        def _run(self, x, scale, zero, bits, signed=1, narrow=1, rounding_mode="ROUND"):
            return (quant(x, scale, zero, bits, signed, narrow, rounding_mode),)

    return Quant
