"""What one product costs: matrix-vector units (``fs_mvau``) by themselves, synthesised.

Everything a unit needs is counted: weight memory, adders, accumulators, thresholds, control.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finnspect.analysis import ECP5, TECHNOLOGIES, XC7, Resources
from finnspect.analysis.technology import Technology
from finnspect.folding import complete_folding
from finnspect.ir import IntType

if TYPE_CHECKING:
    from finnspect.toolchains.core_synth import Part


@dataclass(frozen=True)
class Unit:
    """A unit of ``pe`` rows and ``simd`` columns a beat; weights of 1 bit are -1 and +1.

    Parameters
    ----------
    lut_a_mac, macs_a_dsp
        At most so many LUTs for a product, at least so many products in a hard multiplier: goals, if any.
    """

    w_bits: int
    a_bits: int
    style: str
    pe: int
    simd: int
    lut_a_mac: float | None = None
    macs_a_dsp: float | None = None

    @property
    def name(self) -> str:
        """Name of the row."""
        return f"W{self.w_bits}A{self.a_bits} {self.style} {self.pe}x{self.simd}"

    @property
    def macs(self) -> int:
        """Products a cycle."""
        return self.pe * self.simd


#: Technology -> units. The goals in LUTs are below what FINN's formula gives: 44, 13.2 and 6.6 LUTs.
UNITS = {
    XC7.name: (
        Unit(4, 4, "lut", 8, 8, lut_a_mac=36),
        Unit(2, 2, "lut", 8, 16, lut_a_mac=10),
        Unit(1, 1, "lut", 16, 32, lut_a_mac=5),
        Unit(4, 4, "dsp", 12, 8, lut_a_mac=12, macs_a_dsp=3),
        Unit(8, 8, "dsp", 8, 8, lut_a_mac=12, macs_a_dsp=2),
    ),
    ECP5.name: (
        Unit(4, 4, "lut", 8, 8),
        Unit(2, 2, "lut", 8, 16),
        Unit(1, 1, "lut", 16, 32),
        Unit(4, 4, "dsp", 8, 8, macs_a_dsp=2),
        Unit(4, 4, "dsp", 8, 16, lut_a_mac=12, macs_a_dsp=2),
    ),
}
KINDS = "post-synthesis, each unit by itself with all that it needs"
QUICK = {XC7.name: UNITS[XC7.name][2:3]}


def unit_part(unit: Unit, tech: Technology) -> Part:
    """Return the unit in a 3x3 convolution of 32 channels, with thresholds to its own activations."""
    from finnspect.bench_networks import Builder
    from finnspect.emit import EmitOptions, emit_accelerator
    from finnspect.toolchains.core_synth import take_part

    codes = IntType(unit.a_bits, False)
    net = Builder(unit.name.replace(" ", "_"), (8, 8, 3), unit.w_bits)
    x = net.conv("before", net.input, 32, (1, 1), codes)
    x = net.conv("unit", x, 4 * unit.pe, (3, 3), codes, pad=1)
    graph = net.graph(net.dense("behind", x, 4, None))
    small = {"PE": 1, "SIMD": 1}
    folding = complete_folding(
        {"before": small, "unit": {"PE": unit.pe, "SIMD": unit.simd}, "behind": small}, graph
    )
    styles = {} if unit.w_bits == 1 else {"unit": unit.style}
    options = EmitOptions(dsp_budget=0, mul_styles=styles, technology=tech.name)
    with tempfile.TemporaryDirectory() as folder:
        core = emit_accelerator(graph, folding, Path(folder) / "core", options)
        own = next(each for each in core.manifest["instances"] if each["layer"] == "unit")
        return take_part(core, own["module"], own["params"])


def measure_units(
    cache: Path, units: Mapping[str, Sequence[Unit]], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Return a row for each technology and unit, ``post-synthesis``.

    Raises
    ------
    ToolError
        A synthesis failed.
    """
    from finnspect.toolchains.core_synth import part_figures, synthesise_parts

    rows = []
    for tech, chosen in ((TECHNOLOGIES[name], chosen) for name, chosen in units.items()):
        say(f"matrix-vector units: {tech.name}")
        parts = [unit_part(unit, tech) for unit in chosen]
        missing = [part for part in parts if part_figures(part, tech, cache) is None]
        if missing:
            synthesise_parts(missing, tech, cache)
        for unit, part in zip(chosen, parts, strict=True):
            found = part_figures(part, tech, cache) or Resources()
            row = {"unit": unit.name, "technology": tech.name, "kind": "post-synthesis", "macs": unit.macs}
            row |= {name: value for name, value in asdict(found).items() if name != "bram_bits"}
            row["lut_a_mac"] = round(found.lut / unit.macs, 2)
            row["macs_a_dsp"] = round(unit.macs / found.dsp, 2) if found.dsp else None
            rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""
    head = (
        "fs_mvau, PE x SIMD",
        "for",
        "MACs a cycle",
        "LUT",
        "FF",
        "BRAM18",
        "DSP",
        "LUT a MAC",
        "MACs a DSP",
    )
    names = ("unit", "technology", "macs", "lut", "ff", "bram", "dsp", "lut_a_mac", "macs_a_dsp")
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        lines.append("| " + " | ".join("" if row[name] is None else str(row[name]) for name in names) + " |")
    return "\n".join(lines)
