"""What a user sees while the flow runs: one line a stage, live on a terminal, plain elsewhere."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

#: Reports one line of progress; stage bodies take one of these.
Notify = Callable[[str], None]
_COUNT = re.compile(r"\b(\d+)(?:/| of )(\d+)\b")


def clock(seconds: float) -> str:
    """Return a duration as ``0.4 s``, ``12 s`` or ``3 min 05 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class Progress:
    """Silent progress: the base of the two visible ones, and what library calls use by default."""

    def note(self, text: str) -> None:
        """Say what the running step does now."""

    def line(self, text: str) -> None:
        """Say something that stays."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show ``title`` with the time it takes until the block ends."""
        yield


class PlainProgress(Progress):
    """Lines with the time since the start, for logs and continuous integration.

    Parameters
    ----------
    stream
        Where lines go.
    quiet_s
        Notes that differ from the last one in their numbers only are printed no more often than this,
        and a step that says nothing for twice as long gets a line that it still runs.
    """

    def __init__(self, stream: TextIO | None = None, quiet_s: float = 15.0) -> None:
        self._stream = stream or sys.stderr
        self._start = self._printed = time.monotonic()
        self._quiet_s = quiet_s
        self._last: str | None = None

    def line(self, text: str) -> None:
        """Print a line with the time since the start."""
        self._printed = time.monotonic()
        elapsed = round(self._printed - self._start)
        print(f"[{elapsed // 60:3d}:{elapsed % 60:02d}] {text}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Print a note, indented under its step, unless it repeats the last one."""
        what = re.split(r"\d", text, maxsplit=1)[0]
        if what != self._last or time.monotonic() - self._printed >= self._quiet_s:
            self._last = what
            self.line(f"  {text}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print the start of a step and a line now and then until it ends."""
        self.line(title)
        self._last = None
        begun, done = time.monotonic(), threading.Event()

        def beat() -> None:
            while not done.wait(self._quiet_s / 4):
                if time.monotonic() - self._printed >= 2 * self._quiet_s:
                    self.line(f"  {title}: still running, {clock(time.monotonic() - begun)}")

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def counted(text: str) -> tuple[int, int] | None:
    """Return how much of how much a note says is done: ``epoch 3/40``, ``500 of 1800 images``."""
    found = _COUNT.search(text)
    done, total = (int(found[1]), int(found[2])) if found else (0, 0)
    return (done, total) if 0 < total >= done else None


class LiveProgress(Progress):
    """A spinner with the elapsed time, the latest note and, where that counts, a bar, on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True)
        self._live = None

    def line(self, text: str) -> None:
        """Print a line above the spinner."""
        self.console.print(text, markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Replace the text beside the spinner and move the bar; without a spinner, print it."""
        if self._live is None:
            self.line(f"  {text}")
            return
        count = counted(text)
        moved = {} if count is None else {"completed": count[0], "total": count[1]}
        self._live.update(self._live.tasks[0].id, note=text, **moved)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Spin until the block ends."""
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress
        from rich.progress import Task as RichTask
        from rich.text import Text

        class Bar(BarColumn):
            def render(self, task: RichTask) -> Any:
                return super().render(task) if task.total else Text("")

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            Bar(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        with RichProgress(*columns, console=self.console, transient=True) as live:
            live.add_task(title, total=None, note="")
            self._live = live
            try:
                yield
            finally:
                self._live = None


def for_terminal() -> Progress:
    """Return live progress where stderr is a terminal, plain lines elsewhere."""
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()
