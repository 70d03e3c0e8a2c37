"""Let brevitas 0.13 run on torch 2.13. Import this module before any brevitas layer is built.

torch 2.13 removed named tensors and with them ``Tensor.rename``, which brevitas 0.13.0 calls in every
quantized layer to drop names that no tensor can have any more. Without names the call is the identity.
"""

from __future__ import annotations

from typing import Any

import torch


def _rename(self: torch.Tensor, *_names: Any, **_rename_map: Any) -> torch.Tensor:
    return self


if not hasattr(torch.Tensor, "rename"):
    torch.Tensor.rename = _rename
