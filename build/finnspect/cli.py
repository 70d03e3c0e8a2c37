"""The command ``finnspect``: runs a command line, and says in one message what a user can mend.

Only light modules are imported here, so that a signal is answered from the first moment on; the commands
are in ``app.py``, and heavy libraries are imported by those that need them, when they do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import NoReturn

from finnspect.errors import FlowError
from finnspect.interrupt import Interrupts, exit_code, terminated

_INTERRUPTED = exit_code(signal.SIGINT)
_TERMINATED = exit_code(signal.SIGTERM)


def _stopped(code: int) -> int:
    sys.stderr.write("finnspect: stopped; finished stages are kept, the same command goes on from there\n")
    return code


def run(arguments: list[str], interrupts: Interrupts | None = None) -> int:
    """Run a command line and return its exit code, with one clear message for what a user can mend.

    Parameters
    ----------
    interrupts
        What answers signals; without, SIGTERM is turned into an exception here.
    """
    debug = "--debug" in arguments
    try:
        if interrupts is None:
            with contextlib.suppress(ValueError):  # not in the main thread: leave signals alone
                signal.signal(signal.SIGTERM, terminated)
        from finnspect.app import app

        result = app(args=arguments, prog_name="finnspect", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        return _stopped(code) if code == _INTERRUPTED else code  # the parser turns Ctrl-C into this
    except KeyboardInterrupt:
        if debug:
            raise
        return _stopped(_INTERRUPTED)
    except SystemExit as error:
        if error.code != _TERMINATED or debug:
            raise
        return _stopped(_TERMINATED)
    except BrokenPipeError:  # `finnspect report | head`: the reader has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        if interrupts is not None and interrupts.number is not None:
            return _stopped(exit_code(interrupts.number))  # whatever a library made of the signal
        return _say(error)


def _say(error: Exception) -> int:
    """Print an error and return its exit code."""
    if isinstance(error, FlowError):
        sys.stderr.write(f"finnspect: {error}\n")
        return error.exit_code
    if type(error).__name__ == "Abort":  # a question of the parser's that Ctrl-C answered
        return _stopped(_INTERRUPTED)
    show = getattr(error, "show", None)  # an error in the command line itself: click prints the usage
    if show is not None:
        show()
        return getattr(error, "exit_code", 2)
    sys.stderr.write(
        f"finnspect: internal error: {type(error).__name__}: {error}\n"
        "  remedy: run the same with `finnspect --debug ...` and report what it prints\n"
    )
    return 70


def main() -> NoReturn:
    """Entry point of the script."""
    interrupts = Interrupts()
    try:
        code = run(sys.argv[1:], interrupts)
        if interrupts.number is not None:  # a second signal while the first was answered changes nothing
            code = exit_code(interrupts.number)
    except (KeyboardInterrupt, SystemExit):
        if interrupts.number is None or "--debug" in sys.argv:
            raise
        code = exit_code(interrupts.number)
    finally:
        interrupts.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
