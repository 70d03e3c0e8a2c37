"""The defects of the procedural surfaces: each draws its change of brightness on one image.

A drawer takes the image's random generator, a smooth random field that frays its outlines, the direction
of the texture's grain, and the contrast to draw with; it returns a float64 array (SIZE, SIZE) to
add to the image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from quant_models.datasets.surface import SIZE

Drawer = Callable[[np.random.Generator, np.ndarray, float, float], np.ndarray]

_AXIS = np.arange(SIZE, dtype=np.float64)
_Y, _X = _AXIS[:, None], _AXIS[None, :]


def _centre(rng: np.random.Generator, margin: float) -> tuple[float, float]:
    y, x = rng.uniform(margin, SIZE - margin, 2)
    return float(y), float(x)


def _sign(rng: np.random.Generator, dark: float) -> float:
    """-1 with probability ``dark``, else 1."""
    return -1.0 if rng.random() < dark else 1.0


def _rise(distance: np.ndarray, softness: float) -> np.ndarray:
    """Smooth step: 0 below -softness, 1 above +softness."""
    t = np.clip((distance + softness) / (2 * softness), 0, 1)
    return t * t * (3 - 2 * t)


def none(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw nothing: a sound surface."""
    return np.zeros((SIZE, SIZE))


def scratch(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw one or two long, thin, slightly bent grooves, each with a ridge beside it."""
    out = np.zeros((SIZE, SIZE))
    angle = grain + rng.uniform(0.35, np.pi - 0.35)
    for _ in range(1 + int(rng.random() < 0.35)):
        cy, cx = _centre(rng, 28)
        turn = angle + rng.normal(0, 0.12)
        half, bend = rng.uniform(24, 55), rng.uniform(-0.003, 0.003)
        width = rng.uniform(1.1, 1.8)
        along = (_X - cx) * np.cos(turn) + (_Y - cy) * np.sin(turn)
        across = (_Y - cy) * np.cos(turn) - (_X - cx) * np.sin(turn) - bend * along**2
        groove = np.exp(-((across / width) ** 2)) - 0.45 * np.exp(-(((across - 2.4 * width) / width) ** 2))
        out += _sign(rng, 0.4) * groove * _rise(half - np.abs(along), 0.3 * half)
    return 2.0 * contrast * out


def _walk(
    rng: np.random.Generator, start: np.ndarray, heading: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a jagged walk, shape (steps + 1, 2), and its heading at each step."""
    headings = heading + np.cumsum(rng.normal(0, 0.16, steps)) + rng.normal(0, 0.5, steps)
    moves = rng.uniform(2.5, 5.0, steps)[:, None] * np.stack([np.sin(headings), np.cos(headings)], axis=1)
    return np.concatenate([start[None], start + np.cumsum(moves, axis=0)]), headings


def crack(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw a dark jagged line that wanders and branches."""
    heading = rng.uniform(0, 2 * np.pi)
    middle = np.array(_centre(rng, 30))
    start = middle - rng.uniform(15, 35) * np.array([np.sin(heading), np.cos(heading)])
    trunk, headings = _walk(rng, start, heading, int(rng.integers(14, 24)))
    paths = [trunk]
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(2, len(headings) - 3))
        turn = headings[at] + _sign(rng, 0.5) * rng.uniform(0.6, 1.2)
        paths.append(_walk(rng, trunk[at], turn, int(rng.integers(4, 10)))[0])
    canvas = np.zeros((SIZE, SIZE))
    for path in paths:
        t = np.linspace(0, len(path) - 1, 10 * (len(path) - 1) + 1)
        y, x = (np.interp(t, np.arange(len(path)), path[:, axis]) for axis in (0, 1))
        inside = (y >= 0) & (y <= SIZE - 1) & (x >= 0) & (x <= SIZE - 1)
        rows, cols = (np.floor(v[inside] + 0.5).astype(np.int64) for v in (y, x))
        canvas[rows, cols] = 1
    line = ndimage.gaussian_filter(canvas, rng.uniform(0.7, 1.1), mode="constant")
    return -2.6 * contrast * np.minimum(line / 0.36, 1)


def pitting(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw five to twenty small round holes, dark, with one rim catching the light."""
    count = int(rng.integers(5, 21))
    spread = rng.uniform(12, 26)
    cy, cx = _centre(rng, 30)
    y = np.clip(cy + rng.normal(0, spread, count), 3, SIZE - 4)
    x = np.clip(cx + rng.normal(0, spread, count), 3, SIZE - 4)
    radius = rng.uniform(1.9, 3.3, count)
    depth = rng.uniform(0.7, 1.2, count)
    dy, dx = (_AXIS - y[:, None]) / radius[:, None], (_AXIS - x[:, None]) / radius[:, None]
    gy, gx = np.exp(-(dy**2) / 1.2), np.exp(-(dx**2) / 1.2)
    light = rng.uniform(0, 2 * np.pi)
    hole = (gy * depth[:, None]).T @ gx
    rim = np.sin(light) * (gy * dy * depth[:, None]).T @ gx + np.cos(light) * (gy * depth[:, None]).T @ (
        gx * dx
    )
    return contrast * (-2.4 * np.minimum(hole, 1.2) + 0.9 * np.clip(rim, -1, 1))


def _ellipse(rng: np.random.Generator, centre: tuple[float, float], half: tuple[float, float], angle: float):
    """Return the elliptical radius about ``centre``: 1 on the outline."""
    along = (_X - centre[1]) * np.cos(angle) + (_Y - centre[0]) * np.sin(angle)
    across = (_Y - centre[0]) * np.cos(angle) - (_X - centre[1]) * np.sin(angle)
    return np.hypot(along / half[0], across / half[1])


def inclusion(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw one to three compact foreign bodies with sharp, ragged outlines, drawn out along the grain."""
    out = np.zeros((SIZE, SIZE))
    sign = _sign(rng, 0.75)
    for _ in range(int(rng.integers(1, 4))):
        half = (rng.uniform(6.5, 13), rng.uniform(4, 6.5))
        radius = _ellipse(rng, _centre(rng, 16), half, grain + rng.normal(0, 0.35))
        out = np.maximum(out, _rise(1 - radius - 0.22 * fray, 0.14))
    return sign * 2.2 * contrast * out * (1 + 0.15 * fray)


def stain(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw a large, faint, soft-edged patch whose rim is a little stronger, as if a liquid dried."""
    half = (rng.uniform(20, 36), rng.uniform(16, 26))
    radius = _ellipse(rng, _centre(rng, 28), half, rng.uniform(0, np.pi)) + 0.13 * fray
    patch = _rise(1 - radius, 0.16)
    rim = np.exp(-(((radius - 0.95) / 0.10) ** 2))
    return _sign(rng, 0.6) * contrast * (1.1 * patch + 0.5 * rim)


def dent(rng: np.random.Generator, fray: np.ndarray, grain: float, contrast: float) -> np.ndarray:
    """Draw a smooth hollow, one flank in the light and the other in shadow."""
    cy, cx = _centre(rng, 26)
    size = rng.uniform(8, 15)
    stretch = rng.uniform(0.8, 1.25)
    light = rng.uniform(0, 2 * np.pi)
    dy, dx = (_Y - cy) / (size * stretch), (_X - cx) * stretch / size
    slope = np.sin(light) * dy + np.cos(light) * dx
    return 3.6 * contrast * slope * np.exp(-(dy**2 + dx**2) / 1.6)


#: Class name -> drawer; the position is the label.
DEFECTS: dict[str, Drawer] = {
    "none": none,
    "scratch": scratch,
    "crack": crack,
    "pitting": pitting,
    "inclusion": inclusion,
    "stain": stain,
    "dent": dent,
}
