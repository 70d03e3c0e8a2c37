"""What :mod:`quant_models.train` is made of: configuration, data, augmentation, one phase, the run folder."""
