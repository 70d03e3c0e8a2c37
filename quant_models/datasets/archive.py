"""A data set's files, whether they lie in a folder or in an archive.

An archive is unpacked into a temporary folder that is removed after reading. Only plain files are
taken, and only under that folder: absolute names, ``..`` and links are refused.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from finnspect.errors import DataError

#: Endings of archives that can be read.
ARCHIVE_SUFFIXES = (".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".tar", ".zip")
# What desktops leave behind; never data.
_JUNK_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"})
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError)


def is_junk(name: str) -> bool:
    """Whether a file or folder name is what a desktop system leaves behind."""
    return name in _JUNK_NAMES or name.startswith("._")


def list_files(folder: Path) -> list[Path]:
    """Return every file below ``folder`` but desktop leftovers, sorted by its POSIX name.

    Raises
    ------
    DataError
        A folder cannot be read.
    """
    try:
        found = [
            path
            for path in folder.rglob("*")
            if path.is_file() and not any(is_junk(part) for part in path.relative_to(folder).parts)
        ]
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be read: {error.strerror}", "check its permissions"
        ) from error
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def fingerprint(path: Path) -> str:
    """Return a hash of the content: of an archive's bytes, or of every file's name and bytes in a folder.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    try:
        if path.is_file():
            return _hash_file(path)
        whole = hashlib.sha256()
        for file in list_files(path):
            whole.update(f"{file.relative_to(path).as_posix()}\0{_hash_file(file)}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise DataError(
            f"{error.filename or path} cannot be read: {error.strerror}", "check its permissions"
        ) from error


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """Give the folder that holds the files of ``path``, which is a folder or an archive.

    Raises
    ------
    DataError
        ``path`` is no archive, is damaged, or holds something that must not be unpacked.
    """
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="finnspect-data-") as folder:
        _unpack(path, Path(folder))
        yield Path(folder)


def _unpack(path: Path, folder: Path) -> None:
    try:
        if zipfile.is_zipfile(path):
            _unpack_zip(path, folder)
        elif _is_tar_name(path) or tarfile.is_tarfile(path):
            _unpack_tar(path, folder)
        else:
            raise DataError(
                f"{path} is neither a folder nor an archive",
                f"give a folder or an archive ({', '.join(ARCHIVE_SUFFIXES)})",
            )
    except _BROKEN as error:
        raise DataError(
            f"{path} is damaged or no archive: {error or type(error).__name__}",
            "fetch the archive again and compare its size with the source",
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be unpacked: {error.strerror or error}",
            f"check the archive, and that {folder.parent} has room for its contents",
        ) from error
    except RuntimeError as error:  # how zipfile reports encryption
        raise DataError(f"{path} cannot be unpacked: {error}", "use an archive without a password") from error


def _is_tar_name(path: Path) -> bool:
    return path.name.lower().endswith(tuple(suffix for suffix in ARCHIVE_SUFFIXES if suffix != ".zip"))


def _target(path: Path, folder: Path, name: str) -> Path | None:
    """Return where a member goes, None for desktop leftovers."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or any(is_junk(part) for part in parts):
        return None
    if ".." in parts or parts[0] == "/" or ":" in parts[0]:
        raise DataError(
            f"{path}: the member {name!r} points outside the archive", "do not use this archive: it is unsafe"
        )
    return folder.joinpath(*parts)


def _store(path: Path, target: Path, name: str, stream: IO[bytes]) -> None:
    if target.exists():
        raise DataError(f"{path}: the member {name!r} is there twice", "pack the archive again without it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)


def _unpack_tar(path: Path, folder: Path) -> None:
    with tarfile.open(path) as tar:
        for member in tar:
            target = _target(path, folder, member.name)
            if target is None or member.isdir():
                continue
            if not member.isreg():
                raise DataError(
                    f"{path}: the member {member.name!r} is a link or a device; only plain files are read",
                    "pack the files themselves: tar --dereference --hard-dereference",
                )
            stream = tar.extractfile(member)
            assert stream is not None
            _store(path, target, member.name, stream)


def _unpack_zip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            target = _target(path, folder, member.filename)
            if target is None or member.is_dir():
                continue
            with archive.open(member) as stream:
                _store(path, target, member.filename, stream)
