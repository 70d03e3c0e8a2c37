"""JSON tensors of the Open Inference Protocol, version 2.

The one input is ``images``: UINT8, (N, height, width, channels), the accelerator's own size. With the
request parameter ``"preprocess": true`` pictures of any size, grey or RGB, are taken and preprocessed
as the model package says. The outputs are ``label``, ``class``, ``score`` and ``logits``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from finnspect_driver.errors import ImageError

VERSION = "1"
PLATFORM = "finnspect_fpga"
INPUT = "images"
OUTPUTS = ("label", "class", "score", "logits")
_MAX_SIDE = 1 << 15


class ModelSpec(NamedTuple):
    """What a request is checked against: the model's name, classes, image shape, largest batch."""

    name: str
    classes: Sequence[str]
    shape: tuple[int, int, int]
    max_images: int
    max_pixels: int


class Verdict(NamedTuple):
    """What is told of an image. ``index`` is -1 where the answer is rejected as unknown."""

    label: str
    index: int
    score: float
    logits: np.ndarray
    rejected: bool


class InferRequest(NamedTuple):
    """A checked request: pictures are uint8 (N, H, W, C)."""

    id: str | None
    pictures: np.ndarray
    outputs: tuple[str, ...]


def _need(condition: bool, message: str, remedy: str | None = None) -> None:
    if not condition:
        raise ImageError(message, remedy)


def model_metadata(spec: ModelSpec) -> dict[str, Any]:
    """Return the model metadata response."""
    shapes = {"label": [-1], "class": [-1], "score": [-1], "logits": [-1, len(spec.classes)]}
    types = {"label": "BYTES", "class": "INT32", "score": "FP32", "logits": "INT32"}
    return {
        "name": spec.name,
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *spec.shape]}],
        "outputs": [{"name": name, "datatype": types[name], "shape": shapes[name]} for name in OUTPUTS],
    }


def load_json(body: bytes) -> Any:
    """Parse a body; whatever is wrong with it is an ImageError.

    Raises
    ------
    ImageError
        It is no JSON, too deep, or holds what JSON has no word for (NaN, infinities).
    """

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"the body is no JSON: {type(error).__name__}: {str(error)[:200]}") from error


def parse_infer(body: bytes, spec: ModelSpec) -> InferRequest:
    """Check an inference request.

    Raises
    ------
    ImageError
        It is no valid request for this model; the message says what was expected.
    """
    request = load_json(body)
    _need(isinstance(request, dict), "the body is no JSON object")
    request_id = request.get("id")
    _need(request_id is None or isinstance(request_id, str), '"id" is no string')
    parameters = _parameters(request, "the request")
    preprocess = parameters.get("preprocess", False)
    _need(isinstance(preprocess, bool), 'the parameter "preprocess" is neither true nor false')
    inputs = request.get("inputs")
    _need(
        isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict),
        f'"inputs" is no list of one tensor; the model has one input, "{INPUT}"',
    )
    return InferRequest(request_id, _images(inputs[0], spec, preprocess), _outputs(request))


def _parameters(holder: dict[str, Any], where: str) -> dict[str, Any]:
    parameters = holder.get("parameters", {})
    _need(isinstance(parameters, dict), f'"parameters" of {where} is no object')
    _need(
        not any(name.startswith("binary_data") and value for name, value in parameters.items()),
        f"{where} asks for binary tensors, which this server does not speak",
        "send and ask for JSON tensors (tritonclient: binary_data=False)",
    )
    return parameters


def _outputs(request: dict[str, Any]) -> tuple[str, ...]:
    asked = request.get("outputs")
    if asked is None:
        return OUTPUTS
    _need(isinstance(asked, list) and bool(asked), '"outputs" is no list of tensors')
    names = []
    for output in asked:
        name = output.get("name") if isinstance(output, dict) else None
        known = isinstance(name, str) and name in OUTPUTS and name not in names
        _need(known, f"there is no output {_short(name)} to give once; known are {', '.join(OUTPUTS)}")
        _parameters(output, f"output {name}")
        names.append(name)
    return tuple(names)


def _images(tensor: dict[str, Any], spec: ModelSpec, preprocess: bool) -> np.ndarray:
    _need(tensor.get("name") == INPUT, f'the input is {_short(tensor.get("name"))}, expected "{INPUT}"')
    _need(
        tensor.get("datatype") == "UINT8",
        f'the datatype is {_short(tensor.get("datatype"))}, expected "UINT8": grey or RGB values 0 to 255',
    )
    _parameters(tensor, f"input {INPUT}")
    shape = tensor.get("shape")
    sound = isinstance(shape, list) and all(type(n) is int and 0 < n <= _MAX_SIDE for n in shape)
    height, width, channels = spec.shape
    if preprocess:
        _need(
            sound and len(shape) == 4 and shape[3] in (1, 3),
            f"the shape is {_short(shape)}, expected [images, height, width, 1 or 3]",
        )
        _need(
            math.prod(shape[:3]) <= spec.max_pixels,
            f"the images have {math.prod(shape[:3])} pixels, at most {spec.max_pixels} are taken",
        )
    else:
        _need(
            sound and shape[1:] == [height, width, channels],
            f"the shape is {_short(shape)}, expected [images, {height}, {width}, {channels}]",
            'or set the request parameter "preprocess" to true to have pictures of another size resized',
        )
    _need(
        shape[0] <= spec.max_images, f"{shape[0]} images in one request, at most {spec.max_images} are taken"
    )
    return _tensor(tensor.get("data"), shape)


def _tensor(data: Any, shape: list[int]) -> np.ndarray:
    """Return nested or flat JSON data as uint8; exact, nothing is coerced."""
    _need(isinstance(data, list), '"data" is no list')
    level: list[Any] = [data]
    if data and isinstance(data[0], list):
        for axis, size in enumerate(shape):
            even = set(map(type, level)) == {list} and set(map(len, level)) == {size}
            _need(even, f'"data" does not have {size} elements everywhere along axis {axis}')
            level = list(chain.from_iterable(level))
    else:
        level = data
    _need(
        len(level) == math.prod(shape),
        f'"data" has {len(level)} elements, the shape {shape} has {math.prod(shape)}',
    )
    _need(set(map(type, level)) == {int}, '"data" holds something that is no integer')
    try:
        return np.frombuffer(bytes(level), np.uint8).reshape(shape)
    except ValueError as error:
        raise ImageError('"data" holds values outside 0 to 255') from error


def infer_response(request: InferRequest, verdicts: Sequence[Verdict], spec: ModelSpec) -> dict[str, Any]:
    """Return the inference response."""
    count = len(verdicts)
    make: dict[str, Callable[[], dict[str, Any]]] = {
        "label": lambda: {"datatype": "BYTES", "shape": [count], "data": [v.label for v in verdicts]},
        "class": lambda: {"datatype": "INT32", "shape": [count], "data": [v.index for v in verdicts]},
        "score": lambda: {"datatype": "FP32", "shape": [count], "data": [v.score for v in verdicts]},
        "logits": lambda: {
            "datatype": "INT32",
            "shape": [count, len(spec.classes)],
            "data": [int(value) for v in verdicts for value in v.logits],
        },
    }
    response: dict[str, Any] = {"model_name": spec.name, "model_version": VERSION}
    if request.id is not None:
        response["id"] = request.id
    response["outputs"] = [{"name": name, **make[name]()} for name in request.outputs]
    return response


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
