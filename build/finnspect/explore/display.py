"""What a user sees while a study runs: a bar over its trials on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from finnspect.progress import PlainProgress


class Display:
    """Plain lines. Used as a context manager, as :class:`BarDisplay` is."""

    def __init__(self) -> None:
        self._plain = PlainProgress()
        self._done: int | None = None

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def count(self, done: int, goal: int) -> None:
        """Say how many trials of how many are finished, whoever did them."""
        if done != self._done:
            self._done = done
            self.line(f"{done} of {goal} trials finished")

    def line(self, text: str) -> None:
        """Say something that stays."""
        self._plain.line(text)

    def note(self, text: str) -> None:
        """Say what is done now."""
        self._plain.note(text)

    @contextmanager
    def trial(self, number: int, title: str) -> Iterator[Callable[[str], None]]:
        """Show a trial while the block runs; gives what takes its notes."""
        with self._plain.step(f"trial {number}: {title}"):
            yield self.note


class BarDisplay(Display):
    """A bar with the time left, and the latest note."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        super().__init__()
        self._bar: Any = RichProgress(
            TextColumn("trials"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, note="")

    def __enter__(self) -> BarDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def count(self, done: int, goal: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=goal)

    def line(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(text, markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Replace the note."""
        self._bar.update(self._task, note=text)

    @contextmanager
    def trial(self, number: int, title: str) -> Iterator[Callable[[str], None]]:
        """Show a trial beside the bar."""
        self._bar.update(self._task, description=f"trial {number}: {title}", note="")
        try:
            yield self.note
        finally:
            self._bar.update(self._task, description="", note="")


def for_terminal() -> Display:
    """Return a bar where stderr is a terminal, plain lines elsewhere."""
    return BarDisplay() if sys.stderr.isatty() else Display()
