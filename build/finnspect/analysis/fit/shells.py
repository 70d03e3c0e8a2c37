"""What a shell takes beside the core: whole design less core, both synthesised."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from finnspect.analysis.technology import ECP5, Resources, Technology
from finnspect.stages import digest_of, hash_files

_BUILD_ID = "0" * 32


def shell_figures(board_name: str, tech: Technology, cache: Path) -> dict[str, Any]:
    """Return the cost file's ``shells`` entry of a board's shell, kept in ``cache``.

    The serial shell's block RAM holds images and depends on their size; it is counted for 32x32 RGB.
    """
    from finnspect.bench_networks import network
    from finnspect.board import load_board
    from finnspect.emit import EmitOptions, emit_accelerator
    from finnspect.folding import choose_folding
    from finnspect.shell import axi_settings, shell_settings, stage_design
    from finnspect.toolchains import ecp5, xc7_synth
    from finnspect.toolchains.core_synth import COUNT, synthesise_core, tool_version
    from finnspect.toolchains.yosys import cell_counts, run_yosys

    board = load_board(board_name)
    graph = network("cnn5_w4a4")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shell-", dir=cache) as name:
        folder = Path(name)
        core = emit_accelerator(
            graph,
            choose_folding(graph, 400_000),
            folder / "core",
            EmitOptions(dsp_budget=0, technology=tech.name),
        )
        make = shell_settings if tech is ECP5 else axi_settings
        design = folder / "design"
        sources = stage_design(core, board, make(core, board, None, _BUILD_ID), design)
        if tech is ECP5:
            lines = ecp5.synthesis_script(sources, board.top, ecp5.Ecp5Options())
        else:
            lines = xc7_synth.synthesis_script(sources, board.top, "stat", xc7_synth.Xc7SynthOptions())
        files = [path for path in design.rglob("*") if path.is_file()]
        key = digest_of([hash_files(design, files), lines, tool_version()])
        kept = cache / f"{key[:32]}-shell.json"
        if not kept.is_file():
            run_yosys(design, lines, what=f"synthesis of the shell {board.shell}")
            stat = design / ("stat.json" if tech is ECP5 else "stat.stat.json")
            whole = COUNT[tech.name](cell_counts(stat))
            alone = synthesise_core(core, tech, cache).total
            shell = {name: max(0, value - asdict(alone)[name]) for name, value in asdict(whole).items()}
            kept.write_text(json.dumps(shell))
        return {board.shell: asdict(Resources(**json.loads(kept.read_text())))}
