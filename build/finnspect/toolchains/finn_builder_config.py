"""The configuration of FINN's builder: its own class, for a board of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finnspect.board import Board, ProcessorClock
from finnspect.errors import ConfigError
from finnspect.toolchains.finn_builder_steps import BUILD_STEPS

if TYPE_CHECKING:
    from finn.builder.build_dataflow_config import DataflowBuildConfig

#: Our board -> FINN's name of it.
BOARDS = {"pynq-z1": "Pynq-Z1", "pynq-z2": "Pynq-Z2"}
#: FINN's Zynq shell asks the processor for this clock, and makes the core's from it in the fabric.
FCLK_MHZ = 100.0
CONFIG_FILE = "finn_config.yaml"
FOLDING_FILE = "folding.json"
MODEL_FILE = "model.onnx"
#: Folder of FINN's results, relative to the configuration.
OUTPUT_DIR = "output"


def core_clock_mhz(board: Board, clock_mhz: float | None) -> float:
    """Return the core clock; FINN's clock generator makes any, so it is as asked for."""
    assert isinstance(board.clock, ProcessorClock)
    wanted = board.clock.default_mhz if clock_mhz is None else clock_mhz
    if not 10 <= wanted <= 250:
        raise ConfigError(f"a clock of {wanted:g} MHz is asked for", "choose 10 to 250 MHz")
    return wanted


def build_config(board: Board, clock_mhz: float, folder: Path) -> DataflowBuildConfig:
    """Return FINN's configuration of a build, its paths in ``folder``.

    Raises
    ------
    ConfigError
        FINN does not know the board, or knows it with another part.
    """
    from finn.builder.build_dataflow_config import DataflowBuildConfig, DataflowOutputType, ShellFlowType

    if board.name not in BOARDS:
        raise ConfigError(f"FINN's builder has no board {board.name!r}", f"boards: {', '.join(BOARDS)}")
    outputs = DataflowOutputType
    config = DataflowBuildConfig(
        output_dir=OUTPUT_DIR,
        synth_clk_period_ns=1000.0 / clock_mhz,
        generate_outputs=[
            outputs.ESTIMATE_REPORTS,
            outputs.BITFILE,
            outputs.PYNQ_DRIVER,
            outputs.DEPLOYMENT_PACKAGE,
        ],
        board=BOARDS[board.name],
        shell_flow_type=ShellFlowType.VIVADO_ZYNQ,
        folding_config_file=folder / FOLDING_FILE,
        steps=list(BUILD_STEPS),
    )
    part = config._resolve_fpga_part()
    if part != board.part.name:
        raise ConfigError(
            f"FINN has {board.name} with {part}, board.toml says {board.part.name}", "correct board.toml"
        )
    return config


def write_config(config: DataflowBuildConfig, folder: Path) -> Path:
    """Write the configuration as FINN's own class does, with paths that hold wherever the folder lies."""
    from dataclasses import replace

    path = folder / CONFIG_FILE
    path.write_text(replace(config, folding_config_file=Path(FOLDING_FILE)).to_yaml())
    return path
