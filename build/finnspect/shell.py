"""The numbers of one build of a shell (clock, baud rate, buffer, build id), and all sources of a design.

They reach the hardware as a SystemVerilog package: ``finnspect_build`` of the serial shell, which the
board's top reads, ``finnspect_axi_build`` of the AXI shell, which ``fs_axi_accelerator`` reads.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from finnspect.board import AxiBoard, Board, Uart, UartBoard
from finnspect.emit import Accelerator
from finnspect.emit.accelerator import library_closure
from finnspect.errors import ConfigError, ResourceError
from finnspect.paths import SHELL_DIR
from finnspect.toolchains.ecp5_pll import PllSettings, solve_pll

PACKAGE = "finnspect_build"
AXI_PACKAGE = "finnspect_axi_build"
#: Top of an AXI design without the board, for simulation.
AXI_TOP = "fs_axi_accelerator"
#: Modules of ``hw/rtl`` that the shells instantiate besides their own.
LIBRARY_MODULES = ("fs_fifo", "fs_dwc", "fs_skid")
_AXI_FILES = ("fs_axi_", "fs_dma_")
#: Image bytes in one ECP5 block RAM (2,048 x 9).
BLOCK_RAM_BYTES = 2048
#: Share of the device's block RAM that may go into room for a second image.
_DOUBLE_SHARE = 1 / 4
#: Bytes of a request around the image, and of a reply around its payload.
_FRAME_OVERHEAD = 12
#: About a second: no model that fits takes so long for one image.
CORE_TIMEOUT_CYCLES = 1 << 26
_BITS_A_BYTE = 10


@dataclass(frozen=True)
class BaudRate:
    """A baud rate made by dividing the core clock.

    Parameters
    ----------
    nominal
        What the host opens the port at.
    divider
        Core clocks a bit.
    clock_hz
        Core clock.
    """

    nominal: int
    divider: int
    clock_hz: int

    @property
    def actual(self) -> float:
        """The rate that the hardware sends and samples at."""
        return self.clock_hz / self.divider

    @property
    def error_percent(self) -> float:
        """Deviation of the actual rate from the nominal one."""
        return 100 * (self.actual / self.nominal - 1)


def choose_baud(uart: Uart, clock_hz: int) -> BaudRate:
    """Return the first of the board's rates that ``clock_hz`` divides to within the limit.

    Raises
    ------
    ConfigError
        None does.
    """
    rates = [BaudRate(nominal, max(1, round(clock_hz / nominal)), clock_hz) for nominal in uart.baud_rates]
    for rate in rates:
        # Below 8 clocks a bit the middle of a bit is hit too coarsely.
        if rate.divider >= 8 and abs(rate.error_percent) <= uart.max_error_percent:
            return rate
    tried = ", ".join(f"{rate.nominal} ({rate.error_percent:+.2f} %)" for rate in rates)
    raise ConfigError(
        f"a clock of {clock_hz / 1e6:g} MHz divides to no baud rate within {uart.max_error_percent:g} %: "
        f"{tried}",
        "choose another clock, for example a multiple of 3 MHz",
    )


def buffer_bytes(frame_bytes: int, board: UartBoard) -> int:
    """Return the depth of the image buffer: a power of two with room for two images, or one if large.

    Raises
    ------
    ResourceError
        One image is larger than the board's block RAM.
    """
    blocks = board.resources["DP16KD"]
    one = 1 << max(2, (frame_bytes - 1).bit_length())
    two = 1 << max(2, (2 * frame_bytes - 1).bit_length())
    if two <= blocks * BLOCK_RAM_BYTES * _DOUBLE_SHARE:
        return two
    needed = -(-one // BLOCK_RAM_BYTES)
    if needed > blocks:
        raise ResourceError(
            f"an image of {frame_bytes} bytes needs {needed} DP16KD as a buffer, {board.name} has {blocks} "
            f"({needed - blocks} too many)",
            "use smaller images",
        )
    return one


def _check_build_id(build_id: str) -> None:
    if not re.fullmatch(r"[0-9a-f]{32}", build_id):
        raise ConfigError(
            f"a build id is 32 hexadecimal digits (128 bits), not {build_id!r}",
            "use the first 32 of a SHA-256",
        )


def _package(name: str, values: Mapping[str, int], build_id: str) -> str:
    lines = [f"  localparam int unsigned {key} = {value};" for key, value in values.items()]
    return "\n".join(
        [
            "// Generated: the numbers of this build.",
            "`default_nettype none",
            "",
            f"package {name};",
            *lines,
            f"  localparam logic [127:0] BUILD_ID = 128'h{build_id};",
            "endpackage",
            "",
            "`default_nettype wire",
            "",
        ]
    )


@dataclass(frozen=True)
class ShellSettings:
    """Contents of the package ``finnspect_build``.

    Parameters
    ----------
    frame_bytes, classes
        Bytes of one image, logits of one answer.
    in_width_bits
        Bits of one beat into the core.
    buffer_bytes
        Depth of the image buffer, a power of two.
    baud
        Rate and its divider.
    timeout_cycles
        Silence that ends a frame, in core clocks.
    build_id
        32 hexadecimal digits.
    pll
        Dividers that make the core clock.
    core_timeout_cycles
        Core clocks after which an unanswered image is a fault of the core.
    """

    frame_bytes: int
    classes: int
    in_width_bits: int
    buffer_bytes: int
    baud: BaudRate
    timeout_cycles: int
    build_id: str
    pll: PllSettings
    core_timeout_cycles: int = CORE_TIMEOUT_CYCLES

    def __post_init__(self) -> None:
        _check_build_id(self.build_id)

    package_name = PACKAGE

    @property
    def clock_hz(self) -> int:
        """The core clock."""
        return self.baud.clock_hz

    @property
    def clock_mhz(self) -> float:
        """The core clock."""
        return self.clock_hz / 1e6

    @property
    def link_fps(self) -> float:
        """Frames a second that the serial line can carry.

        Requests and replies travel at the same time in the two directions, and an image fills the line
        for longer than its answer; so this is what the request's bytes allow.
        """
        longest = max(self.frame_bytes + _FRAME_OVERHEAD, 4 * self.classes + 4 + _FRAME_OVERHEAD)
        return self.baud.actual / _BITS_A_BYTE / longest

    def package(self) -> str:
        """Return the SystemVerilog package."""
        values = {
            "PLL_INPUT_DIV": self.pll.input_div,
            "PLL_FEEDBACK_DIV": self.pll.feedback_div,
            "PLL_LOOP_DIV": self.pll.loop_div,
            "PLL_OUTPUT_DIV": self.pll.output_div,
            "CLOCK_HZ": self.clock_hz,
            "UART_DIVIDER": self.baud.divider,
            "UART_TIMEOUT_CYCLES": self.timeout_cycles,
            "CORE_TIMEOUT_CYCLES": self.core_timeout_cycles,
            "FRAME_BYTES": self.frame_bytes,
            "BUFFER_BYTES": self.buffer_bytes,
            "CLASSES": self.classes,
            "IN_WIDTH": self.in_width_bits,
        }
        return _package(PACKAGE, values, self.build_id)


@dataclass(frozen=True)
class AxiSettings:
    """Contents of the package ``finnspect_axi_build``.

    Parameters
    ----------
    frame_bytes, classes
        Bytes of one image, logits of one answer.
    in_width_bits
        Bits of one beat into the core.
    clock_hz
        Core clock.
    build_id
        32 hexadecimal digits.
    core_timeout_cycles
        Core clocks after which a core that does nothing is a faulty one.
    """

    frame_bytes: int
    classes: int
    in_width_bits: int
    clock_hz: int
    build_id: str
    core_timeout_cycles: int = CORE_TIMEOUT_CYCLES

    def __post_init__(self) -> None:
        _check_build_id(self.build_id)

    package_name = AXI_PACKAGE

    @property
    def clock_mhz(self) -> float:
        """The core clock."""
        return self.clock_hz / 1e6

    def package(self) -> str:
        """Return the SystemVerilog package."""
        values = {
            "CLOCK_HZ": self.clock_hz,
            "CORE_TIMEOUT_CYCLES": self.core_timeout_cycles,
            "FRAME_BYTES": self.frame_bytes,
            "CLASSES": self.classes,
            "IN_WIDTH": self.in_width_bits,
        }
        return _package(AXI_PACKAGE, values, self.build_id)


def shell_settings(
    accelerator: Accelerator, board: UartBoard, clock_mhz: float | None, build_id: str
) -> ShellSettings:
    """Return the settings of an accelerator on a board with the serial shell.

    Parameters
    ----------
    clock_mhz
        Core clock asked for; the board's default if None. The PLL's nearest is used.
    build_id
        32 hexadecimal digits that the hardware reports.

    Raises
    ------
    ConfigError
        The clock cannot be made, or divides to no baud rate.
    ResourceError
        The image does not fit the board's block RAM.
    """
    pll = solve_pll(board.clock, board.clock.default_mhz if clock_mhz is None else clock_mhz)
    return ShellSettings(
        frame_bytes=accelerator.frame_bytes,
        classes=accelerator.classes,
        in_width_bits=8 * accelerator.input_elements,
        buffer_bytes=buffer_bytes(accelerator.frame_bytes, board),
        baud=choose_baud(board.uart, pll.clock_hz),
        timeout_cycles=round(board.uart.timeout_ms * 1e-3 * pll.clock_hz),
        build_id=build_id,
        pll=pll,
    )


def axi_settings(
    accelerator: Accelerator, board: AxiBoard, clock_mhz: float | None, build_id: str
) -> AxiSettings:
    """Return the settings of an accelerator on a board with the AXI shell.

    Parameters
    ----------
    clock_mhz
        Core clock asked for; the board's default if None. The nearest that the processor makes is used.
    build_id
        32 hexadecimal digits that the hardware reports.
    """
    return AxiSettings(
        frame_bytes=accelerator.frame_bytes,
        classes=accelerator.classes,
        in_width_bits=8 * accelerator.input_elements,
        clock_hz=board.clock.nearest_hz(clock_mhz),
        build_id=build_id,
    )


def shell_sources(shell: str = "uart") -> list[Path]:
    """Return a shell's own SystemVerilog files, packages first."""
    axi = shell == "finnspect-axi"
    own = (path for path in SHELL_DIR.glob("*.sv") if path.name.startswith(_AXI_FILES) == axi)
    return sorted(own, key=lambda path: (not path.stem.endswith("_pkg"), path.name))


def _axi_registers(folder: Path, simulation: bool) -> list[Path]:
    """Write the generated register block; for Verilator also the file that waives its warnings."""
    from finnspect.registers import write_rtl

    waivers = [SHELL_DIR / "fs_axi_regs.vlt"] if simulation else []
    return [*waivers, *write_rtl(folder)]


def stage_design(
    accelerator: Accelerator,
    board: Board,
    settings: ShellSettings | AxiSettings,
    folder: Path,
    *,
    simulation: bool = False,
) -> list[str]:
    """Copy or write every source and memory image of a whole design into ``folder``.

    Tools run there, for images are named relative to it. The accelerator's own copy of a library module is
    used where it has one.

    Parameters
    ----------
    simulation
        Take the behavioural twins of vendor primitives. A design with the AXI shell is then staged
        without the board's own files, with the top :data:`AXI_TOP`.

    Returns
    -------
    list of str
        The sources relative to ``folder``, in reading order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{settings.package_name}.sv").write_text(settings.package())
    for name in (*accelerator.images, *accelerator.sources):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(accelerator.path / name, target)
    sources = [f"{settings.package_name}.sv", *accelerator.sources]
    have = {Path(name).name for name in sources}
    library = [path for path in library_closure(set(LIBRARY_MODULES)) if path.name not in have]
    axi = isinstance(settings, AxiSettings)
    generated = _axi_registers(folder, simulation) if axi else []
    own = [] if axi and simulation else board.source_paths(simulation=simulation)
    for path in (*generated, *shell_sources(board.shell), *library, *own):
        if path.parent != folder:
            shutil.copyfile(path, folder / path.name)
        sources.append(path.name)
    return sources
