"""Long-running tools: output, progress, failure, interruption."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from finnspect.errors import ToolError
from finnspect.toolchains import longrun
from finnspect.toolchains.longrun import Command, run_logged


def python(code, *, log="tool.log", own_log=None):
    return Command("tool", (sys.executable, "-u", "-c", code), log, own_log)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed child of a killed parent may stay as a zombie until it is reaped.
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_output_goes_to_the_log(tmp_path):
    code, seconds = run_logged(
        python("import sys; print('out'); print('err', file=sys.stderr)"), tmp_path, "tool"
    )
    assert code == 0
    assert seconds > 0
    assert sorted((tmp_path / "tool.log").read_text().split()) == ["err", "out"]


def test_progress_is_the_last_line_that_says_something(tmp_path, monkeypatch):
    monkeypatch.setattr(longrun, "_QUIET_S", 0.0)
    said = []
    run_logged(
        python("import time\nfor i in range(3): print('step', i); print('noise'); time.sleep(0.7)"),
        tmp_path,
        "tool",
        describe=lambda line: line if line.startswith("step") else None,
        progress=said.append,
    )
    assert said[0] == "tool"
    assert [line.rsplit(": ", 1)[1] for line in said[1:]] == ["step 0", "step 1", "step 2"]


def test_a_failure_carries_the_lines_that_matter(tmp_path):
    code = "print('fine'); print('ERROR: no such pin'); raise SystemExit(3)"
    with pytest.raises(ToolError, match=r"place failed \(exit 3\):\n  ERROR: no such pin") as caught:
        run_logged(python(code), tmp_path, "place")
    assert "fine" not in caught.value.message
    assert "tool.log" in caught.value.remedy


def test_the_tool_s_own_log_tells_where_its_output_is_silent(tmp_path):
    code = "open('own.log', 'w').write('x.sv:3: error: unknown module'); raise SystemExit(1)"
    with pytest.raises(ToolError, match=r"x\.sv:3: error: unknown module"):
        run_logged(python(code, own_log="own.log"), tmp_path, "synthesis")


def test_unchecked_failure_is_returned(tmp_path):
    assert run_logged(python("raise SystemExit(5)"), tmp_path, "tool", check=False)[0] == 5


def test_a_missing_program(tmp_path):
    with pytest.raises(ToolError, match="does not run") as caught:
        run_logged(Command("x", ("/no/such/program",), "x.log"), tmp_path, "tool", install="install it")
    assert caught.value.remedy == "install it"


def test_an_interrupt_kills_the_tool_and_its_children(tmp_path):
    code = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('pids').write_text(f'{child.pid}')\n"
        "time.sleep(60)"
    )

    def interrupt():
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_logged(python(code), tmp_path, "tool")
    assert time.monotonic() - begun < 30
    pid = int((tmp_path / "pids").read_text())
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)
