"""Emission: dataflow graph and folding in, SystemVerilog, memory images and a manifest out."""

from finnspect.emit import join_layers, window_layers  # noqa: F401 - they register their emitters
from finnspect.emit.accelerator import Accelerator, EmitOptions, emit_accelerator

__all__ = ["Accelerator", "EmitOptions", "emit_accelerator"]
