"""The drawn set: repeatable, balanced, and too hard for a linear classifier."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from finnspect.errors import ConfigError
from finnspect.package import Preprocessing

from quant_models.datasets import get_dataset, load_dataset, split_dataset
from quant_models.datasets.defects import DEFECTS
from quant_models.datasets.surface import SIZE, TEXTURES, textures
from quant_models.datasets.synthetic import CLASS_NAMES, generate

# A change to the generator changes this hash: raise the loader's version with it, or caches go stale.
PINNED = {"version": 2, "sha256": "42998c2d92a3ef5378fc70df0b66cc64e491df86b6978e5759b1551a6ba7fcf9"}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return generate(1400, seed=0)


def test_pinned_images_and_version(images):
    assert hashlib.sha256(images[:140].tobytes()).hexdigest() == PINNED["sha256"]
    assert get_dataset("synthetic").version == PINNED["version"]


def test_threads_and_number_do_not_change_an_image(images):
    assert np.array_equal(generate(150, seed=0, workers=1), images[:150])
    assert np.array_equal(generate(150, seed=0, workers=4), images[:150])
    assert not np.array_equal(generate(70, seed=1), images[:70])


def test_no_two_images_are_equal(images):
    assert len({image.tobytes() for image in images}) == len(images)


def test_light_is_within_range(images):
    assert images.dtype == np.uint8 and images.shape == (1400, SIZE, SIZE)
    clipped = ((images == 0) | (images == 255)).mean()
    assert clipped < 0.002
    assert np.all(images.reshape(len(images), -1).std(axis=1) > 3)


def test_every_defect_but_none_changes_the_image():
    fray = np.zeros((SIZE, SIZE))
    for name, draw in DEFECTS.items():
        for seed in range(20):
            change = draw(np.random.default_rng(seed), fray, 0.3, 0.1)
            assert change.shape == (SIZE, SIZE) and np.all(np.isfinite(change))
            visible = int((np.abs(change) > 0.05).sum())
            assert visible == 0 if name == "none" else visible >= 15, (name, seed)


def test_textures_are_of_every_kind_and_normalised():
    fields, kinds, angles = textures(np.random.default_rng(0), 60)
    assert set(kinds.tolist()) == set(range(len(TEXTURES)))
    assert np.allclose(fields.mean(axis=(1, 2)), 0) and np.allclose(fields.std(axis=(1, 2)), 1)
    assert angles.shape == (60,)


def test_a_linear_classifier_on_pixels_fails():
    from sklearn.linear_model import LogisticRegression

    params = Preprocessing(color="grey", height=64, width=64, scale=1 / 255)
    dataset = load_dataset("synthetic", None, params, None, images=2100)
    split = split_dataset(dataset, seed=0)
    pixels = dataset.images.reshape(len(dataset), -1) / 255.0 - 0.5
    learn = np.concatenate([split.train, split.val])
    model = LogisticRegression(C=0.01, max_iter=40).fit(pixels[learn], dataset.labels[learn])
    accuracy = model.score(pixels[split.test], dataset.labels[split.test])
    assert accuracy < 0.5, f"{accuracy:.1%}"


def test_mean_and_contrast_do_not_tell_the_class(images):
    from sklearn.ensemble import RandomForestClassifier

    flat = images.reshape(len(images), -1).astype(float)
    facts = np.stack([flat.mean(axis=1), flat.std(axis=1), flat.min(axis=1), flat.max(axis=1)], axis=1)
    labels = np.arange(len(images)) % len(CLASS_NAMES)
    model = RandomForestClassifier(60, random_state=0).fit(facts[:1000], labels[:1000])
    assert model.score(facts[1000:], labels[1000:]) < 0.8


def test_classes_are_balanced_and_sources_unique(grey16):
    dataset = load_dataset("synthetic", None, grey16, None, images=70, seed=5)
    assert set(dataset.counts.values()) == {10} and tuple(dataset.counts) == CLASS_NAMES
    assert len(set(dataset.sources)) == len(set(dataset.groups)) == 70


@pytest.mark.parametrize("options", [{"images": 5}, {"images": "many"}, {"seed": -1}, {"seed": None}])
def test_wrong_options(grey16, options):
    with pytest.raises(ConfigError, match="synthetic"):
        load_dataset("synthetic", None, grey16, None, **options)
