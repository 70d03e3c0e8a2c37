"""Cycle-accurate simulation of a whole accelerator: build it once, stream frames, read logits and counts.

>>> sim = build_core(accelerator, Path("out/sim"))
>>> result = sim.run(images)
>>> result.logits, result.cycles_per_frame
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from finnspect.emit.accelerator import Accelerator
from finnspect.errors import ConfigError, FlowError, ToolError
from finnspect.paths import SIM_DIR
from finnspect.sim.result import LinkStats, SimResult, SimulationError, merge_results, unpack_stream
from finnspect.sim.verilator import CACHE_DIR, VerilatorJob, build

log = logging.getLogger(__name__)

MAIN = SIM_DIR / "core_main.cpp"
SIM_TOP = "finnspect_sim"
STAMP = "core_sim.json"
#: Cycles without a transfer on any stream after which a simulation is given up.
QUIET_CYCLES = 20_000
#: Modules of the library that no handshake depends on: products, and what memories hold.
DATA_ONLY = frozenset({"fs_dot", "fs_mac", "fs_rom", "fs_rom_banks", "fs_rom_hold"})
_DEADLOCK, _PROTOCOL = 3, 4


@dataclass(frozen=True)
class CoreSim:
    """A built simulation of an accelerator.

    Parameters
    ----------
    accelerator
        What was built.
    executable
        The program.
    probe
        Whether it records what every stream carries.
    build_seconds
        Time the build took; the time it took then if it was found finished.
    """

    accelerator: Accelerator
    executable: Path
    probe: bool
    build_seconds: float

    def run(
        self,
        images: np.ndarray,
        *,
        stall_in: float = 0.0,
        stall_out: float = 0.0,
        seed: int = 1,
        processes: int = 1,
        quiet_cycles: int = QUIET_CYCLES,
        max_cycles: int | None = None,
        interval: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> SimResult:
        """Stream images back to back and return logits and counts.

        Parameters
        ----------
        images
            uint8, shape (N, H, W, C), N at least 1.
        stall_in, stall_out
            Probability that the source offers nothing, and that the sink is not ready, in a cycle.
        seed
            Of the stalls, and of registers' initial values in a ``random_init`` build.
        processes
            Slices of the images that run at the same time.
        quiet_cycles, max_cycles
            Give up after so many cycles without a transfer, or in all.
        interval
            Cycles over which a frame's beats are offered, evenly; 0: as fast as they are taken.
        progress
            Called with (frames done, frames).

        Raises
        ------
        SimulationError
            The core hung (names the stuck streams) or broke a stream's protocol.
        ConfigError
            The images are not what the accelerator takes.
        """
        shape = tuple(self.accelerator.manifest["input"]["shape"])
        if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
            raise ConfigError(
                f"the accelerator takes uint8 images (N, {', '.join(map(str, shape))}), "
                f"got {images.dtype} {images.shape}"
            )
        arguments = _arguments(stall_in, stall_out, seed, quiet_cycles, max_cycles)
        arguments += ["--interval", str(interval)]
        slices = np.array_split(images, min(processes, len(images)))
        done = [0] * len(slices)
        running: list[subprocess.Popen] = []

        def one(index: int) -> SimResult:
            def tell(frames: int) -> None:
                done[index] = frames
                if progress is not None:
                    progress(sum(done), len(images))

            return self._run_slice(slices[index], arguments, tell, running)

        with ThreadPoolExecutor(len(slices)) as pool:
            futures = [pool.submit(one, index) for index in range(len(slices))]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:  # one failed, or Ctrl-C: the others need not go on
                for process in running:
                    process.kill()
                raise
        return merge_results([future.result() for future in futures])

    def _run_slice(
        self,
        images: np.ndarray,
        arguments: list[str],
        tell: Callable[[int], None],
        running: list[subprocess.Popen],
    ) -> SimResult:
        with tempfile.TemporaryDirectory(prefix="finnspect-sim-") as name:
            folder = Path(name)
            (folder / "images.bin").write_bytes(np.ascontiguousarray(images).tobytes())
            argv = [str(self.executable.resolve()), str(folder / "images.bin"), str(folder), str(len(images))]
            argv += [*arguments, "--report", str(max(1, len(images) // 20))]
            code, errors = _watch(argv, self.accelerator.path, tell, running)
            if code:
                raise _failure(code, errors, self.accelerator)
            return self._read(folder, len(images))

    def _read(self, folder: Path, frames: int) -> SimResult:
        accelerator = self.accelerator
        cycles, seconds = (folder / "run.txt").read_text().split()
        counts = np.fromfile(folder / "links.bin", np.uint64).reshape(-1, 3).tolist()
        links = tuple(LinkStats(s, *c) for s, c in zip(accelerator.streams, counts, strict=True))
        streams = None
        if self.probe:
            streams = {
                stream.net: unpack_stream(np.fromfile(folder / f"stream_{i}.bin", np.uint32), stream, frames)
                for i, stream in enumerate(accelerator.streams)
            }
        return SimResult(
            logits=np.fromfile(folder / "logits.bin", np.int32).reshape(frames, accelerator.classes),
            frame_cycles=np.fromfile(folder / "frames.bin", np.uint64).astype(np.int64).reshape(frames, 2),
            links=links,
            fifo_peaks=dict(
                zip(
                    (fifo.key for fifo in accelerator.fifos),
                    np.fromfile(folder / "fifos.bin", np.uint64).tolist(),
                    strict=True,
                )
            ),
            bound=accelerator.bound.cycles,
            cycles=int(cycles),
            seconds=float(seconds),
            streams=streams,
        )


def build_core(
    accelerator: Accelerator,
    build_dir: Path,
    *,
    probe: bool = False,
    pace_only: bool = False,
    threads: int = 1,
    jobs: int = 2,
    optimize: str = "-O2",
    random_init: bool = False,
    cache: Path = CACHE_DIR,
    progress: Callable[[str], None] | None = None,
) -> CoreSim:
    """Build the simulation of an accelerator, unless ``build_dir`` holds it already.

    Memory images are no part of the build: they are read from the accelerator's folder at each run.

    Parameters
    ----------
    probe
        Record what every stream carries; slower.
    pace_only
        Without products and memories' contents: handshakes do not depend on data, so counts, cycles and
        FIFO peaks are right, and logits mean nothing. Builds and runs faster.
    threads
        Threads of one simulation; for small cores one is fastest.
    jobs
        Compilers at a time.
    random_init
        Registers without reset start at random.

    Raises
    ------
    ToolError
        Verilator or the compiler is missing or failed.
    """
    begun = time.monotonic()
    build_dir.mkdir(parents=True, exist_ok=True)
    generated = _generate(accelerator, probe)
    sources = [accelerator.path / name for name in accelerator.sources]
    if pace_only:
        generated |= {path.name: hollow(path.read_text()) for path in sources if path.stem in DATA_ONLY}
    sources = [build_dir / path.name if path.name in generated else path for path in sources]
    job = VerilatorJob(
        top=SIM_TOP,
        sources=(*sources, build_dir / f"{SIM_TOP}.sv"),
        build_dir=build_dir,
        main=(MAIN,),
        library_dirs=(),
        optimize=optimize,
        random_init=random_init,
        jobs=jobs,
        extra=("--threads", str(threads)) if threads > 1 else (),
        cflags=(f"-I{build_dir.resolve()}",),
    )
    key = {
        "accelerator": accelerator.digest,
        "main": MAIN.read_text(),
        "generated": generated,
        "options": [threads, optimize, random_init],
    }
    stamp = build_dir / STAMP
    found = _read_stamp(stamp)
    if found.get("key") == key and job.executable.is_file():
        return CoreSim(accelerator, job.executable, probe, found["seconds"])
    stamp.unlink(missing_ok=True)
    for name, text in generated.items():
        (build_dir / name).write_text(text)
    build(job, cache=cache, progress=progress)
    seconds = round(time.monotonic() - begun, 3)
    stamp.write_text(json.dumps({"key": key, "seconds": seconds}))
    return CoreSim(accelerator, job.executable, probe, seconds)


def hollow(text: str) -> str:
    """Return a module of the library with its ports alone: every output is zero."""
    header = text[: text.index("\n);") + 4]
    outputs = re.findall(r"^ *output \w+ (?:\[.*\] )?(\w+)", header, flags=re.MULTILINE)
    assert not any(name.endswith(("valid", "ready")) for name in outputs), outputs
    return header + "".join(f"  assign {name} = '0;\n" for name in outputs) + "endmodule\n"


def _read_stamp(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _generate(accelerator: Accelerator, probe: bool) -> dict[str, str]:
    links, word = [], 0
    for stream in accelerator.streams:
        words = (stream.width + 31) // 32
        links.append({"net": stream.net, "first_word": word, "words": words})
        word += words
    places = {stream.net: place for place, stream in enumerate(accelerator.streams)}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("finnspect.sim"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,
    )
    values = {
        "name": re.sub(r"[^\w .-]", "_", accelerator.manifest["name"]),
        "input_bits": accelerator.manifest["input"]["width_bits"],
        "input_bytes": accelerator.input_elements,
        "input_beats": accelerator.input_beats,
        "classes": accelerator.classes,
        "links": links,
        "fifos": [(places[fifo.source], places[fifo.sink]) for fifo in accelerator.fifos],
        "probe": probe,
        "probe_bits": word * 32,
    }
    return {
        f"{SIM_TOP}.sv": environment.get_template("core_sim.sv.j2").render(values),
        "core_config.h": environment.get_template("core_config.h.j2").render(values),
    }


def _arguments(
    stall_in: float, stall_out: float, seed: int, quiet_cycles: int, max_cycles: int | None
) -> list[str]:
    for name, value in (("stall_in", stall_in), ("stall_out", stall_out)):
        if not 0 <= value < 1:
            raise ConfigError(f"{name} is {value}, expected a probability below 1")
    arguments = ["--stall-in", str(stall_in), "--stall-out", str(stall_out), "--seed", str(seed)]
    arguments += ["--quiet", str(quiet_cycles)]
    if max_cycles is not None:
        arguments += ["--limit", str(max_cycles)]
    return [*arguments, "+verilator+rand+reset+2", f"+verilator+seed+{seed & 0x7FFFFFFF or 1}"]


def _watch(
    argv: list[str], cwd: Path, tell: Callable[[int], None], running: list[subprocess.Popen]
) -> tuple[int, str]:
    """Run the simulation, pass on its progress lines, return its exit code and what it complained of."""
    with tempfile.TemporaryFile("w+") as errors:
        try:
            process = subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=errors, text=True)
        except OSError as error:
            raise ToolError(f"the simulation {argv[0]} does not run: {error}", "build it again") from error
        running.append(process)
        said = []
        with process:
            for line in process.stdout:
                if line.startswith("frame "):
                    tell(int(line.split()[1]))
                else:
                    said.append(line)
        errors.seek(0)
        return process.returncode, errors.read() + "".join(said)


def _failure(code: int, text: str, accelerator: Accelerator) -> FlowError:
    first, *rest = text.strip().splitlines() or ["no message"]
    if code == _DEADLOCK:
        return _deadlock(first, [line.split() for line in rest if len(line.split()) == 2], accelerator)
    if code == _PROTOCOL:
        return SimulationError(f"the core of {accelerator.manifest['name']}: {first}")
    return ToolError(f"the simulation ended with exit code {code}: {text.strip() or 'no message'}")


def _deadlock(first: str, states: list[list[str]], accelerator: Accelerator) -> SimulationError:
    """Name the streams that wait, the FIFOs that are full and empty, and the layers at their ends."""
    stuck = [net for state, net in states if state == "stuck"]
    starved = [net for state, net in states if state == "starved"]
    makers = {stream.net: stream.layer for stream in accelerator.streams}
    where = ", ".join(f"{net} (from {makers[net]})" for net in stuck) or "none"
    message = (
        f"the core of {accelerator.manifest['name']} hangs: {first}; stuck (valid, not ready): {where}; "
        f"starved (ready, not valid): {', '.join(starved) or 'none'}"
    )
    full = [fifo for fifo in accelerator.fifos if fifo.source in stuck]
    empty = [fifo for fifo in accelerator.fifos if fifo.sink not in stuck and fifo.source not in stuck]
    if full:
        names = ", ".join(f"{fifo.key} ({fifo.depth} beats, read by {fifo.reader})" for fifo in full)
        waits = ", ".join(f"{fifo.key} (read by {fifo.reader})" for fifo in empty)
        message += f"; full FIFOs: {names}; FIFOs that wait for beats: {waits or 'none'}"
        remedy = f"a deeper FIFO: {', '.join(fifo.key for fifo in full)}"
    else:
        remedy = "the module that reads the last stuck stream is at fault"
    return SimulationError(message, remedy, stuck)
