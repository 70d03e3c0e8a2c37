"""Zynq-7000 with AMD Vivado on our RTL: one batch run without a project.

The top instantiates the processor as a primitive, as for the open tools, so there is no block design: the
script needs no IP catalogue, and is the same for every version from 2020.1. PYNQ's boot code has configured
the processor (DDR, MIO, clocks); the description that PYNQ reads beside a bit file is written by us.
"""

from __future__ import annotations

import functools
import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from finnspect.board import AxiBoard, Board
from finnspect.doctor import available_cores
from finnspect.emit import Accelerator
from finnspect.emit.accelerator import TOP as CORE_TOP
from finnspect.errors import FlowError, ToolError
from finnspect.shell import axi_settings, stage_design
from finnspect.toolchains import vivado_reports as reports
from finnspect.toolchains.ecp5_reports import check_fit
from finnspect.toolchains.longrun import Command, run_logged
from finnspect.toolchains.openxc7_bitfile import check_bit
from finnspect.toolchains.result import RESULT_FILE, BitstreamResult
from finnspect.toolchains.xc7_handoff import write_hwh

NAME = "vivado"
OUT_OF_CONTEXT = "vivado-ooc"
SCRIPT, LOG = "build.tcl", "vivado.log"
REMEDY = (
    "install AMD Vivado 2020.1 or later (the free edition serves the xc7z020) and put it on PATH, "
    "or set VIVADO to its folder; see docs/toolchains.md"
)
OLDEST = (2020, 1)
#: Vivado takes no more threads for most of its steps.
_MAX_THREADS = 8
_TIMING_MISSED = 3
#: Instance of the processor in the boards' top modules.
_PROCESSOR = "u_ps7"
#: Seed 1 is the default road; Vivado has no seeds, but directives that differ about as much.
_DIRECTIVES = ("Default", "Explore", "AltSpreadLogic_high", "ExtraNetDelay_high")
_ROUTE_DIRECTIVES = {"Default", "Explore"}


@dataclass(frozen=True)
class Vivado:
    """The program, found.

    Parameters
    ----------
    program
        The executable.
    version
        As ``2023.2``.
    """

    program: Path
    version: str


def find_vivado(environ: Mapping[str, str] | None = None) -> Vivado:
    """Return Vivado: from the folder or program that ``VIVADO`` names, ``XILINX_VIVADO``, or PATH.

    Raises
    ------
    ToolError
        It is not there, does not run, or is too old.
    """
    environ = os.environ if environ is None else environ
    named = [Path(environ[name]) for name in ("VIVADO", "XILINX_VIVADO") if environ.get(name)]
    programs = [path if path.is_file() else path / "bin" / "vivado" for path in named]
    program = next((path for path in programs if path.is_file()), None)
    if program is None:
        found = shutil.which("vivado", path=environ.get("PATH", ""))
        if found is None:
            raise ToolError("Vivado is not here: no program 'vivado' was found", REMEDY)
        program = Path(found)
    version = _version(program)
    if tuple(map(int, version.split(".")[:2])) < OLDEST:
        raise ToolError(f"{program} is Vivado {version}, too old for this RTL", REMEDY)
    return Vivado(program, version)


@functools.cache
def _version(program: Path) -> str:
    try:
        done = subprocess.run(
            [str(program), "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{program} does not run: {error}", REMEDY) from error
    match = re.search(r"vivado\s+v(20\d\d\.\d+(?:\.\d+)?)", done.stdout, re.IGNORECASE)
    if match is None:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise ToolError(
            f"{program} -version does not say its version: {said[0] if said else 'nothing'}", REMEDY
        )
    return match[1]


def tool_versions() -> dict[str, str]:
    """Return the version of Vivado.

    Raises
    ------
    ToolError
        It is missing.
    """
    return {"vivado": find_vivado().version}


# -- files and commands as data ----------------------------------------------------------------------


@dataclass(frozen=True)
class VivadoOptions:
    """What may vary for one design.

    Parameters
    ----------
    seed
        Which of Vivado's placement directives: it has no seeds.
    out_of_context
        Place and route the core alone, without the processor and without a bit file.
    threads
        Threads of Vivado; as many as the machine has, up to 8, if None.
    """

    seed: int = 1
    out_of_context: bool = False
    threads: int | None = None

    @property
    def directive(self) -> str:
        """Directive of placement."""
        return _DIRECTIVES[(self.seed - 1) % len(_DIRECTIVES)]


def constraints(board: Board, clock_hz: int, *, out_of_context: bool = False) -> str:
    """Return the constraints (``.xdc``): the clock that the processor makes; there are no pins."""
    # Never longer than the clock's own period.
    period = math.floor(1e12 / clock_hz) / 1000
    if out_of_context:
        return (
            f"# {board.name}, the core alone.\n"
            f"create_clock -name clk -period {period:.3f} [get_ports clk]\n"
            "set_property HD.CLK_SRC BUFGCTRL_X0Y0 [get_ports clk]\n"
        )
    return (
        f"# {board.name}: clock, reset and data come from the processor; there are no pins to place.\n"
        f"create_clock -name fclk0 -period {period:.3f} [get_pins {{{_PROCESSOR}/FCLKCLK[0]}}]\n"
        "# Without pins, nothing else holds the design together.\n"
        f"set_property DONT_TOUCH true [get_cells {{{_PROCESSOR}}}]\n"
        "# The reset is asynchronous, and synchronised in the design.\n"
        f"set_false_path -through [get_pins {{{_PROCESSOR}/FCLKRESETN[0]}}]\n"
    )


def script(board: Board, sources: Sequence[str], options: VivadoOptions) -> str:
    """Return the Tcl script of the run."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("finnspect.toolchains", "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    alone = options.out_of_context
    directive = options.directive
    return environment.get_template("vivado.tcl.j2").render(
        title=f"{'the core alone' if alone else 'accelerator'} for {board.name}",
        sources=sources,
        top=CORE_TOP if alone else board.top,
        part=board.part.name,
        threads=options.threads or min(available_cores(), _MAX_THREADS),
        out_of_context=alone,
        directive=directive,
        route_directive=directive if directive in _ROUTE_DIRECTIVES else "Default",
        bitstream=None if alone else f"{board.name}.bit",
    )


def command(program: Path) -> Command:
    """Return the command that runs the script."""
    argv = (str(program), "-mode", "batch", "-nojournal", "-notrace", "-log", LOG, "-source", SCRIPT)
    return Command("vivado", argv, "vivado.out", LOG)


# -- the build -----------------------------------------------------------------------------------------


def stage_sources(names: Sequence[str], folder: Path, leave: Sequence[str] = ()) -> list[str]:
    """Bring sources up into ``folder`` itself, return their names there.

    Vivado looks for a memory image beside the source that reads it or where it runs: so both are one folder.

    Parameters
    ----------
    leave
        Sources that Vivado must not read: declarations of its own primitives would hide them.
    """
    flat = []
    for name in names:
        path = folder / name
        if path.name in leave:
            continue
        if path.name in flat:
            raise ToolError(f"two sources are called {path.name}")
        if path.parent != folder:
            shutil.copyfile(path, folder / path.name)
        flat.append(path.name)
    return flat


def build_bitstream(
    accelerator: Accelerator,
    board: Board,
    clock_mhz: float | None,
    build_id: str,
    out_dir: Path,
    progress: Callable[[str], None] = lambda line: None,
    options: VivadoOptions | None = None,
    vivado: Vivado | None = None,
) -> BitstreamResult:
    """Make the bitstream of an accelerator in ``out_dir``, or place and route the core alone.

    Parameters are those of :func:`finnspect.toolchains.ecp5.build_bitstream`; ``vivado`` is looked for
    where it is not given.

    Raises
    ------
    ResourceError
        The design does not fit: says which resource and by how much.
    TimingError
        The clock was missed: names it, wanted, got and the slowest path.
    ToolError
        Vivado is missing or failed, or the bit file is not sound; carries the lines that matter.
    """
    assert isinstance(board, AxiBoard)
    options = options or VivadoOptions()
    vivado = vivado or find_vivado()
    settings = axi_settings(accelerator, board, clock_mhz, build_id)
    out_dir.mkdir(parents=True, exist_ok=True)
    bitstream = None if options.out_of_context else out_dir / f"{board.name}.bit"
    for name in (RESULT_FILE, f"{board.name}.bit", "timing.rpt"):
        (out_dir / name).unlink(missing_ok=True)
    begun = time.monotonic()
    names = stage_design(accelerator, board, settings, out_dir)
    if options.out_of_context:
        names = list(accelerator.sources)
    sources = stage_sources(names, out_dir, board.synthesis_sources)
    (out_dir / SCRIPT).write_text(script(board, sources, options))
    (out_dir / "constraints.xdc").write_text(
        constraints(board, settings.clock_hz, out_of_context=options.out_of_context)
    )
    seconds: dict[str, float] = {}
    try:
        timing = _run(vivado, board, settings.clock_mhz, out_dir, progress, seconds)
    except FlowError:  # the script judges setup and hold; what else its reports show comes after the bit file
        (out_dir / f"{board.name}.bit").unlink(missing_ok=True)
        raise
    if bitstream is not None:
        _check_bitstream(bitstream, board)
        write_hwh(board, settings.clock_mhz, bitstream)
    seconds["total"] = time.monotonic() - begun
    result = _result(
        vivado, board, options, bitstream, timing, out_dir, seconds, build_id, settings.clock_mhz
    )
    result.save(out_dir)
    return result


def _run(
    vivado: Vivado,
    board: Board,
    clock_mhz: float,
    folder: Path,
    progress: Callable[[str], None],
    seconds: dict[str, float],
) -> reports.Timing:
    """Run the script, judge timing, return it."""
    code, seconds["vivado"] = run_logged(
        command(vivado.program),
        folder,
        f"Vivado {vivado.version}",
        describe=reports.describe,
        progress=progress,
        install=REMEDY,
        check=False,
    )
    report = folder / "timing.rpt"
    timed = report.is_file()
    if code not in (0, _TIMING_MISSED) or not timed:
        texts = [folder / name for name in (LOG, "vivado.out")]
        log = "\n".join(path.read_text(errors="replace") for path in texts if path.is_file())
        if used := _utilization(folder / "utilization_synth.rpt"):
            check_fit(used[0], board)
        raise reports.tool_failure(code, log, board, str(folder / LOG))
    timing = reports.parse_timing(report.read_text(errors="replace"))
    reports.check_timing(timing, clock_mhz)
    if code == _TIMING_MISSED:
        raise ToolError("Vivado says that timing was missed, its report that it was met", f"see {report}")
    return timing


def _utilization(path: Path) -> tuple[dict[str, int], dict[str, int]] | None:
    return reports.parse_utilization(path.read_text(errors="replace")) if path.is_file() else None


def _check_bitstream(bitstream: Path, board: Board) -> None:
    if not bitstream.is_file():
        raise ToolError(f"Vivado ended well but wrote no {bitstream.name}", f"see {bitstream.parent / LOG}")
    try:
        check_bit(bitstream.read_bytes(), board.part.device, board.part.name, whole=False)
    except ToolError:
        bitstream.unlink()
        raise


def _result(
    vivado: Vivado,
    board: Board,
    options: VivadoOptions,
    bitstream: Path | None,
    timing: reports.Timing,
    folder: Path,
    seconds: dict[str, float],
    build_id: str,
    clock_mhz: float,
) -> BitstreamResult:
    after, before = _utilization(folder / "utilization.rpt"), _utilization(folder / "utilization_synth.rpt")
    if after is None or before is None:
        raise ToolError("Vivado wrote no utilisation report", f"see {folder / LOG}")
    warnings = reports.critical_warnings((folder / LOG).read_text(errors="replace"))
    notes = ["power is Vivado's estimate without the design's own activity"]
    if options.out_of_context:
        notes.append("the core alone, out of context: without the shell and the processor, no bitstream")
    if warnings:
        notes.append(f"Vivado gave {len(warnings)} critical warnings, the first: {warnings[0]}")
    return BitstreamResult(
        toolchain=OUT_OF_CONTEXT if options.out_of_context else NAME,
        bitstream=bitstream,
        hwh=bitstream.with_suffix(".hwh") if bitstream else None,
        clock_mhz=clock_mhz,
        fmax_mhz=timing.fmax_mhz,
        build_id=build_id,
        post_synthesis=before[0],
        resources=after[0],
        available=after[1],
        critical_path=str(timing.path),
        versions={"vivado": vivado.version},
        tools={"post-synthesis": "Vivado", "post-route": "Vivado"},
        seconds=seconds,
        seed=options.seed,
        notes=tuple(notes),
        power_w=reports.parse_power((folder / "power.rpt").read_text(errors="replace")),
    )
