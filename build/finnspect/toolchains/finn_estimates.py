"""FINN's own estimates of a dataflow graph and folding: its cost functions on nodes with the same attributes.

No pass of FINN runs and no file is read: every matrix-vector unit and window becomes a node of FINN's, which
is asked for cycles and cells. FINN has no estimates for pools, adds and width converters: they count nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from finnspect.folding import LayerFolding
from finnspect.ir import DataflowGraph, Depthwise, IntType, Layer, MatVec, SlidingWindow

PART = "xc7z020clg400-1"


@singledispatch
def finn_node(layer: Layer, graph: DataflowGraph, folding: Mapping[str, LayerFolding], dsp: bool) -> Any:
    """Return FINN's operator of ``layer`` as (type, domain, attributes), None where FINN has no estimate."""
    return None


def _weights(layer: MatVec | Depthwise) -> str:
    return "BIPOLAR" if layer.bipolar else str(layer.weight_dtype)


def _common(
    layer: MatVec | Depthwise, graph: DataflowGraph, dsp: bool
) -> dict[str, Any]:  # what both units have
    source, sink = graph.tensors[layer.inputs[0]].dtype, graph.tensors[layer.output]
    one_bit = source == IntType(1, False) and layer.bipolar
    return {
        "inputDataType": "BIPOLAR" if one_bit else str(source),
        "weightDataType": _weights(layer),
        "outputDataType": str(sink.dtype),
        "accDataType": str(layer.acc_dtype),
        "noActivation": int(layer.activation is None),
        "resType": "dsp" if dsp else "lut",
        "mem_mode": "internal_decoupled",
    }


@finn_node.register
def _(layer: MatVec, graph, folding, dsp) -> Any:
    own, sink = folding[layer.name], graph.tensors[layer.output]
    attributes = _common(layer, graph, dsp) | {
        "MW": layer.MW,
        "MH": layer.MH,
        "PE": own.PE,
        "SIMD": own.SIMD,
        "numInputVectors": [1, sink.shape[0], sink.shape[1]],
        "ram_style_thresholds": "distributed",
    }
    return "MVAU_hls", "finn.custom_op.fpgadataflow.hls", attributes


@finn_node.register
def _(layer: Depthwise, graph, folding, dsp) -> Any:
    window, sink = graph.producer(layer.input), graph.tensors[layer.output]
    attributes = _common(layer, graph, dsp) | {
        "PE": folding[layer.name].PE,
        "SIMD": 1,
        "Dim": list(sink.shape[:2]),
        "Channels": layer.channels,
        "Kernel": list(window.kernel) if isinstance(window, SlidingWindow) else [layer.taps, 1],
    }
    return "VVAU_hls", "finn.custom_op.fpgadataflow.hls", attributes


@finn_node.register
def _(layer: SlidingWindow, graph, folding, dsp) -> Any:
    source, sink = graph.tensors[layer.input], graph.tensors[layer.output]
    height, width, channels = source.shape
    top, left, bottom, right = layer.pad
    if layer.kernel == layer.stride == (1, 1) or layer.kernel == (height, width):
        return None  # FINN has no window there
    simd = min(folding[layer.name].SIMD, channels)  # FINN's way: one pixel of the window, or all of it
    readers = graph.consumers(layer.output)
    attributes = {
        "ConvKernelDim": list(layer.kernel),
        "IFMChannels": channels,
        "IFMDim": [height + top + bottom, width + left + right],
        "OFMDim": list(sink.shape[:2]),
        "SIMD": simd,
        "Stride": list(layer.stride),
        "Dilation": [1, 1],
        "inputDataType": str(source.dtype),
        "outputDataType": str(source.dtype),
        "depthwise": int(any(isinstance(reader, Depthwise) for reader in readers)),
        "parallel_window": int(simd < folding[layer.name].SIMD),
        "ram_style": "auto",
    }
    if attributes["parallel_window"]:
        attributes["SIMD"] = channels
    return "ConvolutionInputGenerator_rtl", "finn.custom_op.fpgadataflow.rtl", attributes


def finn_estimates(
    graph: DataflowGraph, folding: Mapping[str, LayerFolding], mul_styles: Mapping[str, str]
) -> dict[str, Any]:
    """Return FINN's estimates: ``LUT``, ``DSP``, ``BRAM_18K`` in total, ``cycles`` of its slowest node.

    Parameters
    ----------
    mul_styles
        MatVec name -> ``lut`` or ``dsp``, as ours.
    """
    import onnx.helper
    from finn.util import settings

    settings.initialize_dummy_settings()
    from qonnx.custom_op.registry import getCustomOp

    total: dict[str, float] = {"LUT": 0, "DSP": 0, "BRAM_18K": 0}
    cycles: dict[str, int] = {}
    layers: dict[str, dict[str, float]] = {}
    for layer in graph:
        made = finn_node(layer, graph, folding, mul_styles.get(layer.name) in ("dsp", "mixed"))
        if made is None:
            continue
        op, domain, attributes = made
        node = onnx.helper.make_node(op, ["x"], ["y"], name=layer.name, domain=domain, backend="fpgadataflow")
        operator = getCustomOp(node)
        for name, value in attributes.items():
            operator.set_nodeattr(name, value)
        cells = operator.node_res_estimation(PART)
        layers[layer.name] = {name: float(cells[name]) for name in total}
        cycles[layer.name] = int(operator.get_exp_cycles())
        total = {name: total[name] + layers[layer.name][name] for name in total}
    return {
        "kind": "estimated",
        "source": "FINN's estimates: MVAU, VVAU and window generators; it has none for the rest",
        **total,
        "cycles": max(cycles.values(), default=0),
        "layers": layers,
    }
