"""Boards: what ``hw/boards/<name>/board.toml`` says, checked.

That file is the only place for facts about a board (part, resources, pins, clock limits); constraints and
parameters of a build are derived from it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from finnspect.config import unknown_name
from finnspect.errors import ConfigError
from finnspect.paths import BOARDS_DIR

FILE = "board.toml"

Range = Annotated[tuple[float, float], Field(description="smallest and largest value, both allowed")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(_Strict):
    """The FPGA."""

    name: str = Field(description="as ordered")
    family: Literal["ecp5", "xc7"]
    device: str = Field(description="the die, as the place-and-route tool calls it")
    package: str
    speed: str = Field(description="speed grade")


class PllLimits(_Strict):
    """Limits of the clock generator, frequencies in MHz."""

    input_mhz: Range
    phase_detector_mhz: Range
    vco_mhz: Range
    output_mhz: Range
    input_divider_max: int = Field(ge=1)
    feedback_divider_max: int = Field(ge=1)
    output_divider_max: int = Field(ge=1)

    @field_validator("input_mhz", "phase_detector_mhz", "vco_mhz", "output_mhz")
    @classmethod
    def _ascending(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] <= value[1]:
            raise ValueError("a range is [smallest, largest], above 0")
        return value


class Clock(_Strict):
    """The oscillator, and what can be made of it."""

    port: str = Field(description="port of the top module")
    input_mhz: float = Field(gt=0)
    default_mhz: float = Field(gt=0, description="core clock where a configuration names none")
    pll: PllLimits


class ProcessorClock(_Strict):
    """A clock that the board's processor makes by dividing a PLL by two integers, frequencies in MHz."""

    source: Literal["FCLK0"]
    pll_mhz: float = Field(gt=0, description="what the processor's boot code sets the PLL to")
    divider_max: int = Field(ge=1, description="largest value of either divider")
    default_mhz: float = Field(gt=0, description="core clock where a configuration names none")

    def nearest_hz(self, clock_mhz: float | None = None) -> int:
        """Return the frequency in Hz nearest to ``clock_mhz`` that the dividers make, the lower of two."""
        wanted = self.default_mhz if clock_mhz is None else clock_mhz
        if wanted <= 0:
            raise ConfigError(f"a clock of {wanted:g} MHz is asked for", "a frequency above 0")
        steps = range(1, self.divider_max + 1)
        products = sorted({first * second for first in steps for second in steps}, reverse=True)
        return round(
            min((self.pll_mhz / product for product in products), key=lambda f: abs(f - wanted)) * 1e6
        )


class Uart(_Strict):
    """The serial link to the host."""

    receive_port: str = Field(description="port of the top module that the host's bytes come in at")
    transmit_port: str = Field(description="port of the top module that replies go out at")
    baud_rates: list[int] = Field(min_length=1, description="rates the bridge makes exactly, best first")
    max_error_percent: float = Field(gt=0, le=3, description="largest deviation of the divided core clock")
    timeout_ms: float = Field(gt=0, description="silence inside a frame that ends it")


class Axi(_Strict):
    """Where the shell sits on the processor's buses."""

    base_address: int = Field(ge=0, lt=1 << 32, multiple_of=4096, description="of the registers")
    register_port: Literal["GP0"]
    memory_port: Literal["HP0"]
    memory_port_bits: Literal[64] = Field(description="the port can be narrower; the shell cannot")


class Port(_Strict):
    """A port of the top module; more than one pin makes it a vector, index 0 first."""

    pins: list[str] = Field(min_length=1)
    io_type: str = "LVCMOS33"
    pull: Literal["UP", "DOWN", "NONE"] = "NONE"
    drive_ma: int | None = Field(default=None, ge=4, le=16)


class Shares(_Strict):
    """Shares of the device that a searched design may take, shell included."""

    lut: float = Field(default=0.8, gt=0, le=1)
    ff: float = Field(default=0.8, gt=0, le=1)
    bram: float = Field(default=0.9, gt=0, le=1)


class Board(_Strict):
    """Contents of every ``board.toml``."""

    name: str
    title: str
    shell: Literal["uart", "finnspect-axi"]
    toolchains: list[str] = Field(min_length=1, description="the first one is the default")
    top: str = Field(description="top module")
    sources: list[str] = Field(description="SystemVerilog of the board's folder")
    synthesis_sources: list[str] = Field(description="with vendor primitives")
    simulation_sources: list[str] = Field(description="behavioural twins of the synthesis sources")
    part: Part
    resources: dict[str, int] = Field(description="cells by name, as many as the device has")
    dsp_budget: int = Field(ge=0, description="hard multipliers that a core may use")
    budget: Shares = Field(default=Shares(), description="what the folding search may use")
    folder: Path = Field(exclude=True, description="where the file was found")

    @model_validator(mode="after")
    def _files_are_there(self) -> Board:
        names = [*self.sources, *self.synthesis_sources, *self.simulation_sources]
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            raise ValueError(f"{self.folder} has no {', '.join(missing)}")
        return self

    @property
    def toolchain(self) -> str:
        """The default toolchain."""
        return self.toolchains[0]

    def source_paths(self, *, simulation: bool = False) -> list[Path]:
        """Return the board's SystemVerilog files, with primitives or with their twins; the top last."""
        chosen = self.simulation_sources if simulation else self.synthesis_sources
        return [self.folder / name for name in (*chosen, *self.sources)]


class UartBoard(Board):
    """A board without a processor: a host reaches the shell ``uart`` over a serial line."""

    reset_port: str = Field(description="port of the reset button, high while pressed")
    clock: Clock
    uart: Uart
    ports: dict[str, Port]

    @model_validator(mode="after")
    def _consistent(self) -> UartBoard:
        for name in (self.clock.port, self.reset_port, self.uart.receive_port, self.uart.transmit_port):
            if name not in self.ports:
                raise ValueError(f"{name!r} is not one of the ports {sorted(self.ports)}")
        pins = [pin for port in self.ports.values() for pin in port.pins]
        twice = sorted({pin for pin in pins if pins.count(pin) > 1})
        if twice:
            raise ValueError(f"pins are used twice: {', '.join(twice)}")
        return self


class AxiBoard(Board):
    """A board whose processor runs the driver and reaches the shell ``finnspect-axi`` over its buses."""

    clock: ProcessorClock
    axi: Axi


_KINDS: dict[str, type[Board]] = {"uart": UartBoard, "finnspect-axi": AxiBoard}


def list_boards(folder: Path = BOARDS_DIR) -> list[str]:
    """Return the names of the boards: folders that hold a ``board.toml``."""
    return sorted(path.parent.name for path in folder.glob(f"*/{FILE}"))


def load_board(name: str, folder: Path = BOARDS_DIR) -> Board:
    """Read and check a board.

    Raises
    ------
    ConfigError
        There is no board of that name, or its file is not valid: names the field.
    """
    known = list_boards(folder)
    if name not in known:
        raise unknown_name("board", name, known)
    path = folder / name / FILE
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", "correct the file") from error
    try:
        kind = _KINDS.get(str(document.get("shell")), UartBoard)
        board = kind.model_validate({**document, "folder": path.parent})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise ConfigError(f"{path}: {where}: {first['msg']}", "correct the file") from error
    if board.name != name:
        raise ConfigError(f"{path}: name is {board.name!r}, its folder is {name!r}", "give both one name")
    return board
