"""Benches of stream modules: many instances in one generated top, one build, several runs.

A whole parameter grid of a module costs one Verilator build: each point of the grid is a :class:`Bench`, its
streams are driven and checked by ``fs_tb_source`` and ``fs_tb_sink``. The executable then runs once for
each :class:`StallMode`, so every instance meets full speed, gaps at its input, back-pressure at its output,
and both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finnspect.errors import ConfigError, VerificationError
from finnspect.paths import RTL_DIR, SIM_DIR
from finnspect.process import run_tool
from finnspect.sim.verilator import CACHE_DIR, VerilatorJob, build

TOP = "fs_bench_top"
_SIZED = re.compile(r"[0-9]+'h[0-9a-f]+")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Stream:
    """The beats of one stream port: ``width`` bits each, as non-negative Python integers."""

    width: int
    beats: Sequence[int]


@dataclass(frozen=True)
class Bench:
    """One instance of a module under test.

    Parameters
    ----------
    name
        Identifier, unique in its run; appears in every message.
    module
        Module name, with ports ``clk``, ``rst_n`` and streams.
    params
        Parameters of the instance; strings are passed quoted, numbers like ``32'h1f`` as they are.
    inputs, outputs
        Port prefix (``s_axis``) -> beats to send, or beats expected. Several streams on one port are
        named ``s_axis.0``, ``s_axis.1`` and so on; the first is in the low bits.
    """

    name: str
    module: str
    params: Mapping[str, int | str]
    inputs: Mapping[str, Stream]
    outputs: Mapping[str, Stream]

    def __str__(self) -> str:
        params = ", ".join(f"{k}={v}" for k, v in self.params.items())
        return f"{self.name} = {self.module}({params})"


@dataclass(frozen=True)
class StallMode:
    """How the streams of one run stall; probabilities of 256 a cycle."""

    name: str
    source: int = 0
    sink: int = 0
    lazy: bool = False
    seed: int = 0


#: Full speed; each side alone; both, light and heavy; a receiver that waits to see tvalid.
MODES = (
    StallMode("none"),
    StallMode("in", source=128, seed=1),
    StallMode("out", sink=128, seed=2),
    StallMode("both", source=100, sink=100, seed=3),
    StallMode("rare", source=8, sink=8, seed=4),
    StallMode("heavy", source=200, sink=210, seed=5),
    StallMode("lazy", source=30, sink=30, lazy=True, seed=6),
)


@dataclass(frozen=True)
class Output:
    """What came out of one port in one run.

    Parameters
    ----------
    beats
        Data of each beat.
    cycles
        int64, clock cycle after reset in which each beat was taken.
    """

    beats: list[int]
    cycles: np.ndarray

    def frame_cycles(self, frames: int) -> np.ndarray:
        """Return the cycles between the last beats of successive frames, shape (frames - 1,)."""
        last = self.cycles.reshape(frames, -1)[:, -1]
        return np.diff(last)


#: (bench name, mode name) -> port -> output
Results = Mapping[tuple[str, str], Mapping[str, Output]]


def pack(values: np.ndarray, bits: int) -> list[int]:
    """Pack the last axis of an integer array into beats, element 0 in the low bits.

    Parameters
    ----------
    values
        Integers, shape (..., lanes); negative ones become two's complement.
    bits
        Width of one element.

    Returns
    -------
    list of int
        One number of ``lanes * bits`` bits for each leading index.
    """
    flat = np.asarray(values, dtype=np.int64).reshape(-1, np.shape(values)[-1])
    mask = (1 << bits) - 1
    beats = []
    for row in flat.tolist():
        beat = 0
        for value in reversed(row):
            beat = beat << bits | value & mask
        beats.append(beat)
    return beats


def unpack(beats: Sequence[int], lanes: int, bits: int, *, signed: bool) -> np.ndarray:
    """Undo :func:`pack`: return int64 of shape (len(beats), lanes)."""
    mask, sign = (1 << bits) - 1, 1 << (bits - 1)
    out = np.empty((len(beats), lanes), dtype=np.int64)
    for index, beat in enumerate(beats):
        for lane in range(lanes):
            value = beat >> (lane * bits) & mask
            out[index, lane] = (value ^ sign) - sign if signed else value
    return out


def stream(values: np.ndarray, bits: int) -> Stream:
    """Return the stream of an integer array of shape (..., lanes), ``bits`` an element."""
    return Stream(int(np.shape(values)[-1]) * bits, pack(values, bits))


# -- generated top ---------------------------------------------------------------------------------


def _literal(value: int | str) -> str:
    if isinstance(value, str):
        return value if _SIZED.fullmatch(value) else f'"{value}"'
    return str(value)


def _parameters(params: Mapping[str, int | str]) -> str:
    return ",\n    ".join(f".{name}({_literal(value)})" for name, value in params.items())


def _net(index: int, port: str) -> str:
    """Return the prefix of the nets, and of the files, of a bench's stream."""
    return f"b{index}_{port.replace('.', '_')}"


def _instance(index: int, bench: Bench, timeout: int) -> tuple[str, list[str]]:
    """Return the text of one bench and the names of its `done` wires."""
    lines = [f"  // {bench}"]
    ports = [".clk(clk)", ".rst_n(rst_n)"]
    done = []
    nets: dict[str, list[str]] = {}
    ends = [("fs_tb_source", "m_axis", p, s) for p, s in bench.inputs.items()]
    ends += [("fs_tb_sink", "s_axis", p, s) for p, s in bench.outputs.items()]
    for number, (module, side, port, beats) in enumerate(ends):
        net = _net(index, port)
        lines.append(f"  wire [{beats.width - 1}:0] {net}_tdata;")
        lines.append(f"  wire {net}_tvalid, {net}_tready, {net}_done;")
        params = {
            "WIDTH": beats.width,
            "DEPTH": len(beats.beats),
            "FILE": f"{net}.{'hex' if module == 'fs_tb_source' else 'txt'}",
            "NAME": f"{bench} {port}",
            "SEED": 16 * index + number + 1,
            "TIMEOUT": timeout,
        }
        streams = ", ".join(f".{side}_t{x}({net}_t{x})" for x in ("data", "valid", "ready"))
        lines.append(
            f"  {module} #(\n    {_parameters(params)}\n  ) u_{net} "
            f"(.clk(clk), .rst_n(rst_n), {streams}, .done({net}_done));"
        )
        nets.setdefault(port.split(".")[0], []).append(net)
        done.append(f"{net}_done")
    for port, joined in nets.items():
        for x in ("data", "valid", "ready"):
            ports.append(f".{port}_t{x}({{{', '.join(f'{net}_t{x}' for net in reversed(joined))}}})")
    params = f" #(\n    {_parameters(bench.params)}\n  )" if bench.params else ""
    lines.append(f"  {bench.module}{params} u_b{index} ({', '.join(ports)});\n")
    return "\n".join(lines), done


def bench_top(benches: Sequence[Bench], drain: int = 64) -> str:
    """Return the text of a top that holds all benches and finishes ``drain`` cycles after the last."""
    bodies, done = [], []
    for index, bench in enumerate(benches):
        beats = sum(len(s.beats) for s in (*bench.inputs.values(), *bench.outputs.values()))
        body, names = _instance(index, bench, timeout=16 * beats + 2000)
        bodies.append(body)
        done += names
    wires = ",\n      ".join(done)
    return f"""// Generated: one instance for each bench.
`default_nettype none
module {TOP} (
    input wire clk,
    input wire rst_n
);
{"".join(bodies)}
  wire all_done = &{{
      {wires}
  }};
  int unsigned drain_q;
  always_ff @(posedge clk) begin
    drain_q <= (rst_n && all_done) ? drain_q + 1 : 0;
    if (drain_q == {drain}) $finish;
  end
endmodule
`default_nettype wire
"""


def _write_inputs(benches: Sequence[Bench], folder: Path) -> None:
    for index, bench in enumerate(benches):
        for port, beats in bench.inputs.items():
            digits = (beats.width + 3) // 4
            top = max(beats.beats, default=0)
            if not beats.beats or min(beats.beats) < 0 or top >> beats.width:
                raise ConfigError(f"bench {bench}: {port} has no beats, or one beyond {beats.width} bits")
            text = "".join(f"{beat:0{digits}x}\n" for beat in beats.beats)
            (folder / f"{_net(index, port)}.hex").write_text(text)


def build_benches(
    benches: Sequence[Bench],
    folder: Path,
    *,
    sources: Iterable[Path] = (),
    library_dirs: tuple[Path, ...] = (RTL_DIR, SIM_DIR),
    files: Mapping[str, str] | None = None,
    optimize: str = "-O1",
    jobs: int = 2,
    cache: Path = CACHE_DIR,
) -> Path:
    """Write the top and its files into ``folder``, build it, return the executable.

    Parameters
    ----------
    sources
        SystemVerilog files besides the library (``<module>.sv`` in ``library_dirs`` is found).
    files
        Memory images by name, written into ``folder``, where the simulation runs.
    """
    names = [bench.name for bench in benches]
    bad = [name for name in names if not _IDENTIFIER.fullmatch(name) or names.count(name) > 1]
    if bad or not names:
        raise ConfigError(f"bench names must be unique identifiers, at least one: {bad or names}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (files or {}).items():
        (folder / name).write_text(text)
    _write_inputs(benches, folder)
    top = folder / f"{TOP}.sv"
    top.write_text(bench_top(benches))
    job = VerilatorJob(
        top=TOP,
        sources=(*sources, top),
        build_dir=folder,
        library_dirs=library_dirs,
        optimize=optimize,
        random_init=True,
        jobs=jobs,
    )
    return build(job, cache=cache)


def run_command(executable: Path, mode: StallMode) -> list[str]:
    """Return the command that runs a built bench with one way of stalling."""
    return [
        str(executable),
        f"+fs_src_stall={mode.source}",
        f"+fs_snk_stall={mode.sink}",
        f"+fs_snk_lazy={int(mode.lazy)}",
        f"+fs_seed={mode.seed}",
        "+verilator+rand+reset+2",
        f"+verilator+seed+{mode.seed + 1}",
    ]


def _read_output(path: Path) -> Output:
    pairs = [line.split() for line in path.read_text().splitlines()]
    return Output([int(data, 16) for data, _ in pairs], np.array([int(c) for _, c in pairs], dtype=np.int64))


def _compare(bench: Bench, mode: StallMode, port: str, got: Sequence[int], expected: Sequence[int]) -> None:
    where = f"bench {bench}, stalls '{mode.name}', port {port} (hexadecimal: see remedy)"
    for beat, (a, b) in enumerate(zip(got, expected, strict=False)):
        if a != b:
            raise VerificationError(where, bench.name, 0, (beat,), a, b, f"got {a:x}, expected {b:x}")
    if len(got) != len(expected):
        raise VerificationError(where, bench.name, 0, (len(got),), len(got), len(expected), "beats missing")


def run_mode(benches: Sequence[Bench], executable: Path, mode: StallMode, timeout_s: float = 300) -> Results:
    """Run a built bench once and check every beat of every output.

    Raises
    ------
    VerificationError
        A beat differs; names the instance, its parameters, the mode, the beat, got and expected.
    ToolError
        The simulation stopped: a protocol violation, a hang, or a beat too many, named by the bench.
    """
    folder = executable.parent
    what = f"bench with stalls '{mode.name}'"
    run_tool(run_command(executable, mode), what, folder, timeout_s=timeout_s)
    results: dict[tuple[str, str], dict[str, Output]] = {}
    for index, bench in enumerate(benches):
        outputs = {port: _read_output(folder / f"{_net(index, port)}.txt") for port in bench.outputs}
        for port, output in outputs.items():
            _compare(bench, mode, port, output.beats, bench.outputs[port].beats)
        results[bench.name, mode.name] = outputs
    return results


def run_benches(
    benches: Sequence[Bench],
    folder: Path,
    *,
    modes: Sequence[StallMode] = MODES,
    progress: Callable[[str], None] | None = None,
    **build_options: object,
) -> Results:
    """Build all benches into one simulation, run it in every mode, check every beat.

    Parameters
    ----------
    benches
        Instances; any mix of modules.
    folder
        Where everything generated goes.
    modes
        Runs to make.
    progress
        Called with one line a run.
    build_options
        Passed to :func:`build_benches`.

    Returns
    -------
    mapping
        (bench name, mode name) -> port -> :class:`Output`, for checks of cycle counts.

    Raises
    ------
    VerificationError, ToolError
        As :func:`run_mode`.
    """
    executable = build_benches(benches, folder, **build_options)  # type: ignore[arg-type]
    results: dict = {}
    for mode in modes:
        if progress:
            progress(f"{len(benches)} benches, stalls '{mode.name}'")
        results |= run_mode(benches, executable, mode)
    return results
