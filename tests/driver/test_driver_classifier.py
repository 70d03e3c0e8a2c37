"""The classifier on a register-level model of the AXI shell: answers, order, memory, checks."""

import json

import numpy as np
import pytest
from driver_fakes import CLASSES, SHAPE, AxiDevice, make_zip, random_images, tiny_model
from finnspect_driver import DefectClassifier, DriverError
from finnspect_driver.errors import ImageError, MismatchError, SetupError
from finnspect_driver.preprocess import preprocess
from finnspect_driver.results import Interpreter


@pytest.fixture
def device():
    return AxiDevice()


@pytest.fixture
def classifier(tmp_path, device):
    with DefectClassifier(make_zip(tmp_path), device=device, batch=4) as opened:
        yield opened


def logits_of(predictions):
    return np.array([prediction.logits for prediction in predictions])


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9, 21])
def test_every_image_gets_its_own_answer(classifier, device, count):
    images = random_images(count)
    predictions = classifier.predict(images)
    assert len(predictions) == count
    assert np.array_equal(logits_of(predictions), tiny_model().logits(images))
    assert sum(device.runs) == count
    assert device.starts_while_busy == 0


def test_all_the_ways_to_give_images(classifier, tmp_path):
    from PIL import Image

    images = random_images(6)
    expected = tiny_model().logits(images)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image[:, :, 0]).save(folder / f"{i}.png")
    paths = sorted(folder.iterdir())
    for given in (
        images,
        images[..., 0],
        list(images),
        [image[:, :, 0] for image in images],
        (image for image in images),
        paths,
        [str(path) for path in paths],
        folder,
        str(folder),
        [images[:2], paths[2], images[3:]],
    ):
        assert np.array_equal(logits_of(classifier.predict(given)), expected)
    assert np.array_equal(logits_of(classifier.predict(images[0])), expected[:1])
    assert np.array_equal(logits_of(classifier.predict(str(paths[1]))), expected[1:2])
    assert classifier.predict([]) == []
    assert classifier.logits([]).shape == (0, 3)


def test_the_packages_preprocessing_is_applied(classifier):
    rng = np.random.RandomState(3)
    pictures = [
        rng.randint(0, 256, (17, 23, 3)).astype(np.uint8),
        rng.randint(0, 256, (6, 9)).astype(np.uint8),
    ]
    prepared = np.stack([preprocess(p, classifier.deploy.preprocessing) for p in pictures])
    assert np.array_equal(logits_of(classifier.predict(pictures)), tiny_model().logits(prepared))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 6, 6, 1), np.float32), "image 0 is float32, not uint8"),
        (np.zeros(5, np.uint8), r"an array \(5,\) holds no images"),
        (7, "int holds no images"),
        (np.zeros((6, 6, 4), np.uint8)[None], r"image 0: an image has the shape"),
        (["/no/such/picture.png"], r"cannot read /no/such/picture\.png"),
    ],
)
def test_what_is_no_image_is_refused(classifier, given, message):
    with pytest.raises(ImageError, match=message):
        classifier.predict(given)
    assert len(classifier.predict(random_images(2))) == 2


def test_a_generator_is_read_only_as_far_as_two_batches_ahead(classifier, device):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield random_images(1)[0]

    stream = classifier.stream(endless())
    for got in range(50):
        next(stream)
        assert taken <= got + 1 + 3 * 4
    stream.close()
    assert not device.busy
    assert len(classifier.predict(random_images(5))) == 5


def test_the_next_batch_starts_before_the_last_ones_answers_are_read(classifier, device):
    classifier.predict(random_images(16))
    log = [entry for entry in device.log if entry in ("start", "done", "invalidate")]
    begun = log.index("start")
    assert log[begun:] == [
        "start", "done", "start", "invalidate", "done", "start", "invalidate",
        "done", "start", "invalidate", "done", "invalidate",
    ]  # fmt: skip


def test_every_transfer_is_flushed_and_invalidated(classifier, device):
    device.log.clear()
    classifier.predict(random_images(4))
    assert device.log == ["flush", "start", "done", "invalidate"]


def test_two_streams_at_a_time_are_refused(classifier):
    first = classifier.stream(random_images(20))
    next(first)
    with pytest.raises(DriverError, match="works on other images"):
        classifier.predict(random_images(1))
    assert len(list(first)) == 19


def test_scores_ties_and_the_reject_rule():
    base = {"classes": CLASSES, "logit_scale": [0.5, 0.5, 1.0], "logit_bias": [0.0, 0.0, -1.0]}
    logits = np.array([[4, 4, 1], [0, 0, 3], [0, 0, 20], [-9, 2, 2]], np.int32)
    plain = Interpreter(base).predictions(logits)
    assert [p.index for p in plain] == [0, 2, 2, 1]  # ties: the lowest index
    assert [p.name for p in plain] == ["good", "pit", "pit", "scratch"]
    real = np.array([2.0, 2.0, 0.0])
    assert plain[0].score == pytest.approx(np.exp(2) / np.exp(real).sum())
    assert plain[0].real_logits.tolist() == [2.0, 2.0, 0.0]
    assert not any(p.unknown for p in plain)
    reject = Interpreter({**base, "reject": {"rule": "score-below", "threshold": 0.6}}).predictions(logits)
    assert [p.name for p in reject] == ["unknown", "pit", "pit", "unknown"]
    assert [p.best_name for p in reject] == ["good", "pit", "pit", "scratch"]
    assert json.loads(json.dumps(reject[0].to_dict()))["unknown"] is True


def test_large_logits_do_not_overflow():
    scale = {"classes": CLASSES, "logit_scale": [1.0] * 3, "logit_bias": [0.0] * 3}
    (prediction,) = Interpreter(scale).predictions(np.array([[2**31 - 1, -(2**31), 0]], np.int32))
    assert (prediction.index, prediction.score) == (0, 1.0)


def test_validate_is_exact_and_names_what_differs(tmp_path):
    with DefectClassifier(make_zip(tmp_path), device=AxiDevice(faults={"flip": 2}), batch=4) as wrong:
        report = wrong.validate(raise_on_mismatch=False)
        assert report.wrong_images == [2, 6]
        assert not report
        first = report.mismatches[0]
        assert (first.image, first.index, first.got) == (2, 0, first.expected + 1)
        with pytest.raises(MismatchError, match=r"image 2, class 0, got -?\d+, expected -?\d+") as caught:
            wrong.validate()
        assert len(caught.value.mismatches) == 2
        with pytest.raises(MismatchError, match="the integer model in 1 of 3 images"):
            wrong.check(random_images(3))
        assert "2 differ" in str(report)
        assert json.loads(json.dumps(report.to_dict()))["wrong_images"] == [2, 6]


def test_validate_and_check_pass_on_right_hardware(classifier):
    assert classifier.validate().images == 10
    report = classifier.check(iter(random_images(11)))
    assert report
    assert report.images == 11


def test_a_wrong_model_in_the_zip_is_seen_by_check(tmp_path):
    with DefectClassifier(make_zip(tmp_path), device=AxiDevice(model=tiny_model(seed=2)), batch=4) as other:
        assert other.check(random_images(4), raise_on_mismatch=False).wrong_images


def test_benchmark_counts_what_it_ran(classifier):
    report = classifier.benchmark(frames=30, singles=7)
    assert report.counters["frames"] == 30
    assert report.counters["busy_cycles"] == 3000
    assert report.hardware_fps == pytest.approx(1e6)
    assert report.compute_s == pytest.approx(1e-6)
    assert report.fps > 0
    assert report.preprocessing_s > 0
    assert report.transfer_s > 0
    assert list(report.latency_s) == ["p50", "p90", "p99", "max"]
    assert 0 < report.latency_s["p50"] <= report.latency_s["p99"] <= report.latency_s["max"]
    assert "1,000,000.0 frames/s" in str(report)
    json.dumps(report.to_dict())


def test_names_of_devices(tmp_path):
    path = make_zip(tmp_path)
    with pytest.raises(SetupError, match="there is no device 'fpga'"):
        DefectClassifier(path, device="fpga")
    with pytest.raises(SetupError, match="not for a serial line"):
        DefectClassifier(path, device="serial:/dev/ttyUSB0")
    with pytest.raises(SetupError, match="no Zynq-7000 board"):
        DefectClassifier(path, device="auto")
    with pytest.raises(DriverError, match="at least one image"):
        DefectClassifier(path, device=AxiDevice(), batch=0)
    for seconds in (0, -1.0, float("nan")):
        with pytest.raises(DriverError, match=r"time-out of .* s leaves no time"):
            DefectClassifier(path, device=AxiDevice(), timeout_s=seconds)
    serial = make_zip(tmp_path, "uart")
    with pytest.raises(SetupError, match="cannot be guessed"):
        DefectClassifier(serial, device="auto")
    with pytest.raises(SetupError, match="is for a serial line"):
        DefectClassifier(serial, device=AxiDevice())


def test_the_shape_is_the_zips(classifier):
    assert classifier.preprocess(np.zeros((30, 40), np.uint8)).shape == SHAPE
    assert classifier.batch == 4
    assert classifier.info().build_id == classifier.deploy.build_id
