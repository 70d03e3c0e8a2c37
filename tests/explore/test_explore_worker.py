"""The worker: how trials are shared, dropped, put up again and counted; points cost nothing here."""

import json
import multiprocessing
import os
import signal
import time

import optuna
import pytest
from finnspect.errors import ConfigError, DataError
from finnspect.explore import results, study
from finnspect.explore.display import Display
from finnspect.explore.evaluate import InfeasibleError, Outcome
from finnspect.explore.objectives import OBJECTIVES, check_objectives, dominates, figure, front
from finnspect.explore.settings import Settings
from finnspect.explore.space import Space, describe, model_of, nearest_new
from finnspect.explore.study import GOAL, MAX_STRIKES, Place
from finnspect.explore.worker import DROPPED, WORKER, Worker
from optuna.trial import TrialState

FORK = multiprocessing.get_context("fork")


def _space(**changes):
    fields = {
        "families": ("cnv_tiny",),
        "widths": (0.5, 1.0),
        "weight_bits": (2, 4),
        "act_bits": (2,),
        "goal": "budget",
        "goals": (0.25, 1.0),
    }
    return Space(**{**fields, **changes})


def _settings(**changes):
    return Settings(**{"space": _space(), "dataset": "synthetic", "board": "pynq-z2", **changes})


def _outcome(point):
    """Make up figures: more of everything is more accurate, faster and larger."""
    size = point["width"] * point["weight_bits"]
    figures = {
        "accuracy": figure(1 - 0.1 / size, "measured"),
        "fps": figure(1000 * point["budget"] / size, "estimated"),
        "lut": figure(100 * size * point["budget"], "estimated"),
        "test_accuracy": figure(0.5, "measured"),
        **{name: figure(1, "estimated") for name in ("cycles", "ff", "bram", "dsp", "latency")},
    }
    return Outcome(figures, {"mvau_0": {"PE": 1, "SIMD": 1}})


def _open(folder, settings=None, trials=8, name="s", grace_s=120):
    settings = settings or _settings()
    place = Place(name, folder / name, None, grace_s)
    opened = study.create(place, study.open_storage(place), settings)
    opened.set_user_attr(GOAL, trials)
    return place, opened, settings


def _work(opened, evaluate, **more):
    place, opened, settings = opened
    worker = Worker(place, opened, settings, lambda point, say: evaluate(point), Display(), **more)
    worker.run()
    return opened.trials


# -- the space and the front --------------------------------------------------------------------


def test_space_counts_and_names_its_points():
    space = _space()
    points = list(space.points())
    assert len(points) == space.size == 8
    assert {model_of(point) for point in points} == {
        f"cnv_tiny{x}_w{w}a2" for x in ("", "-x0.5") for w in (2, 4)
    }
    assert describe(points[0]) == "cnv_tiny-x0.5_w2a2, budget 0.25"
    assert _space(widths=(1, 0.5, 1.0)) == space
    assert [each["budget"] for each in nearest_new(space, points[0], points[:1])].count(0.25) == 2
    assert nearest_new(space, points[0], points) == []
    (last,) = nearest_new(space, points[0], points[:-1])
    assert last == points[-1]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"families": ("cnw",)}, "unknown model 'cnw-x0.5_w2a2'"),
        ({"weight_bits": (9,)}, "out of range"),
        ({"families": ("dsnet",), "weight_bits": (1,)}, "no bipolar weights"),
        ({"goals": (1.5,)}, "budget 1.5 is out of range"),
        ({"goal": "target_fps", "goals": (-1.0,)}, "target_fps -1"),
    ],
)
def test_a_space_without_models_or_sense_is_refused(changes, part):
    with pytest.raises(ConfigError, match=part):
        _space(**changes).check()


def test_some_impossible_models_are_left_to_the_trials():
    _space(families=("dsnet",), weight_bits=(1, 2)).check()


def test_front_keeps_what_nothing_dominates():
    names = ("accuracy", "fps", "lut")
    rows = {0: (0.9, 100.0, 50.0), 1: (0.9, 100.0, 60.0), 2: (0.95, 10.0, 50.0), 3: (0.9, 100.0, 50.0)}
    assert front(rows, names) == [2, 0]
    assert dominates(rows[0], rows[1], names) and not dominates(rows[0], rows[3], names)
    assert front({0: (5.0,), 1: (4.0,)}, ("lut",)) == [1]
    assert {each.direction for each in OBJECTIVES.values()} == {"maximize", "minimize"}
    with pytest.raises(ConfigError, match="unknown objective 'luts'"):
        check_objectives(("accuracy", "luts"))
    with pytest.raises(ConfigError, match="each once"):
        check_objectives(("lut", "lut"))


# -- a worker -----------------------------------------------------------------------------------


def test_every_point_of_a_small_space_is_tried_once(tmp_path):
    opened = _open(tmp_path, trials=50)
    trials = _work(opened, _outcome)
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(done) == 8
    assert len({tuple(sorted(trial.params.items())) for trial in done}) == 8
    assert all(trial.user_attrs[DROPPED] == "duplicate" for trial in trials if trial not in done)
    assert _work(opened, pytest.fail) == trials, "a finished study does nothing"

    found = results.collect(opened[1], opened[2])
    assert found["states"] == {"complete": 8}
    results.write(found, opened[0].folder)
    assert json.loads((opened[0].folder / "explore.json").read_text()) == found
    best = {row["trial"]: row for row in found["trials"]}[found["front"][0]]
    assert best["model"] == "cnv_tiny_w4a2"
    svg = (opened[0].folder / "front.svg").read_text()
    assert "accuracy on validation" in svg and "measured; more is better" in svg and best["model"] in svg
    rows = (opened[0].folder / "front.csv").read_text().splitlines()
    assert rows[0].startswith(
        "trial,state,model,family,width,weight_bits,act_bits,budget,accuracy,accuracy_kind,"
    )
    assert len(rows) == 1 + len(found["front"])
    text = results.text(found, opened[0].folder)
    assert "8 complete" in text and "measured" in text and "estimated" in text


def test_infeasible_points_are_pruned_with_the_reason(tmp_path):
    def evaluate(point):
        raise InfeasibleError("too large for the board")

    opened = _open(tmp_path, trials=3)
    assert [trial.state for trial in _work(opened, evaluate)] == [TrialState.PRUNED] * 3
    found = results.collect(opened[1], opened[2])
    assert found["front"] == []
    text = results.text(found, tmp_path)
    assert "infeasible, 3 times: too large for the board" in text and "no point could be built" in text
    results.write(found, tmp_path / "r")
    assert not (tmp_path / "r" / "front.svg").exists()


def test_missing_data_stops_the_worker_and_keeps_what_is_done(tmp_path):
    calls = []

    def evaluate(point):
        calls.append(point)
        if len(calls) == 2:
            raise DataError("the disk is gone")
        return _outcome(point)

    opened = _open(tmp_path, trials=4)
    with pytest.raises(DataError, match="the disk is gone"):
        _work(opened, evaluate)
    trials = _work(opened, _outcome)
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 4
    (failed,) = (t for t in trials if t.state == TrialState.FAIL and DROPPED not in t.user_attrs)
    assert failed.user_attrs["reason"] == "the disk is gone"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stopped_trial_is_the_next_one_to_run(tmp_path, stop):
    points = []

    def evaluate(point):
        points.append(point)
        if len(points) == 2:
            raise stop
        return _outcome(point)

    opened = _open(tmp_path, trials=3)
    with pytest.raises(stop):
        _work(opened, evaluate)
    trials = _work(opened, evaluate)
    assert points[2] == points[1]
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 3
    assert not list((opened[0].folder / "workers").iterdir())


def test_time_is_up(tmp_path):
    assert _work(_open(tmp_path), pytest.fail, timeout_s=0) == []


def test_settings_of_a_study_stay(tmp_path):
    place, opened, settings = _open(tmp_path)
    storage = opened._storage
    assert study.settings_of(study.create(place, storage, settings)) == settings
    for changes, part in (
        ({"space": _space(widths=(0.5,))}, r"space.widths 0.5, 1.0, now it is 0.5"),
        ({"epochs": 3}, "epochs None, now it is 3"),
        ({"objectives": ("accuracy", "lut")}, "objectives accuracy, fps, lut, now"),
    ):
        with pytest.raises(ConfigError, match=part) as error:
            study.create(place, storage, _settings(**changes))
        assert "--join s" in error.value.remedy
    opened.set_user_attr("finnspect", settings.model_dump(mode="json") | {"finnspect": "0.0.1"})
    with pytest.raises(ConfigError, match=r"made by finnspect 0\.0\.1"):
        study.join(place, storage)
    optuna.create_study(storage=storage, study_name="foreign").set_user_attr("finnspect", 1)
    with pytest.raises(ConfigError, match="not made by `finnspect explore`"):
        study.join(Place("foreign", place.folder), storage)
    with pytest.raises(ConfigError, match="no study 'none'") as error:
        study.join(Place("none", place.folder), storage)
    assert "foreign, s" in error.value.remedy


# -- several workers ----------------------------------------------------------------------------


def _process(folder, slow_s, trials, grace_s=120):
    """Run a worker in this new process."""

    def evaluate(point):
        time.sleep(slow_s)
        return _outcome(point)

    _work(_open(folder, trials=trials, grace_s=grace_s), evaluate)


def test_two_workers_share_a_study_without_a_trial_too_many(tmp_path):
    _open(tmp_path, trials=6)
    workers = [FORK.Process(target=_process, args=(tmp_path, 0.6, 6)) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
        assert each.exitcode == 0
    trials = _open(tmp_path, trials=6)[1].trials
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len(done) == 6 and len({trial.user_attrs[WORKER] for trial in done}) == 2
    assert len({tuple(sorted(trial.params.items())) for trial in done}) == 6
    assert all(DROPPED in trial.user_attrs for trial in trials if trial.state == TrialState.FAIL)


def _counting(folder):
    """Run a worker that notes each point it evaluates, in this new process."""

    def evaluate(point):
        with (folder / "evaluated").open("a") as file:
            file.write(describe(point) + "\n")
        return _outcome(point)

    place, opened, settings = _open(folder, _settings(space=_space(goals=GOALS)), 4 * len(GOALS))
    _work((place, opened, settings), evaluate)


#: Enough points that workers take many at the same moment.
GOALS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)


def test_a_waiting_trial_is_taken_by_one_worker_only(tmp_path):
    space = _space(goals=GOALS)
    _, opened, _ = _open(tmp_path, _settings(space=space), space.size)
    for point in space.points():
        opened.enqueue_trial(point)
    workers = [FORK.Process(target=_counting, args=(tmp_path,)) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(300)
        assert each.exitcode == 0
    evaluated = (tmp_path / "evaluated").read_text().splitlines()
    assert len(evaluated) == len(set(evaluated)) == space.size == 24


def _killed_in_a_trial(folder):
    worker = FORK.Process(target=_process, args=(folder, 60, 2))
    worker.start()
    until = time.monotonic() + 30
    while not any(WORKER in trial.user_attrs and trial.params for trial in _open(folder)[1].trials):
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(0.3)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(10)
    _open(folder, trials=2)


def test_the_trial_of_a_killed_worker_is_done_at_once_by_the_next(tmp_path):
    _killed_in_a_trial(tmp_path)
    begun = time.monotonic()
    trials = _work(_open(tmp_path, trials=2), _outcome)
    assert time.monotonic() - begun < 30, "not by the heartbeat, whose grace is two minutes"
    assert trials[0].state == TrialState.FAIL
    assert trials[1].params == trials[0].params and trials[1].user_attrs["retry_of"] == 0
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == 2


def test_a_point_that_kills_its_workers_is_left_out(tmp_path):
    _place, opened, _ = _open(tmp_path)
    trial = opened.ask()
    _space().suggest(trial)
    for strike in range(MAX_STRIKES + 1):
        running = opened.trials[-1]
        assert running.user_attrs.get("strikes", 0) == strike
        study.give_up(opened, running, strike=True)
        study.give_up(opened, running, strike=True)  # by another worker: changes nothing
        assert len(opened.trials) == min(strike + 2, MAX_STRIKES + 1)
        if strike < MAX_STRIKES:
            assert opened.ask().number == strike + 1
