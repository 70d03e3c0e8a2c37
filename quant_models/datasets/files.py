"""The files of a data set in a folder: listing, hashing, and what is not data."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from finnspect.errors import DataError

# What desktops leave behind; never data.
_JUNK_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"})
#: Endings of files that go with images and carry no pixels.
SIDECAR_SUFFIXES = frozenset({".csv", ".html", ".json", ".md", ".pdf", ".txt", ".xml", ".yaml", ".yml"})
#: Endings of files that are taken for images, lower case.
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden or what a desktop system leaves behind."""
    return name in _JUNK_NAMES or name.startswith(".")


@dataclass(frozen=True, slots=True)
class FileTree:
    """The files that a loader reads.

    Parameters
    ----------
    folder
        Folder that holds them; temporary where the user gave an archive.
    origin
        The folder or archive that the user gave, for messages.
    skip
        What the loader never reads, see :func:`register_dataset`: an archive is unpacked without it.
    seen
        Files that were read, and files and folders that the loader speaks of in a note.
    """

    folder: Path
    origin: Path
    skip: re.Pattern[str] | None = None
    seen: set[Path] = field(default_factory=set, compare=False, repr=False)

    def at(self, name: str) -> FileTree:
        """Return the tree below the folder ``name``."""
        return replace(self, folder=self.folder / name) if name else self

    def find(self, name: str) -> Path:
        """Return where a file lies, and remember that it was asked for."""
        path = self.folder / name
        self.seen.add(path)
        return path

    def pass_over(self, *names: str) -> None:
        """Remember files, or folders with all that is in them, that a note says are left out."""
        self.seen.update(self.folder / name for name in names)

    def unseen_pictures(self) -> list[str]:
        """Return the names of the picture files that nobody has asked for, sorted."""

        def seen(path: Path) -> bool:
            return path in self.seen or any(folder in self.seen for folder in path.parents)

        return [
            name
            for name in self.all_files()
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a name, not a path
            and not (self.skip and self.skip.search(name))
            and not seen(self.folder / name)
        ]

    def folders(self) -> list[str]:
        """Return the names of the folders directly in the tree, sorted."""
        return sorted(name for name, is_folder in self._entries() if is_folder)

    def files(self) -> list[str]:
        """Return the names of the files directly in the tree, sorted."""
        return sorted(name for name, is_folder in self._entries() if not is_folder)

    def all_files(self) -> list[str]:
        """Return the names of all files of the tree with ``/``, sorted."""
        return [name for name, is_folder in walk(self.folder) if not is_folder]

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        DataError
            It is not there or cannot be read.
        """
        try:
            return self.find(name).read_bytes()
        except FileNotFoundError as error:
            raise DataError(
                f"{self.origin}: {name} is missing", "fetch the set again: its layout needs this file"
            ) from error
        except OSError as error:
            raise DataError(
                f"{self.origin}: {name} cannot be read: {error.strerror or error}",
                "check that it is a file and that you may read it",
            ) from error

    def text(self, name: str) -> str:
        """Return a UTF-8 text file with plain line ends and without byte-order mark.

        Raises
        ------
        DataError
            It is not there, or is no UTF-8 text.
        """
        data = self.read(name)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise self.fault(name, "is no UTF-8 text", "save it as UTF-8", line) from error
        if "\0" in text:
            line = text[: text.index("\0")].count("\n") + 1
            raise self.fault(name, "holds a null character: it is damaged", "fetch it again", line)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def fault(self, name: str, what: str, remedy: str, line: int | None = None) -> DataError:
        """Return the error that something is wrong with a file, at a line where one is known."""
        where = name if line is None else f"{name}, line {line}"
        return DataError(f"{self.origin}: {where}: {what}", remedy)

    def locate(self, *markers: str, layout: str, depth: int = 3) -> str:
        """Return the folder that holds all ``markers``, relative to the tree; empty for the tree itself.

        Archives wrap a set in folders of many names. The folder nearest to the root counts.

        Parameters
        ----------
        markers
            Names of files or folders, perhaps with ``/``.
        layout
            What is expected, for the message.
        depth
            How many folders deep to look.

        Raises
        ------
        DataError
            No folder holds them, or several at the same depth do.
        """
        level = [""]
        for _ in range(depth + 1):
            found = [at for at in level if all((self.folder / at / marker).exists() for marker in markers)]
            if len(found) == 1:
                return found[0]
            if found:
                raise DataError(
                    f"{self.origin}: {' and '.join(markers)} are in several folders: {', '.join(found)}",
                    "give the folder of one set",
                )
            level = [f"{at}/{name}".strip("/") for at in level for name in self.at(at).folders()]
        raise DataError(
            f"{self.origin}: no folder holds {' and '.join(map(repr, markers))}", f"expected layout: {layout}"
        )

    def _entries(self) -> Iterator[tuple[str, bool]]:
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if not is_junk(entry.name):
                        yield entry.name, entry.is_dir()
        except OSError as error:
            raise unreadable(error, self.origin) from error

    def images(self, names: Iterable[str]) -> tuple[list[str], list[str]]:
        """Part file names into images and the files that go with them.

        Raises
        ------
        DataError
            A file is neither: it may be an image of a kind that is not read.
        """
        images, sidecars = [], []
        for name in names:
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a name, not a path
            if suffix in IMAGE_SUFFIXES:
                images.append(name)
            elif suffix in SIDECAR_SUFFIXES:
                sidecars.append(name)
            else:
                raise DataError(
                    f"{self.origin}: {name} is no kind of image that is read",
                    f"convert it to one of {', '.join(sorted(IMAGE_SUFFIXES))}, or take it out of the folder",
                )
        return images, sidecars


def unreadable(error: OSError, path: Path) -> DataError:
    """Return the error for a file or folder that the system does not let us read."""
    return DataError(
        f"{error.filename or path} cannot be read: {error.strerror or error}",
        "check that it is there and that you may read it",
    )


def walk(folder: Path) -> list[tuple[str, bool]]:
    """Return everything below ``folder`` as (name with ``/``, whether it is a folder), sorted.

    Links are followed; hidden and desktop files are left out.

    Raises
    ------
    DataError
        A folder cannot be read, links form a circle, or a name is not valid Unicode.
    """

    def fail(error: OSError) -> None:
        raise unreadable(error, folder)

    found: list[tuple[str, bool]] = []
    above: dict[str, frozenset[str]] = {str(folder): frozenset()}
    for here, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(here)
        chain = above.pop(here)
        if real in chain:
            raise DataError(f"{here} is a link to a folder above it", "remove the link")
        folders[:] = [name for name in folders if not is_junk(name)]
        above.update((os.path.join(here, name), chain | {real}) for name in folders)  # noqa: PTH118
        base = Path(here).relative_to(folder)
        found += [((base / name).as_posix(), True) for name in folders]
        found += [((base / name).as_posix(), False) for name in files if not is_junk(name)]
    for name, _ in found:
        if not name.isprintable():  # lone surrogates of undecodable bytes are not printable
            raise DataError(
                f"{folder}: the name {name.encode(errors='backslashreplace').decode()!r} cannot be written",
                "rename it with printable characters",
            )
    return sorted(found)


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
        for name, is_folder in walk(path):
            digest = "folder" if is_folder else _hash_file(path / name)
            whole.update(f"{name}\0{digest}\n".encode())
        return whole.hexdigest()
    except OSError as error:
        raise unreadable(error, path) from error


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
