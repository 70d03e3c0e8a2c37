"""Where the trials of a study are kept: a file in the study's folder, or a PostgreSQL server."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from filelock import FileLock
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from finnspect.errors import ConfigError, FlowError
from finnspect.explore.objectives import OBJECTIVES
from finnspect.explore.settings import Settings, check_same, read_settings

FILE = "study.db"
SETTINGS, GOAL, STRIKES, RETRY_OF = "finnspect", "trials", "strikes", "retry_of"
#: Times that a point may kill its worker; then it is left out.
MAX_STRIKES = 2
_CONNECT_S = 10
_DRIVER = "postgresql+psycopg"
_SETTLE_S = 15.0


class StorageError(FlowError):
    """The storage of a study cannot be reached, or is not one."""


@dataclass(frozen=True)
class Place:
    """Where a study is.

    Parameters
    ----------
    url
        None for the file in ``folder``.
    folder
        The study's folder on this machine: models, locks, results.
    grace_s
        After so many seconds without a sign of life a worker counts as dead.
    """

    name: str
    folder: Path
    url: str | None = None
    grace_s: int = 120

    @property
    def shown(self) -> str:
        """The storage in words, without a password."""
        if self.url is None:
            return str(self.folder / FILE)
        return make_url(self.url).render_as_string(hide_password=True)


def _engine_url(place: Place) -> URL:
    if place.url is None:
        return URL.create("sqlite", database=str(place.folder.absolute() / FILE))
    remedy = "write postgresql://user:password@host:5432/database, or leave --storage out: a file is used"
    try:
        url = make_url(place.url)
    except (ArgumentError, ValueError) as error:
        raise ConfigError("--storage is no URL", remedy) from error
    if url.drivername not in ("postgresql", "postgres", _DRIVER):
        raise ConfigError(f"--storage: {url.drivername}:// is not served", remedy)
    if not url.database:
        raise ConfigError(f"--storage {place.shown} names no database", remedy)
    return url.set(drivername=_DRIVER)


@contextmanager
def reaching(place: Place) -> Iterator[None]:
    """Turn what a database says of itself into one clear error.

    Raises
    ------
    StorageError
        With the first line of the database's own message.
    """
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        cause: BaseException = error
        while isinstance(cause.__cause__, BaseException):
            cause = cause.__cause__
        why = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        remedy = "check that the folder can be written and its disk is not full"
        if place.url is not None:
            remedy = "check that the server runs, and host, port, user and database of --storage"
        raise StorageError(
            f"the storage {place.shown} does not answer: {why}",
            f"{remedy}; the same command goes on from what is stored",
        ) from error


def open_storage(place: Place) -> RDBStorage:
    """Open the storage, and make its tables where there are none.

    Raises
    ------
    ConfigError
        The URL is none, or not of a kind that is served.
    StorageError
        The server does not answer, or another version of Optuna made the tables.
    """
    url = _engine_url(place)
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    connect: dict[str, Any] = {"timeout": 60} if place.url is None else {"connect_timeout": _CONNECT_S}

    def make() -> RDBStorage:
        return RDBStorage(
            url.render_as_string(hide_password=False),
            engine_kwargs={"connect_args": connect, "pool_pre_ping": True},
            heartbeat_interval=max(1, place.grace_s // 6),
            grace_period=place.grace_s,
            heartbeat_stale_trial_callback=requeue,
        )

    place.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(place.folder / ".study.lock"), reaching(place):
        for _ in range(4):
            try:
                return make()
            except (sqlalchemy.exc.ProgrammingError, sqlalchemy.exc.IntegrityError):
                time.sleep(0.5)  # another machine makes the tables at this moment
            except RuntimeError as error:
                raise StorageError(
                    f"the tables in {place.shown} are of another version of Optuna",
                    "explore in another database or folder",
                ) from error
        return make()


def create(place: Place, storage: RDBStorage, settings: Settings) -> optuna.Study:
    """Begin a study, or open the one of this name if it was begun with the same settings.

    Raises
    ------
    ConfigError
        A study of this name was made by another version or with other settings.
    """
    with reaching(place):
        try:
            study = optuna.create_study(
                storage=storage,
                study_name=place.name,
                directions=[OBJECTIVES[name].direction for name in settings.objectives],
            )
            study.set_user_attr(SETTINGS, settings.model_dump(mode="json"))
            return study
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(study_name=place.name, storage=storage)
            check_same(place.name, settings_of(study), settings)
            return study


def join(place: Place, storage: RDBStorage) -> optuna.Study:
    """Open a study that somebody began.

    Raises
    ------
    ConfigError
        There is none of this name, or it is of another version.
    """
    with reaching(place):
        try:
            study = optuna.load_study(study_name=place.name, storage=storage)
        except KeyError as error:
            known = sorted(optuna.get_all_study_names(storage))
            raise ConfigError(
                f"there is no study {place.name!r} in {place.shown}",
                f"its studies: {', '.join(known)}"
                if known
                else "begin one first: `finnspect explore` without --join",
            ) from error
        settings_of(study)
        return study


def settings_of(study: optuna.Study) -> Settings:
    """Return the settings of a study; waits a little for the process that is just creating it."""
    until = time.monotonic() + _SETTLE_S
    while SETTINGS not in study.user_attrs and not study.trials and time.monotonic() < until:
        time.sleep(0.2)
    return read_settings(study.study_name, study.user_attrs.get(SETTINGS))


def requeue(study: optuna.Study, trial: FrozenTrial, *, strike: bool = True) -> None:
    """Put the point of a trial that did not end up for trial again.

    Parameters
    ----------
    strike
        Its worker died, perhaps of it.
    """
    strikes = trial.user_attrs.get(STRIKES, 0) + strike
    if trial.params and strikes <= MAX_STRIKES:
        study.add_trial(
            optuna.create_trial(
                state=TrialState.WAITING,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs={STRIKES: strikes, RETRY_OF: trial.number},
            )
        )


def give_up(study: optuna.Study, trial: FrozenTrial, *, strike: bool) -> None:
    """Mark a trial that nobody works on as failed, and put its point up again; once, whoever else tries."""
    with contextlib.suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
        study.tell(trial.number, state=TrialState.FAIL)
        requeue(study, trial, strike=strike)
