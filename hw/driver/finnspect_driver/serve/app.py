"""The routes of the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from finnspect_driver.errors import DriverError, ImageError
from finnspect_driver.serve.guard import Bodies, ClientDisconnect, Guard, RefusedError, gone
from finnspect_driver.serve.metrics import CONTENT_TYPE, Metrics
from finnspect_driver.serve.pictures import decode
from finnspect_driver.serve.protocol import (
    VERSION,
    InferRequest,
    ModelSpec,
    Verdict,
    infer_response,
    model_metadata,
    parse_infer,
)
from finnspect_driver.serve.recent import Recent, thumbnail
from finnspect_driver.serve.settings import Settings
from finnspect_driver.serve.worker import QueueFullError, Run, StoppedError, Worker

_log = logging.getLogger(__name__)
_PAGE = Path(__file__).parent / "page"
#: The processor that feeds the accelerator has two cores; decoding more at a time only takes memory.
_DECODERS = 2
#: Reading the hardware's counters costs register accesses: not at every run of a fast line.
_COUNTERS_EVERY_S = 1.0


class Model(NamedTuple):
    """What the service serves.

    Attributes
    ----------
    name : str
    classes : sequence of str
    shape : tuple of int
        Height, width, channels of the accelerator's input.
    prepare : callable
        A picture, uint8 (H, W) or (H, W, C) -> the accelerator's image, uint8 ``shape``. Any thread.
    classify : callable
        uint8 (N, *shape) -> one verdict each. Only from the accelerator's thread.
    counters : callable
        -> the hardware's counters, or None. Only from the accelerator's thread.
    info : dict
        Text about it: board, device, build id and the like.
    """

    name: str
    classes: Sequence[str]
    shape: tuple[int, int, int]
    prepare: Callable[[np.ndarray], np.ndarray]
    classify: Callable[[np.ndarray], Sequence[Verdict]]
    counters: Callable[[], Any]
    info: dict[str, str]


class Service:
    """Handlers, and what they share. Use :func:`make_app`."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.settings = settings
        self.spec = ModelSpec(
            model.name, model.classes, model.shape, settings.request_images, settings.picture_pixels
        )
        self.recent = Recent()
        self.metrics = Metrics({"name": model.name, **model.info}, [*model.classes])
        self.bodies = Bodies(settings)
        self.decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
        self._counters_at = float("-inf")
        self.worker = Worker(model.classify, settings.queue_images, self._account)
        self.metrics.queue_limit.set(settings.queue_images)
        self.metrics.queue_images.set_function(lambda: self.worker.queued_images)
        self.metrics.ready.set_function(lambda: float(self.worker.is_ready))

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Stop the threads when the server stops."""
        try:
            yield
        finally:
            loop = asyncio.get_running_loop()
            if not await loop.run_in_executor(None, self.worker.close, self.settings.shutdown_s):
                _log.error("the accelerator's thread did not end within %g s", self.settings.shutdown_s)
            self.decoders.shutdown(wait=False)

    def _account(self, run: Run) -> None:
        """Keep account of a run; on the accelerator's thread."""
        metrics = self.metrics
        self.recent.add(run)
        metrics.images.inc(len(run.verdicts))
        metrics.run_images.observe(len(run.verdicts))
        metrics.run_seconds.observe(run.seconds)
        for seconds in run.queued_s:
            metrics.queue_seconds.observe(seconds)
        for verdict in run.verdicts:
            metrics.verdicts.labels(verdict.label).inc()
        now = time.monotonic()
        if now - self._counters_at > _COUNTERS_EVERY_S:
            counters = self.model.counters()
            if counters is not None:
                metrics.hardware.update(counters)
            self._counters_at = now

    # -- health and metadata -----------------------------------------------------------------------

    async def live(self, request: Request) -> Response:
        """Answer that the process is alive."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """Answer whether images are taken."""
        ready = self.worker.is_ready
        return JSONResponse({"live": True, "ready": ready}, 200 if ready else 503)

    async def server(self, request: Request) -> Response:
        """Describe the server."""
        return JSONResponse({"name": "finnspect", "version": VERSION, "extensions": []})

    async def metadata(self, request: Request) -> Response:
        """Describe the model."""
        self._check_model(request)
        return JSONResponse(model_metadata(self.spec))

    async def model_ready(self, request: Request) -> Response:
        """Answer whether the model takes images."""
        self._check_model(request)
        ready = self.worker.is_ready
        return JSONResponse({"name": self.spec.name, "ready": ready}, 200 if ready else 503)

    def _check_model(self, request: Request) -> None:
        if request.path_params["name"] != self.spec.name:
            raise RefusedError(404, f"there is no such model here; there is {self.spec.name}")
        if request.path_params.get("version", VERSION) != VERSION:
            raise RefusedError(404, f"there is no such version of {self.spec.name}; there is {VERSION}")

    # -- images ------------------------------------------------------------------------------------

    async def infer(self, request: Request) -> Response:
        """Answer an inference request."""
        self._check_model(request)
        self._check_room()
        async with self.bodies.read(request) as body:
            asked, images, shown = await self._in_decoder(self._decode_tensors, body)
        verdicts = await self._verdicts(request, images, shown)
        return JSONResponse(infer_response(asked, verdicts, self.spec))

    async def classify(self, request: Request) -> Response:
        """Classify one uploaded picture file."""
        kind = request.headers.get("content-type", "")
        # application/x-www-form-urlencoded is what curl --data-binary says of any file: the bytes decide.
        if kind.startswith(("multipart/", "application/json")):
            raise RefusedError(415, "send the picture itself as the body: curl --data-binary @picture.png")
        self._check_room()
        begun = time.monotonic()
        async with self.bodies.read(request) as body:
            if not body:
                raise RefusedError(400, "the body is empty: curl --data-binary @picture.png")
            images, shown = await self._in_decoder(self._decode_picture, body)
        (verdict,) = await self._verdicts(request, images, shown)
        return JSONResponse(
            {
                "label": verdict.label,
                "class": verdict.index,
                "score": verdict.score,
                "rejected": verdict.rejected,
                "logits": [int(value) for value in verdict.logits],
                "seconds": round(time.monotonic() - begun, 6),
            }
        )

    def _check_room(self) -> None:
        """Refuse before the body is read what would be refused behind it."""
        if self.worker.is_full:
            raise QueueFullError(self.worker.retry_after_s())

    def _decode_tensors(self, body: bytes) -> tuple[InferRequest, np.ndarray, list[np.ndarray] | None]:
        asked = parse_infer(body, self.spec)
        if asked.pictures.shape[1:] == self.spec.shape:
            return asked, asked.pictures, None
        images = np.stack([self.model.prepare(picture) for picture in asked.pictures])
        return asked, images, [thumbnail(picture) for picture in asked.pictures]

    def _decode_picture(self, body: bytes) -> tuple[np.ndarray, list[np.ndarray]]:
        picture = decode(body, self.settings.picture_pixels)
        return self.model.prepare(picture)[None], [thumbnail(picture)]

    async def _in_decoder(self, function: Callable[[bytes], Any], body: bytes) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.decoders, function, body)

    async def _verdicts(
        self, request: Request, images: np.ndarray, shown: list[np.ndarray] | None
    ) -> list[Verdict]:
        """Wait for the accelerator, no longer than the client does."""
        queued: Future[list[Verdict]] = self.worker.submit(images, shown)
        answer = asyncio.wrap_future(queued)
        left = asyncio.ensure_future(gone(request))
        try:
            await asyncio.wait(
                {answer, left}, timeout=self.settings.request_s, return_when=asyncio.FIRST_COMPLETED
            )
            if answer.done():
                return answer.result()
            if left.done():
                raise ClientDisconnect
            raise RefusedError(504, f"no answer of the accelerator within {self.settings.request_s:g} s")
        finally:
            left.cancel()
            queued.cancel()  # does nothing to what runs or is done
            answer.cancel()

    # -- for people --------------------------------------------------------------------------------

    async def prometheus(self, request: Request) -> Response:
        """Answer with the metrics."""
        return Response(self.metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def live_view(self, request: Request) -> Response:
        """Answer with what the page shows, pictures newer than ``after``."""
        after = request.query_params.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            raise RefusedError(400, "after is the number of a picture")
        view = self.recent.view(int(after))
        view.update(
            model=self.model.name,
            info=self.model.info,
            classes=[*self.model.classes],
            ready=self.worker.is_ready,
            queued=self.worker.queued_images,
            queue_limit=self.settings.queue_images,
        )
        return JSONResponse(view)

    async def page(self, request: Request) -> Response:
        """Answer with the page, or a file of it."""
        name = request.url.path.lstrip("/") or "index.html"
        kinds = {"index.html": "text/html", "live.css": "text/css", "live.js": "text/javascript"}
        return Response((_PAGE / name).read_bytes(), media_type=kinds[name])


Handler = Callable[[Request], Awaitable[Response]]


def _answering(service: Service, handler: Handler) -> Handler:
    """Turn a handler's errors into the protocol's."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it; for the metrics
        except Exception as error:
            return _refusal(service, error, handler.__name__).response()

    answer.__name__ = handler.__name__
    return answer


def _refusal(service: Service, error: Exception, what: str) -> RefusedError:
    """Return what the client is told of an error."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, ImageError):
        return RefusedError(400, str(error))
    if isinstance(error, QueueFullError):
        service.metrics.refused.labels("queue").inc()
        return RefusedError(503, str(error), {"retry-after": str(error.retry_after_s)})
    if isinstance(error, StoppedError):
        return RefusedError(503, str(error))
    if isinstance(error, DriverError):  # the worker has logged it
        return RefusedError(500, f"the accelerator failed: {error.message}")
    _log.error("%s failed", what, exc_info=error)
    return RefusedError(500, "an error inside the service; its log says which")


class _Measure:
    """ASGI middleware: counts answers by endpoint (a fixed set, whatever paths are asked for) and status."""

    def __init__(self, app: Any, service: Service) -> None:
        self._app = app
        self._metrics = service.metrics

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()

        async def send_counted(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                endpoint = getattr(scope.get("endpoint"), "__name__", "none")
                self._metrics.requests.labels(endpoint, str(message["status"])).inc()
                self._metrics.request_seconds.labels(endpoint).observe(time.monotonic() - begun)
            await send(message)

        await self._app(scope, receive, send_counted)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def make_app(model: Model, settings: Settings, token: str | None) -> tuple[Starlette, Service]:
    """Return the application, and the service behind it; its threads end with the application's lifespan."""
    service = Service(model, settings)

    def route(path: str, handler: Handler, method: str = "GET") -> Route:
        return Route(path, _answering(service, handler), methods=[method])

    routes = [
        route("/v2", service.server),
        route("/v2/health/live", service.live),
        route("/v2/health/ready", service.ready),
        *(
            route(base + path, handler, method)
            for base in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
            for path, handler, method in (
                ("", service.metadata, "GET"),
                ("/ready", service.model_ready, "GET"),
                ("/infer", service.infer, "POST"),
            )
        ),
        route("/classify", service.classify, "POST"),
        route("/metrics", service.prometheus),
        route("/live.json", service.live_view),
        *(route(path, service.page) for path in ("/", "/live.css", "/live.js")),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_Measure, service=service), Middleware(Guard, token=token)],
        exception_handlers={HTTPException: _http_error},
        lifespan=service.lifespan,
    )
    return app, service
