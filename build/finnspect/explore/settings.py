"""What all trials of a study have in common. A study never mixes two of these."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from finnspect import __version__
from finnspect.errors import ConfigError
from finnspect.explore.objectives import DEFAULT_OBJECTIVES, check_objectives
from finnspect.explore.space import Space
from finnspect.train_flow import TrainRequest

FORMAT = "finnspect-explore"
FORMAT_VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Settings(BaseModel):
    """Everything that decides what a point of the space gives.

    Parameters
    ----------
    dataset_options
        Options of the data set's loader.
    data_sha256
        Hash of the data set's content; empty for one that is drawn.
    epochs, shots, image_size
        As of ``finnspect train``.
    synth, simulate
        Synthesise each core, simulate each core, instead of estimates.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    finnspect: str = __version__
    space: Space
    objectives: tuple[str, ...] = DEFAULT_OBJECTIVES
    dataset: str
    dataset_options: dict[str, Any] = Field(default_factory=dict)
    data_sha256: str = ""
    seed: int = Field(0, ge=0)
    epochs: int | None = Field(None, ge=1)
    shots: int | None = Field(None, ge=1)
    image_size: int | None = Field(None, ge=8, le=512)
    board: str
    clock_mhz: float | None = Field(None, gt=0)
    synth: bool = False
    simulate: bool = False

    def training(self, model: str, data: Path | None) -> TrainRequest:
        """Return the training of a model of the space."""
        options = {
            "shots": self.shots,
            "image_size": self.image_size,
            "dataset_options": self.dataset_options or None,
        }
        given = tuple((name, value) for name, value in options.items() if value is not None)
        return TrainRequest(self.dataset, data, model, self.seed, self.epochs, given)

    def check(self) -> None:
        """Refuse what can be refused before any work.

        Raises
        ------
        ConfigError
            Unknown family, objective or board.
        """
        from finnspect.board import load_board

        check_objectives(self.objectives)
        self.space.check()
        load_board(self.board)


def check_name(study: str) -> str:
    """Return a study's name if it can be that of a folder.

    Raises
    ------
    ConfigError
        It cannot.
    """
    if not _NAME.fullmatch(study):
        raise ConfigError(
            f"study name {study!r}", "use letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return study


def read_settings(study: str, document: Any) -> Settings:
    """Return the settings that a study was begun with.

    Raises
    ------
    ConfigError
        The study is of another program or version.
    """
    remedy = "explore under a new name, with --study"
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ConfigError(f"study {study!r} was not made by `finnspect explore`", remedy)
    made = document.get("finnspect")
    if (document.get("format_version"), made) != (FORMAT_VERSION, __version__):
        raise ConfigError(
            f"study {study!r} was made by finnspect {made}, this is {__version__}: "
            "figures of the two may not be comparable",
            f"{remedy}, or go on with finnspect {made}",
        )
    return Settings.model_validate(document)


def check_same(study: str, kept: Settings, asked: Settings) -> None:
    """Refuse to go on with a study under other settings.

    Raises
    ------
    ConfigError
        Names what differs.
    """
    old, new = (each.model_dump(mode="json") for each in (kept, asked))
    old |= {f"space.{name}": value for name, value in old.pop("space").items()}
    new |= {f"space.{name}": value for name, value in new.pop("space").items()}
    for name, value in old.items():
        if new[name] != value:
            raise ConfigError(
                f"study {study!r} was begun with {name} {_words(value)}, now it is {_words(new[name])}",
                f"`finnspect explore --join {study}` goes on with the study as it is; "
                "for other choices begin another, with --study NAME",
            )


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
