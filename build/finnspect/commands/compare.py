"""``finnspect compare``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import JsonOption, examples

NAME = "compare"
EXAMPLES = examples(
    (
        "Two boards",
        "finnspect compare out/cnv_w4a4-synthetic-ulx3s-85f out/cnv_w4a4-synthetic-pynq-z2",
    ),
    ("Everything that was built, as a page", "finnspect compare out/*-ulx3s-85f --html compare.html"),
)


def command(
    builds: Annotated[
        list[Path], typer.Argument(help="Folders of builds, or their report.json; two or more.")
    ],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with the fronts of accuracy, speed and LUTs.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put builds side by side: bits, folding, board, accuracy, speed, cells; * marks those none beats."""
    from finnspect.report.compare import compare, comparison_page, table
    from finnspect.stages import write_whole

    found = compare(builds)
    if html is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_whole(html, comparison_page(found, now))
    if as_json:
        typer.echo(found.to_json(), nl=False)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    header, rows = table(found)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in header:
        shown.add_column(name, overflow="fold")
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)
    for note in found.notes:
        typer.echo(f"note: {note}")
    if html is not None:
        typer.echo(f"page: {html}")
