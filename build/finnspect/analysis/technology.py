"""What device families are built of, and the resources that an estimate counts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import ceil


@dataclass(frozen=True, slots=True)
class Resources:
    """Estimated use of a device.

    Parameters
    ----------
    lut
        LUT sites: logic, carry chains (two sites a ``CCU2C``) and distributed memory.
    bram, bram_bits
        Whole blocks, and what the memories in them hold.
    dsp
        Hard multipliers.
    """

    lut: int = 0
    ff: int = 0
    bram: int = 0
    bram_bits: int = 0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, int | str]:
        """Return the figures, labelled as estimates."""
        return {"kind": "estimated"} | {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True)
class Technology:
    """What a device family is built of.

    Parameters
    ----------
    name
        Family.
    block_shapes
        (depth, width) of one block RAM in each of its modes.
    lut_rom_depth
        Words of a one-bit ROM that one LUT holds.
    lut_ram_shape
        Words, bits and LUTs of one distributed memory with a read and a write port.
    """

    name: str
    block_shapes: tuple[tuple[int, int], ...]
    lut_rom_depth: int
    lut_ram_shape: tuple[int, int, int]

    def blocks(self, depth: int, width: int) -> int:
        """Return the fewest block RAMs that hold ``depth`` words of ``width`` bits."""
        return min(ceil(depth / d) * ceil(width / w) for d, w in self.block_shapes)

    def lut_ram(self, depth: int, width: int) -> int:
        """Return the LUTs of a distributed memory, with a multiplexer where it takes several in depth."""
        words, bits, luts = self.lut_ram_shape
        rows = ceil(depth / words)
        return rows * ceil(width / bits) * luts + (rows - 1) * width


ECP5 = Technology(
    name="ecp5",
    block_shapes=((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)),
    lut_rom_depth=16,
    lut_ram_shape=(16, 4, 6),
)

XC7 = Technology(
    name="xc7",
    block_shapes=((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36)),
    lut_rom_depth=64,
    lut_ram_shape=(32, 6, 4),
)

#: Family of a board's part (``board.toml``) -> technology.
TECHNOLOGIES = {each.name: each for each in (ECP5, XC7)}
