"""Build the programs that simulate an accelerator on its board, once, and keep them in a cache."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from finnspect.board import load_board
from finnspect.deploy import CORE_DIR, AcceleratorInfo, read_deploy
from finnspect.doctor import distribution_version
from finnspect.emit import Accelerator
from finnspect.errors import ConfigError, PackageError
from finnspect.paths import ROOT, SIM_DIR
from finnspect.shell import AxiSettings, stage_design
from finnspect.sim.uart import UartModel, build_uart_model, simulation_settings
from finnspect.sim.verilator import CACHE_DIR, VerilatorJob, build
from finnspect.sources import source_hash
from finnspect.stages import digest_of, hash_path

log = logging.getLogger(__name__)

MAIN = SIM_DIR / "virtual_board_main.cpp"
TOP = SIM_DIR / "virtual_board_top.sv"
#: Where programs are kept unless a caller says otherwise; one folder for each core, shell and build id.
MODELS_DIR = ROOT / "out" / "cache" / "virtual_board"
_STAMP = "model.json"
_SOURCES = ("hw/shell", "hw/rtl", "hw/sim", "hw/boards", "build/finnspect/shell.py", "build/finnspect/sim")
_TOOLS = ("verilator", "peakrdl-regblock")


@dataclass(frozen=True)
class BoardModel:
    """A program that simulates an AXI shell with its core.

    Parameters
    ----------
    executable
        The program; in its folder lie the memory images.
    settings
        Numbers that it was built with.
    build_seconds
        Time the build took, also when it was found finished.
    """

    executable: Path
    settings: AxiSettings
    build_seconds: float


def settings_of(info: AcceleratorInfo, accelerator: Accelerator) -> AxiSettings:
    """Return the settings that an accelerator was built with."""
    return AxiSettings(
        frame_bytes=accelerator.frame_bytes,
        classes=accelerator.classes,
        in_width_bits=8 * accelerator.input_elements,
        clock_hz=round(info.clock_mhz * 1e6),
        build_id=info.build_id,
    )


def build_board_model(
    accelerator: Accelerator,
    board: str,
    settings: AxiSettings,
    *,
    models: Path = MODELS_DIR,
    jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> BoardModel:
    """Return the simulation of an accelerator in the AXI shell, built unless it is in the cache.

    Parameters
    ----------
    board
        Name of a board with the shell ``finnspect-axi``.
    models
        The cache.
    jobs
        Compilers at a time.

    Raises
    ------
    ToolError
        Verilator or the compiler is missing or failed.
    """
    described = load_board(board)

    def make(folder: Path) -> None:
        sources = stage_design(accelerator, described, settings, folder, simulation=True)
        job = VerilatorJob(
            top=TOP.stem,
            sources=(*(folder / name for name in sources), TOP),
            build_dir=folder,
            main=(MAIN,),
            library_dirs=(),
            optimize="-O2",
            random_init=True,
            jobs=jobs,
            cflags=(f"-I{SIM_DIR}",),
        )
        build(job, cache=models.parent / CACHE_DIR.name, progress=progress)

    folder, seconds = _cached(accelerator, "axi", settings.package(), models, make)
    return BoardModel(folder / "Vtop", settings, seconds)


def _cached(
    accelerator: Accelerator, shell: str, settings: str, models: Path, make: Callable[[Path], None]
) -> tuple[Path, float]:
    """Return the folder of a finished program and the time that it took; make it if it is not there."""
    inputs = {
        "core": hash_path(accelerator.path),
        "shell": shell,
        "settings": settings,
        "sources": source_hash(*_SOURCES),
        "tools": {name: distribution_version(name) for name in _TOOLS},
    }
    key = digest_of(inputs)[:32]
    folder = models / key
    models.mkdir(parents=True, exist_ok=True)
    with FileLock(models / f"{key}.lock"):
        stamp = _read_stamp(folder)
        if stamp is None:
            begun = time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix=".tmp-", dir=models) as name:
                make(Path(name))
                _keep_program(Path(name), accelerator, folder)
            stamp = {"inputs": inputs, "seconds": round(time.monotonic() - begun, 3)}
            (folder / _STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
    return folder, stamp["seconds"]


def _read_stamp(folder: Path) -> dict | None:
    try:
        return json.loads((folder / _STAMP).read_text())
    except (OSError, ValueError):
        return None


def _keep_program(built: Path, accelerator: Accelerator, folder: Path) -> None:
    """Move what a run needs out of a build's folder."""
    for name in ("Vtop", *accelerator.images):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(built / name, folder / name)


# -- from a deploy zip -------------------------------------------------------------------------------


@contextlib.contextmanager
def _unpacked(path: Path):
    """Unpack the core of a deploy zip for a while; give its description and the accelerator."""
    info, contents = read_deploy(path)
    prefix = f"{CORE_DIR}/"
    files = {name: data for name, data in contents.items() if name.startswith(prefix)}
    if f"{prefix}manifest.json" not in files:
        raise PackageError(
            f"{path} holds no RTL ({prefix}): it cannot be simulated", "make it again with `finnspect build`"
        )
    with tempfile.TemporaryDirectory(prefix="finnspect-core-") as name:
        for file, data in files.items():
            target = Path(name) / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        yield info, Accelerator.load(Path(name) / CORE_DIR)


def open_board_model(
    path: Path, *, models: Path = MODELS_DIR, progress: Callable[[str], None] | None = None
) -> BoardModel:
    """Return the simulation of a deploy zip with the shell ``finnspect-axi``.

    Raises
    ------
    PackageError
        The zip is damaged, or holds no RTL.
    ConfigError
        It has another shell.
    ToolError
        Verilator or the compiler is missing or failed.
    """
    with _unpacked(path) as (info, accelerator):
        _check_shell(path, info, "finnspect-axi")
        settings = settings_of(info, accelerator)
        return build_board_model(accelerator, info.board, settings, models=models, progress=progress)


def open_uart_model(
    path: Path, *, models: Path = MODELS_DIR, progress: Callable[[str], None] | None = None
) -> UartModel:
    """Return the simulation of a deploy zip with the shell ``uart``: the board's whole top.

    The serial line runs at 8 clocks a bit, for each clock is simulated.

    Raises
    ------
    PackageError, ConfigError, ToolError
        As :func:`open_board_model`.
    """
    with _unpacked(path) as (info, accelerator):
        _check_shell(path, info, "uart")
        board = load_board(info.board)
        settings = simulation_settings(accelerator, board, info.build_id, info.clock_mhz)

        def make(folder: Path) -> None:
            build_uart_model(
                accelerator,
                board,
                folder,
                info.build_id,
                settings=settings,
                cache=models.parent / CACHE_DIR.name,
                progress=progress,
            )

        folder, _ = _cached(accelerator, f"uart {board.name}", settings.package(), models, make)
        return UartModel(folder / "Vtop", settings)


def _check_shell(path: Path, info: AcceleratorInfo, wanted: str) -> None:
    if info.shell != wanted:
        raise ConfigError(
            f"{path} is for the shell {info.shell}, not {wanted}", "open the other kind of device"
        )
