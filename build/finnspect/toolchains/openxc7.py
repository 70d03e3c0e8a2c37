"""Zynq-7000 with open tools: yosys, nextpnr-xilinx (or upstream's himbaechel), Project X-Ray.

Only yosys is pip-installed; the rest is looked for (:mod:`finnspect.toolchains.openxc7_tools`). nextpnr times
look-up tables, carry chains, flip-flops and wires, but neither block RAM nor DSP nor the processor's ports:
what it calls Fmax is no sign-off, and every report says so.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finnspect.board import AxiBoard, Board
from finnspect.emit import Accelerator
from finnspect.errors import ToolError
from finnspect.shell import AxiSettings, axi_settings, stage_design
from finnspect.toolchains import openxc7_reports as reports
from finnspect.toolchains import xc7_synth
from finnspect.toolchains.ecp5_reports import check_fit, describe_nextpnr
from finnspect.toolchains.longrun import Command, failure_text, run_logged
from finnspect.toolchains.openxc7_bitfile import check_bit
from finnspect.toolchains.openxc7_tools import REMEDY, OpenXc7, find_openxc7
from finnspect.toolchains.result import RESULT_FILE, BitstreamResult
from finnspect.toolchains.xc7_handoff import write_hwh

NAME = "openxc7"
NOT_TIMED = (
    "Fmax is nextpnr's: paths into and out of block RAM, DSP48E1 and the processor are not timed by it, so "
    "it is no sign-off"
)
_DEFAULT_SEED = 1
#: Below this share of the wanted clock another seed does not help: seeds differ by some per cent.
_HOPELESS = 0.85


@dataclass(frozen=True)
class OpenXc7Options:
    """What may vary for one design.

    Parameters
    ----------
    seed
        First seed of place and route.
    attempts
        How many seeds are tried before a clock that is narrowly missed counts as missed.
    dsp
        Let yosys put multiplications into DSP48E1.
    """

    seed: int = _DEFAULT_SEED
    attempts: int = 3
    dsp: bool = True


# -- files and commands as data ----------------------------------------------------------------------


def constraints(board: Board) -> str:
    """Return the constraints file (``.xdc``). The design has no pins: the processor has its own."""
    return f"# {board.name}: clock, reset and data come from the processor; there are no pins to place.\n"


def place_route_command(tools: OpenXc7, board: Board, clock_mhz: float, seed: int) -> Command:
    """Return the nextpnr command. A missed clock is no failure to it: its log is judged afterwards."""
    # The tools' own default seed is not written out.
    again = ("--seed", str(seed)) if seed != _DEFAULT_SEED else ()
    timing = ("--freq", f"{clock_mhz:.6g}", "--timing-allow-fail", *again)
    start = (str(tools.nextpnr), "--chipdb", str(tools.chipdb))
    if tools.style == "xilinx":
        files = ("--xdc", "pins.xdc", "--json", xc7_synth.NETLIST, "--fasm", "design.fasm")
        return Command("pnr", (*start, *files, *timing), "pnr.log")
    files = ("--device", board.part.name, "-o", "xdc=pins.xdc")
    files += ("--json", xc7_synth.NETLIST, "-o", "fasm=design.fasm")
    return Command("pnr", (*start, *files, *timing, "--report", "pnr.json"), "pnr.log")


def frames_command(tools: OpenXc7, board: Board) -> Command:
    """Return the command that turns features into configuration frames."""
    argv = (str(tools.fasm2frames), "--part", board.part.name, "--db-root", str(tools.database))
    return Command("frames", (*argv, "design.fasm", "design.frames"), "frames.log")


def bit_command(tools: OpenXc7, board: Board, bitstream: str) -> Command:
    """Return the command that packs the frames into a bit file."""
    part = board.part.name
    argv = (str(tools.xc7frames2bit), "--part_file", str(tools.database / part / "part.yaml"))
    argv += ("--part_name", part, "--frm_file", "design.frames", "--output_file", bitstream)
    return Command("pack", argv, "pack.log")


def tool_versions(board: Board) -> dict[str, str]:
    """Return the versions of the tools for a board's part.

    Raises
    ------
    ToolError
        One is missing.
    """
    return xc7_synth.tool_versions() | find_openxc7(board.part).versions()


# -- the build -----------------------------------------------------------------------------------------


@dataclass
class _Run:
    """One build: where, with what, and what it said."""

    tools: OpenXc7
    board: AxiBoard
    settings: AxiSettings
    options: OpenXc7Options
    folder: Path
    progress: Callable[[str], None]
    seconds: dict[str, float]

    def step(self, command: Command, what: str, describe: Callable[[str], str | None]) -> None:
        """Run a command; a failure shows the tool's own lines, with a remedy where it is a known one."""
        code, seconds = run_logged(
            command,
            self.folder,
            what,
            describe=describe,
            progress=self.progress,
            install=REMEDY,
            check=False,
        )
        self.seconds[command.name] = self.seconds.get(command.name, 0.0) + seconds
        if code != 0:
            text = failure_text(command, self.folder)
            raise reports.tool_failure(what, code, text, self.board, str(self.folder / command.log))


def build_bitstream(
    accelerator: Accelerator,
    board: Board,
    clock_mhz: float | None,
    build_id: str,
    out_dir: Path,
    progress: Callable[[str], None] = lambda line: None,
    options: OpenXc7Options | None = None,
    tools: OpenXc7 | None = None,
) -> BitstreamResult:
    """Make the bitstream of an accelerator in ``out_dir``.

    Parameters are those of :func:`finnspect.toolchains.ecp5.build_bitstream`; ``tools`` are looked for
    where they are not given.

    Raises
    ------
    ResourceError
        The design does not fit: says which resource and by how much.
    TimingError
        The clock was missed: names it, wanted, got and the slowest path.
    ToolError
        A tool is missing or failed, or the bit file is not sound; carries the lines that matter.
    """
    assert isinstance(board, AxiBoard)
    options = options or OpenXc7Options()
    tools = tools or find_openxc7(board.part)
    settings = axi_settings(accelerator, board, clock_mhz, build_id)
    out_dir.mkdir(parents=True, exist_ok=True)
    bitstream = out_dir / f"{board.name}.bit"
    for name in (RESULT_FILE, bitstream.name):
        (out_dir / name).unlink(missing_ok=True)
    run = _Run(tools, board, settings, options, out_dir, progress, {})
    begun = time.monotonic()

    sources = stage_design(accelerator, board, settings, out_dir)
    synth = xc7_synth.Xc7SynthOptions(dsp=options.dsp)
    used = xc7_synth.synthesise(sources, board.top, out_dir, progress, run.seconds, synth)
    check_fit(used, board)
    notes = [NOT_TIMED, *_check_netlist(run)]
    (out_dir / "pins.xdc").write_text(constraints(board))
    report, seed = _meet_timing(run)
    _pack(run, bitstream)
    hwh = write_hwh(board, settings.clock_mhz, bitstream)
    run.seconds["total"] = time.monotonic() - begun
    result = BitstreamResult(
        toolchain=NAME,
        bitstream=bitstream,
        hwh=hwh,
        clock_mhz=settings.clock_mhz,
        fmax_mhz=report.fmax_mhz,
        build_id=build_id,
        post_synthesis=used,
        resources=report.resources,
        available=report.available,
        critical_path=report.path,
        versions=xc7_synth.tool_versions() | tools.versions(),
        tools={"post-synthesis": "yosys", "post-route": tools.name},
        seconds=run.seconds,
        seed=seed,
        notes=tuple(notes),
    )
    result.save(out_dir)
    return result


def _check_netlist(run: _Run) -> list[str]:
    """Refuse what these tools are known to turn into wrong hardware; return what may be wrong."""
    document = json.loads((run.folder / xc7_synth.NETLIST).read_text())
    cells = reports.netlist_cells(document, run.board.top)
    lost = reports.initialised_lut_ram(cells)
    if lost and run.tools.style == "himbaechel":
        raise ToolError(
            f"{lost} LUT memories of 64 words have initial contents, which {run.tools.name} writes as zeros",
            "use openXC7's nextpnr-xilinx instead",
        )
    narrow = reports.nine_bit_block_ram(cells)
    if narrow:
        return [f"{narrow} block RAMs have 9-bit words: older openXC7 releases read the ninth bit as 0"]
    return []


def _meet_timing(run: _Run) -> tuple[reports.Xc7Report, int]:
    """Place and route with one seed after another until the clock is met; return report and seed."""
    best: reports.Xc7Report | None = None
    first = run.options.seed
    for seed in range(first, first + max(1, run.options.attempts)):
        command = place_route_command(run.tools, run.board, run.settings.clock_mhz, seed)
        (run.folder / "design.fasm").unlink(missing_ok=True)
        run.step(command, f"place and route ({run.tools.name}, seed {seed})", describe_nextpnr)
        report = reports.parse_pnr_log((run.folder / command.log).read_text(errors="replace"))
        if report.met:
            return report, seed
        run.progress(f"seed {seed} reaches {report.fmax_mhz:.2f} MHz, {report.wanted_mhz:.2f} MHz wanted")
        if best is None or report.fmax_mhz > best.fmax_mhz:
            best = report
        if report.fmax_mhz < _HOPELESS * report.wanted_mhz:
            break
    assert best is not None
    reports.check_timing(best)
    raise AssertionError("a missed clock is an error")


def _pack(run: _Run, bitstream: Path) -> None:
    """Turn the placed design into a bit file, and read it back before it gets its name."""
    part = bitstream.with_suffix(".bit.part")
    part.unlink(missing_ok=True)
    run.step(frames_command(run.tools, run.board), "configuration frames (fasm2frames)", lambda line: None)
    run.step(
        bit_command(run.tools, run.board, part.name),
        "packing the bitstream (xc7frames2bit)",
        lambda line: None,
    )
    try:
        data = part.read_bytes()
    except OSError as error:
        raise ToolError(
            f"xc7frames2bit ended well but wrote no bit file: {error.strerror}",
            f"see {run.folder / 'pack.log'}",
        ) from error
    check_bit(data, run.board.part.device, run.board.part.name, whole=True)
    part.replace(bitstream)
