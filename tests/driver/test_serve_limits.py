"""The service survives clients that stall, flood, or are not invited; and stops when told to."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from finnspect_driver.errors import DeviceTimeoutError, SetupError
from finnspect_driver.serve.settings import Settings, check_door
from serve_bench import SHAPE, TOKEN, Bench, FakeAccelerator, raw, running, tensor, until_closed, wait_for

QUICK = Settings(
    queue_images=8,
    request_images=8,
    body_bytes=20_000,
    bodies_bytes=40_000,
    connections=24,
    head_s=1.0,
    body_s=1.0,
    write_s=1.0,
    request_s=2.0,
    shutdown_s=3.0,
)
ONE = np.zeros((1, *SHAPE), np.uint8)


@pytest.fixture
def bench():
    with running(QUICK) as bench:
        yield bench


def alive(bench: Bench) -> bool:
    return bench.infer(ONE)[0] == 200


def metric(bench: Bench, name: str, **options) -> float:
    text = bench.ask("/metrics", **options)[2].decode()
    values = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return float(dict(values).get(name, 0))


# -- stalls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["", "POST /v2/models/bench/infer HTTP/1.1\nHost: localhost\nX-Slow: "])
def test_a_head_that_never_ends_is_cut(bench, sent):
    with bench.connect() as stalled:
        stalled.sendall(raw(sent))
        begun = time.monotonic()
        assert alive(bench)
        assert until_closed(stalled) == b""
        assert 0.5 < time.monotonic() - begun < 4


def test_a_head_by_single_bytes_is_cut(bench):
    with bench.connect() as drip:
        begun = time.monotonic()
        drip.sendall(b"GET /v2 HTTP/1.1\r\nX: ")
        with pytest.raises(OSError):
            while time.monotonic() < begun + 5:
                drip.sendall(b"a")
                time.sleep(0.05)
        assert time.monotonic() < begun + 4


def test_a_body_that_never_ends_is_answered_408(bench):
    with bench.connect() as stalled:
        stalled.sendall(raw("POST /classify HTTP/1.1\nHost: localhost\nContent-Length: 100\n\nabc"))
        assert alive(bench)
        answer = until_closed(stalled)
    assert answer.startswith(b"HTTP/1.1 408 ") and b"longer than 1 s" in answer
    assert bench.server.service.bodies._bytes == 0


def test_a_body_by_drips_is_answered_408(bench):
    with bench.connect() as drip:
        drip.sendall(raw("POST /classify HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n"))
        end = time.monotonic() + 5
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                drip.sendall(b"1\r\na\r\n")
                time.sleep(0.05)
        assert time.monotonic() < end, "it was read for ever"
    assert alive(bench)


def test_a_client_that_reads_no_answers_is_cut(bench):
    """It sends request after request on one connection and reads nothing, until no buffer takes more."""
    with bench.connect() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begun = time.monotonic()
        deaf.settimeout(8)
        with pytest.raises(ConnectionError):
            while time.monotonic() < begun + 12:
                deaf.sendall(raw("GET /metrics HTTP/1.1\nHost: localhost\n\n") * 50)
        assert alive(bench)


def test_a_client_that_leaves_takes_its_images_along(bench):
    bench.accelerator.gate.clear()
    body = json.dumps({"inputs": [tensor(ONE)]}).encode()
    head = raw(f"POST /v2/models/bench/infer HTTP/1.1\nHost: localhost\nContent-Length: {len(body)}\n\n")
    with bench.connect() as first, bench.connect() as second:
        first.sendall(head + body)
        wait_for(lambda: bench.accelerator.batches == [1], "the first image's run")
        second.sendall(head + body)
        wait_for(lambda: bench.server.service.worker.queued_images == 1, "the second image's wait")
        second.close()
        wait_for(
            lambda: metric(bench, 'finnspect_requests_total{endpoint="infer",status="499"}') == 1, "its end"
        )
        bench.accelerator.gate.set()
        assert first.recv(4096).startswith(b"HTTP/1.1 200")
    assert alive(bench)
    assert sum(bench.accelerator.batches) == 2, "the image that nobody waited for was run"


# -- floods ----------------------------------------------------------------------------------------


def test_a_full_queue_is_503_with_a_time_to_come_back(bench):
    bench.accelerator.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        first = pool.submit(bench.infer, ONE)
        wait_for(lambda: bench.accelerator.batches == [1], "the first image's run")
        flood = [pool.submit(bench.infer, ONE) for _ in range(15)]
        wait_for(lambda: sum(f.done() for f in flood) >= 7, "refusals")
        status, headers, body = bench.ask("/classify", b"x")  # not even read
        assert status == 503 and int(headers["retry-after"]) >= 1 and b"queue is full" in body
        assert bench.json("/v2/health/ready")[0] == 200
        bench.accelerator.gate.set()
        statuses = [first.result()[0]] + [f.result()[0] for f in flood]
    assert statuses.count(200) == 9 and statuses.count(503) == 7  # one runs, eight wait
    assert metric(bench, 'finnspect_refused_total{reason="queue"}') == 8
    assert bench.accelerator.batches == [1, 8], "what waited was not run together"
    assert alive(bench)


def test_a_flood_of_connections_is_refused_and_passes(bench):
    with contextlib.ExitStack() as stack:
        flood = [stack.enter_context(bench.connect()) for _ in range(60)]
        with bench.connect() as late:
            assert late.recv(100).startswith(b"HTTP/1.1 503 ")
        answers = [until_closed(connection) for connection in flood]
    assert sum(answer.startswith(b"HTTP/1.1 503 ") for answer in answers) >= 60 - QUICK.connections
    assert all(json.loads(a.split(b"\r\n\r\n")[1])["error"] for a in answers if a)
    assert alive(bench)
    assert metric(bench, 'finnspect_refused_total{reason="connections"}') >= 60 - QUICK.connections


def test_bodies_of_all_together_are_bounded(bench):
    head = raw("POST /classify HTTP/1.1\nHost: localhost\nContent-Length: 20000\n\n")
    with bench.connect() as one, bench.connect() as two, bench.connect() as three:
        one.sendall(head)
        two.sendall(head)
        wait_for(lambda: bench.server.service.bodies._bytes == 40_000, "two bodies")
        three.sendall(head)
        assert three.recv(200).startswith(b"HTTP/1.1 503 ")
    wait_for(lambda: bench.server.service.bodies._bytes == 0, "the end of both bodies")
    assert alive(bench)


@pytest.mark.parametrize("declared", [True, False])
def test_oversize_is_413(bench, declared):
    size = 5_000_000
    with bench.connect() as big:
        length = f"Content-Length: {size}" if declared else "Transfer-Encoding: chunked"
        big.sendall(raw(f"POST /classify HTTP/1.1\nHost: localhost\n{length}\n\n"))
        part = b"x" * 50_000
        for _ in range(size // len(part)):
            big.sendall(part if declared else b"c350\r\n" + part + b"\r\n")
        assert big.recv(200).startswith(b"HTTP/1.1 413 ")
    assert alive(bench)


def test_a_body_without_end_is_cut_after_its_413(bench):
    with bench.connect() as endless:
        endless.sendall(raw("POST /classify HTTP/1.1\nHost: localhost\nContent-Length: 99999999999999\n\n"))
        begun = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < begun + 6:
                endless.sendall(b"x" * 65536)
        assert time.monotonic() < begun + 4


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS to a plain port
        b"\x00" * 1000 + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        raw("POST /classify HTTP/1.1\nHost: localhost\nContent-Length: -1\n\n"),
        raw("POST /classify HTTP/1.1\nHost: localhost\nContent-Length: 1\nContent-Length: 2\n\nab"),
        raw("POST /classify HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\nzz\n"),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    ],
)
def test_rubbish_instead_of_http(bench, sent):
    with bench.connect() as rubbish:
        rubbish.sendall(sent)
        assert until_closed(rubbish)[:10] in (b"HTTP/1.1 4", b"")
    assert alive(bench)


# -- many at once ----------------------------------------------------------------------------------


def test_concurrent_requests_get_their_own_answers_from_one_thread():
    rng = np.random.default_rng(11)
    batches = [rng.integers(0, 256, (rng.integers(1, 9), *SHAPE), dtype=np.uint8) for _ in range(120)]
    with running() as bench:
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(bench.infer, batches))
        for batch, (status, answer) in zip(batches, answers, strict=True):
            assert status == 200
            labels = next(output for output in answer["outputs"] if output["name"] == "label")["data"]
            assert labels == [FakeAccelerator.verdict(image).label for image in batch]
        assert bench.accelerator.threads == {"accelerator"}
        images = sum(map(len, batches))
        assert metric(bench, "finnspect_images_total") == images
        text = bench.ask("/metrics")[2].decode()
        verdicts = [line for line in text.splitlines() if line.startswith("finnspect_verdicts_total")]
        assert sum(float(line.rsplit(" ", 1)[1]) for line in verdicts) == images
        assert metric(bench, "finnspect_request_seconds_count" + '{endpoint="infer"}') == len(batches)
        assert metric(bench, "finnspect_queue_limit_images") == Settings.queue_images
        assert metric(bench, "finnspect_hardware_frames_total") <= images


def test_answers_do_not_wait_for_the_client_s_confirmation(bench):
    """An answer in two parts waits 40 ms between them on a connection that is kept, unless told not to."""
    body = json.dumps({"inputs": [tensor(ONE)]}).encode()
    connection = http.client.HTTPConnection(*bench.address, timeout=15)
    times = []
    for _ in range(15):
        begun = time.monotonic()
        connection.request("POST", "/v2/models/bench/infer", body)
        assert connection.getresponse().read()
        times.append(time.monotonic() - begun)
    connection.close()
    assert sorted(times)[7] < 0.03


def test_a_failing_accelerator_is_told_and_recovers(bench):
    bench.accelerator.error = DeviceTimeoutError("no frame within 10 s", "load the bitstream again")
    status, answer = bench.infer(ONE)
    assert status == 500 and "no frame within 10 s" in answer["error"]
    assert bench.json("/v2/health/ready")[0] == 503 and bench.json("/v2/health/live")[0] == 200
    assert bench.json("/v2/models/bench/ready") == (503, {"name": "bench", "ready": False})
    assert metric(bench, "finnspect_ready") == 0
    bench.accelerator.error = None
    assert alive(bench)
    assert bench.json("/v2/health/ready")[0] == 200


def test_a_hung_accelerator_is_504_and_the_rest_lives(bench):
    bench.accelerator.gate.clear()
    begun = time.monotonic()
    status, answer = bench.infer(ONE)
    assert status == 504 and "2 s" in answer["error"] and time.monotonic() - begun < 5
    assert bench.json("/v2/health/live")[0] == 200
    bench.accelerator.gate.set()
    assert alive(bench)


def test_hardware_counters_survive_a_reset():
    from finnspect_driver.backends.base import Counters
    from finnspect_driver.serve.metrics import Metrics

    metrics = Metrics({}, [])
    for reading in (Counters(5, 50, 1, 0), Counters(9, 90, 1, 2), Counters(2, 20, 1, 1)):
        metrics.hardware.update(reading)
    assert "finnspect_hardware_frames_total 11.0" in metrics.text().decode()
    assert "finnspect_hardware_stalled_cycles_total 3.0" in metrics.text().decode()


# -- strangers -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked():
    with running(token=TOKEN) as bench:
        yield bench


PATHS = ["/v2", "/v2/models/bench", "/v2/models/bench/ready", "/metrics", "/live.json", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer é"]
)
def test_without_the_token_nothing_is_told(locked, path, given):
    headers = {} if given is None else {"authorization": given}
    status, answered, body = locked.ask(path, headers=headers)
    assert status == 401 and answered["www-authenticate"].startswith("Bearer") and b"bench" not in body


def test_without_the_token_nothing_is_run(locked):
    assert locked.infer(ONE)[0] == 401
    assert locked.ask("/classify", b"x")[0] == 401
    assert locked.accelerator.batches == []


def test_with_the_token(locked):
    header = {"authorization": f"Bearer {TOKEN}"}
    assert locked.json("/v2/models/bench", headers=header)[0] == 200
    assert locked.json("/v2/models/bench/infer", {"inputs": [tensor(ONE)]}, headers=header)[0] == 200
    assert locked.ask("/metrics", headers={**header, "host": "line3.factory:8080"})[0] == 200


def test_probes_and_the_empty_page_need_no_token(locked):
    assert locked.json("/v2/health/ready")[0] == 200
    for path in ("/", "/live.css", "/live.js"):
        status, headers, body = locked.ask(path)
        assert status == 200 and b"bench" not in body
        assert "default-src 'none'" in headers["content-security-policy"]


def test_other_web_pages_cannot_use_a_browser_on_this_machine(bench):
    assert bench.ask("/v2", headers={"host": "evil.example:8080"})[0] == 421
    assert bench.ask("/classify", b"x", {"origin": "https://evil.example"})[0] == 403
    own = "{}:{}".format(*bench.address)
    assert bench.ask("/v2", headers={"host": own, "origin": f"http://{own}"})[0] == 200
    for host in ("localhost", "localhost:80", "127.0.0.1", "[::1]:80"):
        assert bench.ask("/v2", headers={"host": host})[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.2.99", "pynq.local", ""])
def test_an_open_door_needs_a_token(host):
    with pytest.raises(SetupError, match="no token is set"):
        check_door(host, None)
    check_door(host, TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_none(host):
    check_door(host, None)


@pytest.mark.parametrize(
    "token", ["", "short", "0123456789 123456", "0123456789é123456", "0123456789\n123456"]
)
def test_poor_tokens_are_refused(token):
    with pytest.raises(SetupError, match="token"):
        check_door("127.0.0.1", token)


@pytest.mark.parametrize("change", [{"queue_images": 0}, {"request_images": 513}, {"body_bytes": 1 << 40}])
def test_settings_that_cannot_be(change):
    with pytest.raises(SetupError):
        Settings(**change)


# -- the end ---------------------------------------------------------------------------------------


def test_the_end_answers_what_runs_and_refuses_what_waits():
    with running(QUICK) as bench, concurrent.futures.ThreadPoolExecutor(4) as pool:
        bench.accelerator.gate.clear()
        first = pool.submit(bench.infer, ONE)
        wait_for(lambda: bench.accelerator.batches == [1], "the first image's run")
        bench.server.should_exit = True
        time.sleep(0.3)
        bench.accelerator.gate.set()
        assert first.result()[0] == 200


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


def test_a_taken_port_is_told(bench):
    import argparse

    from finnspect_driver.serve import command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(SetupError, match="in use"):
        command.run(parser.parse_args(["--port", str(bench.address[1])]), lambda: pytest.fail("opened"))
