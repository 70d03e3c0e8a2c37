"""The default build, placed and routed for a faster clock: what nextpnr reports (``post-route``).

It is the build of ``make hw``, accelerator and serial shell, but for its clock: ``make hw`` asks for less on
purpose. As in every build, another seed is tried where the first one misses the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from finnspect.stages import write_whole

PACKAGE, MODEL, BOARD, TOOLCHAIN = "cnv_w4a4-synthetic", "cnv_w4a4", "ulx3s-85f", "ecp5"
#: The clock that the accelerator is to reach, in MHz.
FMAX_MHZ = 100
CELLS = ("LUT4", "FF", "DP16KD", "MULT18X18D")
KIND = "post-route"
KINDS = f"{KIND} (nextpnr), accelerator with its shell"


def measure_route(
    folder: Path, say: Callable[[str], None], package: str = PACKAGE, config: Path | None = None
) -> list[dict[str, Any]]:
    """Return a row with clock and cells of the default build; what is built is kept.

    Parameters
    ----------
    folder
        For the build.
    package
        Another package than the default build's.
    config
        Another configuration file than the default build's with a clock of :data:`FMAX_MHZ`.

    Raises
    ------
    FlowError
        A stage or a tool failed.
    """
    from finnspect.config import load_config
    from finnspect.flow import BuildRequest, build

    say(f"place and route: {package} for {BOARD}")
    if config is None:
        config = folder / "config.toml"
        target = load_config(MODEL, BOARD).target_cycles
        write_whole(config, f"target_cycles = {target}\nclock_mhz = {FMAX_MHZ}\n")
    report = build(BuildRequest(package, BOARD, TOOLCHAIN, config, folder)).report
    routed = {row.name: row.used.value for row in report.resources if row.used.kind == KIND}
    speed = report.performance
    row = {"kind": KIND, "package": report.package.name, "board": BOARD}
    row |= {"clock_mhz": speed.clock.value, "fmax_mhz": round(speed.fmax.value, 1)}
    return [row | {name: routed[name] for name in CELLS}]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the figures as a Markdown table."""
    head = ("build", "board", "clock MHz", "Fmax MHz", *CELLS)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [row["package"], row["board"], f"{row['clock_mhz']:g}", f"{row['fmax_mhz']:g}"]
        lines.append("| " + " | ".join(cells + [f"{row[name]:,}" for name in CELLS]) + " |")
    return "\n".join(lines)
