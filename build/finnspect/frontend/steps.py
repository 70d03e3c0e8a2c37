"""The steps from QONNX to FINN's hardware graph, in order; each does one thing.

Order and choice of FINN's passes follow its own builder, without the builder. Steps up to
``exact_thresholds`` still hold floats; from there on every tensor is an integer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from finnspect.frontend import passes
from finnspect.frontend.exact import ThresholdCount, write_thresholds
from finnspect.frontend.network import Network
from finnspect.frontend.reader import read_network

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

STREAMLINED_OPS = frozenset(
    {"Im2Col", "MatMul", "MultiThreshold", "MaxPoolNHWC", "Transpose", "Reshape", "Flatten"}
)
HARDWARE_OPS = frozenset({"FMPadding", "ConvolutionInputGenerator", "MVAU", "Pool"})


@dataclass
class Work:
    """What the steps pass on.

    Attributes
    ----------
    model
        The graph.
    network
        What the file means; read again after canonicalisation.
    layout
        ``NCHW`` or ``NHWC``: of the graph's input.
    integer_output
        Whether the graph puts out integer accumulators instead of real logits.
    exact
        Whether the graph computes the exact integers.
    thresholds
        Counts made by ``exact_thresholds``.
    """

    model: ModelWrapper
    network: Network
    layout: str = "NCHW"
    integer_output: bool = False
    exact: bool = False
    thresholds: list[ThresholdCount] = field(default_factory=list)


class Step(NamedTuple):
    """A named step; ``run`` changes the work in place."""

    name: str
    run: Callable[[Work], None]


def _apply(work: Work, *transformations) -> None:
    for transformation in transformations:
        work.model = work.model.transform(transformation)


def _tidy_names(work: Work) -> None:
    from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames
    from qonnx.transformation.infer_data_layouts import InferDataLayouts
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    _apply(
        work,
        InferShapes(),
        GiveUniqueNodeNames(),
        GiveReadableTensorNames(),
        InferDataTypes(),
        InferDataLayouts(),
    )


def canonicalise(work: Work) -> None:
    """Pools behind quantizers, no zero gammas; then read what the layers are."""
    work.model = passes.move_pools_past_quantizers(work.model)
    work.model = passes.neutralise_dead_channels(work.model)
    work.network = read_network(work.model)


def annotate_pixels(work: Work) -> None:
    """Say that the input is uint8 pixels: no input quantizer."""
    from qonnx.core.datatype import DataType

    work.model.set_tensor_datatype(work.model.graph.input[0].name, DataType["UINT8"])


def qonnx_to_finn(work: Work) -> None:
    """Quantizers of weights become integer weights, those of activations ``MultiThreshold``."""
    from finn.transformation.qonnx.convert_qonnx_to_finn import ConvertQONNXtoFINN
    from qonnx.transformation.fold_constants import FoldConstants
    from qonnx.transformation.general import RemoveStaticGraphInputs

    _apply(work, ConvertQONNXtoFINN(), FoldConstants(), RemoveStaticGraphInputs())
    work.model = passes.widen_weights(work.model)
    _tidy_names(work)


def streamline(work: Work) -> None:
    """Move scales and biases forward and into thresholds."""
    from finn.transformation.streamline import Streamline
    from finn.transformation.streamline.absorb import AbsorbScalarBiasIntoMultiThreshold
    from finn.transformation.streamline.reorder import MoveMaxPoolPastMultiThreshold

    _apply(work, MoveMaxPoolPastMultiThreshold(), AbsorbScalarBiasIntoMultiThreshold(), Streamline())


def lower_convolutions(work: Work) -> None:
    """Convolutions become windows and matrix products, channels last."""
    from finn.transformation.streamline.absorb import (
        AbsorbConsecutiveTransposes,
        AbsorbTransposeIntoMultiThreshold,
    )
    from finn.transformation.streamline.reorder import MakeMaxPoolNHWC
    from qonnx.transformation.lower_convs_to_matmul import LowerConvsToMatMul

    if work.model.get_nodes_by_op_type("Conv"):
        _apply(work, LowerConvsToMatMul())
        work.model = passes.clear_false_depthwise(work.model)
    _apply(
        work,
        MakeMaxPoolNHWC(),
        AbsorbTransposeIntoMultiThreshold(),
        MakeMaxPoolNHWC(),
        AbsorbConsecutiveTransposes(),
    )
    _tidy_names(work)


def streamline_again(work: Work) -> None:
    """Move what lowering uncovered."""
    from finn.transformation.streamline import Streamline
    from qonnx.transformation.general import RemoveUnusedTensors

    _apply(work, Streamline(), RemoveUnusedTensors())
    _tidy_names(work)


def pixels_channels_last(work: Work) -> None:
    """Take NHWC pixels: no transpose is left to software."""
    work.model = passes.channels_last_input(work.model)
    work.layout = "NHWC"
    _tidy_names(work)


def integer_logits(work: Work) -> None:
    """Take the trailing scale and bias out: they become ``logit_scale`` and ``logit_bias``."""
    work.model = passes.strip_logit_affine(work.model)
    work.integer_output = True
    _tidy_names(work)
    passes.require_integers(work.model, STREAMLINED_OPS)


def exact_thresholds(work: Work) -> None:
    """Put exact integer thresholds in the place of FINN's float32 ones."""
    from qonnx.transformation.infer_datatypes import InferDataTypes

    work.thresholds = write_thresholds(work.model, work.network)
    work.exact = True
    _apply(work, InferDataTypes())


def to_hardware_layers(work: Work) -> None:
    """Matrix products and thresholds become MVAUs, windows and pools hardware layers."""
    from finn.transformation.fpgadataflow.convert_to_hw.conv_inp_gen import InferConvInpGen
    from finn.transformation.fpgadataflow.convert_to_hw.pool import InferPool
    from finn.transformation.fpgadataflow.convert_to_hw.quantized_matrix_vector_activation import (
        InferQuantizedMatrixVectorActivation,
    )
    from finn.transformation.move_reshape import RemoveCNVtoFCFlatten
    from finn.transformation.streamline.absorb import AbsorbConsecutiveTransposes

    _apply(
        work,
        InferQuantizedMatrixVectorActivation(),
        InferPool(),
        InferConvInpGen(),
        RemoveCNVtoFCFlatten(),
        AbsorbConsecutiveTransposes(),
    )
    _tidy_names(work)
    passes.require_integers(work.model, HARDWARE_OPS)


def minimise_widths(work: Work) -> None:
    """Narrow weights and accumulators to what their values need."""
    from finn.transformation.fpgadataflow.minimize_accumulator_width import MinimizeAccumulatorWidth
    from finn.transformation.fpgadataflow.minimize_weight_bit_width import MinimizeWeightBitWidth
    from qonnx.transformation.general import RemoveUnusedTensors

    _apply(work, MinimizeWeightBitWidth(), MinimizeAccumulatorWidth(), RemoveUnusedTensors())
    _tidy_names(work)


STEPS: tuple[Step, ...] = tuple(
    Step(function.__name__, function)
    for function in (
        canonicalise,
        annotate_pixels,
        qonnx_to_finn,
        streamline,
        lower_convolutions,
        streamline_again,
        pixels_channels_last,
        integer_logits,
        exact_thresholds,
        to_hardware_layers,
        minimise_widths,
    )
)
