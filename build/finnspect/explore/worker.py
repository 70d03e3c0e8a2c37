"""One process at work on a study, alone or beside others.

Every worker holds a lock of its own while it lives, and its trials say which: on one machine a dead worker
is known at once. Workers on other machines are known by their heartbeats in the storage. The trials of a
dead worker are marked failed and put up again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from finnspect.errors import FlowError
from finnspect.explore.display import Display
from finnspect.explore.evaluate import InfeasibleError, Outcome
from finnspect.explore.settings import Settings
from finnspect.explore.space import Point, describe, nearest_new
from finnspect.explore.study import GOAL, Place, give_up, reaching, requeue

WORKER, OUTCOME, REASON, DROPPED = "worker", "outcome", "reason", "dropped"
_COUNTED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.WAITING)
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_POLL_S = 1.0

#: Evaluates a point; receives lines of progress by its second argument.
Evaluate = Callable[[Point, Callable[[str], None]], Outcome]


class _DroppedError(Exception):
    """A trial that is not worth its time: surplus, or of a point that is tried already."""


class Worker:
    """Works on a study until it has all its trials.

    Parameters
    ----------
    evaluate
        What a point gives.
    timeout_s
        Begin no trial later than this; None for no limit.
    """

    def __init__(
        self,
        place: Place,
        study: optuna.Study,
        settings: Settings,
        evaluate: Evaluate,
        display: Display,
        timeout_s: float | None = None,
    ) -> None:
        self.place, self.study, self.settings = place, study, settings
        self.space, self.evaluate, self.display = settings.space, evaluate, display
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._until = None if timeout_s is None else time.monotonic() + timeout_s
        self._locks = place.folder / "workers"
        self._nameless: dict[int, float] = {}  # running trial without a worker: when first seen
        study.sampler = optuna.samplers.TPESampler(
            multivariate=True, constant_liar=True, n_startup_trials=8, seed=self._seed()
        )

    def _seed(self) -> int:
        """Return the sampler's seed: another one for every worker, and after every interruption."""
        others = sum(trial.state == TrialState.RUNNING for trial in self.study.trials)
        text = f"{self.settings.seed}:{len(self.study.trials)}:{others}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    @property
    def goal(self) -> int:
        """Trials that the study is to have; fewer than asked for where the space is smaller."""
        return min(int(self.study.user_attrs[GOAL]), self.space.size)

    def run(self) -> None:
        """Work until the study is finished, by this worker or others, or the time is up.

        Raises
        ------
        FlowError
            Data, tools or storage fail; what is finished is kept.
        KeyboardInterrupt
            The running trial is put up again first.
        """
        self._locks.mkdir(parents=True, exist_ok=True)
        path = self._locks / f"{self.name}.lock"
        with FileLock(path), self._quiet_heart(), reaching(self.place):
            try:
                while self._once():
                    pass
            finally:
                path.unlink(missing_ok=True)

    @contextmanager
    def _quiet_heart(self) -> Iterator[None]:
        """Say in one line that the storage was away when a heartbeat was due: its thread ends with it."""
        before = threading.excepthook

        def hook(args: threading.ExceptHookArgs) -> None:
            if isinstance(args.exc_value, optuna.exceptions.StorageInternalError | SQLAlchemyError):
                self.display.line(f"the storage {self.place.shown} does not answer; the trial goes on")
            else:
                before(args)

        threading.excepthook = hook
        try:
            yield
        finally:
            threading.excepthook = before

    def _once(self) -> bool:
        """Do one trial, or wait a little; False when there is nothing left to do."""
        self._bury()
        trials = self.study.get_trials(deepcopy=False)
        counts = {state: sum(t.state == state for t in trials) for state in TrialState}
        done = sum(counts[state] for state in _DONE)
        self.display.count(done, self.goal)
        if done >= self.goal:
            return False
        if self._until is not None and time.monotonic() >= self._until:
            self.display.line(f"the time is up after {done} of {self.goal} trials")
            return False
        busy = counts[TrialState.RUNNING]
        if not counts[TrialState.WAITING] and done + busy >= self.goal:
            self.display.note(f"waiting for {busy} trial(s) of other workers")
            time.sleep(_POLL_S)
            return True
        self._try()
        return True

    # -- a trial ----------------------------------------------------------------------------------

    def _try(self) -> None:
        """Ask for a trial and run it."""
        numbers: list[int] = []
        # SQLite locks no row that it reads: without this, two workers could take one waiting trial.
        asking = FileLock(self.place.folder / ".ask.lock")

        def objective(trial: optuna.Trial) -> tuple[float, ...]:
            numbers.append(trial.number)
            trial.set_user_attr(WORKER, self.name)
            asking.release()
            point = self.space.suggest(trial)
            self._check(trial, point)
            return self._measure(trial, point)

        try:
            asking.acquire()
            self.study.optimize(objective, n_trials=1, catch=(_DroppedError,))
        except (KeyboardInterrupt, SystemExit):
            if numbers:
                self._put_back(numbers[0])
            raise
        except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
            if not numbers or self._state(numbers[0]).state != TrialState.FAIL:
                raise
            if REASON in self._state(numbers[0]).user_attrs:
                raise
            self.display.line(f"trial {numbers[0]}: counted as dead by another worker, not stored")
        finally:
            asking.release()

    def _state(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _put_back(self, number: int) -> None:
        """Put the point of an interrupted trial up again."""
        trial = self._state(number)
        if trial.state == TrialState.RUNNING:  # left as it is by all but Ctrl-C
            give_up(self.study, trial, strike=False)
        elif trial.state == TrialState.FAIL and DROPPED not in trial.user_attrs:
            requeue(self.study, trial, strike=False)

    def _check(self, trial: optuna.Trial, point: Point) -> None:
        """Drop a trial too many, and one of a point that is tried already: another point takes its place.

        Raises
        ------
        _DroppedError
            The trial is dropped.
        """
        before = [
            each
            for each in self.study.get_trials(deepcopy=False)
            if each.state in _COUNTED and each.number != trial.number
        ]
        if sum(each.number < trial.number for each in before) >= self.goal:
            trial.set_user_attr(DROPPED, "surplus")
            raise _DroppedError
        if any(each.params == point and self._first(each, trial) for each in before):
            trial.set_user_attr(DROPPED, "duplicate")
            found = nearest_new(self.space, point, [each.params for each in before])
            if found:
                choice = int.from_bytes(hashlib.sha256(f"{self._seed()}".encode()).digest()[:4], "big")
                self.study.enqueue_trial(found[choice % len(found)])
            raise _DroppedError

    @staticmethod
    def _first(other: FrozenTrial, trial: optuna.Trial) -> bool:
        """Whether ``other`` has the better right to a point that both have."""
        return other.state in _DONE or other.number < trial.number

    def _measure(self, trial: optuna.Trial, point: Point) -> tuple[float, ...]:
        """Evaluate a point and store all that is known of it."""
        begun = time.monotonic()
        with self.display.trial(trial.number, describe(point)) as say:
            try:
                outcome = self.evaluate(point, say)
            except InfeasibleError as error:
                trial.set_user_attr(REASON, str(error))
                self.display.line(f"trial {trial.number}: {describe(point)}: pruned: {error}")
                raise optuna.TrialPruned from error
            except FlowError as error:
                trial.set_user_attr(REASON, error.message)
                raise
        seconds = round(time.monotonic() - begun, 3)
        trial.set_user_attr(
            OUTCOME, {"figures": outcome.figures, "folding": outcome.folding, "seconds": seconds}
        )
        values = tuple(float(outcome.figures[name]["value"]) for name in self.settings.objectives)
        said = ", ".join(
            f"{name} {value:,.4g} ({outcome.figures[name]['kind']})"
            for name, value in zip(self.settings.objectives, values, strict=True)
        )
        self.display.line(f"trial {trial.number}: {describe(point)}: {said}")
        return values

    # -- the dead ---------------------------------------------------------------------------------

    def _bury(self) -> None:
        """Put up again what dead workers worked on."""
        optuna.storages.fail_stale_trials(self.study)  # by heartbeat, on whatever machine
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            worker = trial.user_attrs.get(WORKER)
            if (
                worker is None
            ):  # killed between its first two words to the storage, or about to say the second
                first = self._nameless.setdefault(trial.number, time.monotonic())
                if time.monotonic() - first > self.place.grace_s:
                    give_up(self.study, trial, strike=False)
            elif self._dead_here(worker):
                self.display.line(f"trial {trial.number}: its worker is dead, it is put up again")
                give_up(self.study, trial, strike=True)

    def _dead_here(self, worker: str) -> bool:
        """Whether a worker of this machine and folder is dead: its lock is there, but nobody holds it."""
        path: Path = self._locks / f"{worker}.lock"
        if not worker.startswith(f"{socket.gethostname()}-") or not path.is_file():
            return False
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        lock.release()
        path.unlink(missing_ok=True)
        return True
