"""uvicorn around the application."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

import uvicorn

from finnspect_driver.serve.app import Model, make_app
from finnspect_driver.serve.connection import bounded
from finnspect_driver.serve.settings import Settings


class Server(uvicorn.Server):
    """A server that ends quietly on SIGINT and SIGTERM, so that the caller can put things back."""

    def __init__(self, model: Model, settings: Settings, token: str | None) -> None:
        app, self.service = make_app(model, settings, token)
        super().__init__(
            uvicorn.Config(
                app,
                http=bounded(settings, self.service.metrics.refused.labels("connections")),
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=max(1, int(settings.shutdown_s)),
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, and do not raise them again: the stop was asked for."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what waits for the accelerator, then wait for what runs."""
        self.service.worker.close(0)
        await super().shutdown(sockets)

    def serve_on(self, listener: socket.socket) -> None:
        """Serve on a listening socket until told to stop, then close it."""
        try:
            self.run(sockets=[listener])
        finally:
            self.service.worker.close(0)


def serve(model: Model, settings: Settings, token: str | None, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    Server(model, settings, token).serve_on(listener)
