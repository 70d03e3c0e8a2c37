"""Counts of mismatches, ties and changed classes: planted ones are found, each in its own count."""

from types import SimpleNamespace

import numpy as np
import pytest
from finnspect import reference
from finnspect.results import compare_golden, compare_torch, scores
from graphs import Conv, Pool, dense, make_graph, random_images


@pytest.fixture(scope="module")
def graph():
    return make_graph((8, 8, 1), [Conv(4), Pool(), dense(3)], seed=5)


@pytest.fixture(scope="module")
def images(graph):
    return random_images(graph, 40, seed=1)


def test_scores_are_scaled_and_ties_found(graph):
    logits = np.array([[5, 5, 1], [1, 2, 3], [-4, -9, -4]], np.int32)
    level = SimpleNamespace(logit_scale=np.ones(3), logit_bias=np.zeros(3))
    real, ties = scores(level, logits)
    assert np.array_equal(real, logits) and ties.tolist() == [True, False, True]
    # A scale a class makes equal integers unequal, and unequal ones equal.
    scaled = SimpleNamespace(logit_scale=np.array([1.0, 2.0, 1.0]), logit_bias=np.zeros(3))
    assert scores(scaled, np.array([[5, 5, 1], [4, 2, 1]], np.int32))[1].tolist() == [False, True]


def test_nothing_planted_is_nothing_found(graph, images):
    logits = reference.logits(graph, images).astype(np.int32)
    real, ties = scores(graph, logits)
    found = compare_torch(graph, images, real.argmax(axis=1), real)
    assert found["accuracy"] == found["torch_accuracy"] == 1.0
    assert found["changed_predictions"] == found["changed_predictions_at_ties"] == 0
    assert found["ties"] == ties.sum()


def test_planted_changes_are_counted(graph, images):
    real, ties = scores(graph, reference.logits(graph, images))
    labels = real.argmax(axis=1)
    clear = np.flatnonzero(~ties)[:3]
    torch_logits = real.copy()
    torch_logits[clear, labels[clear]] = real.min() - 1
    found = compare_torch(graph, images, labels, torch_logits)
    assert found["changed_predictions"] == 3 and found["accuracy"] == 1.0
    assert found["torch_accuracy"] == pytest.approx(1 - 3 / len(images))


def test_golden_mismatches_are_counted(graph, images):
    logits = reference.logits(graph, images).astype(np.int32)
    real, _ = scores(graph, logits)
    labels = np.full(len(images), -1)
    golden = SimpleNamespace(logits=real.astype(np.float32), logits_int=logits.copy(), labels=labels)
    found = compare_golden(graph, golden, logits[:10])
    assert found["images"] == 10 and found["logits"] == 30
    assert found["qonnx_mismatches"] == 0 and found["correct"] is None
    golden.logits_int[3, 1] += 1
    golden.labels = real.argmax(axis=1)
    golden.labels[0] = (golden.labels[0] + 1) % 3
    found = compare_golden(graph, golden, logits[:10])
    assert found["qonnx_mismatches"] == 1 and found["correct"] == 9
