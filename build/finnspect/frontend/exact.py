"""Writes exact integer thresholds into FINN's streamlined graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError, VerificationError
from finnspect.frontend.network import Compute, Network
from finnspect.frontend.thresholds import clip_thresholds
from finnspect.reference import accumulator_bounds

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


@dataclass(frozen=True)
class ThresholdCount:
    """Thresholds of one layer, and how many of FINN's float32 ones, rounded up, were others."""

    node: str
    total: int
    different: int


def require_weights(layer: Compute, matrix: np.ndarray) -> None:
    """Require FINN's weights to be the file's, with the signs that make the staircases ascend.

    Parameters
    ----------
    matrix
        FINN's weights, shape (MW, MH); rows in order (h, w, c) or, before a flatten of a
        channels-first map is absorbed, (c, h, w).

    Raises
    ------
    VerificationError
        They are others.
    """
    last_first = layer.matrix
    channels_first = layer.weights.transpose(0, 3, 1, 2).reshape(last_first.shape)
    got = np.round(matrix.T).astype(np.int64)
    if got.shape != last_first.shape:
        raise UnsupportedModelError(
            layer.node,
            f"FINN's matrix has shape {got.shape}, the file's {last_first.shape}",
            "use a chain of convolutions and dense layers",
        )
    if np.array_equal(got, last_first) or np.array_equal(got, channels_first):
        return
    expected = min((last_first, channels_first), key=lambda each: np.count_nonzero(got != each))
    wrong, column = (int(v) for v in np.argwhere(got != expected)[0])
    raise VerificationError(
        "FINN's weights vs the QONNX file",
        layer.node,
        0,
        (wrong, column),
        int(got[wrong, column]),
        int(expected[wrong, column]),
    )


def write_thresholds(model: ModelWrapper, network: Network) -> list[ThresholdCount]:
    """Replace FINN's float32 thresholds by exact integers, in place; return the counts."""
    matmuls = model.get_nodes_by_op_type("MatMul")
    if len(matmuls) != len(network.compute):
        raise UnsupportedModelError(
            matmuls[-1].name if matmuls else "graph",
            f"FINN made {len(matmuls)} matrix products of {len(network.compute)} layers",
            "use a chain of convolutions and dense layers",
        )
    counts = []
    for node, layer in zip(matmuls, network.compute, strict=True):
        require_weights(layer, model.get_initializer(node.input[1]))
        if layer.steps is not None:
            counts.append(_write_layer(model, node, layer))
    return counts


def _write_layer(model: ModelWrapper, node: NodeProto, layer: Compute) -> ThresholdCount:
    from qonnx.core.datatype import DataType
    from qonnx.custom_op.registry import getCustomOp

    consumers = model.find_consumers(node.output[0])
    if len(consumers) != 1 or consumers[0].op_type != "MultiThreshold":
        raise UnsupportedModelError(
            layer.node,
            "FINN did not absorb all that follows it into thresholds",
            "use the order layer, batch norm, ReLU, quantizer, pool",
        )
    (staircase,) = consumers
    attribute = getCustomOp(staircase).get_nodeattr
    if attribute("out_scale") != 1.0 or attribute("out_bias") != layer.steps.base:
        raise UnsupportedModelError(
            layer.steps.node,
            f"FINN gave it scale {attribute('out_scale')} and bias {attribute('out_bias')}",
            "use a plain quantizer with zero point 0",
        )
    low, high = accumulator_bounds(layer.matrix, layer.input_dtype)
    thresholds = clip_thresholds(layer.steps.thresholds, low, high)
    stored = thresholds.astype(np.float32)
    never = thresholds == (high + 1)[:, None]
    stored = np.where(never & (stored < thresholds), np.nextafter(stored, np.float32(np.inf)), stored)
    if np.any((stored != thresholds) & ~never):
        raise UnsupportedModelError(
            layer.node,
            "its thresholds exceed 2^24, which FINN's float32 graph cannot hold",
            "use fewer input channels, or fewer bits",
        )
    old = model.get_initializer(staircase.input[1])
    if old.shape[1] != thresholds.shape[1]:
        raise UnsupportedModelError(
            layer.steps.node,
            f"FINN gave it {old.shape[1]} thresholds for {thresholds.shape[1]} steps",
            "use a quantizer that is not narrow",
        )
    rounded = np.clip(np.ceil(np.broadcast_to(old, thresholds.shape)), low[:, None], (high + 1)[:, None])
    model.set_initializer(staircase.input[1], stored.astype(np.float32))
    bound = max(-int(low.min()), int(stored.max())) + 1
    model.set_tensor_datatype(staircase.input[1], DataType.get_smallest_possible(-bound))
    return ThresholdCount(layer.node, int(thresholds.size), int(np.count_nonzero(rounded != thresholds)))
