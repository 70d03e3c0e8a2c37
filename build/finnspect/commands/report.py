"""``finnspect report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import OUT, JsonOption, examples

NAME = "report"
EXAMPLES = examples(
    (
        "Read the report of a build, and write its page anew",
        "finnspect report out/cnv_w4a4-synthetic-ulx3s-85f",
    ),
    (
        "With the worst mistakes of a training run in the page",
        "finnspect report out/my_model-ulx3s-85f --run out/my_model/train/run",
    ),
    (
        "Write it as markdown",
        "finnspect report out/cnv_w4a4-synthetic-ulx3s-85f --markdown report.md",
    ),
    ("Show the JSON schema of report.json", "finnspect report --schema"),
)


def command(
    build: Annotated[
        Path | None,
        typer.Argument(help="Folder of a build, or its report.json; the last build in out/ if not given."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write the page here; report.html beside report.json if not given."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Training run with pictures for the page; the build's own if not given."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the report to this file as markdown.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of report.json.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the report of a build and write it as a page, one HTML file that needs no network.

    Every build writes its page: report/report.html, and report.failed/report.html where it stopped,
    which says where and why.
    """
    from finnspect.report import load_report, model, print_summary, summary
    from finnspect.stages import write_whole

    if schema:
        typer.echo(model.schema(), nl=False)
        return
    if build is None:
        build = _newest(OUT)
    if _failed(build, html, markdown, as_json):
        return
    report = load_report(build)
    if markdown is not None:
        write_whole(markdown, summary.markdown(report))
        typer.echo(f"written: {markdown}")
    elif as_json:
        typer.echo(report.to_json(), nl=False)
    else:
        from rich.console import Console

        from finnspect.report.html import page
        from finnspect.report.model import report_file

        print_summary(report, Console())
        folder = report_file(build).parent
        path = write_whole(html or folder / "report.html", page(report, folder, run))
        typer.echo(f"page: {path}")


def _newest(out: Path) -> Path:
    """Return the folder of the build that wrote a report last."""
    patterns = ("*/report/report.json", "*/report.failed/report.json", "report.failed/report.json")
    found = [file for pattern in patterns for file in out.glob(pattern)]
    if not found:
        raise typer.BadParameter(f"there is no build in {out}: give the folder of one")
    return max(found, key=lambda file: file.stat().st_mtime).parents[1]


def _failed(build: Path, html: Path | None, markdown: Path | None, as_json: bool) -> bool:
    """Show the report of a last build that failed; False where it did not."""
    from finnspect.report.failed import load_failed
    from finnspect.report.html import failed_page
    from finnspect.report.summary import failed_markdown
    from finnspect.stages import write_whole

    failed = load_failed(build) if build.is_dir() else None
    if failed is None:
        return False
    if markdown is not None:
        typer.echo(f"written: {write_whole(markdown, failed_markdown(failed))}")
        return True
    if as_json:
        typer.echo(failed.to_json(), nl=False)
        return True
    typer.echo(f"the last build of {failed.title} {failed.where}: {failed.error}")
    typer.echo(failed.message)
    if failed.remedy:
        typer.echo(f"  remedy: {failed.remedy}")
    if failed.earlier:
        typer.echo(f"an earlier build's report: finnspect report {build / 'report' / 'report.json'}")
    page = build / "report.failed" / "report.html"
    typer.echo(f"page: {write_whole(html or page, failed_page(failed))}")
    return True
