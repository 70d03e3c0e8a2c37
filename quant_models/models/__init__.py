"""Topologies by name: ``<family>_w<weight bits>a<activation bits>``, for example ``cnv_w4a4``.

``cnv-x0.5_w4a4`` has half the channels of its family. A family is registered with
:func:`register_model` by a file of this package; :func:`build_model` makes the quantized network,
:func:`build_float_twin` the same network in float with the same parameter names.
"""

from quant_models.models.registry import (
    ModelCost,
    available_models,
    build_float_twin,
    build_model,
    default_image_size,
    model_cost,
    model_name,
    parse_name,
    register_model,
)

from quant_models.models import cnv, dsnet, mlp, resnet, vgg  # isort: skip  (register their families)

__all__ = [
    "ModelCost",
    "available_models",
    "build_float_twin",
    "build_model",
    "cnv",
    "default_image_size",
    "dsnet",
    "mlp",
    "model_cost",
    "model_name",
    "parse_name",
    "register_model",
    "resnet",
    "vgg",
]
