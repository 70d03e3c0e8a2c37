"""Writes exact integer thresholds into FINN's streamlined graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finnspect.errors import UnsupportedModelError, VerificationError
from finnspect.frontend.network import Compute, Network
from finnspect.frontend.thresholds import clip_thresholds, layer_thresholds
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


def channel_signs(layer: Compute, matrix: np.ndarray) -> np.ndarray:
    """Return +1 or -1 of each channel: whether FINN negated its weights.

    A channel of zero weights has the sign of its slope, so that its staircase ascends.

    Parameters
    ----------
    matrix
        FINN's weights, shape (MW, MH); rows in order (h, w, c) or, before a flatten of a
        channels-first map is absorbed, (c, h, w).

    Raises
    ------
    VerificationError
        The weights are not the file's, up to a sign for each channel.
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
    for expected in (last_first, channels_first):
        same, negated = (got == expected).all(axis=1), (got == -expected).all(axis=1)
        if np.all(same | negated):
            upright = np.array([slope > 0 for slope in layer.slopes])
            return np.where(same & negated, np.where(upright, 1, -1), np.where(same, 1, -1))
    wrong = int(np.flatnonzero(~(same | negated))[0])
    column = int(np.flatnonzero(got[wrong] != expected[wrong])[0])
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
        signs = channel_signs(layer, model.get_initializer(node.input[1]))
        if layer.quantizer is not None:
            counts.append(_write_layer(model, node, layer, signs))
    return counts


def _write_layer(model: ModelWrapper, node: NodeProto, layer: Compute, signs: np.ndarray) -> ThresholdCount:
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
    if attribute("out_scale") != 1.0 or attribute("out_bias") != layer.quantizer.low:
        raise UnsupportedModelError(
            layer.quantizer.node,
            f"FINN gave it scale {attribute('out_scale')} and bias {attribute('out_bias')}",
            "use a plain quantizer with zero point 0",
        )
    low, high = accumulator_bounds(signs[:, None] * layer.matrix, layer.input_dtype)
    exact = layer_thresholds(
        layer.slopes, layer.offsets, layer.quantizer.scale, layer.quantizer.codes, signs.tolist()
    )
    thresholds = clip_thresholds(exact, low, high)
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
    rounded = np.clip(np.ceil(np.broadcast_to(old, thresholds.shape)), low[:, None], (high + 1)[:, None])
    model.set_initializer(staircase.input[1], stored.astype(np.float32))
    bound = max(-int(low.min()), int(stored.max())) + 1
    model.set_tensor_datatype(staircase.input[1], DataType.get_smallest_possible(-bound))
    return ThresholdCount(layer.node, int(thresholds.size), int(np.count_nonzero(rounded != thresholds)))
