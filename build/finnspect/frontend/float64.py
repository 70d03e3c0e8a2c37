"""Executing QONNX files in float64: tells float32 rounding from a real difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from finnspect.frontend.constants import BIAS_BITS, quant_codes, quant_parameters

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


#: Share of a tensor's largest value below which a value is what rounding left of zero.
_CANCELLED = 2.0**-48


class Float64Model:
    """A QONNX model executed in float64 or better by ONNX's own reference evaluator.

    Quantized weights are QONNX's own float32 codes, everything computed from the image is float64, with a
    significand of 64 bits where the machine has it: a product of a code, a code's weight and their two
    float32 scales has up to 64 bits, and a sum of them that is exactly a threshold must come out exactly.

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
            source = model.get_initializer(node.input[0]) if node.input else None
            if node.op_type == "Quant" and source is not None:
                parameters = quant_parameters(model, node, BIAS_BITS)
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
        self._evaluator = ReferenceEvaluator(model.model, new_ops=_operators())
        for name, value in self._evaluator.rt_inits_.items():
            if value.dtype == np.float64:
                self._evaluator.rt_inits_[name] = value.astype(np.longdouble)

    def run_all(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Execute on one uint8 image (H, W, C); return every tensor."""
        pixels = image.transpose(2, 0, 1).reshape(self._shape).astype(np.longdouble)
        return self._evaluator.run(None, {self._input: pixels}, intermediate=True)


def _operators() -> list[type]:
    """Return QONNX's quantizers as operators of ONNX's reference evaluator."""
    from onnx.reference.op_run import OpRun
    from qonnx.custom_op.general.bipolar_quant import binary_quant
    from qonnx.custom_op.general.quant import quant
    from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2

    def uncancelled(x):
        # codes of pixels divided by 255 are rounded: what cancels to nothing but that is zero
        least = np.abs(x).max() * _CANCELLED
        return np.where(np.abs(x) <= least, x.dtype.type(0), x)

    class Quant(OpRun):
        op_domain = "qonnx.custom_op.general"

        def _run(self, x, scale, zero, bits, signed=1, narrow=1, rounding_mode="ROUND"):
            x = uncancelled(x) if signed and np.all(bits == 1) else x  # bipolar
            return (quant(x, scale, zero, bits, signed, narrow, rounding_mode),)

    class BipolarQuant(OpRun):
        op_domain = "qonnx.custom_op.general"

        def _run(self, x, scale):
            return (binary_quant(uncancelled(x), scale),)

    class Trunc(OpRun):
        op_domain = "qonnx.custom_op.general"

        def _run(self, x, scale, zero, bits, *rest, signed=1, narrow=0, rounding_mode="FLOOR"):
            if len(rest) == 1:
                return (trunc_v1(x, scale, zero, bits, rest[0], rounding_mode),)
            return (trunc_v2(x, scale, zero, bits, narrow, signed, *rest, rounding_mode),)

    return [Quant, BipolarQuant, Trunc]
