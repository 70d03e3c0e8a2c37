"""The whole of an exploration: open the study, work on it, write what it has found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from finnspect.errors import ConfigError
from finnspect.explore import results, study
from finnspect.explore.display import Display
from finnspect.explore.evaluate import Outcome, evaluate
from finnspect.explore.settings import Settings
from finnspect.explore.study import Place
from finnspect.explore.worker import Worker


@dataclass(frozen=True)
class ExploreRequest:
    """What one worker is asked to do.

    Parameters
    ----------
    settings
        Of the study to begin or go on with; None joins the study of this name as it is.
    trials
        Trials that the study is to have, over all workers; None leaves a joined study's number.
    data
        Folder or archive of the data set on this machine.
    """

    place: Place
    settings: Settings | None
    trials: int | None = None
    data: Path | None = None
    timeout_s: float | None = None


def explore(request: ExploreRequest, display: Display) -> dict[str, Any]:
    """Work on a study until it has its trials, and return what it has found, also written to its folder.

    Raises
    ------
    FlowError
        The study, its storage or its data cannot be used, or a tool failed.
    KeyboardInterrupt
        Stopped by the user; the results so far are written.
    """
    from quant_models.threads import settle_threads

    settle_threads()  # before torch is imported
    place = request.place
    if request.settings is not None:
        request.settings.check()
    storage = study.open_storage(place)
    try:
        opened, settings = _open(request, storage)
        _check_data(settings, request.data)

        def measure(point: Any, say: Any) -> Outcome:
            return evaluate(settings, point, place.folder, request.data, say)

        with study.reaching(place):
            worker = Worker(place, opened, settings, measure, display, request.timeout_s)
        try:
            worker.run()
        finally:
            with study.reaching(place):
                found = results.collect(opened, settings)
            results.write(found, place.folder)
        return found
    finally:
        storage.engine.dispose()


def _open(request: ExploreRequest, storage: Any) -> tuple[optuna.Study, Settings]:
    place, trials = request.place, request.trials
    if request.settings is None:
        opened = study.join(place, storage)
    else:
        opened = study.create(place, storage, request.settings)
    with study.reaching(place):
        if trials is not None:
            opened.set_user_attr(study.GOAL, trials)
        elif study.GOAL not in opened.user_attrs:
            raise ConfigError(
                f"study {place.name!r} is not begun yet", "try again in a moment, or say --trials"
            )
        return opened, study.settings_of(opened)


def _check_data(settings: Settings, data: Path | None) -> None:
    """Refuse data that is missing, or not what the study was begun with.

    Raises
    ------
    ConfigError, DataError
        Says which.
    """
    from quant_models.datasets import get_dataset
    from quant_models.datasets.load import resolve_options

    entry = get_dataset(settings.dataset)
    resolve_options(entry, settings.dataset_options)
    if data is None and entry.info.needs_path:
        raise ConfigError(
            f"the study trains on {settings.dataset!r}, whose files are not given",
            "say where they are on this machine, with --data",
        )
    if settings.training("", data).data_digest() != settings.data_sha256:
        raise ConfigError(
            f"{data} is not the data that the study was begun with: its content differs",
            "give the same folder or archive, or begin another study, with --study NAME",
        )
