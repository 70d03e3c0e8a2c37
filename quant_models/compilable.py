"""Whether a network compiles, found out before it is trained.

The network gets batch-norm statistics and scales from random images, is exported, and the exported
graph is read by the front end, which names the node, the reason and the remedy of what it refuses.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from finnspect.errors import FlowError, UnsupportedModelError
from torch import nn

from quant_models.export import export_qonnx_graph
from quant_models.qonnx_tools import execute
from quant_models.training.calibrate import quantize_from

if TYPE_CHECKING:
    from finnspect.frontend.network import Network
    from qonnx.core.modelwrapper import ModelWrapper

#: What colours a terminal's text.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_IMAGES = 8
_SEED = 5


def random_images(input_shape: tuple[int, int, int], count: int = _IMAGES, seed: int = _SEED) -> np.ndarray:
    """Return uint8 noise, shape (count, H, W, C)."""
    return np.random.default_rng(seed).integers(0, 256, (count, *input_shape), dtype=np.uint8)


@torch.no_grad()
def settle(model: nn.Module, twin: nn.Module | None, images: np.ndarray) -> nn.Module:
    """Give an untrained network statistics and scales that fit ``images``, as training would.

    Parameters
    ----------
    model
        Quantized network, changed in place.
    twin
        Its float twin, changed in place; None for a network without one, which then sees the images
        in training mode itself.
    images
        uint8, shape (N, H, W, C).

    Returns
    -------
    torch.nn.Module
        ``model``, in evaluation mode.
    """
    codes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    if twin is None:
        model.train()(codes)
    else:
        twin.train()(codes)
        quantize_from(model, twin, codes)
    return model.eval()


def check_compiles(model: nn.Module, twin: nn.Module | None, input_shape: tuple[int, int, int]) -> Network:
    """Refuse a network that the front end would refuse after the training.

    Parameters
    ----------
    model, twin
        As for :func:`settle`; both are changed, so give copies that are not trained.
    input_shape
        Height, width, channels.

    Returns
    -------
    Network
        What the front end read.

    Raises
    ------
    UnsupportedModelError
        Naming the node, the reason, and the nearest supported form.
    PackageError
        The last layer's integers cannot be told from an execution.
    """
    images = random_images(input_shape)
    graph = _export(settle(model, twin, images), input_shape)
    network = read_graph(graph)
    execute(graph, images[:2])  # a package's golden integers come from this
    return network


def read_graph(graph: ModelWrapper) -> Network:
    """Return what the front end reads of an exported graph.

    Raises
    ------
    UnsupportedModelError
        Naming the node, the reason, and the nearest supported form.
    """
    from finnspect.frontend import load_qonnx, read_network

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.qonnx.onnx"
        path.write_bytes(graph.model.SerializeToString())
        return read_network(load_qonnx(path))


def _export(model: nn.Module, input_shape: tuple[int, int, int]) -> ModelWrapper:
    try:
        return export_qonnx_graph(model, input_shape, "untrained")
    except FlowError:
        raise
    except Exception as error:  # the exporter raises anything at all
        raise UnsupportedModelError(
            type(model).__name__,
            f"it cannot be exported to QONNX: {_first_cause(error)}",
            "use brevitas layers and plain torch operations without data-dependent control flow",
        ) from error


def _first_cause(error: Exception) -> str:
    """Return the first line of the error that an exporter's errors began with."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = _COLOUR.sub("", str(error)).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
