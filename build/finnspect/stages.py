"""Run the flow's stages: each one finished whole, once, and again only when its inputs change.

A stage writes into a temporary sibling of its folder, which is renamed when the stage has succeeded; its
``stage.json`` holds the key (hash of everything that went in), a digest of what came out, and the time
it took. Later stages are keyed by that digest, so a change that alters no output stops there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from finnspect.errors import FlowError
from finnspect.package import sha256_file
from finnspect.progress import Progress, clock

MARKER = "stage.json"
FORMAT = "finnspect-stage"
FORMAT_VERSION = 1
LOCK = ".lock"
_TEMP = ".tmp-"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_LOW_BYTES = 1 << 20


class DiskFullError(FlowError):
    """The disk filled up while a stage wrote its outputs."""


# -- hashes -------------------------------------------------------------------------------------


def digest_of(value: Any) -> str:
    """Return the SHA-256 of a JSON-able value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_files(root: Path, files: Iterable[Path]) -> str:
    """Return one SHA-256 over the relative names and contents of ``files`` under ``root``."""
    return digest_of({file.relative_to(root).as_posix(): sha256_file(file) for file in sorted(files)})


def hash_path(path: Path) -> str:
    """Return the SHA-256 of a file, or of every file under a folder."""
    if path.is_file():
        return sha256_file(path)
    return hash_files(path, (file for file in path.rglob("*") if file.is_file()))


# -- whole files --------------------------------------------------------------------------------


def write_whole(path: Path, data: bytes | str) -> Path:
    """Write ``data`` to ``path`` whole or not at all, and return ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


# -- stages -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StageResult:
    """A finished stage.

    Attributes
    ----------
    folder
        What the stage wrote.
    key, digest
        Hash of its inputs, hash of its products.
    seconds
        Time the stage took when it ran, also when it was found finished now.
    cached
        True when it was found finished.
    """

    name: str
    folder: Path
    key: str
    digest: str
    seconds: float
    cached: bool


class StageRunner:
    """Runs stages in the folders of one build. Use it as a context manager: it holds the build's lock.

    Parameters
    ----------
    root
        Folder that holds one folder a stage.
    progress
        Told what runs, what is skipped and why something runs again.

    Raises
    ------
    FlowError
        The folder cannot be made or written.
    """

    def __init__(self, root: Path, progress: Progress | None = None) -> None:
        self.root = root.absolute()  # bodies run tools in folders of their own
        self.progress = progress or Progress()
        self.results: list[StageResult] = []
        self._lock = FileLock(self.root / LOCK)
        self._shown: tuple[str, str] | None = None
        #: Name of the stage that runs, or that failed; None between two.
        self.running: str | None = None

    def __enter__(self) -> StageRunner:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._acquire()
        except OSError as error:
            raise _os_error(error, self.root) from error
        # Whatever a crashed run left: nobody else writes here while the lock is held.
        for stale in self.root.glob(f"{_TEMP}*"):
            shutil.rmtree(stale, ignore_errors=True)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            with self.progress.step(f"another finnspect is building in {self.root}; waiting for it"):
                self._lock.acquire()

    def run(
        self,
        name: str,
        *,
        version: int,
        inputs: Mapping[str, Any],
        body: Callable[[Path], None],
        products: tuple[str, ...] = ("**/*",),
    ) -> StageResult:
        """Run a stage unless it is finished with these inputs.

        Parameters
        ----------
        name
            Name of the stage and of its folder.
        version
            Raised by hand when the meaning of the outputs changes.
        inputs
            JSON-able: everything that decides the outputs (digests of files and of earlier stages,
            configuration, tool versions, hashes of sources).
        body
            Writes the outputs into the empty folder that it is given.
        products
            Globs of the outputs that later stages read; their content is the stage's digest. Logs and
            files with times stay out of it.

        Raises
        ------
        DiskFullError
            The disk filled up.
        FlowError
            Whatever the body raises. What it wrote is kept in ``<name>.failed`` to look into.
        """
        document = {"name": name, "stage_version": version, "inputs": dict(inputs)}
        key = digest_of(document)
        folder = self.root / name
        marker = read_marker(folder)
        if marker is not None and marker["key"] == key and _complete(folder, marker):
            result = StageResult(name, folder, key, marker["digest"], marker["seconds"], True)
            self.progress.line(f"{name:<10} up to date")
        else:
            why = _why(marker, document, folder)
            self.running = name
            result = self._run_body(name, key, document, body, products, why)
            self.running = None
            self.progress.line(f"{name:<10} done in {clock(result.seconds)}")
        self.results.append(result)
        return result

    def _run_body(
        self,
        name: str,
        key: str,
        document: Mapping[str, Any],
        body: Callable[[Path], None],
        products: tuple[str, ...],
        why: str,
    ) -> StageResult:
        folder = self.root / name
        begun = time.monotonic()
        temporary: Path | None = None
        try:
            temporary = Path(tempfile.mkdtemp(prefix=f"{_TEMP}{name}-", dir=self.root))
            temporary.chmod(0o755)
            self._shown = (str(temporary), str(folder))
            shutil.rmtree(self._failed(name), ignore_errors=True)
            with self.progress.step(name + why):
                body(temporary)
            seconds = round(time.monotonic() - begun, 3)
            digest = _products_digest(temporary, products)
            marker = {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                **document,
                "key": key,
                "digest": digest,
                "seconds": seconds,
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "files": {
                    file.relative_to(temporary).as_posix(): file.stat().st_size for file in _files(temporary)
                },
            }
            (temporary / MARKER).write_text(json.dumps(marker, indent=1) + "\n")
            self._swap(temporary, folder)
        except Exception as error:
            full = _disk_full(error, self.root)
            if full is not None:
                raise full from error
            if temporary is not None and isinstance(error, FlowError):
                self._keep_failed(temporary, error, name)
            raise
        finally:
            self._shown = None
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
        return StageResult(name, folder, key, digest, seconds, False)

    def note(self, text: str) -> None:
        """Report what the running stage does, with the names that its files will have."""
        if self._shown is not None:
            text = text.replace(*self._shown)
        self.progress.note(text)

    def _failed(self, name: str) -> Path:
        return self.root / f"{name}.failed"

    def _keep_failed(self, temporary: Path, error: FlowError, name: str) -> None:
        """Keep the logs of a failed stage, if any, beside it, and have the error name them there."""
        if not any(temporary.iterdir()):
            return
        failed = self._failed(name)
        temporary.rename(failed)
        error.message = error.message.replace(str(temporary), str(failed))
        if error.remedy is not None:
            error.remedy = error.remedy.replace(str(temporary), str(failed))

    def _swap(self, finished: Path, folder: Path) -> None:
        """Put ``finished`` in the place of ``folder``; a crash in between leaves no folder, not a mixture."""
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f"{_TEMP}old-", dir=self.root))
            folder.rename(old / folder.name)
            finished.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
        else:
            finished.rename(folder)


def read_marker(folder: Path) -> dict[str, Any] | None:
    """Return the ``stage.json`` of a finished stage, None where there is none that can be read."""
    try:
        marker = json.loads((folder / MARKER).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(marker, dict) or (marker.get("format"), marker.get("format_version")) != (
        FORMAT,
        FORMAT_VERSION,
    ):
        return None
    return marker


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / MARKER)


def _complete(folder: Path, marker: Mapping[str, Any]) -> bool:
    """Whether every file of a finished stage is still there with its size."""
    for name, size in marker["files"].items():
        with contextlib.suppress(OSError):
            if (folder / name).stat().st_size == size:
                continue
        return False
    return True


def _products_digest(folder: Path, products: tuple[str, ...]) -> str:
    files = {file for glob in products for file in folder.glob(glob) if file.is_file()}
    if not files:
        raise RuntimeError(f"no file in {folder} matches {products}")
    return hash_files(folder, files)


def _why(marker: Mapping[str, Any] | None, document: Mapping[str, Any], folder: Path) -> str:
    """Say why a stage that was finished once runs again."""
    if marker is None:
        return ""
    old, new = marker["inputs"], document["inputs"]
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if changed:
        return f" again, changed: {', '.join(changed)}"
    if marker["stage_version"] != document["stage_version"]:
        return " again, finnspect changed"
    return f" again, files in {folder} are missing or changed"


def _disk_full(error: BaseException, folder: Path) -> DiskFullError | None:
    """Return a clear error when ``error`` comes from a full disk, also when a tool only failed on it."""
    chain: BaseException | None = error
    full = False
    while chain is not None and not full:
        full = isinstance(chain, OSError) and chain.errno in _FULL
        chain = chain.__cause__ or chain.__context__
    free = shutil.disk_usage(folder).free
    if not full and free >= _LOW_BYTES:
        return None
    return DiskFullError(
        f"the disk that holds {folder} is full ({free / 1e6:.1f} MB free)",
        "free some space, or build elsewhere with OUT=<folder> (make) or --out <folder> (finnspect)",
    )


def _os_error(error: OSError, folder: Path) -> FlowError:
    full = _disk_full(error, folder if folder.is_dir() else Path.cwd())
    return full or FlowError(
        f"cannot write to {folder}: {error.strerror or error}", "choose another folder with --out"
    )
