"""The reject threshold: chosen on the validation part, measured on the test part and on unlike images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from finnspect.package import Preprocessing
from finnspect_driver.results import Interpreter

from quant_models.evaluate import logits_of
from quant_models.export import package_metrics
from quant_models.reject import REJECT_SHARE, reject_figures, reject_rule, scores_of, unlike_images
from quant_models.training.phase import Part

GREY = Preprocessing(color="grey", height=8, width=8, scale=1 / 255)


@pytest.mark.parametrize("count", [1, 2, 49, 50, 51, 1000])
def test_at_most_the_chosen_share_is_turned_down(count):
    logits = np.random.default_rng(count).normal(0, 3, (count, 5))
    rule = reject_rule(logits)
    assert rule["rule"] == "score-below" and 0.2 - 1e-4 <= rule["threshold"] <= 1
    below = (scores_of(logits) < rule["threshold"]).sum()
    assert below <= REJECT_SHARE * count
    # And no less than is allowed: a threshold one step up would turn down one more.
    assert (scores_of(logits) < rule["threshold"] + 1e-4).sum() > REJECT_SHARE * count - 1


def test_scores_are_the_driver_s():
    logits = np.random.default_rng(1).integers(-900, 900, (40, 6))
    driver = Interpreter({"classes": list("abcdef"), "logit_scale": [0.02] * 6, "logit_bias": [0.0] * 6})
    scores = [prediction.score for prediction in driver.predictions(logits)]
    np.testing.assert_allclose(scores_of(logits * 0.02), scores, rtol=1e-12)


def test_figures_count_what_is_turned_down():
    class Sure(torch.nn.Module):
        """Sure of class 1 for bright images, of nothing for dark ones."""

        def forward(self, x):
            bright = x.mean(dim=(1, 2, 3)) / 255
            return torch.stack([torch.zeros_like(bright), 10 * bright], dim=1)

    levels = torch.tensor([0, 10, 200, 220, 240], dtype=torch.uint8)
    images = levels[:, None, None, None].expand(5, 1, 8, 8).contiguous()
    test = Part(images, torch.tensor([0, 0, 1, 1, 0]))
    figures = reject_figures(Sure(), 0.9, test, "synthetic", GREY)
    assert figures["test"] == 2 / 5
    assert figures["accuracy_of_the_others"] == 2 / 3
    # 0.9 is reached at a logit of ln 9, a level of 56.03.
    assert figures["unlike"] == {"noise": 0.0, "one grey level": 57 / 256}
    assert reject_figures(Sure(), 1.0, test, "synthetic", GREY)["accuracy_of_the_others"] is None


def test_unlike_images_are_unlike():
    rgb = Preprocessing(color="rgb", height=8, width=12, scale=1 / 255)
    kinds = unlike_images("neu-det", rgb)
    assert set(kinds) == {"noise", "one grey level", "drawn surfaces"}
    for images in kinds.values():
        assert images.dtype == torch.uint8 and images.shape == (256, 3, 8, 12)
    assert "drawn surfaces" not in unlike_images("synthetic", GREY)
    again = unlike_images("neu-det", rgb)
    assert all(torch.equal(kinds[kind], again[kind]) for kind in kinds)


def test_a_run_has_a_rule_and_its_package_has_it_too(tiny_run):
    rule, figures = tiny_run.metrics["reject"], tiny_run.metrics["rejected"]
    images, _ = tiny_run.test_images()
    logits = logits_of(tiny_run.model(), torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    assert rule["rule"] == "score-below"
    assert figures["test"] == np.mean(scores_of(logits) < rule["threshold"])
    metrics = package_metrics(tiny_run)
    assert (metrics["reject"], metrics["rejected"]) == (rule, figures)
