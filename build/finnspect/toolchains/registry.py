"""Every road from an emitted core to hardware: what it serves, whether its tools are here, how to run it.

Only light modules are imported here; the roads themselves are imported when they are looked for or run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from finnspect.board import Board, load_board
from finnspect.config import DEFAULT_BOARD, unknown_name
from finnspect.errors import ConfigError, ToolError

if TYPE_CHECKING:
    from finnspect.emit import Accelerator
    from finnspect.toolchains.result import BitstreamResult

AUTO = "auto"
#: Golden images that FINN executes: its executor takes some 0.05 s an image.
_FINN_IMAGES = 16
#: The board that stands for the PYNQ boards where none is named.
PYNQ_BOARD = "pynq-z2"
GUIDE = "docs/toolchains.md"


@dataclass(frozen=True)
class Job:
    """What to build, and where.

    Parameters
    ----------
    clock_mhz
        Core clock; the board's default if None.
    seed
        First seed of place and route.
    build_id
        32 hexadecimal digits that the hardware reports.
    out_dir
        Folder of the build; ``bitstream.json`` comes last.
    progress
        Called with one line a step and now and then within one.
    model_dir
        Folder of the front end: dataflow graph and FINN's model.
    package_dir
        The model package: its golden images.
    prepared
        What the road's ``prepare`` left.
    """

    accelerator: Accelerator
    board: Board
    clock_mhz: float | None
    seed: int
    build_id: str
    out_dir: Path
    progress: Callable[[str], None]
    model_dir: Path | None = None
    package_dir: Path | None = None
    prepared: Path | None = None


@dataclass(frozen=True)
class Toolchain:
    """A road.

    Parameters
    ----------
    name, title
        As named on the command line, and in words.
    families
        Families of parts it serves.
    bitstream
        It makes one; else it ends before.
    versions
        Returns tool -> version for a board; raises ToolError, with the remedy, when a tool is missing.
    build
        Runs it.
    automatic
        ``auto`` may choose it; otherwise it must be asked for.
    virtual
        A deploy zip is made although there is no bitstream: for the virtual board.
    prepare
        Runs before, as a stage of its own: its result is kept where ``build`` fails.
    short_of
        Returns what else a bitstream needs, each in words; without, the road runs but ends before.
    """

    name: str
    title: str
    families: tuple[str, ...]
    bitstream: bool
    versions: Callable[[Board], dict[str, str]]
    build: Callable[[Job], BitstreamResult]
    automatic: bool = True
    virtual: bool = False
    prepare: Callable[[Job], None] | None = None
    short_of: Callable[[], list[str]] = list

    @property
    def deploys(self) -> bool:
        """A deploy zip is made of its result; one without a bitstream serves the virtual board."""
        return self.bitstream or self.virtual

    def lacking(self, board: Board) -> ToolError | None:
        """Return why it cannot run for a board on this machine, None when it can."""
        try:
            self.versions(board)
        except ToolError as error:
            return error
        return None

    def found(self, board: Board) -> str:
        """Return its tools and their versions in words; only of one that can run."""
        return ", ".join(f"{tool} {version}" for tool, version in self.versions(board).items())


def _ecp5_versions(board: Board) -> dict[str, str]:
    from finnspect.toolchains.ecp5 import tool_versions

    return tool_versions()


def _ecp5_build(job: Job) -> BitstreamResult:
    from finnspect.toolchains.ecp5 import Ecp5Options, build_bitstream

    options = Ecp5Options(seed=job.seed)
    return build_bitstream(
        job.accelerator, job.board, job.clock_mhz, job.build_id, job.out_dir, job.progress, options
    )


def _none_build(job: Job) -> BitstreamResult:
    from finnspect.toolchains.simulated import build_nothing

    return build_nothing(job.accelerator, job.board, job.clock_mhz, job.build_id, job.out_dir)


def _synth_versions(board: Board) -> dict[str, str]:
    from finnspect.toolchains.xc7_synth import tool_versions

    return tool_versions()


def _synth_build(job: Job) -> BitstreamResult:
    from finnspect.toolchains.xc7_synth import build_synthesis

    return build_synthesis(job.accelerator, job.board, job.clock_mhz, job.build_id, job.out_dir, job.progress)


def _vivado_versions(board: Board) -> dict[str, str]:
    from finnspect.toolchains.vivado import tool_versions

    return tool_versions()


def _vivado_build(job: Job) -> BitstreamResult:
    return _vivado(job, out_of_context=False)


def _vivado_alone(job: Job) -> BitstreamResult:
    return _vivado(job, out_of_context=True)


def _vivado(job: Job, *, out_of_context: bool) -> BitstreamResult:
    from finnspect.toolchains.vivado import VivadoOptions, build_bitstream

    options = VivadoOptions(seed=max(1, job.seed), out_of_context=out_of_context)
    return build_bitstream(
        job.accelerator, job.board, job.clock_mhz, job.build_id, job.out_dir, job.progress, options
    )


def _openxc7_versions(board: Board) -> dict[str, str]:
    from finnspect.toolchains.openxc7 import tool_versions

    return tool_versions(board)


def _openxc7_build(job: Job) -> BitstreamResult:
    from finnspect.toolchains.openxc7 import OpenXc7Options, build_bitstream

    options = OpenXc7Options(seed=job.seed)
    return build_bitstream(
        job.accelerator, job.board, job.clock_mhz, job.build_id, job.out_dir, job.progress, options
    )


def _finn_versions(board: Board) -> dict[str, str]:
    from finnspect.toolchains.finn_builder import tool_versions

    return tool_versions(board)


def _finn_short_of() -> list[str]:
    from finnspect.toolchains.finn_builder import missing_tools

    return missing_tools()


def _finn_prepare(job: Job) -> None:
    from finnspect.folding import Folding
    from finnspect.frontend.compile import FINN_MODEL_FILE
    from finnspect.package import ModelPackage
    from finnspect.toolchains.finn_builder import prepare

    assert job.model_dir is not None
    assert job.package_dir is not None
    prepare(
        job.model_dir,
        job.model_dir / FINN_MODEL_FILE,
        Folding.of(job.accelerator.manifest["folding"]),
        job.board,
        job.clock_mhz,
        job.out_dir,
        job.progress,
        ModelPackage.load(job.package_dir).golden().images[:_FINN_IMAGES],
    )


def _finn_build(job: Job) -> BitstreamResult:
    from finnspect.toolchains.finn_builder import build_bitstream

    assert job.prepared is not None
    return build_bitstream(job.prepared, job.board, job.out_dir, job.progress)


_ALL = (
    Toolchain("ecp5", "yosys and nextpnr for Lattice ECP5", ("ecp5",), True, _ecp5_versions, _ecp5_build),
    Toolchain("vivado", "AMD Vivado", ("xc7",), True, _vivado_versions, _vivado_build),
    Toolchain(
        "vivado-ooc",
        "AMD Vivado, the core alone",
        ("xc7",),
        False,
        _vivado_versions,
        _vivado_alone,
        automatic=False,
    ),
    Toolchain(
        "openxc7",
        "the openXC7 tools (nextpnr-xilinx, Project X-Ray)",
        ("xc7",),
        True,
        _openxc7_versions,
        _openxc7_build,
    ),
    Toolchain(
        "synth", "yosys for Xilinx 7 series, resources only", ("xc7",), False, _synth_versions, _synth_build
    ),
    Toolchain(
        "finn",
        "FINN's own builder (Vivado, Vitis HLS), in FINN's shell",
        ("xc7",),
        True,
        _finn_versions,
        _finn_build,
        automatic=False,  # without Vivado it writes the folder of the build and stops: only for who asks
        prepare=_finn_prepare,
        short_of=_finn_short_of,
    ),
    Toolchain(
        "none",
        "no tools, a deploy zip for the virtual board",
        ("ecp5", "xc7"),
        False,
        lambda board: {},
        _none_build,
        automatic=False,
        virtual=True,
    ),
)
#: Name -> road; where a board lists none of them, the ones that ``auto`` likes best come first.
TOOLCHAINS: dict[str, Toolchain] = {toolchain.name: toolchain for toolchain in _ALL}


def toolchains_for(board: Board) -> list[Toolchain]:
    """Return the roads that serve a board, best first: as the board lists them, then the others."""
    named = [TOOLCHAINS[name] for name in board.toolchains if name in TOOLCHAINS]
    others = [each for each in TOOLCHAINS.values() if board.part.family in each.families]
    return list(dict.fromkeys([*named, *others]))


@dataclass(frozen=True)
class Choice:
    """A board, a road to it, and why.

    Parameters
    ----------
    said
        Lines for the user: what was found and why this was chosen.
    """

    board: str
    toolchain: str
    said: tuple[str, ...] = ()


def choose(toolchain: str | None = None, board: str | None = None) -> Choice:
    """Return the road to take, and the board where none is named.

    With ``auto`` (or None) it is the best road whose tools are here: to a PYNQ board where a tool makes
    bitstreams for one, else to the default board, whose tools are pip-installed.

    Raises
    ------
    ConfigError
        Unknown board or toolchain, or the toolchain does not serve the board.
    ToolError
        The tools of the toolchain asked for are not here; says how to get them.
    """
    if toolchain is None or toolchain == AUTO:
        return _choose(board)
    if toolchain not in TOOLCHAINS:
        raise unknown_name("toolchain", toolchain, [*TOOLCHAINS, AUTO])
    wanted = TOOLCHAINS[toolchain]
    if board is None:
        board = next(
            name for name in (DEFAULT_BOARD, PYNQ_BOARD) if load_board(name).part.family in wanted.families
        )
    served = toolchains_for(load_board(board))
    if wanted not in served:
        raise ConfigError(
            f"toolchain {toolchain!r} does not serve the board {board!r}",
            f"for this board: {_names(served)}, or {AUTO}",
        )
    if lacking := wanted.lacking(load_board(board)):
        raise lacking
    return Choice(board, toolchain)


def _names(toolchains: Iterable[Toolchain]) -> str:
    return ", ".join(toolchain.name for toolchain in toolchains)


def _choose(board: str | None) -> Choice:
    if board is None:
        pynq = next((t for t in _found(load_board(PYNQ_BOARD)) if t.bitstream), None)
        if pynq is not None:
            return Choice(
                PYNQ_BOARD, pynq.name, (_because(pynq, PYNQ_BOARD, "found, and no board was named"),)
            )
        default = _choose(DEFAULT_BOARD)
        return Choice(default.board, default.toolchain, (*default.said, _how_to_pynq()))
    served = toolchains_for(load_board(board))
    found = _found(load_board(board))
    if not found:
        raise served[0].lacking(load_board(board)) or AssertionError("found after all")
    best = found[0]
    better = served[: served.index(best)]
    reason = f"found; {_names(better)} would come first, but not found" if better else "found"
    lines = [_because(best, board, reason)]
    if not best.bitstream:
        lines.append(f"this makes no bitstream; how to get one for {board}: {GUIDE}")
    return Choice(board, best.name, tuple(lines))


def _found(board: Board) -> list[Toolchain]:
    return [each for each in toolchains_for(board) if each.automatic and each.lacking(board) is None]


def _because(toolchain: Toolchain, board: str, reason: str) -> str:
    tools = toolchain.found(load_board(board))
    return f"toolchain {toolchain.name} for {board} ({toolchain.title}): {tools} {reason}"


def _how_to_pynq() -> str:
    missing = [t for t in toolchains_for(load_board(PYNQ_BOARD)) if t.bitstream]
    return (
        f"for a PYNQ bitstream install {' or '.join(t.title for t in missing)}, then BOARD={PYNQ_BOARD} "
        f"({GUIDE}); BOARD={PYNQ_BOARD} TOOLCHAIN=synth shows what it would take of the board"
    )
