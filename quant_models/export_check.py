"""Whether exported graphs compute what torch computes, on the whole test part.

Two exports are executed: QONNX, by QONNX's own executor, and QCDQ (quantize, clip, dequantize: plain
ONNX), by onnxruntime. Exact ties between logits are counted apart: there the order of float sums decides.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from finnspect.errors import PackageError

from quant_models.evaluate import has_tie, logits_of, predictions
from quant_models.qonnx_tools import Execution, execute, quiet_exporter
from quant_models.quantizers import weight_bits

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

#: Share of predictions that may change between torch and an export before it is refused.
_MAX_CHANGED = 0.02


def compare_exports(net: torch.nn.Module, model: ModelWrapper, images: np.ndarray) -> dict[str, Any]:
    """Count where torch, QONNX and QCDQ differ.

    Parameters
    ----------
    net
        The trained network.
    model
        Its QONNX graph.
    images
        uint8, shape (N, H, W, C).

    Returns
    -------
    dict
        Counts; ``qcdq`` holds those of QCDQ against torch, or the reason why there is none.

    Raises
    ------
    PackageError
        An export changed more predictions than rounding can.
    """
    codes = torch.from_numpy(images).permute(0, 3, 1, 2)
    torch_logits = logits_of(net, codes).numpy()
    result = execute(model, images)
    tied = has_tie(result.comparable())
    differs = predictions(torch_logits) != predictions(result.comparable())
    return {
        "kind": "torch against QONNX execution, on the test images of the run",
        "images": len(images),
        "images_with_other_integers": int((result.steps(torch_logits) != result.integers).any(1).sum()),
        "changed_predictions": _few(int((differs & ~tied).sum()), len(images), "QONNX"),
        "changed_predictions_at_ties": int((differs & tied).sum()),
        "ties": int(tied.sum()),
        "qcdq": _compare_qcdq(net, images, torch_logits, result, tied),
    }


def _few(changed: int, images: int, kind: str) -> int:
    if changed > _MAX_CHANGED * images:
        raise PackageError(
            f"{changed} of {images} predictions differ between torch and the exported {kind} file",
            "report this: the exporter changed the network",
        )
    return changed


def _compare_qcdq(
    net: torch.nn.Module, images: np.ndarray, torch_logits: np.ndarray, result: Execution, tied: np.ndarray
) -> dict[str, Any]:
    import onnxruntime

    bipolar = any(weight_bits(m) == 1 for m in net.modules() if hasattr(m, "weight_quant"))
    if bipolar:
        return {"skipped": "QCDQ has no form for bipolar weights"}
    logits = run_qcdq(net, images)
    differs = predictions(logits) != predictions(torch_logits)
    return {
        "kind": f"torch against QCDQ in onnxruntime {onnxruntime.__version__}",
        "images_with_other_integers": int((result.steps(logits) != result.steps(torch_logits)).any(1).sum()),
        "changed_predictions": _few(int((differs & ~tied).sum()), len(images), "QCDQ"),
        "changed_predictions_at_ties": int((differs & tied).sum()),
    }


def run_qcdq(net: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    """Export a network to QCDQ and execute it in onnxruntime.

    Parameters
    ----------
    images
        uint8, shape (N, H, W, C).

    Returns
    -------
    numpy.ndarray
        float32, shape (N, classes).
    """
    import onnxruntime
    from brevitas.export import export_onnx_qcdq

    options = onnxruntime.SessionOptions()
    # Its threads spin while they wait, which on a busy machine costs minutes; torch's limit holds here too.
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    height, width, channels = images.shape[1:]
    with tempfile.TemporaryDirectory() as folder, quiet_exporter():
        path = Path(folder) / "qcdq.onnx"
        sample = torch.zeros(1, channels, height, width)
        export_onnx_qcdq(
            net.eval(), sample, str(path), dynamo=True, optimize=True, verbose=False, external_data=False
        )
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    codes = images.transpose(0, 3, 1, 2).astype(np.float32)
    return np.concatenate([session.run(None, {name: code[None]})[0] for code in codes])
