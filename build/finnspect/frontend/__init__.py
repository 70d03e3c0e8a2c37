"""From a QONNX model to the dataflow graph, with FINN's transformations beside it.

:func:`compile_package` and :func:`compile_qonnx` are the entrances. What cannot be compiled is
refused by :func:`read_network` before FINN is even imported. A new operator is a function registered with
``state.handles``, a new layer one registered with ``lower.lower_layer``.
"""

from finnspect.frontend.check import (
    QonnxCheck,
    check_against_finn,
    check_against_package,
    check_against_qonnx,
)
from finnspect.frontend.compile import FrontendReport, FrontendResult, compile_package, compile_qonnx
from finnspect.frontend.network import Network
from finnspect.frontend.qonnx_file import load_qonnx
from finnspect.frontend.reader import read_network

__all__ = [
    "FrontendReport",
    "FrontendResult",
    "Network",
    "QonnxCheck",
    "check_against_finn",
    "check_against_package",
    "check_against_qonnx",
    "compile_package",
    "compile_qonnx",
    "load_qonnx",
    "read_network",
]
