"""Running a tool for minutes: output to a log file, progress from its last line, killed with its children."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from finnspect.errors import ToolError
from finnspect.process import relevant_lines
from finnspect.progress import clock

log = logging.getLogger(__name__)

_POLL_S = 0.2
#: Seconds between two lines of progress.
_QUIET_S = 3.0
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Command:
    """A tool's command line as data.

    Parameters
    ----------
    name
        The step, in a word: it names the files.
    argv
        Arguments; file names are relative to the folder it runs in.
    log
        File that the tool's output goes to.
    own_log
        File that the tool itself writes its log to, if it does; read for progress and errors.
    """

    name: str
    argv: tuple[str, ...]
    log: str
    own_log: str | None = None

    @property
    def reading(self) -> str:
        """The file to read."""
        return self.own_log or self.log


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _kill(process: subprocess.Popen) -> None:
    """End the process and all it started; they share a session of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_logged(
    command: Command,
    folder: Path,
    what: str,
    *,
    describe: Callable[[str], str | None] = lambda line: None,
    progress: Callable[[str], None] = lambda line: None,
    install: str | None = None,
    check: bool = True,
) -> tuple[int, float]:
    """Run a command in ``folder``, return its exit code and the seconds it took.

    Parameters
    ----------
    what
        The step, for messages.
    describe
        Turns a line of the log into a few words of progress, or None.
    progress
        Called with ``<what>, <elapsed>: <words>`` when the words change.
    install
        Remedy when the program does not exist.
    check
        Raise when the exit code is not 0.

    Raises
    ------
    ToolError
        It does not exist or failed; carries the lines of its log that matter. Whatever interrupts the wait
        (Ctrl-C too) first kills the tool and its children.
    """
    begun = time.monotonic()
    reading = folder / command.reading
    reading.unlink(missing_ok=True)
    progress(what)
    with (folder / command.log).open("wb") as output:
        try:
            process = subprocess.Popen(
                command.argv,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolError(f"{what}: {command.argv[0]} does not run: {error}", install) from error
        try:
            said, said_at = None, begun
            while True:
                try:
                    code = process.wait(_POLL_S)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() - said_at < _QUIET_S:
                        continue
                    words = next((w for w in map(describe, reversed(_tail(reading))) if w), None)
                    if words and words != said:
                        said, said_at = words, time.monotonic()
                        progress(f"{what}, {clock(time.monotonic() - begun)}: {words}")
        except BaseException:
            _kill(process)
            raise
    if check and code != 0:
        raise ToolError(
            f"{what} failed (exit {code}):\n{relevant_lines(failure_text(command, folder))}",
            f"the whole log is {reading}",
        )
    return code, time.monotonic() - begun


def failure_text(command: Command, folder: Path) -> str:
    """Return what a failed command said: its own log where that tells of an error, else its output."""
    texts = [
        (folder / name).read_text(errors="replace")
        for name in dict.fromkeys((command.reading, command.log))
        if (folder / name).is_file()
    ]
    return next((text for text in texts if "error" in text.lower()), "\n".join(texts))
