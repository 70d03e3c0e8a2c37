"""The service speaks the Open Inference Protocol, and refuses with 4xx what is not it."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from finnspect_driver.errors import ImageError
from finnspect_driver.preprocess import preprocess
from finnspect_driver.serve.pictures import decode
from finnspect_driver.serve.protocol import ModelSpec, parse_infer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from serve_bench import CLASSES, PARAMS, SHAPE, FakeAccelerator, running, tensor

SPEC = ModelSpec("bench", CLASSES, SHAPE, 16, 4096)
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def bench():
    with running() as bench:
        yield bench


def images(count: int) -> np.ndarray:
    return RNG.integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def test_health(bench):
    assert bench.json("/v2/health/live") == (200, {"live": True})
    assert bench.json("/v2/health/ready") == (200, {"live": True, "ready": True})
    assert bench.json("/v2/models/bench/ready") == (200, {"name": "bench", "ready": True})
    assert bench.json("/v2/models/bench/versions/1/ready")[0] == 200


def test_server_metadata(bench):
    status, answer = bench.json("/v2")
    assert status == 200 and set(answer) == {"name", "version", "extensions"}


@pytest.mark.parametrize("path", ["/v2/models/bench", "/v2/models/bench/versions/1"])
def test_model_metadata(bench, path):
    status, answer = bench.json(path)
    assert status == 200 and answer["name"] == "bench" and answer["versions"] == ["1"]
    assert answer["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 1]}]
    assert [(o["name"], o["datatype"], o["shape"]) for o in answer["outputs"]] == [
        ("label", "BYTES", [-1]),
        ("class", "INT32", [-1]),
        ("score", "FP32", [-1]),
        ("logits", "INT32", [-1, 3]),
    ]


def test_infer_gives_every_output(bench):
    batch = images(5)
    batch[3] = 200
    wanted = [FakeAccelerator.verdict(image) for image in batch]
    status, answer = bench.infer(batch, id="five")
    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("bench", "1", "five")
    by_name = {output["name"]: output for output in answer["outputs"]}
    assert by_name["label"]["data"] == [v.label for v in wanted] and by_name["label"]["data"][3] == "unknown"
    assert by_name["class"]["data"] == [v.index for v in wanted] and by_name["class"]["data"][3] == -1
    assert by_name["score"]["data"] == [v.score for v in wanted]
    assert by_name["logits"]["shape"] == [5, 3]
    assert np.array_equal(np.array(by_name["logits"]["data"]).reshape(5, 3), [v.logits for v in wanted])


def test_infer_gives_the_outputs_that_are_asked_for_and_no_id(bench):
    status, answer = bench.infer(images(1), outputs=[{"name": "logits"}, {"name": "class"}])
    assert status == 200 and "id" not in answer
    assert [output["name"] for output in answer["outputs"]] == ["logits", "class"]


def test_nested_data_is_the_same_as_flat_data(bench):
    batch = images(3)
    nested = {**tensor(batch), "data": batch.tolist()}
    assert bench.json("/v2/models/bench/infer", {"inputs": [nested]}) == bench.infer(batch)


def test_pictures_are_preprocessed_when_asked(bench):
    pictures = RNG.integers(0, 256, (2, 30, 21, 3), dtype=np.uint8)
    small = np.stack([preprocess(picture, PARAMS) for picture in pictures])
    got = bench.infer(pictures, parameters={"preprocess": True})
    assert got[0] == 200 and got == bench.infer(small)
    status, answer = bench.infer(pictures)
    assert status == 400 and "preprocess" in answer["error"]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "JPEG"])
def test_classify_takes_a_picture_file(bench, kind):
    picture = RNG.integers(0, 256, (40, 33, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    decoded = np.asarray(Image.open(io.BytesIO(file.getvalue())))
    wanted = FakeAccelerator.verdict(preprocess(decoded, PARAMS))
    status, answer = _upload(bench, file.getvalue())
    assert status == 200
    assert (answer["label"], answer["class"], answer["score"]) == (wanted.label, wanted.index, wanted.score)
    assert answer["logits"] == wanted.logits.tolist() and answer["rejected"] is False


def _upload(bench, data, **headers):
    status, _, body = bench.ask("/classify", data, headers)
    return status, json.loads(body)


def _png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_the_documented_command_works(bench):
    """``curl --data-binary @picture.png`` calls every file a form."""
    status, answer = _upload(bench, _png(8, 8), **{"content-type": "application/x-www-form-urlencoded"})
    assert status == 200 and "label" in answer


@pytest.mark.parametrize(
    ("data", "kind", "status", "says"),
    [
        (b"", "image/png", 400, "empty"),
        (b"\x00rubbish\xff" * 50, "image/png", 400, "no picture"),
        (_png(64, 64)[:-30], "image/png", 400, "picture"),
        (b"GIF89a" + b"\0" * 50, "image/gif", 400, "no picture"),
        (_png(4000, 4000), "image/png", 400, "4000x4000 pixels"),  # 2 kB that would become 16 MB
        (_png(8, 8), "multipart/form-data; boundary=x", 415, "--data-binary"),
    ],
)
def test_rubbish_pictures(bench, data, kind, status, says):
    got, answer = _upload(bench, data, **{"content-type": kind})
    assert got == status and says in answer["error"]


GOOD = tensor(np.zeros((1, *SHAPE), np.uint8))
RUBBISH = {
    "no json": (b"{", "no JSON"),
    "no text": (b"\xff\xfe\x00", "no JSON"),
    "nan": (b'{"inputs": NaN}', "no JSON"),
    "deep": (b"[" * 200_000, "no JSON"),
    "no object": (b"[]", "object"),
    "no inputs": (b"{}", "inputs"),
    "two inputs": ({"inputs": [GOOD, GOOD]}, "one tensor"),
    "input is text": ({"inputs": ["images"]}, "one tensor"),
    "other name": ({"inputs": [{**GOOD, "name": "x"}]}, "expected"),
    "other type": ({"inputs": [{**GOOD, "datatype": "FP32"}]}, "UINT8"),
    "other shape": ({"inputs": [{**GOOD, "shape": [1, 9, 8, 1]}]}, "shape"),
    "no images": ({"inputs": [{**GOOD, "shape": [0, 8, 8, 1], "data": []}]}, "shape"),
    "huge shape": ({"inputs": [{**GOOD, "shape": [10**30, 8, 8, 1]}]}, "shape"),
    "shape of truth": ({"inputs": [{**GOOD, "shape": [True, 8, 8, 1]}]}, "shape"),
    "too many images": ({"inputs": [{**GOOD, "shape": [257, 8, 8, 1]}]}, "257 images"),
    "too little data": ({"inputs": [{**GOOD, "data": [0] * 63}]}, "63 elements"),
    "ragged data": ({"inputs": [{**GOOD, "data": [[[[0]] * 8] * 7 + [[[0]] * 7]]}]}, "axis"),
    "too deep data": ({"inputs": [{**GOOD, "data": [[[[[0]]] * 8] * 8]}]}, "no integer"),
    "value 256": ({"inputs": [{**GOOD, "data": [256] + [0] * 63}]}, "0 to 255"),
    "value -1": ({"inputs": [{**GOOD, "data": [-1] + [0] * 63}]}, "0 to 255"),
    "value 1.0": ({"inputs": [{**GOOD, "data": [1.0] + [0] * 63}]}, "no integer"),
    "value true": ({"inputs": [{**GOOD, "data": [True] + [0] * 63}]}, "no integer"),
    "value text": ({"inputs": [{**GOOD, "data": ["1"] + [0] * 63}]}, "no integer"),
    "data is text": ({"inputs": [{**GOOD, "data": "0" * 64}]}, "no list"),
    "number as id": ({"inputs": [GOOD], "id": 4}, "id"),
    "unknown output": ({"inputs": [GOOD], "outputs": [{"name": "probability"}]}, "probability"),
    "output twice": ({"inputs": [GOOD], "outputs": [{"name": "class"}] * 2}, "once"),
    "no outputs": ({"inputs": [GOOD], "outputs": []}, "outputs"),
    "binary output": (
        {"inputs": [GOOD], "outputs": [{"name": "class", "parameters": {"binary_data": True}}]},
        "binary",
    ),
    "parameters are a list": ({"inputs": [GOOD], "parameters": []}, "parameters"),
    "preprocess is a number": ({"inputs": [GOOD], "parameters": {"preprocess": 1}}, "preprocess"),
    "many pixels": (
        {"inputs": [{**GOOD, "shape": [1, 30000, 30000, 1]}], "parameters": {"preprocess": True}},
        "pixels",
    ),
}


@pytest.mark.parametrize("case", RUBBISH)
def test_rubbish_requests(bench, case):
    request, says = RUBBISH[case]
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    status, _, data = bench.ask("/v2/models/bench/infer", body)
    assert status == 400 and says in json.loads(data)["error"]
    assert bench.json("/v2/health/ready")[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v2/models/other", "GET", 404),
        ("/v2/models/other/infer", "POST", 404),
        ("/v2/models/bench/versions/2", "GET", 404),
        ("/v2/models/bench/infer", "GET", 405),
        ("/nowhere", "GET", 404),
        ("/..%2f..%2fetc/passwd", "GET", 404),
        ("/live.json?after=x", "GET", 400),
        ("/live.json?after=%C2%B2", "GET", 400),
    ],
)
def test_wrong_paths_answer_in_the_protocol(bench, path, method, status):
    got, headers, body = bench.ask(path, b"{}" if method == "POST" else None, method=method)
    assert got == status and isinstance(json.loads(body)["error"], str)
    assert headers["content-type"] == "application/json"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
KEYS = ("name", "shape", "datatype", "data", "parameters")


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    replaced=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3),
    around=st.dictionaries(st.sampled_from(("id", "parameters", "inputs", "outputs")), JSON, max_size=2),
)
def test_a_damaged_request_is_refused_or_right(replaced, around):
    document = {"inputs": [{**GOOD, **replaced}], **around}
    try:
        request = parse_infer(json.dumps(document).encode(), SPEC)
    except ImageError:
        return
    assert request.pictures.dtype == np.uint8 and request.pictures.ndim == 4
    assert request.pictures.ravel().tolist() == np.array(document["inputs"][0]["data"]).ravel().tolist()


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_picture_or_one(data):
    for body in (data, _png(16, 16)[:33] + data):
        try:
            picture = decode(body, 1 << 16)
        except ImageError:
            continue
        assert picture.dtype == np.uint8
