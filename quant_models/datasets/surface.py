"""The textures of the procedural surfaces: random fields with the spectrum of a machined surface.

All arithmetic is float64 and one random generator serves one batch in a fixed order, so an image
depends on the seed and its place in the set, and on nothing else.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

#: Height and width of a generated image in pixels.
SIZE = 96
TEXTURES = ("brushed", "rolled", "cast", "orange_peel", "woven")

_Y, _X = np.meshgrid(np.arange(SIZE, dtype=np.float64), np.arange(SIZE, dtype=np.float64), indexing="ij")
_FY, _FX = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.rfftfreq(SIZE), indexing="ij")
_F = np.hypot(_FY, _FX)


def _unit(fields: np.ndarray) -> np.ndarray:
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return fields / fields.std(axis=(1, 2), keepdims=True)


def random_fields(rng: np.random.Generator, spectra: np.ndarray) -> np.ndarray:
    """Return Gaussian random fields of the given amplitude spectra, mean 0 and deviation 1.

    Parameters
    ----------
    rng
        Source of the phases.
    spectra
        float64, shape (N, SIZE, SIZE // 2 + 1): amplitude of each spatial frequency, in the layout of
        ``numpy.fft.rfft2``.

    Returns
    -------
    numpy.ndarray
        float64, shape (N, SIZE, SIZE).
    """
    white = rng.standard_normal((2, *spectra.shape))
    return _unit(fft.irfft2((white[0] + 1j * white[1]) * spectra, s=(SIZE, SIZE), axes=(1, 2)))


def soft_fields(rng: np.random.Generator, count: int, length_px: float) -> np.ndarray:
    """Return ``count`` smooth isotropic fields whose features are about ``length_px`` pixels long."""
    spectrum = np.exp(-((_F * length_px * 1.8) ** 2))
    return random_fields(rng, np.broadcast_to(spectrum, (count, *spectrum.shape)))


def _spectrum(kind: str, angle: float, pitch_px: float) -> np.ndarray:
    """Amplitude spectrum of one texture; ``angle`` is the direction of its lines in radians."""
    along = _FX * np.cos(angle) + _FY * np.sin(angle)
    across = _FY * np.cos(angle) - _FX * np.sin(angle)
    if kind == "brushed":  # long fine lines
        return np.exp(-((along / 0.012) ** 2)) / (1 + (across / 0.10) ** 2)
    if kind == "rolled":  # short streaks over slow waves
        return 1 / (1 + (along / 0.025) ** 2 + (across / 0.09) ** 2) ** 1.2
    if kind == "cast":  # grain with a little clustering
        return np.exp(-((_F / 0.20) ** 2)) * (0.35 + 0.65 / (1 + (_F / 0.05) ** 2))
    if kind == "orange_peel":  # dimples of one size
        return np.exp(-(((_F - 1 / pitch_px) / 0.025) ** 2))
    return np.exp(-((_F * 40) ** 2))  # woven: only the waviness of the threads


def _weave(waviness: np.ndarray, angle: float, pitch_px: float) -> np.ndarray:
    """Return a plain weave: two thread directions, over and under in a chequer pattern."""
    u = _X * np.cos(angle) + _Y * np.sin(angle)
    v = _Y * np.cos(angle) - _X * np.sin(angle)
    warp = np.pi * u / pitch_px + 0.5 * waviness
    weft = np.pi * v / pitch_px + 0.5 * waviness.T
    over = np.sin(warp) * np.sin(weft) > 0
    return np.where(over, np.abs(np.sin(warp)), np.abs(np.sin(weft)) - 0.35)


def textures(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random surface textures.

    Returns
    -------
    fields
        float64, shape (count, SIZE, SIZE), mean 0 and deviation 1.
    kinds
        int64, shape (count,): index into :data:`TEXTURES`.
    angles
        float64, shape (count,): direction of the texture's lines in radians.
    """
    kinds = rng.integers(len(TEXTURES), size=count)
    angles = rng.uniform(0, np.pi, count)
    pitches = rng.uniform(8, 14, count)
    spectra = np.stack([_spectrum(TEXTURES[k], a, p) for k, a, p in zip(kinds, angles, pitches, strict=True)])
    fields = random_fields(rng, spectra)
    for i in np.flatnonzero(kinds == TEXTURES.index("woven")):
        fields[i] = _weave(fields[i], angles[i], 0.6 * pitches[i])
    return _unit(fields), kinds, angles


def illumination(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return the light falling on each image: a slope and a bright or dark middle, float64, about 0."""
    y, x = _Y / (SIZE - 1) - 0.5, _X / (SIZE - 1) - 0.5
    angle = rng.uniform(0, 2 * np.pi, count)[:, None, None]
    slope = rng.uniform(0, 0.2, count)[:, None, None]
    bowl = rng.uniform(-0.25, 0.15, count)[:, None, None]
    return slope * (np.cos(angle) * x + np.sin(angle) * y) + bowl * (x**2 + y**2 - 1 / 6)
