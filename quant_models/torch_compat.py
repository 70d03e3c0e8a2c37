"""Let brevitas 0.13 run, and train, on torch 2.13. Import this module before any brevitas layer is built.

torch 2.13 removed named tensors and with them ``Tensor.rename``, which brevitas 0.13.0 calls in every
quantized layer to drop names that no tensor can have any more. Without names the call is the identity.

Brevitas builds every quantizer anew when a state dict is loaded, so that the learned scales become
other parameters and an optimizer goes on with the old ones: scales would stop learning the first time
that the averaged weights are swapped in. It is told to load into the quantizers that are there.

Brevitas exports every quantizer of 1 bit as ``BipolarQuant``, -1 and +1. An unsigned one, whose codes are 0
and 1, is exported as the ``Quant`` that it is.
"""

from __future__ import annotations

from typing import Any

import torch


def _rename(self: torch.Tensor, *_names: Any, **_rename_map: Any) -> torch.Tensor:
    return self


if not hasattr(torch.Tensor, "rename"):
    torch.Tensor.rename = _rename

import brevitas.config  # noqa: E402  (brevitas needs the above)

brevitas.config.REINIT_ON_STATE_DICT_LOAD = False

from brevitas.export.onnx.qonnx import handler  # noqa: E402

_prepare_for_export = handler.BrevitasQuantProxyHandler.prepare_for_export


def _prepare(self: Any, module: Any) -> None:
    _prepare_for_export(self, module)
    if module.is_quant_enabled and not self.symbolic_kwargs["signed"]:
        self.quant_op = handler.BrevitasQuantOp


handler.BrevitasQuantProxyHandler.prepare_for_export = _prepare
