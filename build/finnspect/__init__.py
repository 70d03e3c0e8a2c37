"""finnspect: from a quantization-aware surface-defect model to a bit-exact FPGA accelerator."""

__version__ = "0.1.0"
