"""``synthetic``: a procedural set of grey surface images with and without defects.

No file is needed, so that the whole path from training to bitstream runs anywhere. Texture, pose,
size, polarity, contrast, light and noise are random; class and texture are independent, and a
defect's position carries no information, so a linear classifier on raw pixels does poorly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from finnspect.errors import ConfigError

from quant_models.datasets.defects import DEFECTS
from quant_models.datasets.records import Catalog, Sample
from quant_models.datasets.registry import DatasetInfo, register_dataset
from quant_models.datasets.surface import SIZE, illumination, soft_fields, textures

CLASS_NAMES = tuple(DEFECTS)
_BATCH = 70  # images drawn from one random generator; a multiple of the number of classes


def _specks(rng: np.random.Generator, image: np.ndarray) -> None:
    """Add dust that is no defect: a few faint single pixels."""
    count = int(rng.integers(0, 6))
    rows, cols = rng.integers(0, SIZE, (2, count))
    image[rows, cols] += rng.uniform(-0.12, 0.12, count)


def generate_batch(seed: int, batch: int) -> np.ndarray:
    """Draw one batch of images; image ``i`` of it has the label ``i % len(CLASS_NAMES)``.

    Returns
    -------
    numpy.ndarray
        uint8, shape (_BATCH, SIZE, SIZE).
    """
    rng = np.random.default_rng([seed, batch])
    fields, _, angles = textures(rng, _BATCH)
    fray = soft_fields(rng, _BATCH, 5.0)
    roughness = rng.uniform(0.02, 0.065, _BATCH)
    images = rng.uniform(0.38, 0.62, _BATCH)[:, None, None] + roughness[:, None, None] * fields
    images += illumination(rng, _BATCH)
    drawers = list(DEFECTS.values())
    for i in range(_BATCH):
        contrast = 0.065 * rng.uniform(0.8, 1.5) + 0.6 * roughness[i]
        images[i] += drawers[i % len(drawers)](rng, fray[i], float(angles[i]), contrast)
        _specks(rng, images[i])
    images += rng.uniform(0.006, 0.022, _BATCH)[:, None, None] * rng.standard_normal(images.shape)
    return np.clip(np.floor(images * 255 + 0.5), 0, 255).astype(np.uint8)


def generate(images: int, seed: int, workers: int = 2) -> np.ndarray:
    """Draw the first ``images`` images of the set with the given seed.

    Parameters
    ----------
    images
        Number of images; more images begin with the same ones.
    seed
        Seed of the set, 0 or more.
    workers
        Threads; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        uint8, shape (images, SIZE, SIZE).
    """
    batches = range(-(-images // _BATCH))
    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(lambda batch: generate_batch(seed, batch), batches)))[:images]


@register_dataset(
    DatasetInfo(
        name="synthetic",
        task=f"{len(CLASS_NAMES)} classes: {', '.join(CLASS_NAMES)}",
        description="procedural surfaces: brushed, rolled, cast, orange-peel and woven, with drawn defects",
        size=f"4200 images of {SIZE}x{SIZE} pixels unless asked otherwise",
        licence="BSD-3-Clause (part of finnspect)",
        url=None,
        layout="none: the images are drawn",
        checked="itself: it is drawn by this code",
        options={"images": 4200, "seed": 0},
    ),
    version=2,
)
def open_synthetic(tree: None, images: int, seed: int) -> Catalog:
    """Draw the set."""
    if not isinstance(images, int) or images < 3 * len(CLASS_NAMES):
        raise ConfigError(
            f"data set 'synthetic': images is {images!r}",
            f"ask for at least {3 * len(CLASS_NAMES)}: three of each class, one for each part of the split",
        )
    if not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"data set 'synthetic': seed is {seed!r}", "give an integer of 0 or more")
    pixels = generate(images, seed)
    labels = np.arange(images) % len(CLASS_NAMES)
    samples = [
        Sample(source=f"{CLASS_NAMES[k]}/{i:06d}", label=int(k), group=f"{i:06d}", pixels=pixels[i])
        for i, k in enumerate(labels)
    ]
    return Catalog(CLASS_NAMES, samples)
