"""A private PostgreSQL server of Debian's package, on loopback, as a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Accounts that may run the server where the tests run as root, which PostgreSQL refuses.
USERS = ("postgres", "nobody")


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    @property
    def url(self) -> str:
        return f"postgresql://explorer@127.0.0.1:{self.port}/postgres"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def _as_user(folder: Path) -> list[str]:
    """Return what goes in front of a server program; makes the folder its user's."""
    if os.geteuid() != 0:
        return []
    user = next(name for name in USERS if name in {each.pw_name for each in pwd.getpwall()})
    shutil.chown(folder, user)
    return ["runuser", "-u", user, "--"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def postgres() -> Iterator[Server]:
    """Start a server. Without Debian's package: skip, but under ``CI=true`` fail."""
    programs = _programs()
    if programs is None:
        message = "shared studies were NOT tested: Debian's package postgresql is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    # Not in pytest's folders, which only their owner may enter; a short path, for the socket.
    with tempfile.TemporaryDirectory(prefix="fs-pg-") as name:
        folder = Path(name)
        before = _as_user(folder)
        data, port = folder / "data", _free_port()
        made = subprocess.run(
            [*before, programs / "initdb", "-D", data, "-U", "explorer", "-A", "trust", "--no-sync"],
            capture_output=True,
            text=True,
            cwd=folder,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        log = (folder / "log").open("wb")
        options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-F"]
        process = subprocess.Popen(
            [*before, programs / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder
        )
        try:
            _wait(programs, port, process, folder)
            yield Server(port)
        finally:
            subprocess.run(
                [*before, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
                capture_output=True,
                cwd=folder,
                check=False,
            )
            process.wait(20)
            log.close()


def _wait(programs: Path, port: int, process: subprocess.Popen, folder: Path) -> None:
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "explorer"]
    until = time.monotonic() + 30
    while subprocess.run(ready, check=False).returncode != 0:
        assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.1)
