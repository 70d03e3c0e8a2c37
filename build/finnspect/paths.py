"""Where the repository's own files are. The only place that knows."""

from __future__ import annotations

from pathlib import Path

#: Root of the checkout.
ROOT = Path(__file__).resolve().parents[2]
#: Hand-written SystemVerilog library.
RTL_DIR = ROOT / "hw" / "rtl"
#: Board-independent shell.
SHELL_DIR = ROOT / "hw" / "shell"
#: One folder a board.
BOARDS_DIR = ROOT / "hw" / "boards"
#: Simulation sources.
SIM_DIR = ROOT / "hw" / "sim"
#: One file a (model, board) pair.
CONFIGS_DIR = ROOT / "build" / "configs"
#: Model packages that the repository ships.
PACKAGES_DIR = ROOT / "quant_models" / "packages"
#: Harnesses of the formal proofs.
FORMAL_DIR = ROOT / "hw" / "formal"
