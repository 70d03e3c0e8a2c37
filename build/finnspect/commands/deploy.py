"""``finnspect deploy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import JsonOption, examples

NAME = "deploy"
EXAMPLES = examples(
    (
        "Copy the deploy zip of a build, checked",
        "finnspect deploy out/cnv_w4a4-synthetic-ulx3s-85f --output classifier.zip",
    ),
    ("Check a zip that came from elsewhere", "finnspect deploy --check classifier.zip"),
)


def command(
    build: Annotated[Path | None, typer.Argument(help="Folder of a finished build.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to put the zip.")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Check this zip down to the byte instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hand out the deploy zip of a build, or check one."""
    from finnspect.deploy import read_deploy
    from finnspect.flow import find_deploy

    if (build is None) == (check is None):
        raise typer.BadParameter("give the folder of a build, or --check with a zip")
    path = check or find_deploy(build)
    info, contents = read_deploy(path)
    if output is not None:
        from finnspect.stages import write_whole

        path = write_whole(output, path.read_bytes())
    if as_json:
        sizes = {name: len(data) for name, data in sorted(contents.items())}
        typer.echo(
            json.dumps(
                {"zip": str(path), "accelerator": info.model_dump(mode="json"), "files": sizes}, indent=1
            )
        )
        return
    typer.echo(f"{path}: every byte as it was made")
    typer.echo(f"  {info.name} for {info.board}, shell {info.shell}, build id {info.build_id}")
    for name, data in sorted(contents.items()):
        typer.echo(f"  {len(data):>10,}  {name}")
