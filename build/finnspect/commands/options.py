"""Options that several commands share, and how examples are laid out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finnspect.config import DEFAULT_BOARD

OUT = Path("out")


def examples(*lines: tuple[str, str]) -> str:
    """Return the examples of a command for the end of its help: pairs of purpose and command line."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"{purpose}:\n\n  {line}" for purpose, line in lines)])


OutOption = Annotated[Path, typer.Option("--out", help="Folder for everything that is made.")]
BoardOption = Annotated[str, typer.Option("--board", help=f"Board to build for, as {DEFAULT_BOARD}.")]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="Data set to train on: image-folder for your own images, or one of "
        "[bold]finnspect datasets list[/bold].",
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder or archive of the data set, in its original layout."),
]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        help="Model to train, as cnv_w4a4 ([bold]finnspect models[/bold] lists all), or file.py:factory.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random in training.")]
EpochsOption = Annotated[
    int | None,
    typer.Option("--epochs", min=1, help="Epochs of the float warm-up and of the quantized training, each."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
