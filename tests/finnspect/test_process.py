"""Running tools: output, failures, limits."""

from __future__ import annotations

import sys

import pytest
from finnspect.errors import ToolError
from finnspect.process import relevant_lines, run_tool


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_of_both_streams(tmp_path):
    code = "import sys, os; print(os.getcwd()); sys.stdout.flush(); print('err', file=sys.stderr)"
    assert run_tool(python(code), "it", tmp_path).splitlines() == [str(tmp_path), "err"]


def test_failure_shows_the_lines_that_matter(tmp_path):
    code = "print('fine\\n' * 50 + 'a.sv:3: error: bad\\n' + 'fine\\n' * 50); raise SystemExit(3)"
    with pytest.raises(ToolError, match=r"the step failed \(exit 3\) in .*\n  a.sv:3: error: bad\n") as info:
        run_tool(python(code), "the step", tmp_path)
    assert "fine" not in info.value.message
    assert sys.executable in info.value.remedy


def test_a_program_that_does_not_exist(tmp_path):
    with pytest.raises(ToolError, match=r"the step: no-such-tool does not run.*\n  remedy: get it"):
        run_tool(["no-such-tool"], "the step", tmp_path, install="get it")


def test_time_limit(tmp_path):
    with pytest.raises(ToolError, match=r"had not ended after 0\.2 s"):
        run_tool(python("import time; time.sleep(20)"), "the step", tmp_path, timeout_s=0.2)


def test_deep_stack_is_the_ceiling_and_keeps_arguments(tmp_path):
    code = "import resource, sys; print(*resource.getrlimit(resource.RLIMIT_STACK), sys.argv[1:])"
    out = run_tool([*python(code), "a b", "$x"], "it", tmp_path, deep_stack=True).strip()
    soft, hard, args = out.split(" ", 2)
    assert soft == hard
    assert args == "['a b', '$x']"


def test_relevant_lines_without_a_known_word_are_the_last_ones():
    assert relevant_lines("\n".join(str(i) for i in range(40)), limit=3) == "  37\n  38\n  39"
    assert relevant_lines("\n".join(["error: x"] * 5), limit=2).endswith("... 3 more")
