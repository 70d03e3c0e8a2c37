"""Where the open 7-series tools are: nextpnr, Project X-Ray's programs, chip database, bit database.

They are in no package registry. They are looked for in the folder that the environment variable
``OPENXC7`` names, on PATH, and where ``apio`` puts its package ``openxc7``; the data also where
``CHIPDB`` and ``PRJXRAY_DB_DIR`` point, as the tools' own projects have it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finnspect.board import Part
from finnspect.errors import ToolError

REMEDY = (
    "install the openXC7 tools (https://github.com/openXC7) and set OPENXC7 to their folder, or `pip install "
    "apio` and `apio packages install`; see docs/toolchains.md"
)
#: Family as the bit database calls it, by the beginning of a part's name.
_FAMILIES = {"xc7z": "zynq7", "xc7a": "artix7", "xc7k": "kintex7", "xc7s": "spartan7"}
_CHIPDB_FOLDERS = (
    "",
    "chipdb",
    "share/nextpnr/chipdb",
    "share/nextpnr",
    "share/nextpnr/xilinx-chipdb",
    "share/nextpnr/himbaechel/xilinx",
    "xilinx",
)
_DATABASE_FOLDERS = ("", "prjxray-db", "share/nextpnr/external/prjxray-db", "external/prjxray-db", "database")
_PROGRAMS = ("nextpnr-xilinx", "nextpnr-himbaechel")

Style = Literal["xilinx", "himbaechel"]


@dataclass(frozen=True)
class OpenXc7:
    """The tools of the road, found.

    Parameters
    ----------
    nextpnr, style
        Place and route, and which command line it takes: openXC7's own or that of upstream's himbaechel.
    chipdb
        Its database of the device.
    fasm2frames, xc7frames2bit
        Project X-Ray's programs.
    database
        Folder of the family in prjxray-db.
    """

    nextpnr: Path
    style: Style
    chipdb: Path
    fasm2frames: Path
    xc7frames2bit: Path
    database: Path

    @property
    def name(self) -> str:
        """Name of place and route, for reports."""
        return "nextpnr-xilinx" if self.style == "xilinx" else "nextpnr-himbaechel"

    def versions(self) -> dict[str, str]:
        """Return nextpnr's version, and a mark of the files that say none: they decide the bits as well.

        The mark is made of names, sizes and times; the databases are too large to be read for each build.
        """
        unnamed = [self.chipdb, self.fasm2frames, self.xc7frames2bit]
        unnamed += sorted(path for path in self.database.iterdir() if path.is_file())
        unnamed += sorted(self.database.glob("*/part.yaml"))
        seen = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in unnamed]
        mark = hashlib.sha256(repr(seen).encode()).hexdigest()[:8]
        return {self.name: program_version(self.nextpnr), "prjxray files": mark}


def find_openxc7(part: Part, environ: Mapping[str, str] | None = None, home: Path | None = None) -> OpenXc7:
    """Return the tools for a part.

    Parameters
    ----------
    environ, home
        Instead of the process' environment and the user's home folder.

    Raises
    ------
    ToolError
        Something is missing: names every such thing, where it was looked for and how to get it.
    """
    environ = os.environ if environ is None else environ
    roots = _roots(environ, Path.home() if home is None else home)
    missing = []
    programs = [path for name in _PROGRAMS if (path := _program(name, roots, environ))]
    if not programs:
        missing.append("the program nextpnr-xilinx")
    fasm2frames = _program("fasm2frames", roots, environ) or _program("fasm2frames.py", roots, environ)
    if fasm2frames is None:
        missing.append("the program fasm2frames")
    frames2bit = _program("xc7frames2bit", roots, environ)
    if frames2bit is None:
        missing.append("the program xc7frames2bit")
    # A program on PATH has its data beside it.
    roots = [*roots, *(path.resolve().parent.parent for path in programs)]
    database = _database(part, roots, environ)
    if database is None:
        missing.append(f"the bit database of {part.name} (prjxray-db)")
    placed = [
        (path, style, chipdb)
        for path in programs
        for style in (_style(path),)
        if (chipdb := _chipdb(part, style, roots, environ))
    ]
    if programs and not placed:
        missing.append(f"the chip database of {part.device}")
    if missing:
        raise ToolError(f"the open 7-series tools are not all here: {', '.join(missing)} not found", REMEDY)
    nextpnr, style, chipdb = placed[0]
    return OpenXc7(nextpnr, style, chipdb, fasm2frames, frames2bit, database)


def _roots(environ: Mapping[str, str], home: Path) -> list[Path]:
    """Return the folders of installations: the environment's, then apio's, which is always the last."""
    roots = [Path(environ["OPENXC7"])] if environ.get("OPENXC7") else []
    apio = Path(environ.get("APIO_HOME") or environ.get("APIO_HOME_DIR") or home / ".apio")
    return [*roots, apio / "packages" / "openxc7"]


def _program(name: str, roots: Iterable[Path], environ: Mapping[str, str]) -> Path | None:
    """Look in the installation that the environment names, on PATH, and in apio's, in this order."""
    folders = [[str(root / "bin"), str(root)] for root in roots]
    search = [*(path for pair in folders[:-1] for path in pair), environ.get("PATH", ""), *folders[-1]]
    found = shutil.which(name, path=os.pathsep.join(filter(None, search)))
    return Path(found) if found else None


def _database(part: Part, roots: Iterable[Path], environ: Mapping[str, str]) -> Path | None:
    family = _FAMILIES[part.name[:4]]
    named = [Path(environ["PRJXRAY_DB_DIR"])] if environ.get("PRJXRAY_DB_DIR") else []
    candidates = [folder / sub for folder in [*named, *roots] for sub in _DATABASE_FOLDERS]
    for candidate in candidates:
        for folder in (candidate / family, candidate):
            if (folder / part.name / "part.yaml").is_file():
                return folder
    return None


def _chipdb(part: Part, style: Style, roots: Iterable[Path], environ: Mapping[str, str]) -> Path | None:
    stems = (part.device, f"{part.device}{part.package}", part.name)
    upstream = [f"chipdb-{stem}.bin" for stem in stems]
    plain = [f"{stem}.bin" for stem in stems]
    # A folder may hold the databases of both programs: upstream's are those called chipdb-...
    names = plain if style == "xilinx" else [*upstream, *plain]
    named = Path(environ["CHIPDB"]) if environ.get("CHIPDB") else None
    if named is not None and named.is_file():
        return named
    folders = [*([named] if named else []), *(root / sub for root in roots for sub in _CHIPDB_FOLDERS)]
    return next((path for folder in folders for name in names if (path := folder / name).is_file()), None)


@functools.cache
def _help(program: Path) -> str:
    return _output([str(program), "--help"])


def _style(program: Path) -> Style:
    """Return which command line the program takes; newer packages call upstream's nextpnr-xilinx too."""
    text = _help(program)
    if "--fasm" in text:
        return "xilinx"
    if "--device" in text or "--uarch" in text:
        return "himbaechel"
    return "himbaechel" if "himbaechel" in program.name else "xilinx"


@functools.cache
def program_version(program: Path) -> str:
    """Return the version a program prints, ``unknown`` where it prints none."""
    text = _output([str(program), "--version"])
    match = re.search(r"[Vv]ersion ([\w.+-]+)", text) or re.search(r"\b(\d+\.\d+[\w.+-]*)", text)
    return match[1] if match else "unknown"


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
