"""What a toolchain hands back, whichever it is: ``bitstream.json`` in the folder of the build."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finnspect.errors import PackageError
from finnspect.stages import write_whole

FORMAT = "finnspect-bitstream"
FORMAT_VERSION = 2
RESULT_FILE = "bitstream.json"


@dataclass(frozen=True)
class BitstreamResult:
    """What a toolchain made of a design: a bitstream that meets its clock, or less where its road ends.

    Parameters
    ----------
    toolchain
        Its name.
    bitstream, hwh
        The bit file, and the description that PYNQ reads beside it; None where the road makes none.
    clock_mhz, fmax_mhz
        Core clock it is made for, and what the tool's timing allows; None where nothing was timed.
    build_id
        What the hardware reports.
    resources
        Cells after place and route, by name; empty where the road ends before.
    post_synthesis, core
        Cells after synthesis: of the whole design, and of the core alone where that was counted.
    available
        Cells the device has, where the board does not say.
    critical_path
        Slowest path in words.
    versions
        Tool -> version.
    tools
        Kind of figure (``post-synthesis``, ``post-route``) -> the tool it is from.
    seconds
        Step -> time it took.
    seed
        Of place and route, the one that met the clock.
    notes
        What a reader of the figures must know: what was not timed, what is missing.
    power_w
        Total on-chip power as the tool estimates it.
    baud, baud_error_percent, link_fps, buffer_bytes
        Serial link, where there is one: nominal rate, deviation of the hardware's, frames a second that it
        carries; depth of the image buffer.
    cycles_per_frame, latency_cycles
        FINN's estimates, where the hardware is FINN's and not the core that was simulated.
    finn
        Link of FINN's own shell, where it is that one: as in ``accelerator.json``.
    """

    toolchain: str
    bitstream: Path | None
    clock_mhz: float
    fmax_mhz: float | None
    build_id: str
    post_synthesis: dict[str, int]
    versions: dict[str, str]
    seconds: dict[str, float]
    resources: dict[str, int] = field(default_factory=dict)
    core: dict[str, int] = field(default_factory=dict)
    available: dict[str, int] = field(default_factory=dict)
    critical_path: str = ""
    tools: dict[str, str] = field(default_factory=dict)
    seed: int = 1
    hwh: Path | None = None
    notes: tuple[str, ...] = ()
    power_w: float | None = None
    baud: int | None = None
    baud_error_percent: float | None = None
    link_fps: float | None = None
    buffer_bytes: int | None = None
    cycles_per_frame: float | None = None
    latency_cycles: float | None = None
    finn: dict[str, Any] | None = None

    @property
    def simulated(self) -> bool:
        """Whether the hardware is the core that was simulated."""
        return self.cycles_per_frame is None

    def save(self, folder: Path) -> Path:
        """Write ``bitstream.json`` into ``folder``; it is written last, so it stands for a finished build."""
        document: dict[str, Any] = {"format": FORMAT, "format_version": FORMAT_VERSION}
        document |= asdict(self)
        document |= {name: path.name if path else None for name, path in self._files().items()}
        return write_whole(folder / RESULT_FILE, json.dumps(document, indent=1) + "\n")

    def _files(self) -> Mapping[str, Path | None]:
        return {"bitstream": self.bitstream, "hwh": self.hwh}

    @classmethod
    def load(cls, folder: Path) -> BitstreamResult:
        """Read what :meth:`save` wrote.

        Raises
        ------
        PackageError
            There is no finished result in the folder, or it is of another format version.
        """
        path = folder / RESULT_FILE
        try:
            document = json.loads(path.read_text())
            if (document.pop("format"), document.pop("format_version")) != (FORMAT, FORMAT_VERSION):
                raise ValueError("another format version")
            for name in ("bitstream", "hwh"):
                document[name] = folder / document[name] if document[name] else None
            result = cls(**document | {"notes": tuple(document["notes"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise PackageError(f"{path} is not a finished bitstream: {error}", "build it again") from error
        for file in result._files().values():
            if file is not None and not file.is_file():
                raise PackageError(f"{folder} has no {file.name}", "build it again")
        return result
