"""``finnspect explore``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from finnspect.commands.options import (
    OUT,
    BoardOption,
    DataOption,
    EpochsOption,
    JsonOption,
    OutOption,
    SeedOption,
    examples,
)
from finnspect.commands.training import parse_data_options
from finnspect.config import DEFAULT_BOARD
from finnspect.errors import ConfigError

if TYPE_CHECKING:
    from finnspect.explore.settings import Settings

NAME = "explore"
EXAMPLES = examples(
    ("Thirty trials on the generated defects", "finnspect explore"),
    (
        "Your own images; narrower and wider networks, 2 to 4 bits",
        "finnspect explore --dataset image-folder --data my_images/ --widths 0.5,1,2 --weight-bits 2,3,4",
    ),
    (
        "A study on a server, and more machines at work on it",
        "finnspect explore --study nets --storage postgresql://me@server/explore --trials 200\n\n"
        "  finnspect explore --join nets --storage postgresql://me@server/explore",
    ),
)
_T = TypeVar("_T", int, float, str)
_TRIALS = 30
_BUDGETS = "0.05,0.15,0.4,1"


def _values(option: str, text: str, kind: type[_T]) -> tuple[_T, ...]:
    """Return the values of a list with commas.

    Raises
    ------
    ConfigError
        One of them is no number.
    """
    try:
        found = tuple(kind(each.strip()) for each in text.split(",") if each.strip())
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: {error}", "write numbers with commas: 1,2,4") from error
    if not found:
        raise ConfigError(f"{option} is empty", "write values with commas")
    return found


def command(
    study: Annotated[
        str | None, typer.Option("--study", help="Name of the study; if there is one, it goes on.")
    ] = None,
    join: Annotated[
        str | None, typer.Option("--join", help="Work on a study that is begun, with its own settings.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", help="PostgreSQL server that holds the study, for several machines; else a file."
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help=f"Trials of the study in all, {_TRIALS} at first.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, help="Begin no trial after so many seconds.")
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", help="Data set to train on: synthetic, neu-det, image-folder.")
    ] = "synthetic",
    data: DataOption = None,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--data-option",
            "--option",
            help="Option of the data set's loader, as images=700; may be repeated.",
        ),
    ] = None,
    seed: SeedOption = 0,
    epochs: EpochsOption = None,
    shots: Annotated[
        int | None, typer.Option("--shots", min=1, help="Train and validate on so many images a class.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", min=8, max=512, help="Side of the input; the family's own without."),
    ] = None,
    families: Annotated[str, typer.Option("--families", help="Model families.")] = "cnv",
    widths: Annotated[
        str, typer.Option("--widths", help="What a family's channels are multiplied by.")
    ] = "0.25,0.5,0.75,1",
    weight_bits: Annotated[str, typer.Option("--weight-bits", help="Bits of weights.")] = "2,3,4",
    act_bits: Annotated[str, typer.Option("--act-bits", help="Bits of activations.")] = "2,3,4",
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", help=f"Shares of the board; fastest folding of each. If not given, {_BUDGETS}."
        ),
    ] = None,
    target_cycles: Annotated[
        str | None, typer.Option("--target-cycles", help="Instead: cycles a frame; cheapest folding of each.")
    ] = None,
    target_fps: Annotated[
        str | None, typer.Option("--target-fps", help="Instead: frames a second; cheapest folding of each.")
    ] = None,
    board: BoardOption = DEFAULT_BOARD,
    objectives: Annotated[
        str,
        typer.Option("--objectives", help="Of accuracy, fps, latency, lut, ff, bram, dsp."),
    ] = "accuracy,fps,lut",
    synth: Annotated[
        bool, typer.Option("--synth", help="Synthesise every core: cells are post-synthesis.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Simulate every core: cycles are simulated, logits compared.")
    ] = False,
    grace: Annotated[
        int, typer.Option("--grace", min=2, help="A worker silent for so many seconds counts as dead.")
    ] = 120,
    out: OutOption = OUT,
    as_json: JsonOption = False,
) -> None:
    """Search model width, bits and folding for the best trade of accuracy, speed and size.

    Options that take several values take them with commas. Networks that differ in folding only are
    trained once. Stopped or killed, the same command goes on; further workers join with --join, on one
    machine or, with --storage, on many.

    Makes OUT/explore/STUDY with explore.json, front.csv, trials.csv, front.svg and the front's foldings.
    """
    if study is not None and join is not None:
        raise ConfigError("both --study and --join are given", "leave one out: --join goes on with a study")
    from finnspect.explore.settings import Settings, check_name
    from finnspect.explore.space import Space

    settings: Settings | None = None
    if join is None:
        goal, goals = _goal(budget, target_cycles, target_fps)
        space = Space(
            families=_values("--families", families, str),
            widths=_values("--widths", widths, float),
            weight_bits=_values("--weight-bits", weight_bits, int),
            act_bits=_values("--act-bits", act_bits, int),
            goal=goal,
            goals=goals,
        )
        settings = Settings(
            space=space,
            objectives=_values("--objectives", objectives, str),
            dataset=dataset,
            dataset_options=parse_data_options(dataset, options or ()),
            data_sha256=_digest(dataset, data),
            seed=seed,
            epochs=epochs,
            shots=shots,
            image_size=size,
            board=board,
            synth=synth,
            simulate=simulate,
        )
        trials = trials or _TRIALS
    name = check_name(join or study or f"{families.replace(',', '-')}-{dataset}-{board}")

    from finnspect.explore.display import for_terminal
    from finnspect.explore.results import text
    from finnspect.explore.run import ExploreRequest, explore
    from finnspect.explore.study import Place

    place = Place(name, out / "explore" / name, storage, grace)
    with for_terminal() as display:
        found = explore(ExploreRequest(place, settings, trials, data, timeout), display)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        typer.echo(text(found, place.folder))
        typer.echo(f"all of it: {place.folder}")


def _goal(budget: str | None, cycles: str | None, fps: str | None) -> tuple[str, tuple[float, ...]]:
    """Return what the foldings aim for, and its values."""
    given = {"budget": budget, "target_cycles": cycles, "target_fps": fps}
    named = {name: text for name, text in given.items() if text is not None} or {"budget": _BUDGETS}
    if len(named) > 1:
        raise ConfigError(
            "several aims of the folding", "give one of --budget, --target-cycles, --target-fps"
        )
    ((name, text),) = named.items()
    return name, _values(f"--{name.replace('_', '-')}", text, float)


def _digest(dataset: str, data: Path | None) -> str:
    from finnspect.train_flow import TrainRequest

    return TrainRequest(dataset, data).data_digest()
