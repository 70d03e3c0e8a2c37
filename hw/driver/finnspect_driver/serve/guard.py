"""Who may ask, and how much: tokens, hosts, bodies."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from finnspect_driver.serve.settings import Settings, is_loopback

#: Without a token: probes, and the empty page that asks for it.
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready", "/", "/live.css", "/live.js")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class RefusedError(Exception):
    """A request is answered with an error.

    Parameters
    ----------
    status
        HTTP status.
    message
        What the client is told.
    headers
        Headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """Return the answer, in the protocol's form."""
        return JSONResponse({"error": self.message}, self.status, self.headers)


class Guard:
    """ASGI middleware: refuses strangers, adds headers that keep browsers strict.

    Parameters
    ----------
    app
        What is guarded.
    token
        The token that every request but those of ``OPEN_PATHS`` must carry; None asks for none, and
        then the request must be addressed to this machine by a loopback name, so that no web page can
        reach the service by a name of its own that resolves to 127.0.0.1.
    """

    def __init__(self, app: Callable[..., Any], token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_strict(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
        except RefusedError as error:
            await error.response()(scope, receive, send_strict)
            return
        await self._app(scope, receive, send_strict)

    def _check(self, scope: dict[str, Any]) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise RefusedError(403, "requests of other web pages are not answered")
        if self._token is None:
            if not is_loopback(_name(host)):
                raise RefusedError(421, f"this service answers to localhost, not to {host[:80]!r}")
            return
        if scope["path"] in OPEN_PATHS:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        # Bytes: compare_digest takes no str with what a header may hold beyond ASCII.
        same = hmac.compare_digest(given.strip().encode("latin-1"), self._token.encode("latin-1"))
        if kind.lower() != "bearer" or not same:
            raise RefusedError(
                401,
                "a token is needed: Authorization: Bearer ...",
                {"www-authenticate": 'Bearer realm="finnspect"'},
            )


def _name(host: str) -> str:
    """Return the name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


class Bodies:
    """Reads bodies within the limits of one, of all together, and of time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bytes = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the body; its size counts until the block is left.

        Raises
        ------
        RefusedError
            It is too large, there is no room, or the client is too slow.
        ClientDisconnect
            The client went away.
        """
        limit = self._settings.body_bytes
        declared = request.headers.get("content-length")
        # A client that does not say how much it sends is taken to send as much as it may.
        claim = limit if declared is None else int(declared)
        if claim > limit:
            raise RefusedError(413, f"the body has {claim} bytes, at most {limit} are taken")
        if self._bytes + claim > self._settings.bodies_bytes:
            raise RefusedError(503, "too many bodies at a time", {"retry-after": "1"})
        self._bytes += claim
        try:
            try:
                body = await asyncio.wait_for(self._collect(request, limit), self._settings.body_s)
            except asyncio.TimeoutError:
                raise RefusedError(
                    408, f"the body took longer than {self._settings.body_s:g} s", {"connection": "close"}
                ) from None
            yield body
        finally:
            self._bytes -= claim

    @staticmethod
    async def _collect(request: Request, limit: int) -> bytes:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > limit:
                raise RefusedError(413, f"the body has more than the {limit} bytes that are taken")
        return bytes(body)


async def gone(request: Request) -> None:
    """Return when the client has gone. Only after its body was read."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return


__all__ = ["OPEN_PATHS", "Bodies", "ClientDisconnect", "Guard", "RefusedError", "gone"]
