"""Workers of a study as processes of their own, and tiny studies."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

#: A study of networks that train in a second; ``--epochs`` and the space are given by the test.
TINY = (
    *("--families", "cnv_tiny", "--widths", "0.5", "--act-bits", "2"),
    *("--option", "images=140", "--epochs", "2"),
)


def space(weight_bits: str, budget: str) -> list[str]:
    """Return the command line of a tiny study."""
    return ["explore", *TINY, "--weight-bits", weight_bits, "--budget", budget]


class Process:
    """A ``finnspect`` of its own; its standard error is kept and watched."""

    def __init__(self, *arguments: object) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "finnspect", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.lines.append("(end)")
            self._changed.notify_all()

    def wait_for(self, part: str, seconds: float = 400) -> None:
        """Wait until a line holds ``part``."""

        def seen() -> bool:
            return any(part in line for line in self.lines) or self.lines[-1:] == ["(end)"]

        with self._changed:
            assert self._changed.wait_for(seen, seconds), self.text
        assert any(part in line for line in self.lines), self.text

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()  # whatever became of the test, also one that is stopped

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        assert self.process.wait() == -9

    def finish(self, seconds: float = 400) -> str:
        """Wait for its end; return its standard output."""
        out = self.process.stdout.read()
        self.process.wait(seconds)
        self._reader.join()
        assert self.process.returncode == 0, self.text
        return out


def document(out: Path, study: str) -> dict:
    """Return what a worker wrote."""
    return json.loads((out / "explore" / study / "explore.json").read_text())


def states(found: dict) -> dict[str, int]:
    """Return how many trials ended how."""
    return found["states"]
