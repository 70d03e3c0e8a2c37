"""``finnspect build``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from finnspect.commands.options import (
    OUT,
    DataOption,
    DatasetOption,
    EpochsOption,
    JsonOption,
    ModelOption,
    OutOption,
    SeedOption,
    examples,
)
from finnspect.commands.training import (
    ColorOption,
    DataOptionsOption,
    ImageSizeOption,
    SetOption,
    training_request,
)
from finnspect.config import DEFAULT_BOARD, DEFAULT_MODEL, DEFAULT_PACKAGE

NAME = "build"
EXAMPLES = examples(
    ("Build the model that comes with finnspect", "finnspect build"),
    ("Build a package of your own", "finnspect build --package my_package --board ulx3s-85f"),
    ("As few cells as 500 frames a second allow", "finnspect build --board pynq-z2 --target-fps 500"),
    (
        "Train on your own images, then build",
        "finnspect build --dataset image-folder --data my_images/ --model cnv_w4a4",
    ),
)


def command(
    package: Annotated[
        str | None,
        typer.Option(
            "--package",
            help=f"Package to build: a folder, or the name of a shipped one, as {DEFAULT_PACKAGE}.",
        ),
    ] = None,
    dataset: DatasetOption = None,
    data: DataOption = None,
    data_options: DataOptionsOption = None,
    model: ModelOption = DEFAULT_MODEL,
    image_size: ImageSizeOption = None,
    color: ColorOption = None,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    settings: SetOption = None,
    board: Annotated[
        str | None,
        typer.Option(
            "--board",
            help=f"Board to build for; if not given, {DEFAULT_BOARD}, "
            "or a PYNQ board where the tools for one are here.",
        ),
    ] = None,
    toolchain: Annotated[
        str,
        typer.Option(
            "--toolchain",
            help="Tools that make the bitstream; auto takes the best that are here "
            "([bold]finnspect doctor[/bold] lists all).",
        ),
    ] = "auto",
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file with folding, clock and seed for this build.")
    ] = None,
    target_fps: Annotated[
        float | None,
        typer.Option(
            "--target-fps",
            min=0.001,
            help="Take the cheapest folding that reaches this many frames a second at the board's clock.",
        ),
    ] = None,
    folding: Annotated[
        Path | None,
        typer.Option(
            "--folding", help="JSON file with PE and SIMD of every layer, by its name or that of FINN's node."
        ),
    ] = None,
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Build a model package into a verified bitstream and a deploy zip; with --dataset, train it first.

    Runs front end, folding, emission, simulation of the golden images (every logit equal, or it
    stops), bitstream, deploy zip, report; what is finished with the same inputs is not run again.

    PE and SIMD of every layer come from --folding, else from --target-fps, else from the configuration
    (build/configs); where none of them says anything, the fastest that the board holds is searched for.

    Results are in OUT/PACKAGE-BOARD.
    """
    from finnspect.errors import ConfigError
    from finnspect.flow import BuildRequest, build, refusal_reported
    from finnspect.progress import for_terminal
    from finnspect.report.model import REFUSED, TRAINING
    from finnspect.toolchains.registry import choose
    from finnspect.train_flow import train_and_export

    progress = for_terminal()
    if dataset is not None and package is not None:
        raise ConfigError(
            "both a package and a data set are given", "leave out one: a package is trained already"
        )
    if dataset is None and data is not None:
        raise ConfigError(
            "data is given, but no data set", "say what it is, as --dataset image-folder (make: DATASET=...)"
        )
    training = None
    if dataset is not None:
        training = training_request(
            dataset,
            data,
            model,
            seed,
            epochs,
            data_options=data_options,
            settings=settings,
            image_size=image_size,
            color=color,
        )
    elif data_options or settings or image_size or color:
        raise ConfigError(
            "options of a training are given, but no data set",
            "name the set to train on, as --dataset neu-det (make: DATASET=...), or leave them out",
        )
    asked = {"package": package, "dataset": dataset, "model": model, "board": board, "toolchain": toolchain}
    if dataset is None:
        asked |= {"package": package or DEFAULT_PACKAGE, "model": None}
    with refusal_reported(out, REFUSED, asked, progress):
        choice = choose(toolchain, board)
        for line in choice.said:
            progress.line(line)
        request = BuildRequest(
            package=package or DEFAULT_PACKAGE,
            board=choice.board,
            toolchain=choice.toolchain,
            config=config,
            out=out,
            folding=folding,
            target_fps=target_fps,
        )
        request.check()
    if training is not None:
        asked |= {"board": choice.board, "toolchain": choice.toolchain}
        with refusal_reported(out, TRAINING, asked, progress):
            request = request.with_package(*train_and_export(training, out, progress))
    result = build(request, progress)
    if as_json:
        typer.echo(result.report.to_json(), nl=False)
        return
    from rich.console import Console

    from finnspect.report.summary import print_summary

    print_summary(result.report, Console())
    if result.deploy_zip is not None:
        typer.echo(f"deploy zip: {result.deploy_zip}")
    typer.echo(f"report:     {result.report_path.with_suffix('.html')}")
