"""Surface-defect data sets, quantization-aware models, training and export."""
