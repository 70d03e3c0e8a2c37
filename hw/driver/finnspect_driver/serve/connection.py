"""Connections that stall or flood are cut, so that they cost the others nothing.

uvicorn bounds idle connections between requests, and nothing else: a client may take for ever over its
head, over an answer, or over a body that is not read any more. Here each of these has a time.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from finnspect_driver.serve.settings import Settings

_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-type: application/json\r\ncontent-length: 32\r\n\r\n"
    b'{"error":"too many connections"}'
)


class BoundedProtocol(H11Protocol):
    """An HTTP/1.1 connection with a time for everything the client does.

    The body of a request that is being answered has its time in
    :meth:`finnspect_driver.serve.guard.Bodies.read`, where there is somebody to answer 408.
    """

    settings: Settings
    refused: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it where there are too many."""
        super().connection_made(transport)
        # asyncio sets this only where the listener was made with the protocol's number; without it the
        # second part of an answer waits 40 ms for the client to confirm the first.
        connected = transport.get_extra_info("socket")
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._idle_since = self._written_at = self.loop.time()
        self._answered: Any = None
        self._watch: asyncio.TimerHandle | None = None
        if len(self.connections) > self.settings.connections:
            if self.refused is not None:
                self.refused.inc()
            transport.write(_REFUSAL)
            transport.close()
            self._idle_since = float("-inf")  # and cut at the next look, whether it reads that or not
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def _cut(self) -> None:
        """End the connection at once; what the client does not read is thrown away, also by the kernel.

        Closed plainly, megabytes of unread answers would stay in the kernel for as long as the client likes.
        """
        connected = self.transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _look_later(self) -> None:
        shortest = min(self.settings.head_s, self.settings.write_s)
        self._watch = self.loop.call_later(min(0.5, shortest / 4), self._look)

    def _look(self) -> None:
        now = self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:
            self._idle_since = now  # ours is the next move
        elif self.cycle is not self._answered:
            self._answered, self._idle_since = self.cycle, now
        if self.transport.get_write_buffer_size() == 0:
            self._written_at = now
        if now - self._idle_since > self.settings.head_s or now - self._written_at > self.settings.write_s:
            self._cut()
            return
        self._look_later()


def bounded(settings: Settings, refused: Any = None) -> type[BoundedProtocol]:
    """Return the protocol with these settings, and a counter of refused connections, as uvicorn takes it."""
    return type("BoundedProtocol", (BoundedProtocol,), {"settings": settings, "refused": refused})
