"""The service starts only with what can be, and stops when told to."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from finnspect_driver.errors import SetupError
from serve_bench import ONE, QUICK, TOKEN, Bench, FakeAccelerator, raw, running, wait_for


def test_the_end_answers_what_runs_and_refuses_what_waits():
    with running(QUICK) as bench, concurrent.futures.ThreadPoolExecutor(4) as pool:
        bench.accelerator.gate.clear()
        first = pool.submit(bench.infer, ONE)
        wait_for(lambda: bench.accelerator.batches == [1], "the first image's run")
        waiting = [pool.submit(bench.infer, ONE) for _ in range(2)]
        wait_for(lambda: bench.server.service.worker.queued_images == 2, "the others' wait")
        bench.server.should_exit = True
        time.sleep(0.3)
        bench.accelerator.gate.set()
        assert first.result()[0] == 200
        assert [one.result()[0] for one in waiting] == [503, 503]
    assert bench.accelerator.batches == [1]


def test_a_stalled_client_does_not_hold_the_end():
    with running(QUICK) as bench:
        stalled = bench.connect()
        stalled.sendall(raw("POST /classify HTTP/1.1\nHost: localhost\nContent-Length: 100\n\nabc"))
        time.sleep(0.2)
        begun = time.monotonic()
    stalled.close()
    assert time.monotonic() - begun < 5


_MAIN = """
import sys, logging
sys.path.insert(0, {here!r})
import argparse
from serve_bench import FakeAccelerator
from finnspect_driver.serve import command
logging.basicConfig(level=logging.INFO)
fake = FakeAccelerator()
class Classifier:
    def __enter__(self): return self
    def __exit__(self, *exc): print("closed", flush=True)
command.model_of = lambda classifier: fake.model()
parser = argparse.ArgumentParser()
command.add_arguments(parser)
command.run(parser.parse_args(), Classifier)
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_and_closes_the_accelerator(number, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    here = os.path.dirname(__file__)  # noqa: PTH120
    command = [sys.executable, "-c", _MAIN.format(here=here), "--port", "0", "--host", "0.0.0.0"]
    process = subprocess.Popen(
        [*command, "--token-file", str(token)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(40, process.kill)
    watchdog.start()
    try:
        port = next(int(line.rsplit(":", 1)[1]) for line in process.stderr if "serving bench at" in line)
        bench = Bench(FakeAccelerator(), None, ("127.0.0.1", port))

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return bench.json("/v2/health/live")[0] == 200
            return False

        wait_for(answers, "the first answer")
        process.send_signal(number)
        out, err = process.communicate()
    finally:
        watchdog.cancel()
        process.kill()
    assert process.returncode == 0, err
    assert out.split() == ["closed", "ended"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "no token is set"),
        (["--token-file", "/nonexistent"], "cannot read the token file"),
        (["--port", "99999"], "cannot listen"),
        (["--queue", "0"], "queue_images"),
    ],
)
def test_wrong_options_are_refused_before_the_accelerator_is_touched(options, says):
    import argparse

    from finnspect_driver.serve import command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SetupError, match=says):
        command.run(parser.parse_args(options), lambda: pytest.fail("the accelerator was opened"))


def test_a_taken_port_is_told():
    import argparse

    from finnspect_driver.serve import command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with running() as bench, pytest.raises(SetupError, match="in use"):
        command.run(parser.parse_args(["--port", str(bench.address[1])]), lambda: pytest.fail("opened"))
