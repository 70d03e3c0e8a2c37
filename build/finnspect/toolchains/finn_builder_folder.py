"""The folder of a FINN build: all that FINN's builder needs, so that it runs here or on another machine.

Contents: FINN's graph, FINN's configuration, the folding by FINN's names, a script that runs the build, what
the driver must know of the result, and a page that says how to go on.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from finnspect.board import Board
from finnspect.doctor import distribution_version
from finnspect.errors import ToolError
from finnspect.folding import Folding
from finnspect.ir import DataflowGraph
from finnspect.toolchains.finn_builder_config import (
    CONFIG_FILE,
    FCLK_MHZ,
    FOLDING_FILE,
    MODEL_FILE,
    OUTPUT_DIR,
    build_config,
    write_config,
)
from finnspect.toolchains.finn_builder_estimates import FinnEstimates, read_estimates
from finnspect.toolchains.finn_builder_steps import run_finn_steps

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

DISTRIBUTION = "finn-plus"
HANDOFF_FILE = "handoff.json"
SCRIPT_FILE = "run_finn.py"
GUIDE_FILE = "README.txt"
HANDOFF_FORMAT = "finnspect-finn-handoff"
HANDOFF_VERSION = 1


@dataclass(frozen=True)
class Handoff:
    """What a driver must know of FINN's accelerator, before it is built.

    Parameters
    ----------
    finn_version
        Of the distribution that the folder was made with.
    clock_mhz, fclk_mhz
        Clock of the core, and the processor's, from which FINN's shell makes it.
    input, output
        ``datatype`` by FINN's name; shape of a frame as it is (``normal``), in stream words (``folded``) and
        in bytes as the DMA moves them (``packed``).
    nodes
        Layer -> names of FINN's nodes.
    estimates
        FINN's estimates.
    """

    board: str
    part: str
    finn_version: str
    clock_mhz: float
    fclk_mhz: float
    input: dict[str, Any]
    output: dict[str, Any]
    nodes: dict[str, list[str]]
    estimates: dict[str, Any]

    @property
    def output_bits(self) -> int:
        """Bits of a logit."""
        return self.output["bits"]

    @property
    def output_pe(self) -> int:
        """Logits in a word."""
        return self.output["folded"][-1]

    def save(self, folder: Path) -> None:
        """Write ``handoff.json``."""
        document = {"format": HANDOFF_FORMAT, "format_version": HANDOFF_VERSION, **vars(self)}
        (folder / HANDOFF_FILE).write_text(json.dumps(document, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Handoff:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ToolError
            It is not there, or of another version.
        """
        path = folder / HANDOFF_FILE
        try:
            document = json.loads(path.read_text())
            if (document.pop("format"), document.pop("format_version")) != (HANDOFF_FORMAT, HANDOFF_VERSION):
                raise ValueError("another format version")
            return cls(**document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ToolError(f"{path} is no hand-off of a FINN build: {error}", "build it again") from error


def write_build_folder(
    graph: DataflowGraph,
    folding: Folding,
    finn_model_path: Path,
    board: Board,
    clock_mhz: float,
    folder: Path,
    progress: Callable[[str], None] = lambda line: None,
    images: np.ndarray | None = None,
) -> Handoff:
    """Write the folder of a FINN build, after all of FINN's steps that need no Vivado have been run.

    Parameters
    ----------
    graph, folding, finn_model_path
        Front end's graph and FINN's model of the same compilation.
    folder
        Made if missing.
    images
        As :func:`run_finn_steps`.

    Raises
    ------
    ConfigError, ToolError, UnsupportedModelError, VerificationError
        As :func:`build_config` and :func:`run_finn_steps`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HANDOFF_FILE).unlink(missing_ok=True)
    config = build_config(board, clock_mhz, folder)
    progress("FINN's own steps, as far as they need no Vivado")
    with tempfile.TemporaryDirectory(prefix="finn-", dir=folder) as name:
        scratch = Path(name)
        finn = run_finn_steps(graph, folding, finn_model_path, config, scratch, images)
        estimates = read_estimates(scratch / OUTPUT_DIR / "report", finn.names)
    progress(
        f"FINN's estimates: {estimates.max_cycles} cycles a frame, limited by {estimates.slowest}; "
        f"{estimates.total['LUT']:.0f} LUT, {estimates.total['BRAM_18K']:.0f} block RAMs of 18 kbit, "
        f"{estimates.total['DSP']:.0f} DSP"
    )
    shutil.copyfile(finn_model_path, folder / MODEL_FILE)
    write_config(config, folder)
    handoff = make_handoff(finn.model, finn.names, estimates, board, clock_mhz)
    for file, template in ((SCRIPT_FILE, "finn_run.py.j2"), (GUIDE_FILE, "finn_readme.txt.j2")):
        (folder / file).write_text(_render(template, handoff))
    (folder / SCRIPT_FILE).chmod(0o755)
    handoff.save(folder)  # last: it stands for a whole folder
    return handoff


def make_handoff(
    model: ModelWrapper,
    names: dict[str, tuple[str, ...]],
    estimates: FinnEstimates,
    board: Board,
    clock_mhz: float,
) -> Handoff:
    """Return what FINN's own driver would be told: shapes and types at both ends of its graph."""
    from qonnx.custom_op.registry import getCustomOp

    first, last = (getCustomOp(model.graph.node[index]) for index in (0, -1))
    return Handoff(
        board=board.name,
        part=board.part.name,
        finn_version=distribution_version(DISTRIBUTION) or "absent",
        clock_mhz=clock_mhz,
        fclk_mhz=FCLK_MHZ,
        input=_end(model, model.graph.input[0].name, first.get_folded_input_shape()),
        output=_end(model, model.graph.output[0].name, last.get_folded_output_shape()),
        nodes={layer: list(nodes) for layer, nodes in names.items()},
        estimates=estimates.to_json(),
    )


def _end(model: ModelWrapper, tensor: str, folded: tuple[int, ...]) -> dict[str, Any]:
    from finn.util.data_packing import finnpy_to_packed_bytearray
    from qonnx.util.basic import gen_finn_dt_tensor

    dtype = model.get_tensor_datatype(tensor)
    folded = tuple(int(size) for size in folded)
    packed = finnpy_to_packed_bytearray(gen_finn_dt_tensor(dtype, folded), dtype)
    return {
        "datatype": dtype.name,
        "bits": dtype.bitwidth(),
        "signed": dtype.signed(),
        "normal": list(model.get_tensor_shape(tensor)),
        "folded": list(folded),
        "packed": list(packed.shape),
    }


def _render(template: str, handoff: Handoff) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("finnspect.toolchains"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    return environment.get_template(template).render(
        distribution=DISTRIBUTION,
        version=handoff.finn_version,
        board=handoff.board,
        clock_mhz=handoff.clock_mhz,
        config=CONFIG_FILE,
        model=MODEL_FILE,
        folding=FOLDING_FILE,
        output=OUTPUT_DIR,
        script=SCRIPT_FILE,
        handoff=HANDOFF_FILE,
    )
