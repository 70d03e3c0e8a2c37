"""Running external tools: output kept, a failure shown by the lines that matter."""

from __future__ import annotations

import logging
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from finnspect.errors import ToolError

log = logging.getLogger(__name__)

_BAD_LINE = re.compile(r"%(Error|Warning|Fatal)|\berror\b|fatal|undefined reference|\*\*\*", re.IGNORECASE)


def relevant_lines(output: str, limit: int = 12) -> str:
    """Return the first lines of a tool's output that say what went wrong, or its last lines."""
    lines = output.strip().splitlines()
    bad = [line for line in lines if _BAD_LINE.search(line)] or lines[-limit:]
    more = f"\n  ... {len(bad) - limit} more" if len(bad) > limit else ""
    return "\n".join(f"  {line}" for line in bad[:limit]) + more


#: Runs the command behind it with the stack limit at its ceiling.
_DEEP_STACK = ("sh", "-c", 'ulimit -S -s "$(ulimit -H -s)" 2>/dev/null; exec "$0" "$@"')


def run_tool(
    argv: Sequence[str],
    what: str,
    cwd: Path,
    *,
    env: Mapping[str, str] | None = None,
    install: str | None = None,
    deep_stack: bool = False,
    timeout_s: float | None = None,
) -> str:
    """Run a command to its end and return what it printed (both streams).

    Parameters
    ----------
    what
        The step, for messages: "Verilator build of x".
    cwd
        Folder it runs in.
    install
        Remedy when the program does not exist.
    deep_stack
        Lift the stack limit; tools that recurse over syntax trees need it.
    timeout_s
        Kill it after this many seconds.

    Raises
    ------
    ToolError
        It does not exist, failed, or took too long; carries the relevant lines and the command.
    """
    log.debug("%s: %s", cwd, shlex.join(argv))
    try:
        done = subprocess.run(
            [*_DEEP_STACK, *argv] if deep_stack else argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise ToolError(f"{what}: {argv[0]} does not run: {error}", install) from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{what} had not ended after {timeout_s:g} s in {cwd}") from error
    if done.returncode != 0:
        raise ToolError(
            f"{what} failed (exit {done.returncode}) in {cwd}:\n{relevant_lines(done.stdout)}",
            f"run it by hand in that folder to see everything: {shlex.join(argv)}",
        )
    return done.stdout
