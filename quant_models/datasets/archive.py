"""A data set's files, whether they lie in a folder or in an archive.

An archive is unpacked into a temporary folder that is removed after reading. Only plain files are
taken, and only under that folder: absolute names, ``..`` and links are refused.
"""

from __future__ import annotations

import lzma
import re
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

from quant_models.datasets.files import FileTree, is_junk

#: Endings of archives that can be read.
ARCHIVE_SUFFIXES = (".tar.xz", ".tar.gz", ".tgz", ".tar.bz2", ".tar", ".zip")
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, NotImplementedError)


@contextmanager
def opened(path: Path, scratch: Path | None = None, skip: str = "") -> Iterator[FileTree]:
    """Give the files of ``path``, which is a folder or an archive.

    Parameters
    ----------
    path
        Folder or archive.
    scratch
        Folder for the temporary folder; None for the system's.
    skip
        Regular expression; members whose name it matches somewhere are not unpacked. For what the
        loader never reads: making a file costs more than unpacking it.

    Raises
    ------
    DataError
        ``path`` is no archive, is damaged, or holds something that must not be unpacked.
    """
    never = re.compile(skip) if skip else None
    if path.is_dir():
        yield FileTree(path, path, never)
        return
    try:
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(prefix="unpack-", dir=scratch)
    except OSError as error:
        raise DataError(
            f"cannot write to {scratch or tempfile.gettempdir()}: {error.strerror}",
            "point the output to a folder that can be written",
        ) from error
    with temporary as folder:
        _unpack(path, Path(folder), never)
        yield FileTree(Path(folder), path, never)


def _unpack(path: Path, folder: Path, skip: re.Pattern[str] | None) -> None:
    try:
        if zipfile.is_zipfile(path):
            _unpack_zip(path, folder, skip)
        elif _is_tar(path):
            _unpack_tar(path, folder, skip)
        else:
            raise DataError(
                f"{path} is neither a folder nor an archive that can be read",
                f"give a folder or an archive ({', '.join(ARCHIVE_SUFFIXES)}); "
                "if it is meant to be one, fetch it again",
            )
    except _BROKEN as error:
        raise DataError(
            f"{path} is damaged: {error or type(error).__name__}",
            "fetch the archive again and compare its size with the source",
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be unpacked: {error.strerror or error}",
            f"check the archive, and that {folder.parent} has room for its contents",
        ) from error
    except RuntimeError as error:  # how zipfile reports encryption
        raise DataError(f"{path} cannot be unpacked: {error}", "use an archive without a password") from error


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except _BROKEN as error:  # a compressed file whose first block is damaged
        raise DataError(
            f"{path} is damaged: {error or type(error).__name__}",
            "fetch the archive again and compare its size with the source",
        ) from error


def _target(path: Path, folder: Path, name: str) -> Path | None:
    """Return where a member goes, None for the root and desktop leftovers."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or (parts and (parts[0] == "/" or ":" in parts[0])):
        raise DataError(
            f"{path}: the member {name!r} points outside the archive", "do not use this archive: it is unsafe"
        )
    if not parts or any(is_junk(part) for part in parts):
        return None
    return folder.joinpath(*parts)


def _store(path: Path, target: Path, name: str, stream: IO[bytes]) -> None:
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True)
    try:
        with target.open("xb") as out:
            shutil.copyfileobj(stream, out, 1 << 18)
    except FileExistsError as error:
        raise DataError(
            f"{path}: the member {name!r} is there twice", "pack the archive again without it"
        ) from error


def _unpack_tar(path: Path, folder: Path, skip: re.Pattern[str] | None) -> None:
    with tarfile.open(path) as tar:
        for member in tar:
            target = _target(path, folder, member.name)
            if target is None or (skip and skip.search(member.name)):
                continue
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            if not member.isreg():
                raise DataError(
                    f"{path}: the member {member.name!r} is a link or a device; only plain files are read",
                    "pack the files themselves: tar --dereference --hard-dereference",
                )
            stream = tar.extractfile(member)
            assert stream is not None
            _store(path, target, member.name, stream)
        # Reading also stops, silently, at a header that is cut or altered; a whole archive stops at zeros.
        assert tar.fileobj is not None
        tar.fileobj.seek(tar.offset)
        if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it stops before its end mark")


def _unpack_zip(path: Path, folder: Path, skip: re.Pattern[str] | None) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            target = _target(path, folder, member.filename)
            if target is None or (skip and skip.search(member.filename)):
                continue
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            with archive.open(member) as stream:
                _store(path, target, member.filename, stream)
