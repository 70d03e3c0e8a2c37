"""A fake accelerator, a service on a real loopback socket, and clients that behave and misbehave."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from finnspect_driver.backends.base import Counters
from finnspect_driver.preprocess import preprocess
from finnspect_driver.serve.app import Model
from finnspect_driver.serve.protocol import Verdict
from finnspect_driver.serve.server import Server
from finnspect_driver.serve.settings import Settings

CLASSES = ["clean", "scratch", "pit"]
SHAPE = (8, 8, 1)
PARAMS = {"color": "grey", "height": 8, "width": 8, "resize": "area"}
TOKEN = "a-token-of-the-tests-0123456789"
ONE = np.zeros((1, *SHAPE), np.uint8)
#: Limits that a test can reach.
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


class FakeAccelerator:
    """Brightness decides: class 0 below 85, 1 below 170, else 2; a mean of exactly 200 is unknown."""

    def __init__(self, classes: list[str] | None = None) -> None:
        self.classes = classes or CLASSES
        self.threads: set[str] = set()
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.frames = 0

    def classify(self, images: np.ndarray) -> list[Verdict]:
        assert images.dtype == np.uint8 and images.shape[1:] == SHAPE
        self.threads.add(threading.current_thread().name)
        self.batches.append(len(images))
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        self.frames += len(images)
        return [self._named(self.verdict(image)) for image in images]

    def _named(self, verdict: Verdict) -> Verdict:
        return verdict if verdict.rejected else verdict._replace(label=self.classes[verdict.index])

    @staticmethod
    def verdict(image: np.ndarray) -> Verdict:
        total = int(image.sum(dtype=np.int64))
        index = min(2, total // (85 * image.size))
        logits = np.array([total, -total, index], np.int32)
        if total == 200 * image.size:
            return Verdict("unknown", -1, 0.34, logits, True)
        return Verdict(CLASSES[index], index, 0.75, logits, False)

    def counters(self) -> Counters:
        return Counters(self.frames, 100 * self.frames, 10 * self.frames, self.frames)

    def model(self) -> Model:
        return Model(
            name="bench",
            classes=self.classes,
            shape=SHAPE,
            prepare=lambda picture: preprocess(picture, PARAMS),
            classify=self.classify,
            counters=self.counters,
            info={"board": "none", "device": "fake", "build_id": "0" * 32},
        )


class Bench:
    """A running service and a plain client."""

    def __init__(self, accelerator: FakeAccelerator, server: Server, address: tuple[str, int]) -> None:
        self.accelerator = accelerator
        self.server = server
        self.address = address

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    def connect(self, timeout: float = 15.0) -> socket.socket:
        return socket.create_connection(self.address, timeout=timeout)

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = ""
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(*self.address, timeout=15)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str, document: Any = None, **options: Any) -> tuple[int, Any]:
        body = None if document is None else json.dumps(document).encode()
        status, headers, data = self.ask(path, body, **options)
        assert headers["content-type"].startswith("application/json"), data
        return status, json.loads(data)

    def infer(self, images: np.ndarray, **more: Any) -> tuple[int, Any]:
        return self.json("/v2/models/bench/infer", {"inputs": [tensor(images)], **more})


def tensor(images: np.ndarray) -> dict[str, Any]:
    data = images.ravel().tolist()
    return {"name": "images", "shape": list(images.shape), "datatype": "UINT8", "data": data}


def raw(text: str) -> bytes:
    """Bytes of a request, lines ended as HTTP wants them."""
    return text.replace("\n", "\r\n").encode()


def until_closed(connection: socket.socket) -> bytes:
    """Everything until the other side closes or cuts; the socket's time-out is an error."""
    data = b""
    try:
        while part := connection.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    return data


def wait_for(condition: Any, what: str, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)


@contextmanager
def running(
    settings: Settings | None = None,
    token: str | None = None,
    classes: list[str] | None = None,
    at: tuple[str, int] = ("127.0.0.1", 0),
) -> Iterator[Bench]:
    accelerator = FakeAccelerator(classes)
    listener = socket.create_server(at, backlog=128)
    server = Server(accelerator.model(), settings or Settings(), token)
    thread = threading.Thread(target=server.serve_on, args=(listener,), daemon=True)
    address = listener.getsockname()
    thread.start()
    wait_for(lambda: server.started, "the service's start")
    try:
        yield Bench(accelerator, server, address)
    finally:
        accelerator.gate.set()
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()
    assert not server.service.worker._thread.is_alive()
