"""``finnspect simulate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import OUT, BoardOption, JsonOption, OutOption, examples
from finnspect.config import DEFAULT_BOARD, DEFAULT_PACKAGE

NAME = "simulate"
EXAMPLES = examples(
    ("The golden images of the model that comes with finnspect", "finnspect simulate"),
    (
        "Your own images, one folder a class",
        "finnspect simulate --package my_package --images my_images/ --count 100",
    ),
    (
        "Arrays (npz with `images`, uint8, and perhaps `labels`); results to a file",
        "finnspect simulate --images test.npz --result result.json",
    ),
)


def command(
    package: Annotated[
        str, typer.Option("--package", help="Package to simulate: a folder, or a shipped one's name.")
    ] = DEFAULT_PACKAGE,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Folder of images or npz file; the package's golden images if not given."
        ),
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="Stop after this many images.")] = None,
    board: BoardOption = DEFAULT_BOARD,
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file with the folding for this build.")
    ] = None,
    result: Annotated[
        Path | None, typer.Option("--result", help="Write logits, classes and cycles to this JSON file.")
    ] = None,
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Run images through the generated RTL, cycle by cycle, and compare every logit with the reference.

    Builds what is missing first (front end, folding, emission). A difference stops with an error that
    names the first layer that diverges.
    """
    from finnspect.flow import BuildRequest, simulate
    from finnspect.progress import for_terminal

    request = BuildRequest(package=package, board=board, toolchain=None, config=config, out=out)
    request.check()
    summary = simulate(request, images, count, for_terminal())
    text = json.dumps(summary, indent=1)
    if result is not None:
        from finnspect.stages import write_whole

        write_whole(result, text + "\n")
    if as_json:
        typer.echo(text)
        return
    typer.echo(
        f"{summary['images']} images, {summary['logits']} logits: 0 mismatches between RTL and reference\n"
        f"{summary['cycles_per_frame']:,} cycles a frame (simulated), "
        f"first frame after {summary['latency_cycles']:,} cycles"
    )
    if summary["correct"] is not None:
        typer.echo(f"{summary['correct']} of {summary['images']} images classified as labelled")
    if result is not None:
        typer.echo(f"written: {result}")
