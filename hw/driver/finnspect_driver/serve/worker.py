"""The one thread that uses the accelerator, behind a bounded queue."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from finnspect_driver.errors import DriverError, ImageError
from finnspect_driver.serve.protocol import Verdict

_log = logging.getLogger(__name__)
#: Images that go to the accelerator in one call; later requests join while there is room.
RUN_IMAGES = 64


class QueueFullError(Exception):
    """There is no room for these images now.

    Attributes
    ----------
    retry_after_s : int
        When to ask again, by the time that the images before them will take.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"the queue is full, ask again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class StoppedError(Exception):
    """The service is stopping."""


class Run:
    """What was run in one go: for metrics and the live page.

    Attributes
    ----------
    shown : list of numpy.ndarray
        A picture of each image, for people: the image itself or a small copy of what it was made from.
    verdicts : list of Verdict
        One an image.
    queued_s : list of float
        A request's time in the queue.
    seconds : float
        Time that the classifier took.
    """

    def __init__(
        self, shown: list[np.ndarray], verdicts: list[Verdict], queued_s: list[float], seconds: float
    ) -> None:
        self.shown = shown
        self.verdicts = verdicts
        self.queued_s = queued_s
        self.seconds = seconds


class _Job:
    def __init__(self, images: np.ndarray, shown: Sequence[np.ndarray]) -> None:
        self.images = images
        self.shown = shown
        self.future: Future[list[Verdict]] = Future()
        self.since = time.monotonic()


class Worker:
    """Runs images through a classifier, in order of arrival.

    Parameters
    ----------
    classify
        Images of the accelerator's size, uint8 (N, H, W, C) -> one verdict each. Only ever called from one
        thread.
    queue_images
        Images that may wait.
    on_run
        Called from that thread after each successful call; an error of it stops nothing.
    """

    def __init__(
        self,
        classify: Callable[[np.ndarray], Sequence[Verdict]],
        queue_images: int,
        on_run: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self._classify = classify
        self._limit = queue_images
        self._on_run = on_run
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._seconds_per_image = 0.0
        self._healthy = True
        self._thread = threading.Thread(target=self._work, name="accelerator", daemon=True)
        self._thread.start()

    @property
    def queued_images(self) -> int:
        """Images that wait."""
        return self._waiting

    @property
    def is_ready(self) -> bool:
        """Whether images are taken and the last run of the hardware did not fail."""
        return self._healthy and not self._stopping and self._thread.is_alive()

    @property
    def is_full(self) -> bool:
        """Whether not a single image more would be taken."""
        return self._waiting >= self._limit

    def retry_after_s(self) -> int:
        """Return after how many seconds the queue should have room again, 1 to 60."""
        return max(1, min(60, round(self._waiting * self._seconds_per_image + 0.5)))

    def submit(self, images: np.ndarray, shown: Sequence[np.ndarray] | None = None) -> Future[list[Verdict]]:
        """Queue images, return the future of their verdicts. Cancel it when nobody waits any more.

        Parameters
        ----------
        images
            uint8, shape (N, H, W, C), the accelerator's size.
        shown
            What to show to people instead of each.

        Raises
        ------
        QueueFullError
            There is no room for all of them.
        StoppedError
            The worker was closed.
        """
        job = _Job(images, list(images) if shown is None else shown)
        with self._changed:
            if self._stopping:
                raise StoppedError("the service is stopping")
            if self._waiting + len(images) > self._limit:
                self._drop_cancelled()
            if self._waiting + len(images) > self._limit:
                raise QueueFullError(self.retry_after_s())
            self._jobs.append(job)
            self._waiting += len(images)
            self._changed.notify()
        return job.future

    def close(self, timeout_s: float = 10.0) -> bool:
        """Fail what waits, let finish what runs; return whether the thread has ended in time."""
        with self._changed:
            self._stopping = True
            waiting = list(self._jobs)
            self._jobs.clear()
            self._waiting = 0
            self._changed.notify()
        for job in waiting:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(StoppedError("the service is stopping"))
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _drop_cancelled(self) -> None:
        kept = [job for job in self._jobs if not job.future.cancelled()]
        self._jobs = deque(kept)
        self._waiting = sum(len(job.images) for job in kept)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopping)
                if not self._jobs:
                    return
                jobs = self._take()
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if jobs:
                self._run(jobs)

    def _take(self) -> list[_Job]:
        jobs, count = [], 0
        while self._jobs and (not jobs or count + len(self._jobs[0].images) <= RUN_IMAGES):
            job = self._jobs.popleft()
            count += len(job.images)
            jobs.append(job)
        self._waiting -= count
        return jobs

    def _run(self, jobs: list[_Job]) -> None:
        begun = time.monotonic()
        images = jobs[0].images if len(jobs) == 1 else np.concatenate([job.images for job in jobs])
        try:
            verdicts = list(self._classify(images))
            if len(verdicts) != len(images):
                raise RuntimeError(f"{len(images)} images gave {len(verdicts)} verdicts")
        except BaseException as error:  # whatever it is, the thread must live and the clients must hear
            self._failed(jobs, error)
            return
        self._healthy = True
        seconds = time.monotonic() - begun
        self._seconds_per_image = seconds / len(images)
        try:  # before the answers: a client that asks for metrics next finds itself counted
            shown = [picture for job in jobs for picture in job.shown]
            self._on_run(Run(shown, verdicts, [begun - job.since for job in jobs], seconds))
        except Exception:
            _log.exception("keeping account of %d images failed", len(images))
        start = 0
        for job in jobs:
            job.future.set_result(verdicts[start : start + len(job.images)])
            start += len(job.images)

    def _failed(self, jobs: list[_Job], error: BaseException) -> None:
        if isinstance(error, ImageError):
            if len(jobs) > 1:  # one request's bad image is not the others' fault
                for job in jobs:
                    self._run([job])
                return
        else:
            self._healthy = False
            level = logging.ERROR if isinstance(error, DriverError) else logging.CRITICAL
            _log.log(level, "a run of %d requests failed: %s", len(jobs), error, exc_info=error)
        for job in jobs:
            job.future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
