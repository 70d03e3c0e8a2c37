"""Answer SIGINT and SIGTERM at any moment of a command's life, also while libraries are imported.

A signal becomes an exception in the main thread, so that temporary folders and child processes go. Library
code may lose that exception: a bare ``except``, a callback from C, an import that reports it as an error of
its own. So the signal is also remembered, and while its exception is neither handled nor under way it is
raised again, until the command line has answered it.

Nothing but light modules of the standard library is imported here: this is the first thing that runs.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from types import FrameType
from typing import NoReturn

#: Seconds after which a signal's exception is looked for.
_AGAIN_S = 0.5


def exit_code(number: int) -> int:
    """Return the exit code that shells show for a program that a signal ended."""
    return 128 + number


def terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    """Turn SIGTERM into an exception: a handler for :func:`signal.signal`."""
    raise SystemExit(exit_code(signal.SIGTERM))


def _leads_to(error: BaseException | None, wanted: BaseException) -> bool:
    """Whether ``wanted`` is ``error``, or one of those that it was raised from or in the handling of."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is wanted:
            return True
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__]
    return False


class Interrupts:
    """Answers signals from its making to :meth:`close`; for the main thread of a program of its own.

    Attributes
    ----------
    number : int or None
        The first signal that came.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._raised: BaseException | None = None
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._unraisable
        signal.signal(signal.SIGALRM, self._look)
        # What the shell had ignored (a background job's Ctrl-C, nohup) stays ignored.
        self._heard = [
            n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN
        ]
        for number in self._heard:
            signal.signal(number, self._answer)

    def close(self) -> None:
        """Let signals end the program from here on, without a word."""
        for number in self._heard:
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._raised = None
        sys.unraisablehook = self._hook

    def _answer(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.number = self.number or number
        self._raise()

    def _raise(self) -> NoReturn:
        stopped = self.number == signal.SIGINT
        self._raised = KeyboardInterrupt() if stopped else SystemExit(exit_code(signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        raise self._raised

    def _look(self, _number: int, _frame: FrameType | None) -> None:
        """Raise the exception again where it was lost; where it is being handled, look again later."""
        if self._raised is None:
            return
        if not _leads_to(sys.exception(), self._raised):
            self._raise()
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)

    def _unraisable(self, found: sys.UnraisableHookArgs) -> None:
        # Ours, in a callback that nothing can leave: it is raised again elsewhere.
        with contextlib.suppress(Exception):
            if self._raised is not None and _leads_to(found.exc_value, self._raised):
                return
        self._hook(found)
