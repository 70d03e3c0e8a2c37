"""Executing QONNX and FINN graphs on uint8 images."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

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
