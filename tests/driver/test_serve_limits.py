"""The service survives clients that stall or flood, and an accelerator that fails."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import socket
import time

import numpy as np
import pytest
from finnspect_driver.errors import DeviceTimeoutError
from finnspect_driver.serve.settings import Settings
from serve_bench import (
    ONE,
    QUICK,
    SHAPE,
    Bench,
    FakeAccelerator,
    raw,
    running,
    tensor,
    until_closed,
    wait_for,
)


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
