"""``finnspect export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import JsonOption, examples

NAME = "export"
EXAMPLES = examples(
    (
        "Package what `finnspect train` made",
        "finnspect export out/cnv_w4a4-neu-det/train/run --output my_package",
    ),
    ("Build the package", "finnspect build --package my_package"),
)


def command(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the package that is made.")],
    as_json: JsonOption = False,
) -> None:
    """Export a training run to a model package: QONNX file, golden vectors, package.json."""
    from finnspect.progress import for_terminal
    from finnspect.train_flow import export_run

    package = export_run(run, output, for_terminal())
    if as_json:
        typer.echo(json.dumps({"package": str(package.path), "info": package.info.model_dump()}, indent=1))
    else:
        size = sum(file.stat().st_size for file in package.path.iterdir())
        typer.echo(f"exported: {package.path} ({package.info.name}, {size / 1e3:.0f} kB)")
