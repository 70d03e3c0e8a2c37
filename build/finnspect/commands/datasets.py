"""``finnspect datasets``: what sets there are, and whether a local copy is whole."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finnspect.commands.options import JsonOption, examples
from finnspect.commands.training import parse_data_options

if TYPE_CHECKING:
    from quant_models.datasets import DatasetInfo
    from quant_models.datasets.check import Check

NAME = "datasets"
EXAMPLES = examples(
    ("What there is, and where to get it", "finnspect datasets list"),
    ("Is my copy whole?", "finnspect datasets check neu-det NEU-DET.tar.xz"),
)
_WIDTH = 100
_SHOWN = 10  # lines of one kind before "and so many more"

app = typer.Typer(help="List the data sets that can be read, and check a local copy.", no_args_is_help=True)


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the data sets: task, size, licence, layout, options, and where to get each."""
    from quant_models.datasets import list_datasets

    infos = list_datasets()
    if as_json:
        fields = ("name", "task", "description", "size", "licence", "url", "layout", "needs_path")
        rows = [
            {**{field: getattr(info, field) for field in fields}, "options": dict(info.options)}
            for info in infos
        ]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for info in infos:
        typer.echo("\n".join([info.name, *_about(info)]) + "\n")


def _about(info: DatasetInfo) -> list[str]:
    choices = {
        name: "|".join(map(str, value)) if isinstance(value, tuple) else str(value)
        for name, value in info.options.items()
    }
    fields = {
        "task": info.task,
        "images": f"{info.description}; {info.size}",
        "licence": info.licence,
        "from": info.url or ("your own" if info.needs_path else "nothing to fetch"),
        "layout": info.layout,
        "options": ", ".join(f"{name}={value}" for name, value in choices.items()),
    }
    lines = []
    for name, text in fields.items():
        if text:
            indent = " " * 11
            lines += textwrap.wrap(
                text, _WIDTH, initial_indent=f"  {name:9}", subsequent_indent=indent, break_long_words=False
            )
    return lines


@app.command("check")
def check_command(
    name: Annotated[str, typer.Argument(help="Name of the data set, see `finnspect datasets list`.")],
    path: Annotated[Path | None, typer.Argument(help="Folder or archive of the set.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--data-option", "--option", help="Option of the loader, KEY=VALUE; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read a local copy in full and say what is wrong with it; exit 1 where anything is.

    Looks at counts, sizes, labels, masks, files that cannot be read, identical pictures, near-duplicates,
    and the official split.
    """
    from finnspect.progress import for_terminal
    from quant_models.datasets.check import check_dataset

    progress = for_terminal()
    options = parse_data_options(name, option or [])
    with progress.step(f"checking {path or name}"):
        check = check_dataset(name, path, progress.note, **options)
    if as_json:
        typer.echo(json.dumps(check.document(), indent=1, ensure_ascii=False))
    else:
        typer.echo("\n".join(_lines(check)))
    if not check.ok:
        raise typer.Exit(1)


def _some(title: str, lines: list[str]) -> list[str]:
    """Return a title with the number of lines, and the first of them."""
    if not lines:
        return []
    more = [f"    and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return [f"  {title}: {len(lines)}", *(f"    {line}" for line in lines[:_SHOWN]), *more]


def _lines(check: Check) -> list[str]:
    lines = [f"{check.name}: {check.path or 'drawn'}"]
    if check.pictures:
        sizes = sorted(check.sizes.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{count} of {w}x{h}" for (h, w), count in sizes[:4])
        rest = f", {len(sizes) - 4} more sizes" if len(sizes) > 4 else ""
        lines.append(f"  pictures: {check.pictures} ({shown}{rest})")
    if check.classes:
        counts = ", ".join(f"{name} {count}" for name, count in check.classes.items())
        lines.append(f"  samples: {sum(check.classes.values())} ({counts}) in {check.groups} groups")
    if check.parts:
        lines.append("  official split: " + ", ".join(f"{name} {n}" for name, n in check.parts.items()))
    lines += _some("sets of identical pictures", [", ".join(names[:3]) for names in check.copies])
    lines += _some("pairs of near-duplicates", [f"{a}, {b} ({similar})" for a, b, similar in check.near])
    lines += [f"  note: {note}" for note in check.notes]
    lines += _some("PROBLEMS", check.problems)
    lines.append(f"  {'ok' if check.ok else 'not ok'}, {check.seconds:.1f} s")
    return lines
