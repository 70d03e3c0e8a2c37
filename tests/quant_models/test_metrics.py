import json

import numpy as np
import pytest
import torch
from finnspect.deploy import Reject
from finnspect.errors import DataError
from finnspect.package import ModelPackage
from finnspect_driver.results import Interpreter
from PIL import Image
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from quant_models.export import export_package
from quant_models.metrics import (
    choose_reject,
    choose_threshold,
    leading,
    measure,
    positive_class,
    probabilities,
    reject_effect,
    threshold_effect,
    unlike_images,
)
from quant_models.metrics.plots import save_plots
from quant_models.train import open_run, train


def drawn(classes=3, count=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    logits = torch.randn(count, classes, generator=generator) + 1.2 * torch.nn.functional.one_hot(labels)
    return logits, labels


def test_figures_agree_with_another_library():
    logits, labels = drawn()
    found = measure(logits, labels, ("a", "b", "c"))
    scores, predicted = probabilities(logits), logits.argmax(1)
    precision, recall, f1, images = precision_recall_fscore_support(labels, predicted)
    for i, name in enumerate("abc"):
        row = found["classes"][name]
        assert row["images"] == images[i]
        expected = {
            "precision": precision[i],
            "recall": recall[i],
            "f1": f1[i],
            "auroc": roc_auc_score(labels == i, scores[:, i]),
            "average_precision": average_precision_score(labels == i, scores[:, i]),
        }
        assert {key: row[key] for key in expected} == pytest.approx(expected, abs=1e-6)
    assert found["accuracy"] == float((predicted == labels).double().mean())
    assert found["balanced_accuracy"] == pytest.approx(recall.mean())
    assert found["macro_f1"] == pytest.approx(f1.mean(), abs=1e-6)
    assert json.loads(json.dumps(found)) == found


def test_figures_of_a_class_without_images_are_none():
    logits, labels = drawn()
    labels = labels.clamp(max=1)
    row = measure(logits, labels, ("a", "b", "c"))["classes"]["c"]
    assert row == {"images": 0} | dict.fromkeys(("precision", "recall", "f1", "auroc", "average_precision"))
    alone = measure(logits, torch.zeros_like(labels), ("a", "b", "c"))
    assert alone["auroc"] is None and alone["balanced_accuracy"] == alone["accuracy"]


def test_two_classes_lead_with_the_defect():
    logits, labels = drawn(2)
    found = measure(logits, labels, ("defect", "No-Defect"), 0.1)
    scores = probabilities(logits)[:, 0]
    assert found["positive"] == "defect"
    assert found["average_precision"] == pytest.approx(average_precision_score(labels == 0, scores), abs=1e-6)
    assert 0.3 < found["recall_at_false_alarms"]["recall"] < 1
    one = measure(logits, torch.zeros_like(labels), ("defect", "none"))
    assert one["average_precision"] is None and one["recall_at_false_alarms"]["recall"] is None


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(("none", "scratch"), 1), (("crack", "no_crack"), 0), (("a", "b"), 1), (("a", "b", "c"), None)],
)
def test_positive_class(classes, expected):
    assert positive_class(classes) == expected


def test_leading_figure():
    assert leading([10, 12, 14]) == "accuracy"
    assert leading([100, 9]) == "average_precision"
    assert leading([100, 9, 0]) == "balanced_accuracy"


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
def test_threshold_keeps_to_the_rate_and_is_the_lowest_that_does(rate):
    rng = np.random.default_rng(1)
    defective = rng.random(500) < 0.2
    scores = np.round(np.clip(rng.normal(0.4 + 0.3 * defective, 0.2), 0, 1), 2)  # with many ties
    threshold = choose_threshold(scores, defective, rate)
    effect = threshold_effect(scores, defective, threshold)
    assert effect["false_alarm_rate"] <= rate
    lower = threshold_effect(scores, defective, float(scores[scores < threshold].max()))
    assert lower["false_alarm_rate"] > rate
    assert effect["found"] + effect["false_alarms"] == (scores >= threshold).sum()


def test_threshold_needs_both_kinds():
    with pytest.raises(DataError, match="both classes"):
        choose_threshold(np.array([0.5]), np.array([True]), 0.1)


def test_reject_rule_keeps_the_share_and_is_what_the_driver_does():
    logits, labels = drawn(seed=3)
    scores, labels = probabilities(logits), labels.numpy()
    rule = choose_reject(scores, labels, 0.9)
    assert Reject.model_validate(rule).threshold == rule["threshold"] > 1 / 3
    right = scores.argmax(1) == labels
    assert (scores.max(1)[right] >= rule["threshold"]).mean() >= 0.9
    effect = reject_effect(scores, labels, rule)
    integers = np.round(logits.numpy() * 256).astype(np.int64)
    accelerator = {
        "classes": ["a", "b", "c"],
        "logit_scale": [1 / 256] * 3,
        "logit_bias": [0.0] * 3,
        "reject": rule,
    }
    answers = Interpreter(accelerator).predictions(integers)
    assert sum(not a.unknown for a in answers) / len(answers) == pytest.approx(effect["coverage"], abs=0.01)
    assert effect["error"] < effect["error_without"]
    assert effect["rejected_right"] + effect["rejected_wrong"] == round((1 - effect["coverage"]) * 400)
    errors = [point["error"] for point in effect["curve"]]
    assert errors[0] == effect["error_without"] and errors[-1] < errors[0]
    assert choose_reject(scores, (scores.argmax(1) + 1) % 3, 0.9) == {"rule": "none"}


def test_unlike_images_are_drawn_the_same_every_time():
    drawn_images = unlike_images((12, 16, 3), 5)
    assert set(drawn_images) == {"noise", "level", "stripes", "discs"}
    for images in drawn_images.values():
        assert images.shape == (5, 12, 16, 3) and images.dtype == np.uint8
        assert len({image.tobytes() for image in images}) == 5
    assert all(
        np.array_equal(a, b)
        for a, b in zip(*(unlike_images((12, 16, 3), 5).values() for _ in range(2)), strict=True)
    )


def test_pictures_are_written(tmp_path):
    logits, labels = drawn(count=60)
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16, 1), dtype=np.uint8)
    written = save_plots(tmp_path, probabilities(logits), images, labels.numpy(), ("a", "b", "c"))
    assert [path.name for path in written] == ["confusion.png", "curves.png", "mistakes.png"]
    for path in written:
        picture = np.asarray(Image.open(path))
        assert picture.shape[0] > 200 and len(np.unique(picture)) > 10
    sure = torch.nn.functional.one_hot(labels).double()
    written = save_plots(tmp_path / "sure", probabilities(sure), images, labels.numpy(), ("a", "b", "c"))
    assert [path.name for path in written] == ["confusion.png", "curves.png"]


def test_run_and_package_carry_them(tiny_run, tmp_path):
    metrics = tiny_run.metrics
    with np.load(tiny_run.path / "scores.npz") as npz:
        labels = tiny_run.test_images()[1]
        assert (npz["quantized_test"].argmax(1) == labels).mean() == metrics["test_accuracy"]
        assert (npz["float_test"].argmax(1) == labels).mean() == metrics["float_test_accuracy"]
        rule = choose_reject(probabilities(npz["quantized_val"]), npz["val_labels"], 0.99)
    assert metrics["reject"] == rule
    assert metrics["leading"]["metric"] == "accuracy"
    assert (tiny_run.path / "confusion.png").is_file()
    package = export_package(tiny_run.path, tmp_path / "package", 2)
    carried = package.info.metrics
    assert carried["reject"] == rule and carried["reject_effect"] == metrics["reject_effect"]
    assert Reject.model_validate(carried["reject"]).rule == "score-below"
    assert carried["test_auroc"] == metrics["quantized"]["test"]["auroc"]
    qcdq = carried["export"]["qcdq"]
    assert qcdq["changed_predictions"] == 0 and "onnxruntime" in qcdq["kind"]
    assert carried["weight_bits"] == 4 * carried["weights"]


@pytest.fixture(scope="module")
def binary_run(make_config, tmp_path_factory):
    """A run on 90 sound and 30 scratched pictures, not easy to tell apart."""
    folder = tmp_path_factory.mktemp("binary")
    random = np.random.default_rng(4)
    for name, count in (("good", 90), ("scratch", 30)):
        (folder / "set" / name).mkdir(parents=True)
        for index in range(count):
            pixels = random.normal(128, 25, (16, 16))
            if name == "scratch":
                pixels[random.integers(2, 14)] += random.uniform(0, 60)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
                folder / "set" / name / f"{index}.png"
            )
    config = make_config(
        folder / "run",
        dataset="image-folder",
        data=folder / "set",
        dataset_options={},
        float_epochs=4,
        false_alarm_rate=0.1,
    )
    return open_run(train(config, lambda _: None))


def test_unbalanced_set_of_two_classes_leads_with_average_precision(binary_run):
    metrics = binary_run.metrics
    assert metrics["leading"]["metric"] == "average_precision"
    test = metrics["quantized"]["test"]
    assert metrics["leading"]["test"] == test["average_precision"] and test["positive"] == "scratch"
    assert test["recall_at_false_alarms"]["false_alarm_rate"] == 0.1
    with np.load(binary_run.path / "scores.npz") as npz:
        scores = probabilities(npz["quantized_val"])[:, 1]
        defective = npz["val_labels"] == 1
    chosen = metrics["score_threshold"]
    assert chosen["class"] == "scratch"
    assert chosen["threshold"] == choose_threshold(scores, defective, 0.1)
    assert chosen["val"]["false_alarm_rate"] <= 0.1


def test_score_threshold_is_in_the_package_and_in_the_command_that_makes_it(binary_run, tmp_path):
    package = ModelPackage.load(export_package(binary_run.path, tmp_path / "package", 2).path)
    carried = package.info.metrics
    assert carried["score_threshold"] == binary_run.metrics["score_threshold"]
    assert carried["leading"]["metric"] == "average_precision"
    assert carried["test_recall_at_false_alarms"]["false_alarm_rate"] == 0.1
    assert "--set false_alarm_rate=0.1" in package.info.command
    counts = carried["export"]
    assert counts["images"] == binary_run.metrics["images"]["test"]
    assert counts["changed_predictions"] == counts["qcdq"]["changed_predictions"] == 0


def test_the_worst_mistakes_are_shown_first():
    """The picture of each wrong answer, the surest wrong answer first."""
    from quant_models.metrics import plots

    images = np.zeros((5, 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(5)
    scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7], [0.45, 0.55]])
    labels = np.array([1, 1, 1, 0, 0])  # wrong: 0 (0.9), 1 (0.6), 3 (0.7), 4 (0.55)
    figure = plots._mistakes(scores, images, labels, ("good", "bad"))
    drawn_axes = [axes for axes in figure.axes if axes.images]
    assert [int(axes.images[0].get_array()[0, 0]) for axes in drawn_axes] == [0, 3, 1, 4]
    assert [axes.get_title() for axes in drawn_axes][:2] == ["bad\nas good 0.90", "good\nas bad 0.70"]
