"""``finnspect datasets``: what sets there are, and whether a local copy is whole."""

from __future__ import annotations

import json
import re
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
    ("How long until a training can begin", "finnspect datasets ready neu-det NEU-DET.tar.xz"),
)
_WIDTH = 100
_SHOWN = 10  # lines of one kind before "and so many more"

NameArgument = Annotated[str, typer.Argument(help="Name of the data set, see `finnspect datasets list`.")]
PathArgument = Annotated[Path | None, typer.Argument(help="Folder or archive of the set.")]
OptionsOption = Annotated[
    list[str] | None,
    typer.Option("--data-option", "--option", help="Option of the loader, KEY=VALUE; may be repeated."),
]

app = typer.Typer(help="List the data sets that can be read, and check a local copy.", no_args_is_help=True)


@app.command("list")
def list_command(
    as_json: JsonOption = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables of docs/datasets.md.")
    ] = False,
) -> None:
    """List the data sets: task, size, licence, layout, options, and where to get each."""
    from quant_models.datasets import list_datasets

    infos = list_datasets()
    if markdown:
        typer.echo("\n".join(_tables(infos)))
        return
    if as_json:
        fields = ("name", "task", "description", "size", "licence", "url", "layout", "needs_path", "checked")
        rows = [
            {**{field: getattr(info, field) for field in fields}, "options": dict(info.options)}
            for info in infos
        ]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for info in infos:
        typer.echo("\n".join([info.name, *_about(info)]) + "\n")


def _about(info: DatasetInfo) -> list[str]:
    fields = {
        "task": info.task,
        "images": f"{info.description}; {info.size}",
        "licence": info.licence,
        "from": info.url or ("your own" if info.needs_path else "nothing to fetch"),
        "layout": info.layout,
        "options": ", ".join(f"{name}={value}" for name, value in info.choices.items()),
        "seen on": info.checked,
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
    name: NameArgument,
    path: PathArgument = None,
    option: OptionsOption = None,
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


def _tables(infos: list[DatasetInfo]) -> list[str]:
    """Return the tables of ``docs/datasets.md``: sets, layouts, and what the options do."""
    from quant_models.datasets.registry import COMMON, OPTIONS

    def row(*cells: str) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    def table(*heads: str) -> list[str]:
        return [row(*heads), "|" + " --- |" * len(heads)]

    lines = table("set", "task", "images", "licence", "from", "seen on")
    for info in infos:
        images = f"{info.description}; {info.size}"
        source = info.url or ("your own" if info.needs_path else "nothing to fetch")
        lines.append(row(f"`{info.name}`", info.task, images, info.licence, source, info.checked))
    lines += ["", *table("set", "layout", "options")]
    for info in infos:
        own = [f"`{name}={value}`" for name, value in info.choices.items() if name not in COMMON]
        layout = re.sub("[;,] (in )?a folder or an archive$", "", info.layout)
        lines.append(row(f"`{info.name}`", f"`{layout}`", ", ".join(own)))
    lines += ["", *table("option", "what it does")]
    every = ", ".join(f"`{name}={value}`" for name, value in COMMON.items())
    lines += [row(f"`{name}`", what) for name, what in OPTIONS.items()]
    return [*lines, "", f"Every set has {every} too; each is read from a folder or an archive."]


@app.command("ready")
def ready_command(
    name: NameArgument,
    path: PathArgument = None,
    option: OptionsOption = None,
    image_size: Annotated[int, typer.Option("--image-size", min=1, help="Side of the input.")] = 64,
) -> None:
    """Load and split a set as a training does, from its files and from the cache, and say how long that took.

    The cache is a temporary one. Processor seconds are those of all threads.
    """
    import os
    import tempfile
    import time

    from finnspect.package import Preprocessing
    from finnspect.progress import for_terminal
    from quant_models.datasets import load_dataset, split_dataset

    options = parse_data_options(name, option or [])
    look = Preprocessing(color="grey", height=image_size, width=image_size, scale=1 / 255)
    lines = []
    with tempfile.TemporaryDirectory(prefix="finnspect-") as cache:
        for source in ("files", "cache"):
            wall, processor = time.perf_counter(), time.process_time()
            dataset = load_dataset(name, path, look, cache, for_terminal().note, **options)
            split_dataset(dataset, 0)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            lines.append(f"  from the {source}: {wall:.2f} s, {processor:.2f} processor seconds")
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    size = f"{image_size}x{image_size}"
    typer.echo(f"{name}: {len(dataset)} images at {size}, {cores} cores, load {load:.1f}")
    typer.echo("\n".join(lines))


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
