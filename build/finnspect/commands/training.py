"""Options of a training that ``train`` and ``build`` share, and the request that they make."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finnspect.errors import ConfigError

if TYPE_CHECKING:
    from finnspect.train_flow import TrainRequest

DataOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--data-option",
        help="Option of the data set's loader, KEY=VALUE, see [bold]finnspect datasets list[/bold]; "
        "may be repeated.",
    ),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option("--image-size", min=8, max=512, help="Side of the input; the model family's own without."),
]
ColorOption = Annotated[
    str | None, typer.Option("--color", help="What the network sees: grey or rgb; grey without.")
]
ShotsOption = Annotated[
    int | None, typer.Option("--shots", min=1, help="Train and validate on so many images a class.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any other setting of the training, KEY=VALUE, as device=cpu; may be repeated.",
    ),
]
#: Fields of a training's configuration that have an option of their own, or are the flow's business.
_OWN = frozenset({"model", "dataset", "data", "dataset_options", "seed"})
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


def parse_data_options(name: str, words: Sequence[str]) -> dict[str, Any]:
    """Return a data set's loader options from ``KEY=VALUE``, each of the type that the option has.

    Raises
    ------
    ConfigError
        Unknown data set, no ``=``, an option given twice, or one that the set does not have or whose value
        it does not take; the remedy lists the set's options.
    """
    from quant_models.datasets import get_dataset
    from quant_models.datasets.load import resolve_options

    entry = get_dataset(name)
    known = entry.info.options
    listed = ", ".join(
        f"{key}={'|'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for key, value in known.items()
    )
    about = f"options of {name!r}: {listed}" if known else f"the data set {name!r} has no options"
    parsed: dict[str, Any] = {}
    for word in words:
        key, value = _pair(word, parsed, about)
        parsed[key] = _typed(key, value, known.get(key), about)
    try:
        resolve_options(entry, parsed)
    except ConfigError as error:
        raise ConfigError(error.message, about) from error
    return parsed


def _pair(word: str, before: dict[str, Any], about: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"the option {word!r} is not KEY=VALUE", about)
    if key in before:
        raise ConfigError(f"the option {key!r} is given twice", "leave one out")
    return key, value.strip()


def check_model(model: str) -> None:
    """Refuse what is neither a model's name nor a file of the user's and a factory in it.

    Raises
    ------
    ConfigError
        It is neither, or there is no such file.
    """
    path, colon, factory = model.rpartition(":")
    if not colon and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", model) and not model.endswith(".py"):
        return  # whether there is one of that name is said by the registry
    form = "write a name that `finnspect models` lists, or path/to/file.py:factory"
    if not path.endswith(".py") or not factory.isidentifier():
        raise ConfigError(f"model {model!r} is neither a name nor a file and a factory in it", form)
    if not Path(path).is_file():
        raise ConfigError(f"model {model!r}: there is no file {path}", form)


def _typed(key: str, value: str, default: Any, about: str) -> Any:
    """Return a value as the type of an option's default, or of the first of its choices."""
    kind = type(default[0] if isinstance(default, tuple) else default)
    if kind is bool:
        if value.lower() not in (*_TRUE, *_FALSE):
            raise ConfigError(f"{key} is {value!r}, expected true or false", about)
        return value.lower() in _TRUE
    if kind in (int, float):
        try:
            return kind(value)
        except ValueError as error:
            noun = "an integer" if kind is int else "a number"
            raise ConfigError(f"{key} is {value!r}, expected {noun}", about) from error
    return value


def parse_settings(words: Sequence[str]) -> dict[str, Any]:
    """Return fields of ``TrainConfig`` from ``KEY=VALUE``; a value is JSON, or else a word.

    Raises
    ------
    ConfigError
        No ``=``, or a setting given twice or that there is not.
    """
    from quant_models.training.config import PLACES, TrainConfig

    names = sorted(set(TrainConfig.model_fields) - PLACES - _OWN)
    about = f"settings: {', '.join(names)}"
    parsed: dict[str, Any] = {}
    for word in words:
        key, value = _pair(word, parsed, about)
        if key not in names:
            raise ConfigError(f"there is no setting {key!r} of a training", about)
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
    return parsed


def training_request(
    dataset: str,
    data: Path | None,
    model: str,
    seed: int,
    epochs: int | None,
    *,
    data_options: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
    **fields: Any,
) -> TrainRequest:
    """Return a checked request from what the command line gave.

    Parameters
    ----------
    data_options, settings
        Words KEY=VALUE.
    fields
        Fields of ``TrainConfig`` with an option of their own; None where that was not given.

    Raises
    ------
    ConfigError
        An option or a setting is unknown or of a value that is not taken.
    """
    from pydantic import ValidationError

    from finnspect.train_flow import TrainRequest
    from quant_models.training.config import TrainConfig

    given = {key: value for key, value in fields.items() if value is not None}
    check_model(model)
    more = parse_settings(settings or ())
    for key in given.keys() & more.keys():
        raise ConfigError(f"{key} is given twice", f"leave out --{key.replace('_', '-')} or --set {key}")
    options = parse_data_options(dataset, data_options or ())
    chosen = {**({"dataset_options": options} if options else {}), **given, **more}
    request = TrainRequest(dataset, data, model, seed, epochs, tuple(sorted(chosen.items())))
    try:
        TrainConfig.model_validate({**request.fields(), "run_dir": Path()})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        value = "" if not first["loc"] else f", got {first['input']!r}"
        raise ConfigError(
            f"{where}: {first['msg']}{value}", "see `finnspect train --help` and docs/training.md"
        ) from error
    return request
