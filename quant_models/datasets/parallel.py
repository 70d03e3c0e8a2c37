"""Mapping over threads, in order: for reading and decoding many files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_MAX_WORKERS = 4  # decoding and hashing release the interpreter lock; more threads gain nothing
_AHEAD = 8  # jobs under way for each thread


def parallel(function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """Give ``function(job)`` for each job, in order.

    Few jobs are under way at once, so that results do not pile up and an error ends the work at once.
    """
    workers = min(_MAX_WORKERS, len(os.sched_getaffinity(0)))
    jobs = iter(jobs)
    with ThreadPoolExecutor(workers) as pool:
        pending = [pool.submit(function, job) for job in islice(jobs, _AHEAD * workers)]
        try:
            while pending:
                yield pending.pop(0).result()
                pending += [pool.submit(function, job) for job in islice(jobs, 1)]
        finally:
            for future in pending:
                future.cancel()
