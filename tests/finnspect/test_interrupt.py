"""SIGINT and SIGTERM are answered at any moment of a command, also in the middle of an import."""

import signal
import subprocess
import sys
import time

import pytest
from finnspect.paths import ROOT

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
TRAIN = ["train", "--model", "cnv_tiny_w4a4", "--data-option", "images=700", "--epochs", "400", "--out"]
#: Sends itself a signal when a module is looked for, then runs the command line.
AT_IMPORT = """
import os, sys

moment, number = sys.argv[1], int(sys.argv[2])
sys.argv[1:] = sys.argv[3:]

class Finder:
    done = False

    def find_spec(self, name, path=None, target=None):
        if name == moment and not Finder.done:
            Finder.done = True
            os.kill(os.getpid(), number)

from finnspect.cli import main
sys.meta_path.insert(0, Finder())
main()
"""
#: Says when it begins, then runs the command line.
BEGIN = "from finnspect.cli import main; print('ready', flush=True); main()"
#: A command of a few lines in place of the command line's.
BODY = """
import os, signal, sys, time
import finnspect.cli as cli
from finnspect.interrupt import Interrupts

def send():
    os.kill(os.getpid(), {number})

def body(**_):
{body}

import types
sys.modules["finnspect.app"] = types.ModuleType("finnspect.app")
sys.modules["finnspect.app"].app = body
cli.main()
"""


def _start(*arguments):
    command = [sys.executable, "-c", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def _answered(process, number, seconds=60):
    """Wait for a process that was sent a signal: it says so in one line and ends with the signal's code."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == CODES[number], (process.returncode, err)
    assert "Traceback" not in err and "internal error" not in err and "ignored" not in err, err
    assert err.count("finnspect: stopped") == 1, err
    return out


MOMENTS = ["finnspect.app", "numpy", "torch", "torch.nn", "brevitas", "lightning"]


@pytest.mark.parametrize("number", list(CODES), ids=["sigint", "sigterm"])
def test_a_signal_in_the_middle_of_an_import_is_answered(number, tmp_path):
    for pair in zip(MOMENTS[::2], MOMENTS[1::2], strict=True):
        processes = {
            moment: _start(AT_IMPORT, moment, int(number), *TRAIN, tmp_path / moment) for moment in pair
        }
        for process in processes.values():
            _answered(process, number)


def test_a_signal_at_any_early_moment_is_answered(tmp_path):
    for at, delay in enumerate((0.05, 0.2, 0.5, 1.0, 1.6, 2.4)):
        number = list(CODES)[at % 2]
        process = _start(BEGIN, *TRAIN, tmp_path / str(at))
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(number)
        _answered(process, number)
        left = [path for path in (tmp_path / str(at)).glob("*/*") if path.name != ".lock"]
        assert left == []


LOST = {
    "a bare except": """
    try:
        send()
    except BaseException:
        pass
    time.sleep(20)
""",
    "a callback that nothing can leave": """
    class Last:
        def __del__(self):
            send()
            time.sleep(0)
    last = Last()
    del last
    time.sleep(20)
""",
    "an error of another kind": """
    try:
        send()
    except BaseException:
        raise SystemError("initialization failed") from None
""",
    "an error that is caught and another": """
    for _ in range(3):
        try:
            send()
            time.sleep(20)
        except BaseException:
            pass
    time.sleep(20)
""",
}


@pytest.mark.parametrize("number", list(CODES), ids=["sigint", "sigterm"])
@pytest.mark.parametrize("body", LOST.values(), ids=LOST)
def test_a_signal_that_a_library_loses_is_answered_all_the_same(body, number):
    begun = time.monotonic()
    _answered(_start(BODY.format(body=body, number=int(number))), number, 15)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("number", list(CODES), ids=["sigint", "sigterm"])
def test_cleaning_up_is_not_interrupted_a_second_time(number):
    body = """
    try:
        try:
            send()
        finally:
            time.sleep(0.8)
            try:
                raise KeyError(1)
            except KeyError:
                time.sleep(0.8)
    except BaseException as error:
        time.sleep(0.8)
        print("cleaned up", flush=True)
        raise RuntimeError("in another's words") from error
"""
    assert _answered(_start(BODY.format(body=body, number=int(number))), number) == "cleaned up\n"


def test_a_command_without_a_signal_ends_as_ever():
    process = _start(BODY.format(body="    print('done')\n    return 0\n", number=2))
    assert process.communicate(timeout=30) == ("done\n", "") and process.returncode == 0
    process = _start(BODY.format(body="    raise ValueError(3)\n", number=2))
    assert "internal error: ValueError: 3" in process.communicate(timeout=30)[1]
    assert process.returncode == 70


def test_a_signal_that_the_shell_ignores_stays_ignored():
    body = "    send(); time.sleep(0.1); print('done'); return 0\n"
    script = BODY.format(body=body, number=int(signal.SIGINT))
    process = _start("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + script)
    assert process.communicate(timeout=60) == ("done\n", "") and process.returncode == 0
