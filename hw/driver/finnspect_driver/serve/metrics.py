"""What Prometheus reads at ``/metrics``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_HARDWARE = {
    "frames": "Images whose last logit left the core, as the hardware counts",
    "busy_cycles": "Clocks of runs, as the hardware counts",
    "starved_cycles": "Clocks of runs in which the core waited for pixels",
    "stalled_cycles": "Clocks of runs in which the core waited for its logits to be taken",
}


class _HardwareCounters:
    """Counters of the hardware, added up so that a reset of the hardware does not turn them back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total: dict[str, int] | None = None
        self._last: Any = None

    def update(self, counters: Any) -> None:
        """Take a reading: a :class:`finnspect_driver.backends.base.Counters`."""
        with self._lock:
            if self._last is None or counters.busy_cycles < self._last.busy_cycles:
                step = counters
            else:
                step = counters - self._last
            total = self._total or dict.fromkeys(_HARDWARE, 0)
            self._total = {name: total[name] + getattr(step, name) for name in _HARDWARE}
            self._last = counters

    def collect(self) -> Iterator[Metric]:
        """Yield the counters, none before the first reading."""
        with self._lock:
            total = self._total
        for name, value in (total or {}).items():
            family = CounterMetricFamily(f"finnspect_hardware_{name}", _HARDWARE[name])
            family.add_metric([], value)
            yield family


class Metrics:
    """The service's metrics, in a registry of their own.

    Parameters
    ----------
    info
        Labels of ``finnspect_build_info``.
    classes
        Names of the verdicts, so that each is there from the start.
    """

    def __init__(self, info: dict[str, str], classes: list[str]) -> None:
        self.registry = CollectorRegistry()

        def made(kind: Any, name: str, text: str, labels: tuple[str, ...] = (), **options: Any) -> Any:
            return kind(f"finnspect_{name}", text, labels, registry=self.registry, **options)

        self.requests = made(Counter, "requests", "Answered requests", ("endpoint", "status"))
        self.request_seconds = made(
            Histogram,
            "request_seconds",
            "From a request's head to its answer",
            ("endpoint",),
            buckets=_SECONDS,
        )
        self.images = made(Counter, "images", "Classified images")
        self.verdicts = made(Counter, "verdicts", "Classified images by verdict", ("verdict",))
        self.queue_seconds = made(
            Histogram, "queue_seconds", "A request's wait in the queue", buckets=_SECONDS
        )
        self.run_seconds = made(Histogram, "run_seconds", "One call of the classifier", buckets=_SECONDS)
        self.run_images = made(
            Histogram,
            "run_images",
            "Images in one call of the classifier",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )
        self.refused = made(Counter, "refused", "Requests that were refused for lack of room", ("reason",))
        self.queue_images = made(Gauge, "queue_images", "Images that wait for the accelerator")
        self.queue_limit = made(Gauge, "queue_limit_images", "Images that may wait for the accelerator")
        self.ready = made(Gauge, "ready", "1 while images are taken and the last run did not fail")
        Info("finnspect_build", "What runs here", registry=self.registry).info(info)
        for name in classes:
            self.verdicts.labels(name)
        self.hardware = _HardwareCounters()
        self.registry.register(self.hardware)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self.registry)
