"""No torch here: every process imports this file."""

import os
from functools import partial

import pytest
from finnspect.errors import ConfigError, FlowError

from quant_models.workers import run_each


def double(value, notify, *, refused=None, dies=None):
    notify(f"doubling {value}")
    if value == refused:
        raise ConfigError("not this one", "take another")
    if value == dies:
        os._exit(9)
    return 2 * value, os.getpid()


def test_tasks_are_dealt_to_processes():
    said = []
    done = dict(run_each(double, [3, 4, 5, 6, 7], 2, lambda index, text: said.append((index, text))))
    assert {index: value for index, (value, _) in done.items()} == {0: 6, 1: 8, 2: 10, 3: 12, 4: 14}
    processes = {process for _, process in done.values()}
    assert len(processes) == 2 and os.getpid() not in processes
    assert sorted(said) == [(i, f"doubling {i + 3}") for i in range(5)]


def test_what_a_task_raises_is_raised():
    with pytest.raises(ConfigError, match="not this one\n  remedy: take another"):
        list(run_each(partial(double, refused=2), [1, 2], 1, lambda *_: None))
    with pytest.raises(FlowError, match="without an answer, exit code 9"):
        list(run_each(partial(double, dies=2), [1, 2], 2, lambda *_: None))
