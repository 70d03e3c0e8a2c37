"""Tasks in processes of their own, one thread each.

A small network gains nothing from a second thread, a second training at the same time gains a core. A
number of threads of its own would also give other sums, so that a result would depend on how many
trainings run at a time: here it does not.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from finnspect.errors import FlowError

#: Reports a line of progress.
Notify = Callable[[str], None]
#: Seconds that a process has to clean up before it is killed.
_PATIENCE_S = 20.0


def run_each(
    function: Callable[[Any, Notify], Any],
    tasks: Sequence[Any],
    processes: int,
    notify: Callable[[int, str], None],
) -> Iterator[tuple[int, Any]]:
    """Call ``function(task, notify)`` for every task, several at a time.

    Parameters
    ----------
    function
        Of a module, or a ``functools.partial`` of one; it, tasks and results are pickled.
    processes
        Tasks at a time, at least 1.
    notify
        Receives the index of a task and a line that it reports.

    Yields
    ------
    tuple
        Index of a task and its result, in the order in which they are finished.

    Raises
    ------
    FlowError
        A process ended without an answer. Whatever a task raises is raised too; the other processes are
        then ended, as they are when the caller stops.
    """
    context = multiprocessing.get_context("spawn")
    waiting = deque(enumerate(tasks))
    started: list[BaseProcess] = []
    busy: dict[Connection, tuple[int, BaseProcess]] = {}
    try:
        while waiting and len(started) < processes:
            mine, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, function), daemon=True)
            process.start()
            theirs.close()
            started.append(process)
            busy[mine] = _give(mine, waiting), process
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                index, process = busy[connection]
                kind, value = _answer(connection, process)
                if kind == "note":
                    notify(index, value)
                elif kind == "error":
                    raise value
                else:
                    del busy[connection]
                    if waiting:
                        busy[connection] = _give(connection, waiting), process
                    else:
                        connection.close()
                    yield index, value
    finally:
        _end(started)


def _give(connection: Connection, waiting: deque[tuple[int, Any]]) -> int:
    """Send the next task and return its index."""
    index, task = waiting.popleft()
    with contextlib.suppress(BrokenPipeError):  # the process has died: its answer will say so
        connection.send(task)
    return index


def _answer(connection: Connection, process: BaseProcess) -> tuple[str, Any]:
    try:
        return connection.recv()
    except (EOFError, ConnectionResetError):
        process.join(_PATIENCE_S)
        raise FlowError(
            f"a training process ended without an answer, exit code {process.exitcode}",
            "if it was killed for want of memory, run fewer at a time with --jobs; what is finished is kept",
        ) from None


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def _work(connection: Connection, function: Callable[[Any, Notify], Any]) -> None:
    """Do tasks until there are no more: what a process runs."""
    # Ctrl-C reaches every process of a terminal; the first one decides, and ends the others by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is imported, and by `settle_threads`

    def notify(text: str) -> None:
        try:
            connection.send(("note", text))
        except OSError:  # nobody listens any more
            raise SystemExit(1) from None

    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            connection.send(("done", function(task, notify)))
        except Exception as error:
            connection.send(("error", _sendable(error)))


def _sendable(error: Exception) -> Exception:
    """Return an error as it can be sent; one that cannot is told by its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        if isinstance(error, FlowError):
            return FlowError(error.message, error.remedy)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
