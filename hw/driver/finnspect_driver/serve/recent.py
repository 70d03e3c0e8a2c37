"""What the live page shows: the last images with their verdicts, and the rate."""

from __future__ import annotations

import base64
import struct
import threading
import time
import zlib
from collections import deque
from typing import Any

import numpy as np

from finnspect_driver.serve.protocol import Verdict
from finnspect_driver.serve.worker import Run

THUMB_PIXELS = 96
#: A faster line is sampled: pictures are kept at most this often.
KEEP_EVERY_S = 0.05
RATE_WINDOW_S = 10.0


def png(image: np.ndarray) -> bytes:
    """Encode a uint8 image (H, W) or (H, W, 3) as PNG."""
    height, width = image.shape[:2]
    color = 0 if image.ndim == 2 else 2
    rows = np.ascontiguousarray(image).reshape(height, -1)
    filtered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)  # filter 0 before each row

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    data = zlib.compress(filtered.tobytes(), 3)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """Return a small copy: every n-th pixel, uint8 (H, W) or (H, W, 3)."""
    step = max(1, -(-max(picture.shape[:2]) // THUMB_PIXELS))
    small = picture[::step, ::step]
    return (small[..., 0] if small.ndim == 3 and small.shape[2] == 1 else small).copy()


class Rate:
    """Images a second over the last seconds."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._events: deque[tuple[float, int]] = deque()
        self._count = 0

    def add(self, count: int) -> None:
        """Count images."""
        self._events.append((time.monotonic(), count))
        self._count += count
        self.per_second()

    def per_second(self) -> float:
        """Return the rate."""
        now = time.monotonic()
        while self._events and self._events[0][0] < now - RATE_WINDOW_S:
            self._count -= self._events.popleft()[1]
        return self._count / min(RATE_WINDOW_S, max(1.0, now - self._since))


class Recent:
    """The last pictures and what was said of them. Filled by one thread, read by another.

    Parameters
    ----------
    keep
        Pictures to keep.
    """

    def __init__(self, keep: int = 24) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque(maxlen=keep)
        self._number = 0
        self._kept_at = float("-inf")
        self._rate = Rate()
        self._seconds: deque[float] = deque(maxlen=256)
        self.verdicts: dict[str, int] = {}
        self.images = 0

    def add(self, run: Run) -> None:
        """Count a run, keep its last pictures as small copies."""
        now = time.monotonic()
        count = len(run.verdicts)
        with self._lock:
            self.images += count
            self._rate.add(count)
            self._seconds.append(run.seconds / count)
            for verdict in run.verdicts:
                self.verdicts[verdict.label] = self.verdicts.get(verdict.label, 0) + 1
            pace = (now - self._kept_at) / KEEP_EVERY_S  # infinite for the first
            room = int(min(pace, count, self._entries.maxlen or 1))
            for picture, verdict in zip(run.shown[count - room :], run.verdicts[count - room :]):
                self._keep(picture, verdict)
                self._kept_at = now

    def _keep(self, picture: np.ndarray, verdict: Verdict) -> None:
        self._number += 1
        self._entries.append(
            {
                "number": self._number,
                "time": time.time(),
                "label": verdict.label,
                "score": round(float(verdict.score), 4),
                "rejected": verdict.rejected,
                "thumb": thumbnail(picture),
            }
        )

    def view(self, after: int) -> dict[str, Any]:
        """Return what happened, with the kept pictures whose number is above ``after``."""
        with self._lock:
            new = [entry for entry in self._entries if entry["number"] > after]
            view = {
                "images": self.images,
                "per_second": round(self._rate.per_second(), 2),
                "verdicts": dict(self.verdicts),
                "ms_per_image": _percentiles(self._seconds),
                "last": self._number,
            }
        for entry in new:  # encoded when first asked for: with no page open nothing is
            if isinstance(entry["thumb"], np.ndarray):
                entry["thumb"] = "data:image/png;base64," + base64.b64encode(png(entry["thumb"])).decode()
        view["recent"] = new
        return view


def _percentiles(seconds: deque[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {
        "p50": round(1e3 * ordered[len(ordered) // 2], 3),
        "p95": round(1e3 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
    }
