"""``finnspect report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import JsonOption, examples

NAME = "report"
EXAMPLES = examples(
    ("Read the report of a build", "finnspect report out/cnv_w4a4-synthetic-ulx3s-85f"),
    (
        "Write it as markdown",
        "finnspect report out/cnv_w4a4-synthetic-ulx3s-85f --markdown report.md",
    ),
    ("Show the JSON schema of report.json", "finnspect report --schema"),
)


def command(
    build: Annotated[Path | None, typer.Argument(help="Folder of a build, or its report.json.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the report to this file as markdown.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of report.json.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the report of a finished build, or write it as markdown."""
    from finnspect.report import load_report, model, print_summary, summary

    if schema:
        typer.echo(model.schema(), nl=False)
        return
    if build is None:
        raise typer.BadParameter("give the folder of a build, as out/cnv_w4a4-synthetic-ulx3s-85f")
    report = load_report(build)
    if markdown is not None:
        from finnspect.stages import write_whole

        write_whole(markdown, summary.markdown(report))
        typer.echo(f"written: {markdown}")
    elif as_json:
        typer.echo(report.to_json(), nl=False)
    else:
        from rich.console import Console

        print_summary(report, Console())
